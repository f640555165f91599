/* SPDX-License-Identifier: Apache-2.0
 * The JSON rows that several answers share. Rows of the board keep the names
 * that the API has had (camelCase); what is ours is in snake_case. */
#include "control/http/view.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    SUMMARY_PARSE_MAX = 64 * 1024, /* larger data is not looked into */
    SUMMARY_MAX = 240,
    ISSUE_PARSE_MAX = 1024 * 1024,
    HOSTS_MAX = 64
};

void
view_time(struct jw *w, const char *key, int64_t wall_ms)
{
    char text[CLOCK_ISO_SIZE];

    if (wall_ms <= 0)
        jw_null(w, key);
    else
        jw_str(w, key, clock_iso(wall_ms, text));
}

/* ---- rows of the board ---- */

static void
write_priority(struct jw *w, int64_t priority)
{
    if (priority == ISSUE_PRIORITY_NONE)
        jw_null(w, "priority");
    else
        jw_int(w, "priority", priority);
}

static void
write_tokens(const struct attempt *attempt, struct jw *w)
{
    jw_obj(w, "tokenUsage");
    jw_int(w, "inputTokens", attempt->input_tokens);
    jw_int(w, "outputTokens", attempt->output_tokens);
    jw_int(w, "totalTokens", attempt->total_tokens);
    jw_end_obj(w);
}

static const char *
attempt_status(const struct attempt *attempt)
{
    if (attempt->status == ATTEMPT_ENDED && attempt->outcome != NULL)
        return attempt->outcome;
    return attempt_status_name(attempt->status);
}

/* The state and priority that the issue had when it was claimed. */
static void
write_claimed_issue(const struct attempt *attempt, struct jw *w)
{
    AUTO(json_free_ptr) struct json *issue = NULL;
    struct err ignored = ERR_INIT; /* an unreadable copy is an unknown state */

    if (attempt->issue_json != NULL)
        issue = json_parse(attempt->issue_json, strlen(attempt->issue_json),
            ISSUE_PARSE_MAX, &ignored);
    jw_str(w, "state", json_str(json_get(issue, "state"), ""));
    write_priority(w, json_int(json_get(issue, "priority"), 0));
    jw_str(w, "url", json_str(json_get(issue, "url"), NULL));
}

void
view_attempt_row(const struct attempt *attempt, struct jw *w)
{
    bool failed = attempt->status == ATTEMPT_ENDED &&
                  attempt->outcome != NULL &&
                  strcmp(attempt->outcome, "succeeded") != 0;

    jw_obj(w, NULL);
    jw_str(w, "issueId", attempt->issue_id);
    jw_str(w, "identifier", attempt->issue_identifier);
    jw_str(w, "title", attempt->issue_title);
    write_claimed_issue(attempt, w);
    jw_str(w, "status", attempt_status(attempt));
    jw_str(w, "message", attempt->message);
    jw_str(w, "error", failed ? attempt->outcome : NULL);
    jw_int(w, "attempt", attempt->number);
    jw_str(w, "model", attempt->model);
    jw_str(w, "workspacePath", attempt->workspace);
    jw_str(w, "branchName", attempt->branch);
    view_time(w, "createdAt", attempt->created_at_ms);
    view_time(w, "startedAt", attempt->started_at_ms);
    view_time(w, "endedAt", attempt->ended_at_ms);
    view_time(w, "lastEventAt", attempt->last_event_at_ms);
    view_time(w, "updatedAt",
        attempt->last_event_at_ms > 0 ? attempt->last_event_at_ms
                                      : attempt->created_at_ms);
    write_tokens(attempt, w);
    jw_str(w, "attempt_id", attempt->attempt_id);
    jw_str(w, "issue_identifier", attempt->issue_identifier);
    jw_str(w, "host", attempt->host);
    jw_str(w, "phase", attempt->phase);
    jw_int(w, "turns", attempt->turns);
    jw_str(w, "last_event", attempt->last_event);
    jw_end_obj(w);
}

void
view_issue_row(const struct issue *issue, const char *status, struct jw *w)
{
    jw_obj(w, NULL);
    jw_str(w, "issueId", issue->id);
    jw_str(w, "identifier", issue->identifier);
    jw_str(w, "title", issue->title);
    jw_str(w, "state", issue->state);
    write_priority(w, issue->priority);
    jw_str(w, "url", issue->url);
    jw_str(w, "status", status);
    jw_arr(w, "labels");
    for (size_t i = 0; i < issue->label_count; i++)
        jw_str(w, NULL, issue->labels[i]);
    jw_end_arr(w);
    view_time(w, "createdAt", issue->created_at_ms);
    view_time(w, "updatedAt", issue->updated_at_ms);
    jw_str(w, "issue_identifier", issue->identifier);
    jw_end_obj(w);
}

void
view_retry_row(const struct retry *retry, struct jw *w)
{
    jw_obj(w, NULL);
    jw_str(w, "issueId", retry->issue_id);
    jw_str(w, "identifier", retry->issue_identifier);
    jw_str(w, "status", retry->continuation ? "continuing" : "retrying");
    jw_int(w, "attempt", retry->number);
    jw_str(w, "error", retry->error);
    view_time(w, "nextRetryDueAt", retry->due_at_ms);
    jw_str(w, "issue_identifier", retry->issue_identifier);
    jw_end_obj(w);
}

/* ---- events ---- */

/* The first of the fields that say in words what an event is about. */
static const char *
summary_text(const struct json *data)
{
    static const char *const paths[] = {"message", "text", "item.command",
        "item.text", "title", "body", "state", "outcome", "commit", "path",
        "hook", "item.type", "status"};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const char *text = json_str(json_path(data, paths[i]), NULL);

        if (text != NULL && text[0] != '\0')
            return text;
    }
    return "";
}

void
view_event_row(const struct event *event, struct jw *w)
{
    AUTO(json_free_ptr) struct json *data = NULL;
    struct err ignored = ERR_INIT; /* then the row has no summary */
    size_t len = event->data == NULL ? 0 : strlen(event->data);

    if (len > 0 && len <= SUMMARY_PARSE_MAX)
        data = json_parse(event->data, len, SUMMARY_PARSE_MAX, &ignored);
    const char *text = summary_text(data);

    jw_obj(w, NULL);
    jw_int(w, "id", event->id);
    jw_str(w, "attempt_id", event->attempt_id);
    jw_str(w, "issue_identifier", event->issue_identifier);
    view_time(w, "at", event->at_ms);
    jw_str(w, "event", event->type);
    jw_strn(w, "message", text, strnlen(text, SUMMARY_MAX));
    jw_end_obj(w);
}

void
view_comments(
    const struct comment_list *comments, struct jw *w, const char *key)
{
    jw_arr(w, key);
    for (size_t i = 0; i < comments->len; i++) {
        jw_obj(w, NULL);
        jw_int(w, "id", comments->items[i].id);
        jw_str(w, "author", comments->items[i].author);
        jw_str(w, "body", comments->items[i].body);
        view_time(w, "at", comments->items[i].at_ms);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

/* ---- hosts ---- */

int
view_hosts_load(struct pool *pool, struct hosts *out, struct err *err)
{
    memset(out, 0, sizeof(*out));
    out->items = calloc(HOSTS_MAX, sizeof(*out->items));
    if (out->items == NULL)
        return err_no_memory(err);
    out->len = pool_hosts(pool, out->items, HOSTS_MAX);
    if (out->len > HOSTS_MAX)
        out->len = HOSTS_MAX;
    for (size_t i = 0; i < out->len; i++)
        out->connected += out->items[i].connected;
    return 0;
}

void
view_hosts_release(struct hosts *hosts)
{
    free(hosts->items);
    memset(hosts, 0, sizeof(*hosts));
}

void
view_hosts(const struct hosts *hosts, struct jw *w, const char *key)
{
    jw_arr(w, key);
    for (size_t i = 0; i < hosts->len; i++) {
        const struct host_info *host = &hosts->items[i];

        jw_obj(w, NULL);
        jw_str(w, "name", host->name);
        jw_str(w, "url", host->url);
        jw_bool(w, "connected", host->connected);
        jw_bool(w, "draining", host->draining);
        jw_int(w, "capacity", host->capacity);
        jw_int(w, "running", host->running);
        jw_str(w, "version", host->version);
        jw_str(w, "engine_version", host->engine_version);
        jw_str(w, "error", host->error[0] == '\0' ? NULL : host->error);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}
