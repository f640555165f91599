/* SPDX-License-Identifier: Apache-2.0
 * The operator API's HTTP server. server.c is the only file that knows
 * civetweb. */
#ifndef CONTROL_HTTP_SERVER_H
#define CONTROL_HTTP_SERVER_H

#include "common/err.h"

#include <stdint.h>

struct config_live;
struct http_server;
struct orchestrator;
struct pool;
struct store;
struct tracker;

struct http_deps {
    struct store *store;
    struct orchestrator *orchestrator;
    struct tracker *tracker;
    struct pool *pool;
    struct config_live *config;
};

/* What tests make smaller; 0 means the default. */
struct http_tuning {
    int request_threads;        /* 16 */
    int stream_slots;           /* 32 event streams, a thread each */
    int64_t heartbeat_ms;       /* 15 s between comments on a quiet stream */
    int64_t stream_max_ms;      /* 10 min, then the client comes again */
    int64_t request_timeout_ms; /* 10 s to send a request or take a reply */
};

/* Listens as server.bind and server.port say (port 0: any free one).
 * ERR_CONFLICT when the port is in use, ERR_CONFIG when the address cannot be
 * bound. The deps must outlive the server. */
int http_start(
    struct http_server **out, const struct http_deps *deps, struct err *err);
int http_start_tuned(struct http_server **out, const struct http_deps *deps,
    const struct http_tuning *tuning, struct err *err);

int http_port(const struct http_server *server);

/* Ends open streams, lets requests under way finish their answer, and joins;
 * less than a second. NULL is legal. */
void http_stop(struct http_server *server);

#endif
