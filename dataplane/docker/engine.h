/* SPDX-License-Identifier: Apache-2.0
 * Calls of the Docker Engine's API: what the files of this folder share. */
#ifndef DATAPLANE_DOCKER_ENGINE_H
#define DATAPLANE_DOCKER_ENGINE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "dataplane/docker/conn.h"
#include "dataplane/docker/docker.h"

#include <stdint.h>

enum {
    DOCKER_CALL_MS = 30 * 1000, /* ample for anything but waiting */
    DOCKER_PING_MS = 3 * 1000   /* within what a caller of the RPC waits */
};

/* target without the version ("/containers/json"); its parts are escaped. */
struct docker_request {
    const char *method;
    const char *target;
    const char *body; /* JSON, or NULL */
    bool upgrade;
    int64_t deadline_ms;
};

/* An answer; docker_reply_release frees it. json is NULL when the body is
 * empty. */
struct docker_reply {
    int status;
    struct json *json;
};

void docker_reply_release(struct docker_reply *reply);

/* Asks and reads the whole answer; any status is success here. */
int docker_call(struct docker *docker, const struct docker_request *request,
    struct docker_reply *reply, struct err *err);

/* docker_call, where the status must be 2xx or 304; reply may be NULL. */
int docker_call_ok(struct docker *docker, const struct docker_request *request,
    const char *what, struct docker_reply *reply, struct err *err);

/* Asks and leaves the body to be read from *out (to close). Any status but
 * `expected` is an error with the engine's message. */
int docker_stream(struct docker *docker, const struct docker_request *request,
    int expected, const char *what, struct docker_conn **out, struct err *err);

/* An error from an answer: "what: the engine's message". Returns -1. */
int docker_refused(
    const struct docker_reply *reply, const char *what, struct err *err);

/* A copy of at most size bytes with the NUL, fit for a terminal and a log: what
 * the engine says may quote what a stranger wrote. */
void docker_plain_text(char *out, size_t size, const char *text);

/* "/containers/ID" + rest, refusing an id that is none. */
int docker_container_target(
    struct buf *out, const char *id, const char *rest, struct err *err);

/* Blocks until the container is not running. wake_fd readable is
 * ERR_CANCELLED, the deadline ERR_TIMEOUT. */
int docker_wait(struct docker *docker, const char *id, int wake_fd,
    int64_t deadline_ms, int64_t *exit_code, struct err *err);

#endif
