/* SPDX-License-Identifier: Apache-2.0
 * An event stream in two pieces: whatever comes, the same events. */
#include "control/cli/sse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
collect(void *arg, const struct sse_event *event)
{
    buf_printf(arg, "%s|%s|%s;", event->id, event->type, event->data);
    return 0;
}

static void
feed(const char *data, size_t size, size_t cut, struct buf *out)
{
    struct err err = ERR_INIT;
    struct sse sse;
    sse_init(&sse);
    if (sse_feed(&sse, data, cut, collect, out, &err) == 0)
        (void)sse_feed(&sse, data + cut, size - cut, collect, out, &err);
    sse_free(&sse);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole;
    struct buf cut;
    buf_init(&whole, SSE_EVENT_MAX);
    buf_init(&cut, SSE_EVENT_MAX);
    feed((const char *)data, size, size, &whole);
    feed((const char *)data, size, size > 0 ? data[0] % size : 0, &cut);
    if (strcmp(buf_str(&whole), buf_str(&cut)) != 0)
        abort();
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
