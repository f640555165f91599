/* SPDX-License-Identifier: Apache-2.0
 * The command's side of the HTTP API. client.c is the only file of the
 * command that knows libcurl. */
#ifndef CONTROL_CLI_CLIENT_H
#define CONTROL_CLI_CLIENT_H

#include "common/err.h"
#include "common/json.h"
#include "control/cli/sse.h"
#include "control/cli/verb.h"

#include <stdint.h>

struct client;

/* Reads the write token from call->token_file, RISOLUTO_WRITE_TOKEN_FILE or
 * RISOLUTO_WRITE_TOKEN, the first that is given; none is legal. */
int client_open(
    struct client **out, const struct verb_call *call, struct err *err);
void client_close(struct client *client);
void client_close_ptr(struct client **client); /* for AUTO() */

const char *client_url(const struct client *client); /* without a last "/" */

/* prefix, segment as one segment of a path, suffix. Free it; NULL with err. */
char *client_path(const char *prefix, const char *segment, const char *suffix,
    struct err *err);

/* One request; body is JSON text or NULL. *out (may be NULL: not wanted) is
 * the answer. An error answer gives the server's code and message;
 * ERR_UNAVAILABLE: nobody answers. */
int client_call(struct client *client, const char *method, const char *path,
    const char *body, struct json **out, struct err *err);

/* As client_call with GET. */
int client_get(struct client *client, const char *path, struct json **out,
    struct err *err);

struct client_stream {
    const char *path;    /* of the stream, with its query */
    int64_t deadline_ms; /* monotonic; 0: none. event() may change it */
    int (*event)(void *arg, const struct sse_event *event); /* != 0: stop */
    void (*tick)(void *arg); /* a few times in a second; may be NULL */
    void (*lost)(void *arg, const char *why); /* reconnecting; may be NULL */
    void *arg;
};

/* Follows events until event() stops it (0), or -1: ERR_TIMEOUT at the
 * deadline, or the server's refusal. A lost connection is made again, behind
 * the last event that was seen; only the first one must work at once. */
int client_follow(
    struct client *client, const struct client_stream *stream, struct err *err);

#endif
