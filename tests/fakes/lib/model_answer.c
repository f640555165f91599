/* SPDX-License-Identifier: Apache-2.0
 * Server-sent events of the Responses API: created, the items with their
 * deltas, completed with usage. */
#include "tests/fakes/lib/model_answer.h"

#include "common/cleanup.h"
#include "common/utf8.h"

#include <stdio.h>
#include <string.h>

enum { EVENT_MAX = 40 * 1024 * 1024, DELTA_BYTES = 48, HANG_MS = 3600000 };

struct answer {
    const struct model_plan *plan;
    const struct model_stream *stream;
    unsigned long number;
    size_t output_bytes;
    int index; /* of the output item */
    bool gone; /* nobody listens any more */
    struct err *err;
};

typedef void (*members_fn)(struct answer *a, struct jw *w, const void *arg);

/* One event: its type, and the members that write adds. */
static int
emit(struct answer *a, const char *type, members_fn write, const void *arg)
{
    struct jw w;
    AUTO(buf_free) struct buf out = {.max = EVENT_MAX};
    if (a->gone)
        return 0;
    buf_printf(&out, "event: %s\ndata: ", type);
    jw_init(&w, &out);
    jw_obj(&w, NULL);
    jw_str(&w, "type", type);
    write(a, &w, arg);
    jw_end_obj(&w);
    buf_puts(&out, "\n\n");
    if (buf_check(&out, a->err) != 0)
        return -1;
    a->gone = !a->stream->write(a->stream->arg, out.data, out.len);
    return 0;
}

static void
response_members(struct answer *a, struct jw *w, const void *arg)
{
    const char *status = arg;
    char id[64];
    (void)snprintf(id, sizeof(id), "resp_rehearsal_%lu", a->number);
    jw_obj(w, "response");
    jw_str(w, "id", id);
    jw_str(w, "object", "response");
    jw_str(w, "status", status);
    jw_end_obj(w);
}

/* ---- a message ---- */

static void
message_item(struct answer *a, struct jw *w, const void *arg)
{
    const char *text = arg;
    char id[64];
    (void)snprintf(id, sizeof(id), "msg_rehearsal_%lu", a->number);
    jw_int(w, "output_index", a->index);
    jw_obj(w, "item");
    jw_str(w, "type", "message");
    jw_str(w, "id", id);
    jw_str(w, "role", "assistant");
    jw_str(w, "status", *text == '\0' ? "in_progress" : "completed");
    jw_str(w, "phase", a->plan->last ? "final_answer" : "commentary");
    jw_arr(w, "content");
    if (*text != '\0') {
        jw_obj(w, NULL);
        jw_str(w, "type", "output_text");
        jw_str(w, "text", text);
        jw_arr(w, "annotations");
        jw_end_arr(w);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    jw_end_obj(w);
}

struct piece {
    const char *text;
    size_t len;
};

static void
delta_members(struct answer *a, struct jw *w, const void *arg)
{
    const struct piece *piece = arg;
    char id[64];
    (void)snprintf(id, sizeof(id), "msg_rehearsal_%lu", a->number);
    jw_str(w, "item_id", id);
    jw_int(w, "output_index", a->index);
    jw_int(w, "content_index", 0);
    jw_strn(w, "delta", piece->text, piece->len);
}

static int
stream_deltas(struct answer *a, const char *text, size_t len)
{
    long slow = a->plan->wishes.slow_ms;
    size_t step = slow > 0 ? 1 : DELTA_BYTES;
    /* A big message in small pieces would only measure our patience. */
    if (slow == 0 && len > 65536)
        step = 4096;
    for (size_t at = 0; at < len && !a->gone;) {
        struct piece piece = {text + at, utf8_cut(text + at, len - at, step)};
        if (piece.len == 0)
            piece.len = utf8_char_len(text + at, len - at);
        if (piece.len == 0)
            piece.len = 1;
        if (emit(a, "response.output_text.delta", delta_members, &piece) != 0)
            return -1;
        at += piece.len;
        if (slow > 0 && !a->gone)
            a->gone = !a->stream->wait(a->stream->arg, slow);
    }
    return 0;
}

/* The message; only its first half when we are to break off. */
static int
stream_message(struct answer *a)
{
    const char *text = buf_str(&a->plan->say);
    size_t len = a->plan->say.len;
    bool broken = a->plan->wishes.hangup;
    if (len == 0)
        return 0;
    if (emit(a, "response.output_item.added", message_item, "") != 0 ||
        stream_deltas(a, text, broken ? utf8_cut(text, len, len / 2) : len) !=
            0)
        return -1;
    if (broken)
        return 0;
    a->output_bytes += len;
    int rc = emit(a, "response.output_item.done", message_item, text);
    a->index++;
    return rc;
}

/* ---- calls ---- */

static void
call_item(struct answer *a, struct jw *w, const void *arg)
{
    const struct model_call *call = arg;
    char id[128];
    (void)snprintf(id, sizeof(id), "fc_rehearsal_%lu_%d", a->number, a->index);
    jw_int(w, "output_index", a->index);
    jw_obj(w, "item");
    jw_str(w, "type", call->custom ? "custom_tool_call" : "function_call");
    jw_str(w, "id", id);
    jw_str(w, "call_id", call->id);
    jw_str(w, "name", call->name);
    jw_str(w, call->custom ? "input" : "arguments", buf_str(&call->input));
    jw_str(w, "status", "completed");
    jw_end_obj(w);
}

static int
stream_calls(struct answer *a)
{
    for (size_t i = 0; i < a->plan->call_count; i++) {
        const struct model_call *call = &a->plan->calls[i];
        a->output_bytes += call->input.len;
        if (emit(a, "response.output_item.added", call_item, call) != 0 ||
            emit(a, "response.output_item.done", call_item, call) != 0)
            return -1;
        a->index++;
    }
    return 0;
}

/* ---- the end ---- */

static void
completed_members(struct answer *a, struct jw *w, const void *arg)
{
    size_t input = *(const size_t *)arg;
    size_t output = a->output_bytes / 4 + 1;
    char id[64];
    (void)snprintf(id, sizeof(id), "resp_rehearsal_%lu", a->number);
    jw_obj(w, "response");
    jw_str(w, "id", id);
    jw_str(w, "object", "response");
    jw_str(w, "status", "completed");
    jw_obj(w, "usage");
    jw_int(w, "input_tokens", (int64_t)input);
    jw_obj(w, "input_tokens_details");
    jw_int(w, "cached_tokens", (int64_t)(input / 2));
    jw_end_obj(w);
    jw_int(w, "output_tokens", (int64_t)output);
    jw_obj(w, "output_tokens_details");
    jw_int(w, "reasoning_tokens", 0);
    jw_end_obj(w);
    jw_int(w, "total_tokens", (int64_t)(input + output));
    jw_end_obj(w);
    jw_end_obj(w);
}

static void
failed_members(struct answer *a, struct jw *w, const void *arg)
{
    (void)arg;
    char id[64];
    (void)snprintf(id, sizeof(id), "resp_rehearsal_%lu", a->number);
    jw_obj(w, "response");
    jw_str(w, "id", id);
    jw_str(w, "object", "response");
    jw_str(w, "status", "failed");
    jw_obj(w, "error");
    jw_str(w, "code", "context_length_exceeded");
    jw_str(
        w, "message", "Your input exceeds the context window of this model.");
    jw_end_obj(w);
    jw_end_obj(w);
}

int
model_answer_stream(const struct model_plan *plan, unsigned long number,
    size_t input_tokens, const struct model_stream *stream, struct err *err)
{
    struct answer a = {
        .plan = plan, .stream = stream, .number = number, .err = err};
    if (emit(&a, "response.created", response_members, "in_progress") != 0)
        return -1;
    if (plan->wishes.context)
        return emit(&a, "response.failed", failed_members, NULL);
    if (plan->wishes.silent) {
        (void)stream->wait(stream->arg, HANG_MS);
        return 0;
    }
    if (stream_message(&a) != 0)
        return -1;
    if (plan->wishes.hangup)
        return 0;
    if (stream_calls(&a) != 0)
        return -1;
    return emit(&a, "response.completed", completed_members, &input_tokens);
}
