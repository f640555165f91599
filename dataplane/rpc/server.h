/* SPDX-License-Identifier: Apache-2.0
 * The data plane's side of the RPC: a rep socket over mutual TLS. server.c is
 * the only file here that knows nng. */
#ifndef DATAPLANE_RPC_SERVER_H
#define DATAPLANE_RPC_SERVER_H

#include "common/err.h"
#include "dataplane/rpc/handlers.h"

#include <stdint.h>

struct rpc_server;

struct rpc_server_options {
    const char *url;     /* tls+tcp://host:port */
    const char *pki_dir; /* ca.crt, dataplane.crt, dataplane.key */
    struct handlers_deps handlers;
};

/* Listens and serves. ERR_CONFIG: certificates are missing, unusable, or the
 * key is readable by others; another transport than tls+tcp. ERR_CONFLICT:
 * the address is in use. Each message says what to do. */
int rpc_server_start(struct rpc_server **out,
    const struct rpc_server_options *options, struct err *err);

/* Call it about once a second: says in one line how many peers were refused
 * since the last time, if any. */
void rpc_server_report(struct rpc_server *server);

struct rpc_counters {
    uint64_t requests;  /* frames of ours that were answered */
    uint64_t failed;    /* of these, with an error */
    uint64_t malformed; /* frames that are none of ours */
    uint64_t busy;      /* long polls beyond the limit */
    uint64_t accepted;  /* connections with a certificate of our authority */
    uint64_t refused;   /* connections that did not become one */
};

void rpc_server_counters(struct rpc_server *server, struct rpc_counters *out);

/* Refuses new requests, waits for those under way (wake the journal's waiters
 * and handlers' jobs first). NULL is legal. */
void rpc_server_stop(struct rpc_server *server);

#endif
