/* SPDX-License-Identifier: Apache-2.0
 * Names of the operations. */
#include "proto/ops.h"

const char *
proto_op_name(enum proto_op op)
{
    static const char *const names[PROTO_OP_COUNT] = {
#define X(id, name, request, reply, changes) [id] = (name),
        PROTO_OPS(X)
#undef X
    };
    return (unsigned)op < PROTO_OP_COUNT ? names[op] : "unknown";
}
