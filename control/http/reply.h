/* SPDX-License-Identifier: Apache-2.0
 * The head of a reply: status line and headers. */
#ifndef CONTROL_HTTP_REPLY_H
#define CONTROL_HTTP_REPLY_H

#include "common/buf.h"
#include "control/http/call.h"

#include <stdbool.h>

/* Appends the head, its empty line included. keep: the connection stays. */
void reply_head(const struct http_call *call, bool keep, struct buf *out);

/* The body's bytes; none for HEAD, 304 and streams. */
const char *reply_body(const struct http_call *call, size_t *len);

#endif
