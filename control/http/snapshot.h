/* SPDX-License-Identifier: Apache-2.0
 * A reply body that many requests share: rendered once per change. */
#ifndef CONTROL_HTTP_SNAPSHOT_H
#define CONTROL_HTTP_SNAPSHOT_H

#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

/* Immutable and reference-counted. */
struct shared_body;

const char *shared_body_data(const struct shared_body *body, size_t *len);
const char *shared_body_etag(const struct shared_body *body);
void shared_body_release(struct shared_body *body); /* NULL is legal */

struct snapshot;

struct snapshot_source {
    /* Appends the body. Returns how many of its first bytes say when it was
     * made (they are no part of the ETag), or -1. */
    int (*render)(void *arg, struct buf *out, struct err *err);
    /* Changes whenever render would give something else. */
    int64_t (*version)(void *arg);
    void *arg;
    int64_t max_age_ms; /* rendered again after that, version or not */
};

int snapshot_new(struct snapshot **out, const struct snapshot_source *source,
    struct err *err);
void snapshot_free(struct snapshot *snapshot); /* NULL is legal */

/* The current body with a reference of the caller's own. At most a tenth of
 * the time goes into rendering: what is younger than ten times its own cost
 * (100 ms at most) is current. A body that did not change keeps its ETag. */
int snapshot_get(
    struct snapshot *snapshot, struct shared_body **out, struct err *err);

#endif
