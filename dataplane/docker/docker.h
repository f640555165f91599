/* SPDX-License-Identifier: Apache-2.0
 * The Docker Engine API (1.41) over its unix socket. Never the docker
 * command. All calls block, bounded by a time-out; safe from any thread. */
#ifndef DATAPLANE_DOCKER_DOCKER_H
#define DATAPLANE_DOCKER_DOCKER_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct docker;

/* socket_path: "/var/run/docker.sock". Does not connect yet. */
int docker_open(struct docker **out, const char *socket_path, struct err *err);
void docker_close(struct docker *docker);

/* Reaches the engine? version is filled when not NULL. ERR_UNAVAILABLE with
 * what to do (start it, give access to the socket). */
int docker_ping(struct docker *docker, char version[64], struct err *err);

/* ---- containers ---- */

struct docker_mount {
    const char *type; /* "bind", "volume", "tmpfs" */
    const char *source;
    const char *target;
    const char *tmpfs_size; /* "512m", tmpfs only; NULL: the kernel's */
    mode_t tmpfs_mode;      /* a tmpfs is owned by uid:gid, nosuid, nodev */
    bool read_only;
};

struct docker_label {
    const char *name;
    const char *value;
};

struct docker_create {
    const char *name;
    const char *image;
    const char *const *command; /* NULL-terminated; NULL: the image's */
    const char *const *entrypoint;
    const char *const *env; /* NULL-terminated "K=V"; no secrets */
    const char *workdir;
    uid_t uid;
    gid_t gid;
    const struct docker_label *labels;
    size_t label_count;
    const struct docker_mount *mounts;
    size_t mount_count;
    const char *network;            /* "none", or a network's name */
    const char *const *extra_hosts; /* "host.docker.internal:host-gateway" */
    const char *memory;             /* "4g"; NULL: no limit */
    const char *memory_reservation;
    const char *memory_swap;
    const char *cpus; /* "2.0" */
    int64_t pids_limit;
    bool no_new_privileges;
    bool drop_capabilities;
    const char *seccomp_json; /* profile text; NULL: the engine's default */
    const char *log_driver;
    const char *log_max_size;
    int64_t log_max_file;
    bool open_stdin; /* OpenStdin, and not StdinOnce */
};

enum { DOCKER_ID_SIZE = 65 };

/* Makes a container. ERR_NOT_FOUND: no such image (the message says how to
 * build or load it); ERR_CONFLICT: the name is taken. */
int docker_create(struct docker *docker, const struct docker_create *spec,
    char id[DOCKER_ID_SIZE], struct err *err);
int docker_start(struct docker *docker, const char *id, struct err *err);
/* SIGTERM, then SIGKILL after grace; already stopped or gone is success. */
int docker_stop(
    struct docker *docker, const char *id, int64_t grace_ms, struct err *err);
/* Forced, with anonymous volumes; gone already is success. */
int docker_remove(struct docker *docker, const char *id, struct err *err);

struct docker_state {
    bool running;
    bool oom_killed;
    int64_t exit_code;
    char status[32]; /* created, running, exited, dead */
    char error[256];
};

int docker_inspect(struct docker *docker, const char *id,
    struct docker_state *out, struct err *err); /* ERR_NOT_FOUND */

struct docker_container {
    char id[DOCKER_ID_SIZE];
    char name[256];
    char attempt_id[64]; /* label risoluto.attempt */
    char state[32];
};

/* All containers that carry the label, "NAME" or "NAME=VALUE" (any state);
 * *list to free. */
int docker_list(struct docker *docker, const char *label,
    struct docker_container **list, size_t *count, struct err *err);

int docker_image_exists(
    struct docker *docker, const char *image, bool *out, struct err *err);
int docker_network_exists(
    struct docker *docker, const char *name, bool *out, struct err *err);
int docker_volume_ensure(struct docker *docker, const char *name,
    const struct docker_label *labels, size_t count, struct err *err);
int docker_volume_remove(
    struct docker *docker, const char *name, struct err *err);

/* ---- standard streams of a running container ---- */

/* A connection to its stdin alone (attach): writing is all it can do.
 * ERR_STATE when the container is not running. */
struct docker_stdin;
int docker_stdin_open(struct docker *docker, const char *id,
    struct docker_stdin **out, struct err *err);
/* Writes all of it within timeout_ms, or fails. */
int docker_stdin_write(struct docker_stdin *in, const void *data, size_t len,
    int64_t timeout_ms, struct err *err);
void docker_stdin_close(struct docker_stdin *in);

/* The log of a started container as lines of stdout and stderr, followed until
 * it ends. since: the cursor of the last line handled ("" from the start).
 * Lines already handled are left out and none is missed, whichever stream
 * they came on: a cursor holds the engine's time stamps of both streams, since
 * the engine may stamp one line earlier and still store it later. */
struct docker_log;

enum { DOCKER_CURSOR_SIZE = 64 };

struct docker_line {
    bool is_stderr;
    const char *text; /* without "\n"; valid until the next call */
    size_t len;
    bool truncated;     /* longer than the limit: cut */
    const char *cursor; /* to keep when this line was handled */
};

int docker_log_open(struct docker *docker, const char *id, const char *since,
    size_t line_max, struct docker_log **out, struct err *err);
/* 1: *line; 0: nothing within timeout_ms or wake_fd became readable (its
 * state is the caller's to look at; -1: none); 2: the log has ended; -1. */
int docker_log_next(struct docker_log *log, int wake_fd, int64_t timeout_ms,
    struct docker_line *line, struct err *err);
void docker_log_close(struct docker_log *log);

/* ---- jobs: a container run to its end ---- */

struct docker_job_result {
    int64_t exit_code;
    bool timed_out;
    bool oom_killed;
};

/* Creates, starts, collects the output (stdout and stderr, bounded by out),
 * waits at most timeout_ms, then kills; always removes. cancel_fd: readable
 * means stop (ERR_CANCELLED); -1: none. */
int docker_job(struct docker *docker, const struct docker_create *spec,
    int64_t timeout_ms, int cancel_fd, struct buf *out,
    struct docker_job_result *result, struct err *err);

#endif
