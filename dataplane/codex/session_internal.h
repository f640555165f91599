/* SPDX-License-Identifier: Apache-2.0
 * The body of a Codex session, shared by session.c, calls.c, notices.c,
 * approvals.c and events.c; nobody else includes this. */
#ifndef DATAPLANE_CODEX_SESSION_INTERNAL_H
#define DATAPLANE_CODEX_SESSION_INTERNAL_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "dataplane/codex/codex.h"
#include "dataplane/codex/policy.h"
#include "dataplane/codex/rpc.h"

enum {
    CALLS_MAX = 16,
    APPROVALS_MAX = 64,
    CODEX_ID_MAX = 128, /* ids that Codex makes: threads, turns, items */
    INCARNATION_SIZE = 17,
    REQUEST_ID_SIZE = 48
};

/* What we ask Codex. */
enum call {
    CALL_INITIALIZE,
    CALL_LOGIN,
    CALL_THREAD,
    CALL_TURN,
    CALL_STEER,
    CALL_INTERRUPT,
    CALL_CLEAN,
    CALL_COUNT
};

struct pending_call {
    char id[REQUEST_ID_SIZE];
    enum call call;
    int64_t deadline;
};

/* What Codex asks us. */
struct pending_approval {
    char request_id[REQUEST_ID_SIZE]; /* ours, told to the operator */
    char rpc_id[RPC_ID_MAX];          /* Codex's, as JSON */
    const char *decline;              /* the answer that means no, as JSON */
    int64_t deadline;
};

/* Deltas wait here for a moment, so that a stream of single bytes is not a
 * journal entry for each. */
struct delta {
    char item_id[CODEX_ID_MAX];
    char turn_id[CODEX_ID_MAX];
    const char *kind; /* NULL: nothing waits */
    struct buf text;
    int64_t deadline;
};

struct codex_session {
    const struct dispatch_request *request;
    char *workspace_path;
    struct codex_sink sink;
    struct codex_policy policy;

    enum codex_phase phase;
    int64_t now;
    int64_t last_line;        /* when Codex last said something */
    int64_t startup_deadline; /* until the thread has started */
    int64_t turn_deadline;
    int64_t drain_deadline;

    char incarnation[INCARNATION_SIZE];
    unsigned long next_id;
    struct pending_call calls[CALLS_MAX];
    size_t call_count;
    struct pending_approval approvals[APPROVALS_MAX];
    size_t approval_count;
    struct delta delta;

    bool sandbox_proved;
    bool interrupt_sent;
    bool cancelled; /* an approval was answered with "cancel" */
    unsigned malformed;

    char thread_id[CODEX_ID_MAX];
    char turn_id[CODEX_ID_MAX]; /* "" until Codex names the turn */
    char id[2 * CODEX_ID_MAX];  /* see codex_session_id */
    int64_t turn;               /* 1 for the first */
    struct buf last_message;    /* the agent's, of this turn */
    struct buf rate_limits;     /* as last reported */
    struct buf stderr_tail;
    enum outcome error_outcome; /* of the turn's last fatal error */
    struct buf error_message;

    enum outcome outcome;
    struct buf message;
};

/* ---- session.c ---- */

/* Moves on, if the table of phases has that step. */
void session_enter(struct codex_session *s, enum codex_phase phase);
/* The end, at once. */
int session_finish(struct codex_session *s, enum outcome outcome,
    const char *message, struct err *err);
/* The end: by an interrupt when a turn runs, else at once. */
int session_end(struct codex_session *s, enum outcome outcome,
    const char *message, struct err *err);
int session_send(struct codex_session *s, struct buf *line, struct err *err);
/* "r-<incarnation>-<n>" */
void session_new_id(
    struct codex_session *s, char prefix, char out[REQUEST_ID_SIZE]);

/* ---- calls.c ---- */

int calls_send(
    struct codex_session *s, enum call call, const char *text, struct err *err);
int calls_answer(struct codex_session *s, const struct rpc_message *message,
    struct err *err);
/* The turn's name is known now: says so, and interrupts it when that is what
 * waited for the name. */
int calls_turn_named(
    struct codex_session *s, const char *turn_id, struct err *err);
int64_t calls_deadline(const struct codex_session *s);
/* Ends the session when an answer is overdue. */
int calls_tick(struct codex_session *s, struct err *err);
void calls_clear(struct codex_session *s);

/* ---- notices.c ---- */

int notices_handle(struct codex_session *s, const char *method,
    const struct json *params, struct err *err);

/* ---- approvals.c ---- */

int approvals_request(struct codex_session *s,
    const struct rpc_message *message, struct err *err);
int approvals_resolved(
    struct codex_session *s, const struct json *rpc_id, struct err *err);
int approvals_respond(struct codex_session *s, const char *request_id,
    const char *response_json, struct err *err);
int64_t approvals_deadline(const struct codex_session *s);
int approvals_tick(struct codex_session *s, struct err *err);

/* ---- events.c ---- */

struct event {
    struct buf data;
    struct jw w;
};

/* Begins an event's object; the caller writes members to event->w. */
void event_begin(struct event *event);
/* Ends the object and hands it to the sink, after any waiting delta. Always
 * releases it. */
int event_end(struct codex_session *s, const char *type, struct event *event,
    struct err *err);
/* {"message":..} */
int event_warning(
    struct codex_session *s, const char *message, struct err *err);
int event_delta(struct codex_session *s, const char *kind,
    const struct json *params, struct err *err);
int event_flush(struct codex_session *s, struct err *err);
int64_t event_deadline(const struct codex_session *s);
/* Replaces the API key, should it occur, in bytes that will be kept. */
void event_redact(const struct codex_session *s, char *data, size_t len);

#endif
