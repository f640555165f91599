/* SPDX-License-Identifier: Apache-2.0
 * JSON-RPC as `codex app-server` speaks it: one object per line, no "jsonrpc"
 * member, ids that are strings or integers. */
#ifndef DATAPLANE_CODEX_RPC_H
#define DATAPLANE_CODEX_RPC_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

#include <stddef.h>

enum { RPC_ID_MAX = 128, RPC_METHOD_MAX = 128 };

enum rpc_kind {
    RPC_MALFORMED,
    RPC_REQUEST,      /* Codex asks us: method, id, params */
    RPC_NOTIFICATION, /* method, params */
    RPC_ANSWER        /* id, and result or error */
};

struct rpc_message {
    enum rpc_kind kind;
    struct json *root; /* owns the rest */
    const char *method;
    const struct json *id;
    const struct json *params;
    const struct json *result;
    const struct json *error;
};

/* Parses a line of at most CODEX_LINE_MAX bytes. A line that is no message is
 * RPC_MALFORMED, with the reason in err, and still 0; -1: out of memory. */
int rpc_parse(
    const char *line, size_t len, struct rpc_message *out, struct err *err);
void rpc_release(struct rpc_message *message);

/* Looks at the start of a line that is too long to parse: kind, and the
 * method or id as far as they stand there ("" otherwise). The id is JSON. */
enum rpc_kind rpc_sniff(const char *start, size_t len,
    char method[RPC_METHOD_MAX], char id_json[RPC_ID_MAX]);

/* Begins {"id":..,"method":..,"params":{ ; the caller writes the members. id
 * NULL: a notification. */
void rpc_begin(
    struct jw *w, struct buf *out, const char *id, const char *method);
/* Ends it and the line. */
void rpc_end(struct jw *w);

/* {"id":..,"result":..} with both as JSON texts. */
void rpc_result(struct buf *out, const char *id_json, const char *result_json);
/* {"id":..,"error":{..}} */
void rpc_error(
    struct buf *out, const char *id_json, int code, const char *message);

#endif
