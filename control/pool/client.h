/* SPDX-License-Identifier: Apache-2.0
 * One data plane as seen from here: a req socket over mutual TLS. client.c is
 * the only file of the control plane that knows nng. */
#ifndef CONTROL_POOL_CLIENT_H
#define CONTROL_POOL_CLIENT_H

#include "common/err.h"
#include "proto/ops.h"

#include <stdbool.h>
#include <stdint.h>

struct rpc_client;

struct rpc_client_options {
    const char *url;         /* tls+tcp://host:port */
    const char *server_name; /* that its certificate must carry */
    const char *pki_dir;     /* ca.crt, control.crt, control.key */
};

/* Starts to connect, and keeps at it. ERR_CONFIG: a bad URL, or certificates
 * that cannot be read; the message says what to do. */
int rpc_client_open(struct rpc_client **out,
    const struct rpc_client_options *options, struct err *err);

/* Ends calls under way with ERR_CANCELLED, now and later. */
void rpc_client_close(struct rpc_client *client);

/* Frees a closed client; nobody may use it any more. NULL is legal. */
void rpc_client_free(struct rpc_client *client);

/* Waits until there is a connection: true; false at the deadline or when
 * closed. A deadline in the past only looks. */
bool rpc_client_wait(struct rpc_client *client, int64_t mono_deadline_ms);

/* One exchange; safe from any thread, many at a time. reply is a struct of
 * op's reply type, to be released by schema_release. Never sent twice. */
int rpc_client_call(struct rpc_client *client, enum proto_op op,
    const void *request, void *reply, int64_t timeout_ms, struct err *err);

#endif
