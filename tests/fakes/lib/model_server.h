/* SPDX-License-Identifier: Apache-2.0
 * The rehearsal model as an HTTP server: POST /v1/responses, GET /v1/models,
 * GET /healthz. */
#ifndef TESTS_FAKES_LIB_MODEL_SERVER_H
#define TESTS_FAKES_LIB_MODEL_SERVER_H

#include "common/err.h"
#include "common/secret.h"

#include <stdbool.h>

struct model_server;

struct model_options {
    const char *bind;         /* IPv4 address */
    int port;                 /* 0: any free one */
    const char *health;       /* path, "/healthz" */
    const struct secret *key; /* NULL: any; else others are answered 401 */
    const char *script;       /* path of a JSON file; NULL: none */
    bool verbose;             /* a line per request on stderr */
};

int model_server_start(struct model_server **out,
    const struct model_options *options, struct err *err);
int model_server_port(const struct model_server *server);
/* How many requests to /v1/responses were answered, or are being so. */
unsigned long model_server_requests(const struct model_server *server);
/* Ends streams that hang, then the server; NULL is legal. */
void model_server_stop(struct model_server *server);

#endif
