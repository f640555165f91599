/* SPDX-License-Identifier: Apache-2.0
 * Frames: {"v":1,"op":"dispatch","body":{..}} and
 * {"v":1,"ok":true,"body":{..}} or {"v":1,"ok":false,"error":{code,message}}.
 * Pure: no sockets here. */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "common/buf.h"
#include "common/err.h"
#include "common/schema.h"
#include "proto/ops.h"

#include <stddef.h>

const struct schema *proto_request_schema(enum proto_op op);
const struct schema *proto_reply_schema(enum proto_op op);

/* Appends a frame to out (made by buf_init_secret(PROTO_FRAME_MAX)).
 * ERR_TOO_LARGE beyond PROTO_PAYLOAD_MAX; on an error out is emptied. */
int proto_encode_request(
    enum proto_op op, const void *body, struct buf *out, struct err *err);
int proto_encode_reply(
    enum proto_op op, const void *body, struct buf *out, struct err *err);
void proto_encode_error(const struct err *error, struct buf *out);

/* Decodes a request: *op, and *body in freshly allocated memory, to be
 * released by proto_free_request. ERR_PROTOCOL: no frame of ours, another
 * version, an unknown operation; ERR_INVALID: a frame, but the body does not
 * fit the operation. */
int proto_decode_request(const char *frame, size_t len, enum proto_op *op,
    void **body, struct err *err);
void proto_free_request(enum proto_op op, void *body);

/* Decodes the reply to op into body (a struct of op's reply type). An error
 * reply makes err that error, and returns -1; ERR_PROTOCOL: not a reply of
 * ours. On -1 body holds nothing that needs a release. */
int proto_decode_reply(enum proto_op op, const char *frame, size_t len,
    void *body, struct err *err);

#endif
