/* SPDX-License-Identifier: Apache-2.0
 * What the control plane must not forget: attempts, events, cursors, claims,
 * the outbox, and the embedded tracker's issues. SQL stays in this folder.
 * Every function that changes something returns 0 only when it is durable. */
#ifndef CONTROL_STORE_STORE_H
#define CONTROL_STORE_STORE_H

#include "common/err.h"
#include "common/json.h"
#include "control/tracker/issue.h"
#include "proto/messages.h"
#include "proto/outcomes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* Opens data_dir/risoluto.db and takes data_dir/control.lock: ERR_CONFLICT
 * when another control plane has it. */
int store_open(struct store **out, const char *data_dir, struct err *err);
void store_close(struct store *store);

/* Random, made with the store: names this control plane to its hosts. */
const char *store_control_id(const struct store *store);

/* ---- changes ---- */

/* Grows with every committed change. */
int64_t store_version(struct store *store);

/* Waits until the version differs from seen or mono_deadline_ms; returns the
 * version. store_wake makes all waiters return at once (for shutdown). */
int64_t store_wait(struct store *store, int64_t seen, int64_t mono_deadline_ms);
void store_wake(struct store *store);

/* ---- attempts ---- */

enum attempt_status_kind { /* of the control plane's view */
    ATTEMPT_CLAIMED,       /* durable, not yet accepted by a data plane */
    ATTEMPT_RUNNING,       /* accepted */
    ATTEMPT_ENDED
};

const char *attempt_status_name(enum attempt_status_kind status);

struct attempt {
    char *attempt_id;
    char *issue_id;
    char *issue_identifier;
    char *issue_title;
    char *host; /* chosen at the claim: a repeated dispatch goes there */
    int64_t fence;
    int64_t number; /* 1, 2, .. of its issue */
    enum attempt_status_kind status;
    char *phase;   /* the data plane's state, last heard */
    char *outcome; /* wire name; NULL until ended */
    char *message; /* why, for people */
    char *model;
    char *thread_id;
    char *turn_id;
    char *container;
    char *workspace;
    char *branch;
    char *commit;
    char *last_event;  /* type */
    char *rate_limits; /* JSON, last heard */
    char *issue_json;  /* the issue as it was claimed */
    int64_t turns;
    int64_t input_tokens;
    int64_t cached_input_tokens;
    int64_t output_tokens;
    int64_t reasoning_tokens;
    int64_t total_tokens;
    int64_t created_at_ms;
    int64_t started_at_ms; /* 0: not yet */
    int64_t ended_at_ms;   /* 0: not yet */
    int64_t last_event_at_ms;
    int64_t last_seq;
};

struct attempt_list {
    struct attempt *items;
    size_t len;
};

void attempt_release(struct attempt *attempt);
void attempt_list_release(struct attempt_list *list);
void attempt_write(
    const struct attempt *attempt, struct jw *w, const char *key);

/* Claims an issue for a host: one transaction that checks that it has no live
 * attempt, takes the next fence, and writes the attempt and an
 * `issue.claimed` event. The host is part of the claim: a dispatch whose
 * answer was lost is repeated there and nowhere else. ERR_CONFLICT when the
 * issue has a live attempt. *out is released by attempt_release. */
int store_claim(struct store *store, const struct issue *issue,
    const char *host, const char *model, struct attempt *out, struct err *err);

/* The attempt was accepted by its host (`attempt.dispatched`). Idempotent. */
int store_dispatched(
    struct store *store, const char *attempt_id, struct err *err);

/* What must happen to the issue when an attempt ends, decided by policy from
 * the attempt as it ended, written in the same transaction. */
struct ending {
    int64_t retry_at_ms;     /* wall clock; 0: no retry */
    bool continuation;       /* the retry continues a clean end */
    char comment[4096];      /* "" : none */
    char transition_to[128]; /* "" : none */
};

struct ending_policy {
    /* failures: ended attempts of this issue since its last success or since
     * the issue was last changed by a person, this one included. Called inside
     * the transaction: it must not call the store. */
    void (*decide)(void *arg, const struct attempt *attempt,
        enum outcome outcome, int64_t failures, struct ending *out);
    void *arg;
};

/* Stores a batch of one host's events and its new cursor in ONE transaction.
 * A (attempt, seq) that is already stored is skipped; a gap in a sequence is
 * ERR_PROTOCOL and nothing is stored; events of attempts unknown here are
 * stored nowhere and counted. Updates the attempts; `attempt.ended` events
 * end them (outbox, retry, by policy). */
int store_apply_events(struct store *store, const char *host,
    const char *journal_id, const struct slice *events,
    const struct ending_policy *policy, struct err *err);

/* Ends an attempt from this side (never dispatched, or its host is lost). */
int store_end_attempt(struct store *store, const char *attempt_id,
    enum outcome outcome, const char *message,
    const struct ending_policy *policy, struct err *err);

/* How many events were dropped because their attempt is not ours. */
int64_t store_unknown_events(struct store *store);

/* 0 for a journal that was never heard of. */
int store_cursor(struct store *store, const char *host, const char *journal_id,
    int64_t *cursor, struct err *err);

int store_attempt(struct store *store, const char *attempt_id,
    struct attempt *out, struct err *err); /* ERR_NOT_FOUND */
int store_live_attempts(
    struct store *store, struct attempt_list *out, struct err *err);
/* By identifier or issue id, newest first. */
int store_issue_attempts(struct store *store, const char *issue,
    struct attempt_list *out, struct err *err);
int store_recent_attempts(struct store *store, int64_t limit,
    struct attempt_list *out, struct err *err); /* ended, newest first */

struct totals {
    int64_t attempts;
    int64_t input_tokens;
    int64_t output_tokens;
    int64_t total_tokens;
    int64_t seconds_running;
};

int store_totals(struct store *store, struct totals *out, struct err *err);

struct attempt_counts {
    int64_t claimed;
    int64_t running;
    int64_t ended[OUTCOME_COUNT]; /* since the store was made */
};

int store_attempt_counts(
    struct store *store, struct attempt_counts *out, struct err *err);

/* ---- retries ---- */

struct retry {
    char *issue_id;
    char *issue_identifier;
    char *error;
    int64_t number; /* of the attempt that would come */
    int64_t due_at_ms;
    bool continuation;
};

struct retry_list {
    struct retry *items;
    size_t len;
};

void retry_list_release(struct retry_list *list);
int store_retries(struct store *store, struct retry_list *out, struct err *err);

/* May this issue be claimed now? false while an attempt of it is live, while a
 * retry is not due, and when its last attempt ended for good (parked) and no
 * person has touched the issue since. The rule for "touched":
 *  - while a comment or move of ours is still in the outbox: no;
 *  - a snapshot fetched before our last delivery says nothing: no;
 *  - its state is not the one that we claimed it in or moved it to: yes;
 *  - its updated_at is newer than at the claim: yes, except where our own
 *    writes change updated_at too (Linear): there the first snapshot after
 *    our last delivery is taken as the state of rest, and what is newer than
 *    that was done by a person. No clock but our own is compared.
 * What a person changes between our last delivery and that first snapshot is
 * noticed if it is the state, else at their next change. */
int store_is_claimable(struct store *store, const struct issue *issue,
    int64_t now_ms, bool *out, struct err *err);

/* Forgets retry and verdict: the issue may be claimed at once. */
int store_release_issue(
    struct store *store, const char *issue_id, struct err *err);

/* ---- events ---- */

struct event {
    int64_t id;             /* grows; the SSE id */
    char *attempt_id;       /* NULL: of no attempt */
    char *issue_identifier; /* NULL: of no issue */
    int64_t seq;            /* 0: ours, not the data plane's */
    int64_t at_ms;
    char *type;
    char *data; /* JSON object */
};

struct event_list {
    struct event *items;
    size_t len;
};

void event_list_release(struct event_list *list);
void event_write(const struct event *event, struct jw *w, const char *key);

/* Events with id > after, at most limit, oldest first; attempt_id NULL: all. */
int store_events(struct store *store, const char *attempt_id, int64_t after,
    int64_t limit, struct event_list *out, struct err *err);
/* The newest, oldest first; for a snapshot. */
int store_recent_events(struct store *store, int64_t limit,
    struct event_list *out, struct err *err);
int store_last_event_id(struct store *store, int64_t *out, struct err *err);

/* Adds an event of the control plane itself. */
int store_add_event(struct store *store, const char *attempt_id,
    const char *issue_identifier, const char *type, const char *data_json,
    struct err *err);

/* ---- outbox: effects on the tracker, decided with the attempt's end ---- */

enum outbox_kind { OUTBOX_COMMENT, OUTBOX_TRANSITION };

struct outbox_entry {
    int64_t id;
    enum outbox_kind kind;
    char *key; /* idempotency key */
    char *attempt_id;
    char *issue_id;
    char *issue_identifier;
    char *body; /* comment text, or state */
    int64_t tries;
};

void outbox_entry_release(struct outbox_entry *entry);

/* The oldest entry that is due and not behind another one of its issue;
 * ERR_NOT_FOUND when there is none. */
int store_outbox_next(struct store *store, int64_t now_ms,
    struct outbox_entry *out, struct err *err);
/* Delivered: removed, with a `comment.posted` or `issue.transitioned` event. */
int store_outbox_done(
    struct store *store, const struct outbox_entry *entry, struct err *err);
int store_outbox_retry(struct store *store, int64_t id, int64_t not_before_ms,
    const char *error, struct err *err);
/* Given up: kept, marked dead, with an `outbox.dead` event. */
int store_outbox_dead(
    struct store *store, int64_t id, const char *error, struct err *err);
int store_outbox_depth(struct store *store, int64_t *out, struct err *err);

/* ---- the embedded tracker ---- */

struct new_issue {
    const char *title;
    const char *description;
    const char *state;
    int64_t priority;
    char *const *labels;
    size_t label_count;
};

struct comment {
    int64_t id;
    char *author;
    char *body;
    int64_t at_ms;
};

struct comment_list {
    struct comment *items;
    size_t len;
};

void comment_list_release(struct comment_list *list);

/* Identifiers are PREFIX-1, PREFIX-2, ... ; *out is the new issue. */
int store_issue_create(struct store *store, const char *prefix,
    const struct new_issue *issue, struct issue *out, struct err *err);
/* By identifier or id; ERR_NOT_FOUND. */
int store_issue(
    struct store *store, const char *issue, struct issue *out, struct err *err);
/* states NULL: all; newest first, at most limit. */
int store_issues(struct store *store, char *const *states, size_t count,
    int64_t limit, struct issue_list *out, struct err *err);
/* by_person: touches updated_at, so that a parked issue may run again, even
 * when the state stays what it is. */
int store_issue_transition(struct store *store, const char *issue_id,
    const char *state, bool by_person, struct err *err);
/* key NULL: a person's, always added, touches updated_at (an answer lets a
 * parked issue run again); else ours, added once per key. */
int store_issue_comment(struct store *store, const char *issue_id,
    const char *key, const char *author, const char *body, struct err *err);
int store_issue_comments(struct store *store, const char *issue_id,
    struct comment_list *out, struct err *err);

/* 0, or ERR_STORE with what PRAGMA quick_check says. For doctor: it reads the
 * whole database. */
int store_check(struct store *store, struct err *err);

#endif
