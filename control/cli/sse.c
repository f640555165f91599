/* SPDX-License-Identifier: Apache-2.0
 * The line rules of text/event-stream. */
#include "control/cli/sse.h"

#include <stdio.h>
#include <string.h>

void
sse_init(struct sse *sse)
{
    *sse = (struct sse){.has_data = false};
    buf_init(&sse->line, SSE_EVENT_MAX);
    buf_init(&sse->data, SSE_EVENT_MAX);
}

void
sse_free(struct sse *sse)
{
    buf_free(&sse->line);
    buf_free(&sse->data);
}

void
sse_restart(struct sse *sse)
{
    buf_clear(&sse->line);
    buf_clear(&sse->data);
    (void)memcpy(sse->pending_id, sse->id, sizeof(sse->id));
    sse->type[0] = '\0';
    sse->has_data = false;
    sse->after_return = false;
}

static void
take_field(struct sse *sse, const char *name, size_t len, const char *value)
{
    if (len == 4 && memcmp(name, "data", 4) == 0) {
        if (sse->has_data)
            buf_putc(&sse->data, '\n');
        buf_puts(&sse->data, value);
        sse->has_data = true;
    } else if (len == 5 && memcmp(name, "event", 5) == 0) {
        (void)snprintf(sse->type, sizeof(sse->type), "%s", value);
    } else if (len == 2 && memcmp(name, "id", 2) == 0 &&
               strlen(value) < sizeof(sse->pending_id)) {
        (void)snprintf(sse->pending_id, sizeof(sse->pending_id), "%s", value);
    }
}

/* An empty line: 1 when each wants no more. */
static int
finish_event(struct sse *sse,
    int (*each)(void *arg, const struct sse_event *event), void *arg)
{
    /* Only now: an event that was cut off must come again. */
    (void)memcpy(sse->id, sse->pending_id, sizeof(sse->id));
    struct sse_event event = {
        .id = sse->id,
        .type = sse->type[0] != '\0' ? sse->type : "message",
        .data = buf_str(&sse->data),
    };
    int rc = sse->has_data && each(arg, &event) != 0 ? 1 : 0;
    buf_clear(&sse->data);
    sse->type[0] = '\0';
    sse->has_data = false;
    return rc;
}

static int
take_line(struct sse *sse,
    int (*each)(void *arg, const struct sse_event *event), void *arg)
{
    const char *line = buf_str(&sse->line);
    int rc = 0;
    if (line[0] == '\0') {
        rc = finish_event(sse, each, arg);
    } else if (line[0] != ':') {
        size_t len = strcspn(line, ":");
        const char *value = line + len + (line[len] == ':' ? 1 : 0);
        take_field(sse, line, len, value + (value[0] == ' ' ? 1 : 0));
    }
    buf_clear(&sse->line);
    return rc;
}

int
sse_feed(struct sse *sse, const char *bytes, size_t len,
    int (*each)(void *arg, const struct sse_event *event), void *arg,
    struct err *err)
{
    while (len > 0) {
        if (sse->after_return && *bytes == '\n') {
            bytes++;
            len--;
        }
        sse->after_return = false;
        size_t n = 0;
        while (n < len && bytes[n] != '\n' && bytes[n] != '\r')
            n++;
        buf_append(&sse->line, bytes, n);
        if (sse->line.failed || sse->data.failed)
            return err_set(err, ERR_TOO_LARGE, "an event is too large");
        if (n == len)
            return 0;
        sse->after_return = bytes[n] == '\r';
        bytes += n + 1;
        len -= n + 1;
        if (take_line(sse, each, arg) != 0)
            return 1;
    }
    return 0;
}
