/* SPDX-License-Identifier: Apache-2.0
 * A session's life: its phases, its time-outs, and the way from a line to the
 * part that understands it. */
#include "dataplane/codex/session_internal.h"

#include "common/cleanup.h"
#include "common/id.h"
#include "common/utf8.h"
#include "dataplane/codex/items.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STDERR_TAIL_MAX = 2048,
    MESSAGE_MAX = 16 * 1024,
    RATE_LIMITS_MAX = 16 * 1024,
    MALFORMED_MAX = 16,
    INIT_LINE_MAX = 64 * 1024
};

/* ---- phases ---- */

#define TO(phase) (1U << (phase))

/* Which phase may follow which. Everything may end. */
static const struct {
    const char *name;
    unsigned next;
} phases[] = {
    [CODEX_WAIT_INIT] = {"waiting for risoluto-init",
        TO(CODEX_INITIALIZE) | TO(CODEX_DONE)},
    [CODEX_INITIALIZE] = {"initializing Codex",
        TO(CODEX_LOGIN) | TO(CODEX_THREAD) | TO(CODEX_DONE)},
    [CODEX_LOGIN] = {"logging in", TO(CODEX_THREAD) | TO(CODEX_DONE)},
    [CODEX_THREAD] = {"starting a thread", TO(CODEX_TURN) | TO(CODEX_DONE)},
    [CODEX_TURN] = {"running a turn",
        TO(CODEX_TURN) | TO(CODEX_INTERRUPT) | TO(CODEX_DONE)},
    [CODEX_INTERRUPT] = {"interrupting a turn", TO(CODEX_DONE)},
    [CODEX_DONE] = {"done", 0},
};

static int64_t
after(int64_t now, int64_t ms)
{
    return ms > INT64_MAX - now ? INT64_MAX : now + ms;
}

static void
begin_turn(struct codex_session *s)
{
    s->turn_id[0] = '\0';
    s->cancelled = false;
    s->error_outcome = OUTCOME_MODEL;
    s->turn_deadline = after(s->now, s->request->codex.turn_timeout_ms);
    buf_clear(&s->error_message);
    buf_clear(&s->last_message);
}

void
session_enter(struct codex_session *s, enum codex_phase phase)
{
    if ((phases[s->phase].next & TO(phase)) == 0) {
        /* A fault of ours; the attempt must not hang on it. */
        buf_clear(&s->message);
        buf_printf(&s->message, "%s cannot follow %s", phases[phase].name,
            phases[s->phase].name);
        s->outcome = OUTCOME_INTERNAL;
        phase = CODEX_DONE;
    }
    s->phase = phase;
    if (phase == CODEX_TURN)
        begin_turn(s);
}

static void
set_message(struct codex_session *s, const char *message)
{
    buf_clear(&s->message);
    buf_append(
        &s->message, message, utf8_cut(message, strlen(message), MESSAGE_MAX));
    if (s->message.len > 0)
        event_redact(s, s->message.data, s->message.len);
}

int
session_finish(struct codex_session *s, enum outcome outcome,
    const char *message, struct err *err)
{
    if (s->phase == CODEX_DONE)
        return 0;
    /* An outcome that is on its way keeps its message. */
    if (message != NULL)
        set_message(s, message);
    s->outcome = outcome;
    s->approval_count = 0;
    calls_clear(s);
    session_enter(s, CODEX_DONE);
    return event_flush(s, err);
}

int
session_end(struct codex_session *s, enum outcome outcome, const char *message,
    struct err *err)
{
    if (s->phase == CODEX_INTERRUPT)
        return 0;
    int64_t drain = s->request->codex.drain_timeout_ms;
    if (s->phase != CODEX_TURN)
        return session_finish(s, outcome, message, err);
    session_enter(s, CODEX_INTERRUPT);
    s->outcome = outcome;
    s->drain_deadline = after(s->now, drain);
    buf_clear(&s->message);
    buf_append(
        &s->message, message, utf8_cut(message, strlen(message), MESSAGE_MAX));
    if (s->message.len > 0)
        event_redact(s, s->message.data, s->message.len);
    if (s->turn_id[0] != '\0') {
        s->interrupt_sent = true;
        if (calls_send(s, CALL_INTERRUPT, NULL, err) != 0)
            return -1;
    }
    return drain == 0 ? session_finish(s, outcome, NULL, err) : 0;
}

int
session_send(struct codex_session *s, struct buf *line, struct err *err)
{
    if (buf_check(line, err) != 0)
        return -1;
    return s->sink.send(s->sink.arg, line->data, line->len, err);
}

void
session_new_id(struct codex_session *s, char prefix, char out[REQUEST_ID_SIZE])
{
    (void)snprintf(out, REQUEST_ID_SIZE, "%c-%s-%lu", prefix, s->incarnation,
        ++s->next_id);
}

/* ---- birth and death ---- */

static void
init_buffers(struct codex_session *s)
{
    buf_init(&s->delta.text, ITEM_TEXT_MAX);
    buf_init(&s->last_message, ITEM_TEXT_MAX);
    buf_init(&s->rate_limits, RATE_LIMITS_MAX);
    buf_init(&s->stderr_tail, STDERR_TAIL_MAX);
    buf_init(&s->error_message, ITEM_TEXT_MAX);
    buf_init(&s->message, MESSAGE_MAX);
}

int
codex_session_new(struct codex_session **out,
    const struct dispatch_request *request, const char *workspace_path,
    const struct codex_sink *sink, int64_t now_mono_ms, struct err *err)
{
    unsigned char random[(INCARNATION_SIZE - 1) / 2];
    struct codex_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    init_buffers(s);
    s->request = request;
    s->sink = *sink;
    s->now = s->last_line = now_mono_ms;
    s->startup_deadline = after(now_mono_ms, request->codex.startup_timeout_ms);
    s->outcome = OUTCOME_INTERNAL;
    id_random(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        (void)snprintf(s->incarnation + 2 * i, 3, "%02x", random[i]);
    s->workspace_path = strdup(workspace_path);
    if (s->workspace_path == NULL) {
        codex_session_free(s);
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    if (codex_policy_init(&s->policy, &request->codex, err) != 0) {
        codex_session_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

void
codex_session_free(struct codex_session *session)
{
    if (session == NULL)
        return;
    codex_policy_release(&session->policy);
    free(session->workspace_path);
    buf_free(&session->delta.text);
    buf_free(&session->last_message);
    buf_free(&session->rate_limits);
    buf_free(&session->stderr_tail);
    buf_free(&session->error_message);
    buf_free(&session->message);
    free(session);
}

/* ---- risoluto-init ---- */

static int
on_preflight(struct codex_session *s, const struct json *line, struct err *err)
{
    if (!json_bool(json_get(line, "ok"), false)) {
        char message[640];
        (void)snprintf(message, sizeof(message),
            "Codex's own sandbox does not work in the container (exit code "
            "%" PRId64 "): use the built-in seccomp profile, or set "
            "codex.thread_sandbox to danger-full-access and let the container "
            "be the boundary. %.300s",
            json_int(json_get(line, "exit_code"), -1),
            buf_str(&s->stderr_tail));
        return session_finish(s, OUTCOME_SANDBOX, message, err);
    }
    s->sandbox_proved = true;
    struct event event;
    event_begin(&event);
    jw_int(&event.w, "ms", json_int(json_get(line, "ms"), 0));
    return event_end(s, "sandbox.proved", &event, err);
}

static int
on_exec(struct codex_session *s, struct err *err)
{
    if (s->policy.inner_sandbox && !s->sandbox_proved)
        return session_finish(s, OUTCOME_SANDBOX,
            "Codex was started without a proof that its sandbox works", err);
    session_enter(s, CODEX_INITIALIZE);
    return calls_send(s, CALL_INITIALIZE, NULL, err);
}

static int
on_init_line(
    struct codex_session *s, const char *line, size_t len, struct err *err)
{
    struct err why = ERR_INIT;
    AUTO(json_free_ptr)
    struct json *root = json_parse(line, len, INIT_LINE_MAX, &why);
    const char *step = json_str(json_get(root, "risoluto_init"), "");
    if (strcmp(step, "ready") == 0)
        return 0;
    if (strcmp(step, "preflight") == 0)
        return on_preflight(s, root, err);
    if (strcmp(step, "exec") == 0)
        return on_exec(s, err);
    char message[512];
    if (strcmp(step, "failed") == 0)
        (void)snprintf(message, sizeof(message),
            "risoluto-init could not start Codex: %.300s",
            json_str(json_get(root, "error"), "no reason given"));
    else
        (void)snprintf(message, sizeof(message),
            "the container's first words are not risoluto-init's: does the "
            "image have its own entrypoint?");
    return session_finish(s,
        strcmp(step, "failed") == 0 ? OUTCOME_CODEX_EXITED
                                    : OUTCOME_CODEX_PROTOCOL,
        message, err);
}

/* ---- lines ---- */

static int
on_malformed(struct codex_session *s, const char *why, struct err *err)
{
    char message[256];
    (void)snprintf(message, sizeof(message),
        "Codex wrote a line that is not its protocol: %.160s", why);
    if (++s->malformed > MALFORMED_MAX)
        return session_end(s, OUTCOME_CODEX_PROTOCOL, message, err);
    return event_warning(s, message, err);
}

/* Too long to be parsed. What it would have told is lost, which only matters
 * when somebody waits for it. */
static int
on_long_line(
    struct codex_session *s, const char *line, size_t len, struct err *err)
{
    char method[RPC_METHOD_MAX];
    char id[RPC_ID_MAX];
    char message[256];
    enum rpc_kind kind = rpc_sniff(line, len, method, id);
    if (kind == RPC_REQUEST) {
        AUTO(buf_free) struct buf answer = {.max = 4096};
        rpc_error(&answer, id, -32600, "the request is too long");
        if (session_send(s, &answer, err) != 0)
            return -1;
    } else if (kind == RPC_ANSWER || strcmp(method, "turn/completed") == 0) {
        return session_end(s, OUTCOME_CODEX_PROTOCOL,
            "Codex's answer is longer than any may be", err);
    }
    (void)snprintf(message, sizeof(message),
        "a line of Codex was too long and is left out (%.128s)",
        *method == '\0' ? "unknown" : method);
    return event_warning(s, message, err);
}

static int
on_line(struct codex_session *s, const char *line, size_t len, struct err *err)
{
    struct rpc_message message;
    struct err why = ERR_INIT;
    if (rpc_parse(line, len, &message, &why) != 0) {
        *err = why;
        return -1;
    }
    int rc = 0;
    switch (message.kind) {
    case RPC_NOTIFICATION:
        rc = notices_handle(s, message.method, message.params, err);
        break;
    case RPC_REQUEST:
        rc = approvals_request(s, &message, err);
        break;
    case RPC_ANSWER:
        rc = calls_answer(s, &message, err);
        break;
    case RPC_MALFORMED:
        rc = on_malformed(s, why.message, err);
        break;
    }
    rpc_release(&message);
    return rc;
}

int
codex_session_line(struct codex_session *session, const char *line, size_t len,
    bool truncated, int64_t now_mono_ms, struct err *err)
{
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (session->phase == CODEX_DONE || len == 0)
        return 0;
    session->now = session->last_line = now_mono_ms;
    if (session->phase == CODEX_WAIT_INIT)
        return on_init_line(session, line, len, err);
    if (truncated || len > CODEX_LINE_MAX)
        return on_long_line(session, line, len, err);
    return on_line(session, line, len, err);
}

/* Codex colours its log even when nobody looks: the escapes go. */
void
codex_session_stderr(
    struct codex_session *session, const char *line, size_t len)
{
    struct buf *tail = &session->stderr_tail;
    char clean[512];
    size_t used = 0;
    for (size_t i = 0; i < len && used + 1 < sizeof(clean); i++) {
        if (line[i] == '\033' && i + 1 < len && line[i + 1] == '[')
            while (i + 1 < len && line[i] != 'm')
                i++;
        else if ((unsigned char)line[i] >= ' ' && line[i] != 0x7f)
            clean[used++] = line[i];
    }
    if (used == 0)
        return;
    clean[used++] = '\n';
    if (tail->len + used > tail->max)
        buf_consume(tail, tail->len + used - tail->max);
    buf_append(tail, clean, used);
}

/* ---- time ---- */

static int
on_stall(struct codex_session *s, struct err *err)
{
    char message[128];
    (void)snprintf(message, sizeof(message),
        "Codex was silent for %lld ms (codex.stall_timeout_ms)",
        (long long)s->request->codex.stall_timeout_ms);
    return session_end(s, OUTCOME_STALLED, message, err);
}

static int
on_turn_timeout(struct codex_session *s, struct err *err)
{
    char message[128];
    (void)snprintf(message, sizeof(message),
        "the turn took longer than %lld ms (codex.turn_timeout_ms)",
        (long long)s->request->codex.turn_timeout_ms);
    return session_end(s, OUTCOME_TURN_TIMEOUT, message, err);
}

static int
on_startup_timeout(struct codex_session *s, struct err *err)
{
    char message[512];
    (void)snprintf(message, sizeof(message),
        "after %lld ms (codex.startup_timeout_ms) still %s. %.300s",
        (long long)s->request->codex.startup_timeout_ms, phases[s->phase].name,
        buf_str(&s->stderr_tail));
    return session_finish(s, OUTCOME_STARTUP_TIMEOUT, message, err);
}

static int
on_drained(struct codex_session *s, struct err *err)
{
    return session_finish(s, s->outcome, NULL, err);
}

/* Silence counts only while it is Codex's turn to say something. */
static int64_t
stall_deadline(const struct codex_session *s)
{
    int64_t stall = s->request->codex.stall_timeout_ms;
    if (stall == 0 || s->phase != CODEX_TURN || s->approval_count > 0)
        return INT64_MAX;
    return after(s->last_line, stall);
}

static int64_t
phase_deadline(const struct codex_session *s)
{
    if (s->phase < CODEX_TURN)
        return s->startup_deadline;
    return s->phase == CODEX_TURN ? s->turn_deadline : s->drain_deadline;
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t
codex_session_deadline(const struct codex_session *session)
{
    if (session->phase == CODEX_DONE)
        return INT64_MAX;
    int64_t deadline =
        earlier(phase_deadline(session), stall_deadline(session));
    deadline = earlier(deadline, calls_deadline(session));
    deadline = earlier(deadline, approvals_deadline(session));
    return earlier(deadline, event_deadline(session));
}

static int
on_phase_deadline(struct codex_session *s, struct err *err)
{
    if (s->phase < CODEX_TURN)
        return on_startup_timeout(s, err);
    return s->phase == CODEX_TURN ? on_turn_timeout(s, err)
                                  : on_drained(s, err);
}

int
codex_session_tick(
    struct codex_session *session, int64_t now_mono_ms, struct err *err)
{
    if (session->phase == CODEX_DONE)
        return 0;
    session->now = now_mono_ms;
    if (event_deadline(session) <= now_mono_ms &&
        event_flush(session, err) != 0)
        return -1;
    if (approvals_tick(session, err) != 0)
        return -1;
    /* One reason is enough; the wider limit first, for it says more. */
    if (phase_deadline(session) <= now_mono_ms)
        return on_phase_deadline(session, err);
    if (stall_deadline(session) <= now_mono_ms)
        return on_stall(session, err);
    return calls_tick(session, err);
}

/* ---- the container's end ---- */

/* What an exit by itself means: the exit codes of risoluto-init, then what
 * Codex said before it went. */
static enum outcome
outcome_of_exit(const struct codex_session *s, int64_t exit_code)
{
    bool early = s->phase <= CODEX_INITIALIZE;
    if (exit_code == 137 || exit_code == 143)
        return OUTCOME_CONTAINER_LOST;
    if (s->phase == CODEX_WAIT_INIT && exit_code == 125)
        return OUTCOME_INTERNAL;
    if (s->phase == CODEX_WAIT_INIT && exit_code == 126)
        return OUTCOME_SANDBOX;
    if (early && exit_code == 127)
        return OUTCOME_IMAGE;
    if (early && strstr(buf_str(&s->stderr_tail), "config.toml") != NULL)
        return OUTCOME_CONFIG;
    return OUTCOME_CODEX_EXITED;
}

int
codex_session_eof(struct codex_session *session, int64_t exit_code,
    bool oom_killed, int64_t now_mono_ms, struct err *err)
{
    char message[ERR_MESSAGE_MAX];
    if (session->phase == CODEX_DONE)
        return 0;
    session->now = now_mono_ms;
    if (oom_killed)
        return session_finish(session, OUTCOME_OOM,
            "the container ran out of memory "
            "(codex.sandbox.resources.memory)",
            err);
    if (session->phase == CODEX_INTERRUPT)
        return session_finish(session, session->outcome, NULL, err);
    enum outcome outcome = outcome_of_exit(session, exit_code);
    (void)snprintf(message, sizeof(message),
        "%s while %s (exit code %" PRId64 "). %.400s",
        outcome == OUTCOME_IMAGE ? "the image has no codex program"
                                 : "the container ended",
        phases[session->phase].name, exit_code, buf_str(&session->stderr_tail));
    return session_finish(session, outcome, message, err);
}

/* ---- the operator ---- */

int
codex_session_respond(struct codex_session *session, const char *request_id,
    const char *response_json, int64_t now_mono_ms, struct err *err)
{
    if (session->phase != CODEX_TURN)
        return err_set(err, ERR_STATE, "no approval is pending while %s",
            phases[session->phase].name);
    session->now = now_mono_ms;
    return approvals_respond(session, request_id, response_json, err);
}

int
codex_session_steer(struct codex_session *session, const char *text,
    int64_t now_mono_ms, struct err *err)
{
    if (session->phase != CODEX_TURN || session->turn_id[0] == '\0')
        return err_set(err, ERR_STATE, "no turn to steer while %s",
            phases[session->phase].name);
    session->now = now_mono_ms;
    return calls_send(session, CALL_STEER, text, err);
}

int
codex_session_abort(struct codex_session *session, enum outcome outcome,
    const char *reason, int64_t now_mono_ms, struct err *err)
{
    if (session->phase == CODEX_DONE)
        return 0;
    session->now = now_mono_ms;
    return session_end(session, outcome, reason, err);
}

enum codex_phase
codex_session_phase(const struct codex_session *session)
{
    return session->phase;
}

enum outcome
codex_session_outcome(const struct codex_session *session, const char **message)
{
    *message = buf_str(&session->message);
    return session->outcome;
}

const char *
codex_session_thread_id(const struct codex_session *session)
{
    return session->thread_id;
}

const char *
codex_session_id(struct codex_session *session)
{
    session->id[0] = '\0';
    if (session->thread_id[0] != '\0' && session->turn_id[0] != '\0')
        (void)snprintf(session->id, sizeof(session->id), "%s-%s",
            session->thread_id, session->turn_id);
    return session->id;
}
