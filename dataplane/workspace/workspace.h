/* SPDX-License-Identifier: Apache-2.0
 * Workspaces: one folder per issue under one root. Nothing of a repository
 * that an agent has touched is ever executed by the data plane itself: git
 * and hooks run in job containers with the worker's own boundaries. */
#ifndef DATAPLANE_WORKSPACE_WORKSPACE_H
#define DATAPLANE_WORKSPACE_WORKSPACE_H

#include "common/buf.h"
#include "common/err.h"
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
};

/* Makes the folder if missing. */
int workspace_root_open(
    struct workspace_root *out, const char *path, struct err *err);
void workspace_root_close(struct workspace_root *root);

struct workspace {
    char *path; /* root/key */
    bool created;
};

void workspace_release(struct workspace *workspace);

/* Refused (ERR_INVALID): a key that is not [A-Za-z0-9._-]{1,128} or starts
 * with "." ; (ERR_CONFLICT) a path that is a symbolic link, no folder, or
 * owned by somebody else. A new one is cloned from spec->repo_url (as the
 * workspace's user, no prompts, no hooks, no submodules), or `git init`ed;
 * half-made ones are removed. The branch spec->branch is checked out. */
int workspace_prepare(const struct workspace_root *root,
    const struct workspace_spec *spec, int64_t timeout_ms,
    struct workspace *out, struct err *err);

/* Everything a job container in this workspace needs. */
struct workspace_job {
    struct docker *docker;
    const struct workspace_root *root;
    const char *workspace_path;
    const struct sandbox_spec *sandbox;
    const char *network; /* resolved name */
    const char *seccomp_json;
    const char *attempt_id;
    const char *issue_identifier;
    int cancel_fd;
};

/* Runs one hook with `sh -lc` in a job container; script NULL: 0 at once.
 * Returns 0 when it ended with 0. output holds what it printed (bounded). */
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

/* Commits everything on spec->branch, in a job container without network. */
int workspace_commit(const struct workspace_job *job,
    const struct workspace_spec *spec, struct workspace_change *out,
    struct err *err);
void workspace_change_release(struct workspace_change *change);

/* Removes a workspace; missing is fine. */
int workspace_remove(
    const struct workspace_root *root, const char *key, struct err *err);

#endif
