/* SPDX-License-Identifier: Apache-2.0
 * Server-sent events: from bytes, in any pieces, to events. */
#ifndef CONTROL_CLI_SSE_H
#define CONTROL_CLI_SSE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { SSE_ID_SIZE = 32, SSE_TYPE_SIZE = 64, SSE_EVENT_MAX = 8 * 1024 * 1024 };

struct sse_event {
    const char *id;   /* of this event or of the last one that had one */
    const char *type; /* "message" when the server named none */
    const char *data;
};

struct sse {
    struct buf line;
    struct buf data;
    char type[SSE_TYPE_SIZE];
    char pending_id[SSE_ID_SIZE]; /* of the event that is being read */
    char id[SSE_ID_SIZE];         /* what a reconnection begins behind */
    bool has_data;
    bool after_return; /* a \n right behind a \r ends no further line */
};

void sse_init(struct sse *sse);
void sse_free(struct sse *sse);

/* Forgets an unfinished event, keeps the id: for a new connection. */
void sse_restart(struct sse *sse);

/* Calls each(arg, event) for every event that is complete. 0; 1 when each
 * returned non-zero (the rest is dropped); -1 with ERR_TOO_LARGE. */
int sse_feed(struct sse *sse, const char *bytes, size_t len,
    int (*each)(void *arg, const struct sse_event *event), void *arg,
    struct err *err);

#endif
