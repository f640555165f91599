/* SPDX-License-Identifier: Apache-2.0
 * Hostile frames: as a request, and as the reply to every operation. What is
 * accepted must encode to a frame that is accepted again. */
#include "common/cleanup.h"
#include "common/schema.h"
#include "proto/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
try_request(const char *frame, size_t len)
{
    struct err err = ERR_INIT;
    enum proto_op op;
    void *body = NULL;
    if (proto_decode_request(frame, len, &op, &body, &err) != 0) {
        if (body != NULL || err.code == ERR_NONE)
            abort();
        return;
    }
    AUTO(buf_free) struct buf out = {0};
    buf_init_secret(&out, PROTO_FRAME_MAX);
    enum proto_op again;
    void *copy = NULL;
    if (proto_encode_request(op, body, &out, &err) != 0 ||
        proto_decode_request(out.data, out.len, &again, &copy, &err) != 0 ||
        again != op)
        abort();
    proto_free_request(op, body);
    proto_free_request(op, copy);
}

static void
try_reply(enum proto_op op, const char *frame, size_t len)
{
    const struct schema *schema = proto_reply_schema(op);
    struct err err = ERR_INIT;
    AUTO_FREE void *body = calloc(1, schema->size);
    if (body == NULL)
        abort();
    if (proto_decode_reply(op, frame, len, body, &err) != 0) {
        if (err.code == ERR_NONE)
            abort();
        return;
    }
    AUTO(buf_free) struct buf out = {0};
    buf_init(&out, PROTO_FRAME_MAX);
    AUTO_FREE void *copy = calloc(1, schema->size);
    if (copy == NULL || proto_encode_reply(op, body, &out, &err) != 0 ||
        proto_decode_reply(op, out.data, out.len, copy, &err) != 0)
        abort();
    schema_release(schema, body);
    schema_release(schema, copy);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *frame = (const char *)data;
    try_request(frame, size);
    for (int op = 0; op < PROTO_OP_COUNT; op++)
        try_reply((enum proto_op)op, frame, size);
    return 0;
}
