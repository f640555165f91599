/* SPDX-License-Identifier: Apache-2.0
 * How every container of an attempt is made: the worker itself, and the jobs
 * (hooks, commit) that run in the same boundaries. */
#ifndef DATAPLANE_ATTEMPT_WORKER_H
#define DATAPLANE_ATTEMPT_WORKER_H

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "dataplane/docker/docker.h"
#include "proto/messages.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Which containers are ours: "<this>=<journal id>". */
#define WORKER_LABEL_DATAPLANE "risoluto.dataplane"
#define WORKER_LABEL_ATTEMPT "risoluto.attempt"

/* What all containers of one attempt have in common. Everything pointed to
 * must outlive the specs made from it. */
struct worker_place {
    const char *workspace_path;
    const char *workspace_key;
    uid_t uid; /* the workspace's owner */
    gid_t gid;
    const struct sandbox_spec *sandbox;
    const char *network;      /* resolved name */
    const char *seccomp_json; /* NULL: the engine's default profile */
    const char *dataplane_id; /* the journal's */
    const char *attempt_id;   /* NULL: none (a workspace is being removed) */
    const char *issue_identifier;
    const char *model;
    int64_t started_at_ms;
};

enum {
    WORKER_NAME_SIZE = 256,
    WORKER_LABELS_MAX = 8,
    WORKER_MOUNTS_MAX = 5,
    WORKER_ENV_MAX = 16,
    WORKER_COMMAND_MAX = 8
};

/* A docker_create with the memory that it points into: it must stay where it
 * was filled in. */
struct worker_spec {
    struct docker_create create;
    char name[WORKER_NAME_SIZE];
    char home_volume[WORKER_NAME_SIZE];
    char started_at[CLOCK_ISO_SIZE];
    struct docker_label labels[WORKER_LABELS_MAX];
    struct docker_mount mounts[WORKER_MOUNTS_MAX];
    const char *env[WORKER_ENV_MAX + 1];
    const char *command[WORKER_COMMAND_MAX + 1];
};

/* The worker: risoluto-init as PID 1, stdin open, CODEX_HOME on tmpfs. */
void worker_spec(struct worker_spec *out, const struct worker_place *place);

struct worker_job {
    const char *name;           /* ends the container's name */
    const char *network;        /* NULL: the place's; "none" */
    const char *const *command; /* arguments of sh, NULL-terminated; at most
                                   WORKER_COMMAND_MAX */
    const char *const *env;     /* in addition, the later one wins; at most
                                   eight; may be NULL */
};

/* A job: `sh` with arguments in the workspace, no CODEX_HOME, no stdin. */
void worker_job_spec(struct worker_spec *out, const struct worker_place *place,
    const struct worker_job *job);

/* The profile that sandbox.seccomp_profile asks for: NULL or "" is ours,
 * "docker-default" the engine's (*out NULL), anything else a file on this host
 * (read into file, which is initialised here and the caller's to free). */
int worker_seccomp(const char *choice, const char *ours, struct buf *file,
    const char **out, struct err *err);

/* The name of the issue's cache volume, mounted at /home/agent. It carries the
 * data plane's id: two of them on one engine share no caches. */
void worker_home_volume(const char *dataplane_id, const char *workspace_key,
    char out[WORKER_NAME_SIZE]);

#endif
