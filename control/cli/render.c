/* SPDX-License-Identifier: Apache-2.0
 * One table says what of each event a person wants to read. */
#include "control/cli/render.h"

#include "common/cleanup.h"
#include "control/cli/text.h"

#include <inttypes.h>
#include <string.h>

enum {
    LINE_CHARS = 100,
    FIELD_CHARS = 160,
    TEXT_CHARS = 300,
    MEMBERS_MAX = 4,
    TYPE_CHARS = 32,
    TYPE_WIDTH = 20,
    SHORT_COMMIT = 12
};

/* ---- parts ---- */

static void
put_member(FILE *out, const struct json *object, const char *name, size_t max)
{
    const struct json *member = json_get(object, name);
    int64_t number = 0;
    if (json_str(member, NULL) != NULL)
        text_short(out, json_str(member, ""), max);
    else if (json_is_int(member, &number))
        (void)fprintf(out, "%" PRId64, number);
    else if (member != NULL && json_type(member) == JSON_BOOL)
        (void)fputs(json_bool(member, false) ? "yes" : "no", out);
    else
        (void)fputc('-', out);
}

void
render_member(FILE *out, const struct json *object, const char *name)
{
    const char *text = json_str(json_get(object, name), NULL);
    if (text != NULL && text[0] == '\0')
        (void)fputc('-', out);
    else
        put_member(out, object, name, LINE_CHARS);
}

static bool
has(const struct json *object, const char *name)
{
    const struct json *member = json_get(object, name);
    return member != NULL && json_type(member) != JSON_NULL &&
           (json_type(member) != JSON_STRING ||
               json_str(member, "")[0] != '\0');
}

/* ---- items of a turn ---- */

static void
put_command(FILE *out, const struct json *item)
{
    (void)fputs("$ ", out);
    text_short(out, json_str(json_get(item, "command"), "?"), LINE_CHARS);
    if (has(item, "exitCode")) {
        (void)fputs("  -> exit ", out);
        put_member(out, item, "exitCode", LINE_CHARS);
    }
}

static void
put_changes(FILE *out, const struct json *item)
{
    bool first = true;
    json_each (change, json_get(item, "changes")) {
        const char *kind = json_str(json_path(change, "kind.type"), "change");
        (void)fputs(first ? "" : ", ", out);
        text_short(out, kind, 16);
        (void)fputc(' ', out);
        text_short(out, json_str(json_get(change, "path"), "?"), LINE_CHARS);
        first = false;
    }
}

static void
put_item(FILE *out, const struct json *data)
{
    const struct json *item = json_get(data, "item");
    const char *type = json_str(json_get(item, "type"), "item");
    if (strcmp(type, "commandExecution") == 0) {
        put_command(out, item);
    } else if (strcmp(type, "fileChange") == 0) {
        put_changes(out, item);
    } else if (strcmp(type, "agentMessage") == 0) {
        (void)fputs("says: ", out);
        text_short(out, json_str(json_get(item, "text"), ""), TEXT_CHARS);
    } else {
        text_short(out, type, LINE_CHARS);
    }
}

static bool
item_is_shown(const char *type, const struct json *data)
{
    const char *kind = json_str(json_path(data, "item.type"), "");
    if (strcmp(kind, "userMessage") == 0 || strcmp(kind, "reasoning") == 0)
        return false;
    /* A command is shown when it begins and when it is done; the rest once. */
    return strcmp(type, "item.completed") == 0 ||
           strcmp(kind, "commandExecution") == 0;
}

/* ---- events with a form of their own ---- */

static bool
is_hex(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789abcdef")] == '\0';
}

static void
put_change(FILE *out, const struct json *data)
{
    const char *commit = json_str(json_get(data, "commit"), "");
    const struct json *files = json_get(data, "files");
    int64_t count =
        json_is_int(files, &count) ? count : (int64_t)json_len(files);
    (void)fprintf(out, "%" PRId64 " file%s, +%" PRId64 " -%" PRId64 ", ", count,
        count == 1 ? "" : "s", json_int(json_get(data, "insertions"), 0),
        json_int(json_get(data, "deletions"), 0));
    (void)fprintf(
        out, "%.*s", (int)SHORT_COMMIT, is_hex(commit) ? commit : "-");
    if (has(data, "branch")) {
        (void)fputs(" on ", out);
        put_member(out, data, "branch", LINE_CHARS);
    }
}

static void
put_end(FILE *out, const struct json *data)
{
    put_member(out, data, "outcome", LINE_CHARS);
    if (has(data, "message")) {
        (void)fputs(": ", out);
        put_member(out, data, "message", TEXT_CHARS);
    }
}

static void
put_claim(FILE *out, const struct json *data)
{
    (void)fputs("attempt ", out);
    put_member(out, data, "number", LINE_CHARS);
    if (has(data, "model")) {
        (void)fputs(", ", out);
        put_member(out, data, "model", LINE_CHARS);
    }
    if (has(data, "host")) {
        (void)fputs(", for ", out);
        put_member(out, data, "host", LINE_CHARS);
    }
}

static void
put_retry(FILE *out, const struct json *data)
{
    bool goes_on = json_bool(json_get(data, "continuation"), false);
    (void)fputs(goes_on ? "goes on as attempt " : "again as attempt ", out);
    put_member(out, data, "number", LINE_CHARS);
}

static void
put_duration(FILE *out, const struct json *data)
{
    char elapsed[TEXT_ELAPSED_SIZE];
    int64_t ms = json_int(json_get(data, "ms"), 0);
    if (has(data, "hook")) {
        put_member(out, data, "hook", LINE_CHARS);
        (void)fputc(' ', out);
    }
    if (ms < 1000)
        (void)fprintf(out, "in %d ms", (int)ms);
    else
        (void)fprintf(out, "in %s", text_elapsed(ms, elapsed));
}

/* The sandbox is Codex's own object, or a word. */
static void
put_thread(FILE *out, const struct json *data)
{
    const struct json *sandbox = json_get(data, "sandbox");
    put_member(out, data, "model", LINE_CHARS);
    (void)fputs(", sandbox ", out);
    if (sandbox != NULL && json_type(sandbox) == JSON_OBJECT)
        put_member(out, sandbox, "type", LINE_CHARS);
    else
        put_member(out, data, "sandbox", LINE_CHARS);
    (void)fputs(", approvals ", out);
    put_member(out, data, "approval_policy", LINE_CHARS);
}

static void
put_turn(FILE *out, const struct json *data)
{
    (void)fputs("turn ", out);
    put_member(out, data, "turn", LINE_CHARS);
    if (has(data, "status")) {
        (void)fputs(", ", out);
        put_member(out, data, "status", LINE_CHARS);
    }
}

static void
put_workspace(FILE *out, const struct json *data)
{
    put_member(out, data, "path", LINE_CHARS);
    (void)fputs(
        json_bool(json_get(data, "created"), false) ? " (new)" : "", out);
}

static void
put_stop(FILE *out, const struct json *data)
{
    (void)fputs("exit ", out);
    put_member(out, data, "exit_code", LINE_CHARS);
    (void)fputs(
        json_bool(json_get(data, "oom_killed"), false) ? ", out of memory" : "",
        out);
}

/* ---- the table ---- */

static const struct style {
    const char *type;
    void (*put)(FILE *out, const struct json *data);
    const char *members[MEMBERS_MAX]; /* when put is NULL: what to list */
    bool hidden;
} styles[] = {
    {"issue.created", NULL, {"title"}, false},
    {"issue.claimed", put_claim, {NULL}, false},
    {"attempt.dispatched", NULL, {"host"}, false},
    {"attempt.accepted", NULL, {"image"}, false},
    {"workspace.preparing", NULL, {"workspace_key"}, false},
    {"workspace.ready", put_workspace, {NULL}, false},
    {"hook.completed", put_duration, {NULL}, false},
    {"hook.failed", NULL, {"hook", "message"}, false},
    {"container.creating", NULL, {"image", "network"}, false},
    {"container.created", NULL, {"container", "image"}, false},
    {"container.started", NULL, {NULL}, false},
    {"sandbox.proved", put_duration, {NULL}, false},
    {"codex.ready", NULL, {"user_agent"}, false},
    {"thread.started", put_thread, {NULL}, false},
    {"turn.started", put_turn, {NULL}, false},
    {"item.started", put_item, {NULL}, false},
    {"item.completed", put_item, {NULL}, false},
    {"item.delta", NULL, {NULL}, true},
    {"usage.updated", NULL, {NULL}, true},
    {"rate_limits.updated", NULL, {NULL}, true},
    {"approval.requested", NULL, {"method"}, false},
    {"approval.answered", NULL, {"decision", "by"}, false},
    {"codex.warning", NULL, {"message"}, false},
    {"codex.error", NULL, {"message"}, false},
    {"turn.completed", put_turn, {NULL}, false},
    {"change.committed", put_change, {NULL}, false},
    {"change.none", NULL, {NULL}, false},
    {"change.failed", NULL, {"message"}, false},
    {"container.stopped", put_stop, {NULL}, false},
    {"container.removed", NULL, {NULL}, false},
    {"attempt.ended", put_end, {NULL}, false},
    {"retry.scheduled", put_retry, {NULL}, false},
    {"comment.posted", NULL, {"body"}, false},
    {"issue.transitioned", NULL, {"state"}, false},
    {"outbox.dead", NULL, {"effect", "error"}, false},
};

static const struct style *
style_of(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(styles); i++) {
        if (strcmp(styles[i].type, type) == 0)
            return &styles[i];
    }
    return NULL;
}

bool
render_is_shown(const char *type, const struct json *data)
{
    const struct style *style = style_of(type);
    if (style == NULL || style->put != put_item)
        return style == NULL || !style->hidden;
    return item_is_shown(type, data);
}

static void
pad(FILE *out, const char *type)
{
    for (size_t i = strlen(type); i < TYPE_WIDTH; i++)
        (void)fputc(' ', out);
    (void)fputc(' ', out);
}

void
render_event(FILE *out, const char *type, const struct json *data)
{
    const struct style *style = style_of(type);
    text_short(out, type, TYPE_CHARS);
    if (style != NULL && style->put != NULL) {
        pad(out, type);
        style->put(out, data);
        return;
    }
    /* Of a type that is not known here, what most have. */
    static const struct style fallback = {
        "", NULL, {"message", "state", "name", "reason"}, false};
    if (style == NULL)
        style = &fallback;
    bool first = true;
    for (size_t i = 0; i < MEMBERS_MAX && style->members[i] != NULL; i++) {
        if (!has(data, style->members[i]))
            continue;
        if (first)
            pad(out, type);
        else
            (void)fputs(", ", out);
        put_member(out, data, style->members[i], FIELD_CHARS);
        first = false;
    }
}

/* ---- issues and attempts ---- */

static void
put_cell(FILE *out, const char *text, size_t width)
{
    text_short(out, text, width);
    for (size_t i = strlen(text); i < width; i++)
        (void)fputc(' ', out);
    (void)fputs("  ", out);
}

void
render_issue_row(FILE *out, const struct json *issue)
{
    put_cell(out, json_str(json_get(issue, "identifier"), "-"), 10);
    put_cell(out, json_str(json_get(issue, "state"), "-"), 14);
    text_short(out, json_str(json_get(issue, "title"), ""), LINE_CHARS);
    (void)fputc('\n', out);
}

void
render_attempt_row(FILE *out, const struct json *attempt)
{
    const char *outcome = json_str(json_get(attempt, "outcome"), NULL);
    const char *phase = json_str(json_get(attempt, "phase"), NULL);
    if (outcome == NULL)
        outcome =
            phase != NULL ? phase : json_str(json_get(attempt, "status"), "-");
    put_cell(out, json_str(json_get(attempt, "attempt_id"), "-"), 32);
    put_cell(out, json_str(json_get(attempt, "issue_identifier"), "-"), 10);
    put_cell(out, outcome, 18);
    put_member(out, attempt, "turns", LINE_CHARS);
    (void)fputs(" turns  ", out);
    put_member(out, attempt, "created_at", LINE_CHARS);
    (void)fputc('\n', out);
}

void
render_tokens(FILE *out, const struct json *tokens)
{
    char a[TEXT_COUNT_SIZE];
    char b[TEXT_COUNT_SIZE];
    (void)fprintf(out, "%s in (%s cached), ",
        text_count(json_int(json_get(tokens, "input_tokens"), 0), a),
        text_count(json_int(json_get(tokens, "cached_input_tokens"), 0), b));
    (void)fprintf(out, "%s out (%s reasoning), ",
        text_count(json_int(json_get(tokens, "output_tokens"), 0), a),
        text_count(json_int(json_get(tokens, "reasoning_tokens"), 0), b));
    (void)fprintf(out, "%s in all",
        text_count(json_int(json_get(tokens, "total_tokens"), 0), a));
}

void
render_attempt(FILE *out, const struct json *attempt)
{
    static const struct {
        const char *label;
        const char *member;
    } rows[] = {
        {"attempt", "attempt_id"},
        {"issue", "issue_identifier"},
        {"title", "title"},
        {"number", "attempt"},
        {"status", "status"},
        {"phase", "phase"},
        {"outcome", "outcome"},
        {"message", "message"},
        {"host", "host"},
        {"model", "model"},
        {"container", "container"},
        {"workspace", "workspace"},
        {"branch", "branch"},
        {"commit", "commit"},
        {"turns", "turns"},
        {"created", "created_at"},
        {"started", "started_at"},
        {"ended", "ended_at"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!has(attempt, rows[i].member))
            continue;
        (void)fprintf(out, "%-10s ", rows[i].label);
        put_member(out, attempt, rows[i].member, TEXT_CHARS);
        (void)fputc('\n', out);
    }
    if (has(attempt, "tokens")) {
        (void)fputs("tokens     ", out);
        render_tokens(out, json_get(attempt, "tokens"));
        (void)fputc('\n', out);
    }
}
