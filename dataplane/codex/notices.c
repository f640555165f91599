/* SPDX-License-Identifier: Apache-2.0
 * Codex's notifications: which become events, and which move the session. One
 * row per method; a method that is not here is of no concern to us. */
#include "dataplane/codex/session_internal.h"

#include "common/cleanup.h"
#include "dataplane/codex/items.h"

#include <stdio.h>
#include <string.h>

enum { NOTICE_TEXT_MAX = 480 };

typedef int (*notice_fn)(
    struct codex_session *s, const struct json *params, struct err *err);

static bool
is_our_thread(const struct codex_session *s, const struct json *params)
{
    const char *id = json_str(json_get(params, "threadId"), "");
    return s->thread_id[0] != '\0' && strcmp(id, s->thread_id) == 0;
}

static bool
is_our_turn(const struct codex_session *s, const char *turn_id)
{
    return s->turn_id[0] != '\0' && strcmp(turn_id, s->turn_id) == 0;
}

/* ---- the model's errors ---- */

static enum outcome
outcome_of_status(const char *name, int64_t status)
{
    if (status == 401 || status == 403)
        return OUTCOME_UNAUTHORIZED;
    if (status == 429)
        return OUTCOME_RATE_LIMITED;
    bool too_many = strcmp(name, "responseTooManyFailedAttempts") == 0;
    return too_many && status == 0 ? OUTCOME_RATE_LIMITED : OUTCOME_MODEL;
}

/* codexErrorInfo is a word, or an object of one member that may have the
 * HTTP status. */
static enum outcome
outcome_of_error(const struct json *info)
{
    static const struct {
        const char *word;
        enum outcome outcome;
    } words[] = {
        {"unauthorized", OUTCOME_UNAUTHORIZED},
        {"rateLimitExceeded", OUTCOME_RATE_LIMITED},
        {"responseTooManyFailedAttempts", OUTCOME_RATE_LIMITED},
        {"usageLimitExceeded", OUTCOME_USAGE_LIMIT},
        {"sessionBudgetExceeded", OUTCOME_USAGE_LIMIT},
        {"contextWindowExceeded", OUTCOME_CONTEXT},
        {"sandboxError", OUTCOME_SANDBOX},
    };

    const char *word = json_str(info, NULL);
    for (size_t i = 0; word != NULL && i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].word, word) == 0)
            return words[i].outcome;
    const struct json *member =
        json_type(info) == JSON_OBJECT ? json_first(info) : NULL;
    if (member == NULL)
        return OUTCOME_MODEL;
    return outcome_of_status(
        json_key(member), json_int(json_get(member, "httpStatusCode"), 0));
}

static void
remember_error(struct codex_session *s, const struct json *error)
{
    const char *text = json_str(json_get(error, "message"), "the model failed");
    const struct json *info = json_get(error, "codexErrorInfo");
    s->error_outcome = info == NULL ? OUTCOME_MODEL : outcome_of_error(info);
    buf_clear(&s->error_message);
    buf_append(&s->error_message, text, strnlen(text, NOTICE_TEXT_MAX));
}

static int
on_error(struct codex_session *s, const struct json *params, struct err *err)
{
    const struct json *error = json_get(params, "error");
    bool will_retry = json_bool(json_get(params, "willRetry"), false);
    if (!will_retry && is_our_thread(s, params))
        remember_error(s, error);
    struct event event;
    event_begin(&event);
    (void)item_write_text(
        &event.w, "message", json_str(json_get(error, "message"), ""));
    jw_bool(&event.w, "will_retry", will_retry);
    return event_end(s, "codex.error", &event, err);
}

/* ---- warnings ---- */

static int
on_warning(struct codex_session *s, const struct json *params, struct err *err)
{
    const char *text = json_str(json_get(params, "message"), NULL);
    if (text == NULL)
        text = json_str(json_get(params, "summary"), "");
    return event_warning(s, text, err);
}

/* What Codex says when it does as our config.toml tells it: the workspace is
 * not trusted, so the repository's own .codex is not obeyed. (Its sandbox
 * leaves an empty one behind, so every second attempt would meet this.) */
static bool
is_obedience(const char *summary)
{
    static const char words[] = "Project-local config, hooks, and exec "
                                "policies are disabled in the following "
                                "folders until the project is trusted";
    return strncmp(summary, words, strlen(words)) == 0;
}

/* Codex goes on with another configuration than the one that was asked for,
 * or without a part of it: nobody must rely on what is left. */
static int
on_config_warning(
    struct codex_session *s, const struct json *params, struct err *err)
{
    const char *summary = json_str(json_get(params, "summary"), "");
    if (is_obedience(summary))
        return event_warning(s, summary, err);
    char message[NOTICE_TEXT_MAX];
    (void)snprintf(message, sizeof(message),
        "Codex warns about its configuration: %.400s", summary);
    if (event_warning(s, summary, err) != 0)
        return -1;
    return session_end(s, OUTCOME_CONFIG, message, err);
}

static int
on_rerouted(struct codex_session *s, const struct json *params, struct err *err)
{
    char message[NOTICE_TEXT_MAX];
    (void)snprintf(message, sizeof(message),
        "the provider answers with model %.128s in place of %.128s",
        json_str(json_get(params, "toModel"), "?"),
        json_str(json_get(params, "fromModel"), "?"));
    return event_warning(s, message, err);
}

/* ---- items ---- */

/* The agent's latest words in this turn, for the verdict at its end. */
static void
remember_message(struct codex_session *s, const struct json *item)
{
    if (strcmp(json_str(json_get(item, "type"), ""), "agentMessage") != 0 ||
        strcmp(json_str(json_get(item, "phase"), ""), "commentary") == 0)
        return;
    const char *text = json_str(json_get(item, "text"), "");
    size_t len = strlen(text);
    size_t skip = len > ITEM_TEXT_MAX ? len - ITEM_TEXT_MAX : 0;
    buf_clear(&s->last_message);
    buf_append(&s->last_message, text + skip, len - skip);
}

static int
tell_item(struct codex_session *s, const char *type, const struct json *params,
    struct err *err)
{
    const char *turn_id = json_str(json_get(params, "turnId"), NULL);
    struct event event;
    event_begin(&event);
    if (turn_id != NULL)
        jw_strn(&event.w, "turn_id", turn_id, strnlen(turn_id, CODEX_ID_MAX));
    if (item_write(&event.w, "item", json_get(params, "item"), ITEM_BYTES_MAX,
            err) != 0) {
        buf_free(&event.data);
        return -1;
    }
    return event_end(s, type, &event, err);
}

static int
on_item_started(
    struct codex_session *s, const struct json *params, struct err *err)
{
    return tell_item(s, "item.started", params, err);
}

static int
on_item_completed(
    struct codex_session *s, const struct json *params, struct err *err)
{
    const char *turn_id = json_str(json_get(params, "turnId"), "");
    if (is_our_thread(s, params) && is_our_turn(s, turn_id))
        remember_message(s, json_get(params, "item"));
    return tell_item(s, "item.completed", params, err);
}

static int
on_message_delta(
    struct codex_session *s, const struct json *params, struct err *err)
{
    return event_delta(s, "agent_message", params, err);
}

static int
on_output_delta(
    struct codex_session *s, const struct json *params, struct err *err)
{
    return event_delta(s, "command_output", params, err);
}

static int
on_reasoning_delta(
    struct codex_session *s, const struct json *params, struct err *err)
{
    return event_delta(s, "reasoning", params, err);
}

static int
on_summary_delta(
    struct codex_session *s, const struct json *params, struct err *err)
{
    return event_delta(s, "reasoning_summary", params, err);
}

static int
on_plan_delta(
    struct codex_session *s, const struct json *params, struct err *err)
{
    return event_delta(s, "plan", params, err);
}

/* ---- usage ---- */

static int
on_usage(struct codex_session *s, const struct json *params, struct err *err)
{
    static const char *const names[][2] = {
        {"input_tokens", "inputTokens"},
        {"cached_input_tokens", "cachedInputTokens"},
        {"output_tokens", "outputTokens"},
        {"reasoning_tokens", "reasoningOutputTokens"},
        {"total_tokens", "totalTokens"},
    };
    const struct json *total = json_path(params, "tokenUsage.total");
    if (total == NULL || !is_our_thread(s, params))
        return 0;
    struct event event;
    event_begin(&event);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int64_t tokens = 0;
        bool valid = json_is_int(json_get(total, names[i][1]), &tokens);
        jw_int(&event.w, names[i][0], valid && tokens > 0 ? tokens : 0);
    }
    return event_end(s, "usage.updated", &event, err);
}

/* Codex repeats the limits after every answer of the model. */
static int
on_rate_limits(
    struct codex_session *s, const struct json *params, struct err *err)
{
    const struct json *limits = json_get(params, "rateLimits");
    AUTO(buf_free) struct buf text = {.max = s->rate_limits.max};
    struct jw w;
    jw_init(&w, &text);
    if (limits == NULL || json_type(limits) != JSON_OBJECT)
        return 0;
    if (item_write(&w, NULL, limits, text.max, err) != 0)
        return -1;
    if (strcmp(buf_str(&text), buf_str(&s->rate_limits)) == 0)
        return 0;
    buf_clear(&s->rate_limits);
    buf_append(&s->rate_limits, buf_str(&text), text.len);
    struct event event;
    event_begin(&event);
    jw_raw(&event.w, "rate_limits", buf_str(&text));
    return event_end(s, "rate_limits.updated", &event, err);
}

/* ---- the turn ---- */

static int
on_settings(struct codex_session *s, const struct json *params, struct err *err)
{
    char why[NOTICE_TEXT_MAX];
    if (!is_our_thread(s, params) ||
        codex_policy_holds_for_turn(&s->policy, &s->request->codex,
            json_get(params, "threadSettings"), why, sizeof(why)))
        return 0;
    return session_end(s, OUTCOME_POLICY, why, err);
}

static int
on_turn_started(
    struct codex_session *s, const struct json *params, struct err *err)
{
    const char *id = json_str(json_path(params, "turn.id"), "");
    if (!is_our_thread(s, params) || *id == '\0' ||
        strlen(id) >= sizeof(s->turn_id))
        return 0;
    return calls_turn_named(s, id, err);
}

/* The next turn, unless that was the last. */
static int
go_on(struct codex_session *s, struct err *err)
{
    if (s->turn >= s->request->max_turns) {
        char message[128];
        (void)snprintf(message, sizeof(message),
            "%lld turns (agent.max_turns) ended without a final word",
            (long long)s->turn);
        return session_finish(s, OUTCOME_TURNS_EXHAUSTED, message, err);
    }
    s->turn++;
    session_enter(s, CODEX_TURN);
    return calls_send(s, CALL_TURN, s->request->continuation_prompt, err);
}

static int
on_turn_success(struct codex_session *s, struct err *err)
{
    if (buf_check(&s->last_message, err) != 0)
        return -1;
    size_t body = 0;
    enum item_verdict verdict = item_verdict(buf_str(&s->last_message), &body);
    if (verdict == VERDICT_NONE)
        return go_on(s, err);
    AUTO(buf_free) struct buf text = {.max = ITEM_TEXT_MAX};
    buf_append(&text, buf_str(&s->last_message), body);
    if (buf_check(&text, err) != 0)
        return -1;
    return session_finish(s,
        verdict == VERDICT_DONE ? OUTCOME_SUCCEEDED : OUTCOME_BLOCKED,
        buf_str(&text), err);
}

static int
on_turn_failure(
    struct codex_session *s, const struct json *error, struct err *err)
{
    if (error != NULL && json_type(error) == JSON_OBJECT)
        remember_error(s, error);
    if (buf_check(&s->error_message, err) != 0)
        return -1;
    bool known = s->error_message.len > 0;
    return session_finish(s, known ? s->error_outcome : OUTCOME_MODEL,
        known ? buf_str(&s->error_message) : "the turn failed", err);
}

static int
tell_turn_end(struct codex_session *s, const char *turn_id, const char *status,
    struct err *err)
{
    struct event event;
    event_begin(&event);
    jw_strn(&event.w, "turn_id", turn_id, strnlen(turn_id, CODEX_ID_MAX));
    jw_strn(&event.w, "status", status, strnlen(status, 64));
    jw_int(&event.w, "turn", s->turn);
    return event_end(s, "turn.completed", &event, err);
}

/* The turn is over: clears away the commands that it left running. */
static int
after_interrupt(struct codex_session *s, struct err *err)
{
    calls_clear(s);
    return calls_send(s, CALL_CLEAN, NULL, err);
}

static int
on_turn_completed(
    struct codex_session *s, const struct json *params, struct err *err)
{
    const struct json *turn = json_get(params, "turn");
    const char *id = json_str(json_get(turn, "id"), "");
    const char *status = json_str(json_get(turn, "status"), "unknown");
    if (!is_our_thread(s, params) || !is_our_turn(s, id))
        return 0;
    json_each (item, json_get(turn, "items"))
        remember_message(s, item);
    if (tell_turn_end(s, id, status, err) != 0)
        return -1;
    if (s->phase == CODEX_INTERRUPT)
        return after_interrupt(s, err);
    if (strcmp(status, "completed") == 0)
        return on_turn_success(s, err);
    if (strcmp(status, "failed") == 0)
        return on_turn_failure(s, json_get(turn, "error"), err);
    if (strcmp(status, "interrupted") == 0 && s->cancelled)
        return session_finish(s, OUTCOME_ABORTED,
            "the turn was cancelled by the answer to an approval", err);
    return session_finish(s, OUTCOME_CODEX_PROTOCOL,
        "the turn ended neither completed nor failed, and not by us", err);
}

static int
on_resolved(struct codex_session *s, const struct json *params, struct err *err)
{
    return approvals_resolved(s, json_get(params, "requestId"), err);
}

/* ---- the table ---- */

#define IN(phase) (1U << (phase))

enum { ANY = IN(CODEX_DONE) - 1U, TURN = IN(CODEX_TURN) | IN(CODEX_INTERRUPT) };

static const struct {
    const char *method;
    unsigned phases; /* in which it is looked at */
    notice_fn handle;
} notices[] = {
    {"error", ANY, on_error},
    {"warning", ANY, on_warning},
    {"guardianWarning", ANY, on_warning},
    {"deprecationNotice", ANY, on_warning},
    {"configWarning", ANY, on_config_warning},
    {"model/rerouted", ANY, on_rerouted},
    {"thread/settings/updated", TURN, on_settings},
    {"thread/tokenUsage/updated", TURN, on_usage},
    {"account/rateLimits/updated", ANY, on_rate_limits},
    {"turn/started", TURN, on_turn_started},
    {"turn/completed", TURN, on_turn_completed},
    {"item/started", TURN, on_item_started},
    {"item/completed", TURN, on_item_completed},
    {"item/agentMessage/delta", TURN, on_message_delta},
    {"item/commandExecution/outputDelta", TURN, on_output_delta},
    {"item/reasoning/textDelta", TURN, on_reasoning_delta},
    {"item/reasoning/summaryTextDelta", TURN, on_summary_delta},
    {"item/plan/delta", TURN, on_plan_delta},
    {"serverRequest/resolved", TURN, on_resolved},
};

int
notices_handle(struct codex_session *s, const char *method,
    const struct json *params, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(notices); i++)
        if (strcmp(notices[i].method, method) == 0)
            return (notices[i].phases & IN(s->phase)) != 0
                       ? notices[i].handle(s, params, err)
                       : 0;
    return 0;
}
