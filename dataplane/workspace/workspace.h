/* SPDX-License-Identifier: Apache-2.0
 * Workspaces: one folder per issue under one root. Nothing of a repository
 * that an agent has touched is ever executed by the data plane itself: git
 * and hooks run in job containers with the worker's own boundaries. */
#ifndef DATAPLANE_WORKSPACE_WORKSPACE_H
#define DATAPLANE_WORKSPACE_WORKSPACE_H

#include "common/buf.h"
#include "common/err.h"
#include "dataplane/attempt/worker.h"
#include "dataplane/docker/docker.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct workspace_root {
    char *path; /* absolute, resolved */
    uid_t uid;  /* owner of new workspaces and user of the workers: the
                   root's owner, or 1000:1000 when that is root */
    gid_t gid;
    int fd; /* of the folder; it holds the lock on it */
};

/* Makes the folder if missing, locks it for this process (ERR_CONFLICT when
 * another data plane uses it), and removes what an interrupted preparation or
 * removal left. ERR_CONFIG: a root that cannot be safe, such as "/". */
int workspace_root_open(
    struct workspace_root *out, const char *path, struct err *err);
void workspace_root_close(struct workspace_root *root);

struct workspace {
    char *path;   /* root/key */
    bool created; /* now: after_create has to run, then workspace_settle */
};

struct workspace_limits {
    int64_t timeout_ms;
    int cancel_fd; /* readable: stop, ERR_CANCELLED; -1: none */
};

enum { WORKSPACE_KEY_MAX = 128 };

/* [A-Za-z0-9._-]{1,128}, not starting with "." or "-". */
bool workspace_key_is_valid(const char *key);

void workspace_release(struct workspace *workspace);

/* Refused (ERR_INVALID): a bad key, branch or URL; (ERR_CONFLICT) a path that
 * is a symbolic link, no folder, or owned by somebody else. A new one is
 * cloned from spec->repo_url (as the workspace's user, no prompts, no hooks, no
 * submodules), or made by `git init` with an empty first commit, so that the
 * agent's work is a diff; spec->branch is checked out and where it started is
 * kept in refs/risoluto/base. An existing workspace is used as it is: no
 * program of ours runs in a tree that an agent has touched. One whose
 * after_create was never settled is made anew. */
int workspace_prepare(const struct workspace_root *root,
    const struct workspace_spec *spec, const struct workspace_limits *limits,
    struct workspace *out, struct err *err);

/* The new workspace is complete: its after_create (if any) has succeeded. */
int workspace_settle(
    const struct workspace_root *root, const char *key, struct err *err);

/* Everything a job container in this workspace needs. */
struct workspace_job {
    struct docker *docker;
    const struct worker_place *place;
    int cancel_fd; /* readable: stop, ERR_CANCELLED; -1: none */
};

/* Runs one hook with `sh -lc` in a job container; script NULL: 0 at once.
 * Returns 0 when it ended with 0; ERR_INVALID when it ended with another code,
 * ERR_TIMEOUT. output holds what it printed (bounded). */
int workspace_hook(const struct workspace_job *job, const char *name,
    const char *script, int64_t timeout_ms, struct buf *output,
    struct err *err);

struct workspace_change {
    char commit[65]; /* "": nothing changed */
    int64_t files;
    int64_t insertions;
    int64_t deletions;
    char *diff; /* at most WORKSPACE_DIFF_MAX bytes */
    bool diff_truncated;
};

enum { WORKSPACE_DIFF_MAX = 256 * 1024 };

/* Commits everything on spec->branch, in a job container without network. The
 * change is that of the whole branch since refs/risoluto/base: earlier
 * attempts' work and the agent's own commits are part of it. */
int workspace_commit(const struct workspace_job *job,
    const struct workspace_spec *spec, struct workspace_change *out,
    struct err *err);
void workspace_change_release(struct workspace_change *change);

/* ERR_CONFLICT when what has its name cannot be a workspace. */
int workspace_exists(const struct workspace_root *root, const char *key,
    bool *exists, struct err *err);

/* Removes a workspace; missing is fine (*removed is false then). */
int workspace_remove(const struct workspace_root *root, const char *key,
    bool *removed, struct err *err);

/* At most limit workspaces, the most recently changed first; attempt_id is
 * left NULL. */
int workspace_list(const struct workspace_root *root, int64_t limit,
    struct workspaces_reply *out, struct err *err);

#endif
