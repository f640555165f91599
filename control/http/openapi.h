/* SPDX-License-Identifier: Apache-2.0
 * The description of the API, made from the table of routes. */
#ifndef CONTROL_HTTP_OPENAPI_H
#define CONTROL_HTTP_OPENAPI_H

#include "common/buf.h"
#include "control/http/router.h"

/* Appends an OpenAPI 3.1 document. */
void openapi_write(const struct router *router, struct buf *out);

#endif
