/* SPDX-License-Identifier: Apache-2.0
 * What the handlers share: the components they ask, and the counters. */
#ifndef CONTROL_HTTP_APP_H
#define CONTROL_HTTP_APP_H

#include "control/http/guard.h"
#include "control/http/server.h"
#include "control/http/snapshot.h"

#include <stdatomic.h>
#include <stdint.h>

enum { HTTP_STATUS_CLASSES = 6 }; /* index 1..5: 1xx..5xx; 0: anything else */

/* Requests are counted by the class of their route and of their answer. */
#define HTTP_ROUTE_CLASSES(X)                                                  \
    X(HTTP_CLASS_NONE, "none") /* no route of ours */                          \
    X(HTTP_CLASS_API, "api")                                                   \
    X(HTTP_CLASS_WRITE, "write")                                               \
    X(HTTP_CLASS_STREAM, "stream")                                             \
    X(HTTP_CLASS_METRICS, "metrics")                                           \
    X(HTTP_CLASS_HEALTH, "health")                                             \
    X(HTTP_CLASS_WEB, "web")

enum http_route_class {

#define X(id, name) id,
    HTTP_ROUTE_CLASSES(X)
#undef X
        HTTP_CLASS_COUNT
};

struct http_app {
    struct http_deps deps;
    struct http_tuning tuning;
    struct guard guard;
    struct snapshot *state;   /* GET /api/v1/state */
    struct snapshot *metrics; /* what /metrics takes from the store */
    int64_t started_at_ms;    /* wall clock */
    atomic_bool stopping;
    atomic_int streams; /* open event streams */
    atomic_llong requests[HTTP_CLASS_COUNT][HTTP_STATUS_CLASSES];
};

#endif
