/* SPDX-License-Identifier: Apache-2.0
 * GET /api/v1/events: the store's events as they are committed, as
 * server-sent events. Each client reads from the store by its own cursor, so
 * that nothing is lost or sent twice however often it comes back. */
#include "control/http/handlers.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "common/log.h"
#include "control/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    PAGE = 50,
    LINE_MAX_BYTES = 8 * 1024 * 1024, /* above any event the store takes */
    LOOK_MS = 1000,                   /* between two looks for a hang-up */
    PAUSE_MS = 20,
    RETRY_AFTER_S = 5
};

static const char greeting[] = "retry: 2000\n\n";
static const char heartbeat[] = ": heartbeat\n\n";

struct stream {
    struct http_app *app;
    const struct http_sink *sink;
    const char *attempt_id; /* NULL: events of all */
    int64_t after;
    int64_t wrote_at_ms; /* monotonic, for the heartbeat */
    struct buf line;
};

/* ---- writing ---- */

static bool
is_plain_type(const char *type)
{
    return type != NULL && type[0] != '\0' &&
           strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789._-") == strlen(type);
}

/* A line break would end the field. In JSON it can only be white space. */
static void
flatten(struct buf *buf, size_t from)
{
    for (size_t i = from; i < buf->len; i++) {
        if (buf->data[i] == '\n' || buf->data[i] == '\r')
            buf->data[i] = ' ';
    }
}

static int
send_bytes(struct stream *stream, const void *data, size_t len)
{
    stream->wrote_at_ms = clock_mono_ms();
    return stream->sink->write(stream->sink->arg, data, len);
}

static int
send_event(struct stream *stream, const struct event *event)
{
    struct err err = ERR_INIT;
    struct jw w;

    buf_clear(&stream->line);
    buf_printf(&stream->line, "id: %" PRId64 "\n", event->id);
    if (is_plain_type(event->type))
        buf_printf(&stream->line, "event: %s\n", event->type);
    buf_puts(&stream->line, "data: ");
    size_t from = stream->line.len;

    jw_init(&w, &stream->line);
    event_write(event, &w, NULL);
    flatten(&stream->line, from);
    buf_puts(&stream->line, "\n\n");
    if (buf_check(&stream->line, &err) != 0) {
        log_failure(NULL, "an event cannot be streamed", &err);
        return -1;
    }
    return send_bytes(stream, stream->line.data, stream->line.len);
}

/* Sends what is in the store past the cursor: 1 sent something, 0 nothing
 * there, -1 the end of this stream. */
static int
send_page(struct stream *stream)
{
    AUTO(event_list_release) struct event_list list = {0};
    struct err err = ERR_INIT;

    if (store_events(stream->app->deps.store, stream->attempt_id, stream->after,
            PAGE, &list, &err) != 0) {
        log_failure(NULL, "events cannot be read for a stream", &err);
        return -1;
    }
    for (size_t i = 0; i < list.len; i++) {
        if (atomic_load(&stream->app->stopping) ||
            send_event(stream, &list.items[i]) != 0)
            return -1;
        stream->after = list.items[i].id;
    }
    return list.len > 0;
}

/* ---- waiting ---- */

/* Waits for a change of the store, or the next thing to do. -1: the client
 * is gone. */
static int
wait_for_change(struct stream *stream, int64_t seen, int64_t end_ms)
{
    int64_t began = clock_mono_ms();
    int64_t beat = stream->wrote_at_ms + stream->app->tuning.heartbeat_ms;
    int64_t until = began + LOOK_MS;

    if (beat < until)
        until = beat;
    if (end_ms < until)
        until = end_ms;
    int64_t version = store_wait(stream->app->deps.store, seen, until);
    int64_t now = clock_mono_ms();
    /* Woken without a change and too early (somebody shuts down): the pause
     * keeps this from spinning until it is our turn. */
    bool idle = version == seen && now < until;

    if (stream->sink->is_gone(stream->sink->arg, idle ? PAUSE_MS : 0))
        return -1;
    if (now >= beat)
        return send_bytes(stream, heartbeat, sizeof(heartbeat) - 1);
    return 0;
}

static void
run_stream(struct stream *stream)
{
    int64_t end_ms = clock_mono_ms() + stream->app->tuning.stream_max_ms;

    if (send_bytes(stream, greeting, sizeof(greeting) - 1) != 0)
        return;
    while (!atomic_load(&stream->app->stopping) && clock_mono_ms() < end_ms) {
        int64_t seen = store_version(stream->app->deps.store);
        int sent = send_page(stream);

        if (sent < 0 ||
            (sent == 0 && wait_for_change(stream, seen, end_ms) != 0))
            return;
    }
}

static void
serve_stream(struct http_app *app, const struct http_call *call,
    const struct http_sink *sink)
{
    struct stream stream = {.app = app,
        .sink = sink,
        .attempt_id = call->params[0][0] == '\0' ? NULL : call->params[0],
        .after = call->reply.stream_after};

    buf_init(&stream.line, LINE_MAX_BYTES);
    run_stream(&stream);
    buf_free(&stream.line);
    atomic_fetch_sub(&app->streams, 1);
}

/* ---- the request ---- */

/* Where to begin: behind Last-Event-ID, behind ?after, or from now on. */
static int
find_start(struct http_app *app, const struct http_call *call, int64_t *after,
    struct err *err)
{
    const char *last = http_header(call->request, "Last-Event-ID");

    *after = -1;
    if (last != NULL && last[0] != '\0')
        return http_parse_int(last, INT64_MAX, after)
                   ? 0
                   : err_set(
                         err, ERR_INVALID, "Last-Event-ID must be a number");
    if (http_query_int(call->request, "after", 0, INT64_MAX, after, err) != 0)
        return -1;
    if (*after >= 0)
        return 0;
    return store_last_event_id(app->deps.store, after, err);
}

static bool
take_slot(struct http_app *app)
{
    if (atomic_fetch_add(&app->streams, 1) < app->tuning.stream_slots)
        return true;
    atomic_fetch_sub(&app->streams, 1);
    return false;
}

int
api_events_stream(struct http_app *app, struct http_call *call, struct err *err)
{
    struct http_reply *reply = &call->reply;
    int filtered = http_query(call->request, "attempt_id", call->params[0],
        sizeof(call->params[0]), err);

    if (filtered < 0 || find_start(app, call, &reply->stream_after, err) != 0)
        return -1;
    if (filtered == 1 && !id_is_valid(call->params[0]))
        return err_set(err, ERR_INVALID, "attempt_id must have 32 hex digits");
    reply->content_type = "text/event-stream; charset=utf-8";
    if (strcmp(call->request->method, "HEAD") == 0)
        return 0;
    if (!take_slot(app)) {
        reply->retry_after_s = RETRY_AFTER_S;
        return err_set(err, ERR_BUSY,
            "all %d event streams are taken; try again later",
            app->tuning.stream_slots);
    }
    reply->stream = serve_stream;
    return 0;
}
