/* SPDX-License-Identifier: Apache-2.0
 * Events to the sink: in order, bounded, without the API key; deltas gathered
 * for a moment. */
#include "dataplane/codex/session_internal.h"

#include "common/cleanup.h"
#include "common/utf8.h"
#include "dataplane/codex/items.h"

#include <string.h>

enum { DELTA_BYTES = 4096, DELTA_MS = 100, KEY_MIN = 8 };

void
event_begin(struct event *event)
{
    buf_init(&event->data, CODEX_EVENT_MAX);
    jw_init(&event->w, &event->data);
    jw_obj(&event->w, NULL);
}

void
event_redact(const struct codex_session *s, char *data, size_t len)
{
    const struct secret *key = s->request->codex.api_key;
    if (key == NULL || secret_len(key) < KEY_MIN)
        return;
    size_t key_len = secret_len(key);
    char *end = data + len;
    while ((data = memmem(data, (size_t)(end - data), secret_bytes(key),
                key_len)) != NULL)
        data = (char *)memset(data, '*', key_len) + key_len;
}

static int
hand_over(struct codex_session *s, const char *type, struct event *event,
    struct err *err)
{
    jw_end_obj(&event->w);
    if (buf_check(&event->data, err) != 0) {
        if (err->code == ERR_NO_MEMORY)
            return -1;
        /* Every field has its own bound, so this needs many at once. */
        err_clear(err);
        return s->sink.event(s->sink.arg, type, "{\"truncated\":true}", err);
    }
    event_redact(s, event->data.data, event->data.len);
    return s->sink.event(s->sink.arg, type, buf_str(&event->data), err);
}

int
event_end(struct codex_session *s, const char *type, struct event *event,
    struct err *err)
{
    int rc = event_flush(s, err);
    if (rc == 0)
        rc = hand_over(s, type, event, err);
    buf_free(&event->data);
    return rc;
}

int
event_warning(struct codex_session *s, const char *message, struct err *err)
{
    struct event event;
    event_begin(&event);
    (void)item_write_text(&event.w, "message", message);
    return event_end(s, "codex.warning", &event, err);
}

/* ---- deltas ---- */

static bool
same_delta(const struct delta *delta, const char *kind, const char *item_id,
    const char *turn_id)
{
    return delta->kind != NULL && strcmp(delta->kind, kind) == 0 &&
           strcmp(delta->item_id, item_id) == 0 &&
           strcmp(delta->turn_id, turn_id) == 0;
}

static void
copy_id(char out[CODEX_ID_MAX], const char *id)
{
    size_t len = utf8_cut(id, strlen(id), CODEX_ID_MAX - 1);
    memcpy(out, id, len);
    out[len] = '\0';
}

int
event_delta(struct codex_session *s, const char *kind,
    const struct json *params, struct err *err)
{
    struct delta *delta = &s->delta;
    char item_id[CODEX_ID_MAX];
    char turn_id[CODEX_ID_MAX];
    const char *text = json_str(json_get(params, "delta"), "");
    size_t len = utf8_cut(text, strlen(text), ITEM_TEXT_MAX);
    copy_id(item_id, json_str(json_get(params, "itemId"), ""));
    copy_id(turn_id, json_str(json_get(params, "turnId"), ""));
    bool fits = delta->text.len + len <= ITEM_TEXT_MAX;
    if (!fits || !same_delta(delta, kind, item_id, turn_id)) {
        if (event_flush(s, err) != 0)
            return -1;
        memcpy(delta->item_id, item_id, sizeof(item_id));
        memcpy(delta->turn_id, turn_id, sizeof(turn_id));
        delta->kind = kind;
        delta->deadline = s->now + DELTA_MS;
    }
    buf_append(&delta->text, text, len);
    if (buf_check(&delta->text, err) != 0)
        return -1;
    bool due = delta->text.len >= DELTA_BYTES || s->now >= delta->deadline;
    return due ? event_flush(s, err) : 0;
}

int
event_flush(struct codex_session *s, struct err *err)
{
    struct delta *delta = &s->delta;
    if (delta->kind == NULL)
        return 0;
    struct event event;
    event_begin(&event);
    jw_str(&event.w, "turn_id", delta->turn_id);
    jw_str(&event.w, "item_id", delta->item_id);
    jw_str(&event.w, "kind", delta->kind);
    jw_strn(&event.w, "text", buf_str(&delta->text), delta->text.len);
    delta->kind = NULL;
    buf_clear(&delta->text);
    int rc = hand_over(s, "item.delta", &event, err);
    buf_free(&event.data);
    return rc;
}

int64_t
event_deadline(const struct codex_session *s)
{
    return s->delta.kind != NULL ? s->delta.deadline : INT64_MAX;
}
