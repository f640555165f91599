/* SPDX-License-Identifier: Apache-2.0
 * One table of routes, and the dispatcher that takes a request through it:
 * site check, route, write guard, body, handler. */
#ifndef CONTROL_HTTP_ROUTER_H
#define CONTROL_HTTP_ROUTER_H

#include "common/buf.h"
#include "common/err.h"
#include "common/schema.h"
#include "control/http/app.h"
#include "control/http/call.h"

#include <stddef.h>

/* 0 with call->reply filled, or -1: the dispatcher answers with err. */
typedef int http_handler(
    struct http_app *app, struct http_call *call, struct err *err);

enum http_guard {
    GUARD_READ, /* open to every client */
    GUARD_WRITE /* guard_check_write */
};

enum http_body {
    BODY_NONE,     /* the route takes none */
    BODY_OPTIONAL, /* an absent one is all fields absent */
    BODY_REQUIRED
};

struct route {
    const char *method; /* "GET" answers HEAD too */
    const char *path;   /* ":name" takes a whole segment */
    http_handler *handler;
    enum http_guard guard;
    enum http_route_class class; /* rate limits go by class */
    enum http_body body_rule;
    int status; /* of success */
    const struct schema *body;
    const char *summary;
};

struct router {
    const struct route *routes; /* literal paths before patterns */
    size_t count;
};

/* The table of this program (routes.c). */
const struct router *http_routes(void);

/* Answers the call, whatever the request: call->reply is filled. */
void router_dispatch(
    const struct router *router, struct http_app *app, struct http_call *call);

#endif
