/* SPDX-License-Identifier: Apache-2.0
 * What we ask Codex, in the order of the handshake, and what its answers
 * mean. One row per call. */
#include "dataplane/codex/session_internal.h"

#include "common/cleanup.h"
#include "common/version.h"
#include "dataplane/codex/items.h"

#include <stdio.h>
#include <string.h>

enum {
    CALL_BYTES_MAX = 4 * 1024 * 1024,
    WHY_SIZE = 320,
    EFFECTIVE_MAX = 32 * 1024
};

typedef void (*params_fn)(
    const struct codex_session *s, struct jw *w, const char *text);
typedef int (*result_fn)(
    struct codex_session *s, const struct json *result, struct err *err);

/* ---- the parameters of each call ---- */

static void
initialize_params(const struct codex_session *s, struct jw *w, const char *text)
{
    (void)s;
    (void)text;
    jw_obj(w, "clientInfo");
    jw_str(w, "name", "risoluto");
    jw_str(w, "title", "Risoluto");
    jw_str(w, "version", RISOLUTO_VERSION);
    jw_end_obj(w);
    jw_obj(w, "capabilities");
    jw_bool(w, "experimentalApi", true);
    jw_bool(w, "requestAttestation", false);
    jw_end_obj(w);
}

static void
login_params(const struct codex_session *s, struct jw *w, const char *text)
{
    (void)text;
    const struct secret *key = s->request->codex.api_key;
    jw_str(w, "type", "apiKey");
    jw_strn(w, "apiKey", secret_bytes(key), secret_len(key));
}

static const char developer_instructions[] =
    "You work unattended on one issue, in the folder you start in. Nobody "
    "reads along, so do not ask questions and do not wait for a reply: make "
    "reasonable assumptions and say which. Do not commit: what you leave in "
    "the folder is committed for you. When your work on the issue is over, "
    "write one last message that sums up what you did and how you checked it, "
    "and end it with exactly one of these two lines, on a line of its own:\n"
    "RISOLUTO_STATUS: DONE\n"
    "RISOLUTO_STATUS: BLOCKED\n"
    "DONE means that the issue is resolved and ready for review. BLOCKED "
    "means that you cannot go on without a person; say above it what you need "
    "from them. While there is more that you can do yourself, write neither.";

static void
thread_params(const struct codex_session *s, struct jw *w, const char *text)
{
    (void)text;
    jw_str(w, "cwd", s->workspace_path);
    jw_str(w, "model", s->request->codex.model);
    jw_str(w, "modelProvider", CODEX_PROVIDER);
    jw_raw(w, "approvalPolicy", s->policy.approval_policy);
    jw_str(w, "approvalsReviewer", CODEX_REVIEWER);
    jw_str(w, "sandbox", s->policy.thread_sandbox);
    jw_str(w, "developerInstructions", developer_instructions);
}

static void
write_input(struct jw *w, const char *text)
{
    jw_arr(w, "input");
    jw_obj(w, NULL);
    jw_str(w, "type", "text");
    jw_str(w, "text", text);
    jw_end_obj(w);
    jw_end_arr(w);
}

static void
turn_params(const struct codex_session *s, struct jw *w, const char *text)
{
    const char *effort = s->request->codex.reasoning_effort;
    char message_id[128];
    (void)snprintf(message_id, sizeof(message_id), "%.64s-%lld",
        s->request->attempt_id, (long long)s->turn);
    jw_str(w, "threadId", s->thread_id);
    write_input(w, text);
    jw_str(w, "cwd", s->workspace_path);
    jw_str(w, "model", s->request->codex.model);
    jw_raw(w, "approvalPolicy", s->policy.approval_policy);
    jw_str(w, "approvalsReviewer", CODEX_REVIEWER);
    jw_raw(w, "sandboxPolicy", s->policy.turn_sandbox);
    if (effort != NULL && *effort != '\0')
        jw_str(w, "effort", effort);
    jw_str(w, "clientUserMessageId", message_id);
}

static void
steer_params(const struct codex_session *s, struct jw *w, const char *text)
{
    jw_str(w, "threadId", s->thread_id);
    jw_str(w, "expectedTurnId", s->turn_id);
    write_input(w, text);
}

static void
interrupt_params(const struct codex_session *s, struct jw *w, const char *text)
{
    (void)text;
    jw_str(w, "threadId", s->thread_id);
    jw_str(w, "turnId", s->turn_id);
}

static void
clean_params(const struct codex_session *s, struct jw *w, const char *text)
{
    (void)text;
    jw_str(w, "threadId", s->thread_id);
}

/* ---- the results ---- */

static int
protocol_violation(struct codex_session *s, const char *what, struct err *err)
{
    return session_end(s, OUTCOME_CODEX_PROTOCOL, what, err);
}

static int
on_initialized(
    struct codex_session *s, const struct json *result, struct err *err)
{
    const char *user_agent = json_str(json_get(result, "userAgent"), NULL);
    if (user_agent == NULL)
        return protocol_violation(
            s, "Codex answered initialize without its user agent", err);
    struct event event;
    event_begin(&event);
    jw_strn(&event.w, "user_agent", user_agent, strnlen(user_agent, 512));
    if (event_end(s, "codex.ready", &event, err) != 0)
        return -1;
    AUTO(buf_free) struct buf line = {.max = 64};
    buf_puts(&line, "{\"method\":\"initialized\"}\n");
    if (session_send(s, &line, err) != 0)
        return -1;
    bool login = s->request->codex.api_key != NULL;
    session_enter(s, login ? CODEX_LOGIN : CODEX_THREAD);
    return calls_send(s, login ? CALL_LOGIN : CALL_THREAD, NULL, err);
}

static int
on_login(struct codex_session *s, const struct json *result, struct err *err)
{
    (void)result;
    session_enter(s, CODEX_THREAD);
    return calls_send(s, CALL_THREAD, NULL, err);
}

/* The values in effect, as Codex reports them. */
static int
tell_thread(struct codex_session *s, const struct json *result, struct err *err)
{
    static const char *const names[][2] = {{"model", "model"},
        {"approval_policy", "approvalPolicy"}, {"sandbox", "sandbox"}};
    struct event event;
    event_begin(&event);
    jw_str(&event.w, "thread_id", s->thread_id);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct json *value = json_get(result, names[i][1]);
        if (item_write(&event.w, names[i][0], value, EFFECTIVE_MAX, err) != 0) {
            buf_free(&event.data);
            return -1;
        }
    }
    return event_end(s, "thread.started", &event, err);
}

static int
on_thread(struct codex_session *s, const struct json *result, struct err *err)
{
    const char *id = json_str(json_path(result, "thread.id"), "");
    if (*id == '\0' || strlen(id) >= sizeof(s->thread_id))
        return protocol_violation(
            s, "Codex answered thread/start without a thread id", err);
    (void)snprintf(s->thread_id, sizeof(s->thread_id), "%s", id);
    char why[WHY_SIZE];
    if (!codex_policy_holds_for_thread(
            &s->policy, &s->request->codex, result, why, sizeof(why)))
        return session_finish(s, OUTCOME_POLICY, why, err);
    if (tell_thread(s, result, err) != 0)
        return -1;
    s->turn = 1;
    session_enter(s, CODEX_TURN);
    return calls_send(s, CALL_TURN, s->request->prompt, err);
}

static int
on_turn(struct codex_session *s, const struct json *result, struct err *err)
{
    const char *id = json_str(json_path(result, "turn.id"), "");
    if (*id == '\0' || strlen(id) >= sizeof(s->turn_id))
        return protocol_violation(
            s, "Codex answered turn/start without a turn id", err);
    return calls_turn_named(s, id, err);
}

static int
on_steered(struct codex_session *s, const struct json *result, struct err *err)
{
    (void)s;
    (void)result;
    (void)err;
    return 0;
}

/* The turn's own end is what counts. */
static int
on_interrupted(
    struct codex_session *s, const struct json *result, struct err *err)
{
    return on_steered(s, result, err);
}

static int
on_cleaned(struct codex_session *s, const struct json *result, struct err *err)
{
    (void)result;
    return session_finish(s, s->outcome, NULL, err);
}

/* ---- the table ---- */

static const struct {
    const char *method;
    params_fn params;
    result_fn result;
    enum outcome refused; /* what an error as the answer means */
} calls[CALL_COUNT] = {
    [CALL_INITIALIZE] = {"initialize", initialize_params, on_initialized,
        OUTCOME_CODEX_PROTOCOL},
    [CALL_LOGIN] = {"account/login/start", login_params, on_login,
        OUTCOME_UNAUTHORIZED},
    [CALL_THREAD] = {"thread/start", thread_params, on_thread, OUTCOME_CONFIG},
    [CALL_TURN] = {"turn/start", turn_params, on_turn, OUTCOME_CONFIG},
    [CALL_STEER] = {"turn/steer", steer_params, on_steered, OUTCOME_COUNT},
    [CALL_INTERRUPT] = {"turn/interrupt", interrupt_params, on_interrupted,
        OUTCOME_COUNT},
    [CALL_CLEAN] = {"thread/backgroundTerminals/clean", clean_params,
        on_cleaned, OUTCOME_COUNT},
};

int
calls_send(
    struct codex_session *s, enum call call, const char *text, struct err *err)
{
    /* Room is kept for the calls that end a turn. */
    size_t room = call == CALL_STEER ? CALLS_MAX - 4 : CALLS_MAX;
    if (s->call_count >= room)
        return err_set(err, ERR_BUSY, "too many calls await Codex's answer");
    AUTO(buf_free) struct buf line = {.max = CALL_BYTES_MAX, .secret = true};
    struct jw w;
    struct pending_call *pending = &s->calls[s->call_count];
    session_new_id(s, 'r', pending->id);
    pending->call = call;
    pending->deadline = s->now + s->request->codex.read_timeout_ms;
    rpc_begin(&w, &line, pending->id, calls[call].method);
    calls[call].params(s, &w, text);
    rpc_end(&w);
    if (session_send(s, &line, err) != 0)
        return -1;
    s->call_count++;
    return 0;
}

int
calls_turn_named(struct codex_session *s, const char *turn_id, struct err *err)
{
    if (s->turn_id[0] != '\0')
        return 0;
    (void)snprintf(s->turn_id, sizeof(s->turn_id), "%s", turn_id);
    struct event event;
    event_begin(&event);
    jw_str(&event.w, "turn_id", s->turn_id);
    jw_int(&event.w, "turn", s->turn);
    if (event_end(s, "turn.started", &event, err) != 0)
        return -1;
    if (s->phase != CODEX_INTERRUPT || s->interrupt_sent)
        return 0;
    s->interrupt_sent = true;
    return calls_send(s, CALL_INTERRUPT, NULL, err);
}

/* ---- answers ---- */

static int
refused(struct codex_session *s, enum call call, const struct json *error,
    struct err *err)
{
    char message[WHY_SIZE];
    (void)snprintf(message, sizeof(message), "Codex refused %s: %.200s",
        calls[call].method,
        json_str(json_get(error, "message"), "(no reason given)"));
    if (call == CALL_CLEAN)
        return on_cleaned(s, NULL, err);
    /* A steer may come too late; the turn goes on as it would have. */
    if (calls[call].refused == OUTCOME_COUNT)
        return event_warning(s, message, err);
    /* No turn came to be, so there is none to interrupt. */
    return session_finish(s,
        s->phase == CODEX_INTERRUPT ? s->outcome : calls[call].refused,
        s->phase == CODEX_INTERRUPT ? NULL : message, err);
}

int
calls_answer(
    struct codex_session *s, const struct rpc_message *message, struct err *err)
{
    const char *id = json_str(message->id, "");
    for (size_t i = 0; i < s->call_count; i++) {
        if (strcmp(s->calls[i].id, id) != 0)
            continue;
        enum call call = s->calls[i].call;
        s->call_count--;
        memmove(&s->calls[i], &s->calls[i + 1],
            (s->call_count - i) * sizeof(s->calls[0]));
        return message->error != NULL
                   ? refused(s, call, message->error, err)
                   : calls[call].result(s, message->result, err);
    }
    /* Of an earlier incarnation of us, perhaps: not ours to act on. */
    return 0;
}

int64_t
calls_deadline(const struct codex_session *s)
{
    int64_t deadline = INT64_MAX;
    /* While a turn is interrupted, the drain time is the only limit. */
    for (size_t i = 0; s->phase != CODEX_INTERRUPT && i < s->call_count; i++)
        if (s->calls[i].deadline < deadline)
            deadline = s->calls[i].deadline;
    return deadline;
}

int
calls_tick(struct codex_session *s, struct err *err)
{
    for (size_t i = 0; s->phase != CODEX_INTERRUPT && i < s->call_count; i++) {
        if (s->calls[i].deadline > s->now)
            continue;
        char message[WHY_SIZE];
        (void)snprintf(message, sizeof(message),
            "Codex did not answer %s within %lld ms",
            calls[s->calls[i].call].method,
            (long long)s->request->codex.read_timeout_ms);
        return session_end(s, OUTCOME_READ_TIMEOUT, message, err);
    }
    return 0;
}

void
calls_clear(struct codex_session *s)
{
    s->call_count = 0;
}
