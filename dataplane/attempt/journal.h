/* SPDX-License-Identifier: Apache-2.0
 * The data plane's durable memory: its attempts, and their events until the
 * control plane has acknowledged them. */
#ifndef DATAPLANE_ATTEMPT_JOURNAL_H
#define DATAPLANE_ATTEMPT_JOURNAL_H

#include "common/err.h"
#include "proto/limits.h"
#include "proto/messages.h"
#include "proto/outcomes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The life of an attempt on its host, in order. */
#define ATTEMPT_STATES(X)                                                      \
    X(ATTEMPT_ACCEPTED, "accepted")                                            \
    X(ATTEMPT_WORKSPACE, "preparing_workspace")                                \
    X(ATTEMPT_CREATING, "creating_container")                                  \
    X(ATTEMPT_STARTING, "starting_codex")                                      \
    X(ATTEMPT_TURN, "running_turn")                                            \
    X(ATTEMPT_FINISHING, "finishing")                                          \
    X(ATTEMPT_ENDED, "ended")

enum attempt_state {

#define X(id, name) id,
    ATTEMPT_STATES(X)
#undef X
        ATTEMPT_STATE_COUNT
};

const char *attempt_state_name(enum attempt_state state);
/* The static transition table: forward by one, or to finishing or ended. */
bool attempt_state_may_follow(enum attempt_state from, enum attempt_state to);

struct journal;

enum { JOURNAL_EVENT_MAX = PROTO_EVENT_DATA_MAX }; /* of data */

/* Opens dir/journal.db (the folder is made if missing) and takes
 * dir/dataplane.lock: ERR_CONFLICT when another process has it. max_bytes:
 * events beyond it are refused with ERR_DISK_FULL (only the end of an attempt
 * has a reserve); 0: no limit. */
int journal_open(
    struct journal **out, const char *dir, int64_t max_bytes, struct err *err);
void journal_close(struct journal *journal);
const char *journal_id(const struct journal *journal);

/* The control plane that this data plane belongs to: the first to say hello.
 * ERR_CONFLICT for another one. */
int journal_adopt_control(
    struct journal *journal, const char *control_id, struct err *err);

/* Writes the attempt and its `attempt.accepted` event. *known: it is there
 * already, or was and is forgotten (nothing is written). ERR_STALE_FENCE when
 * this issue was seen with a higher fence; ERR_CONFLICT when another attempt
 * of it is not ended, or when its workspace key belongs to another issue. The
 * dispatch is kept without its API key, to take the attempt up again. */
int journal_accept(struct journal *journal,
    const struct dispatch_request *request, bool *known, struct err *err);

/* Checks that fence is the attempt's: ERR_NOT_FOUND, ERR_STALE_FENCE. */
int journal_check_fence(struct journal *journal, const char *attempt_id,
    int64_t fence, struct err *err);

struct journal_entry {
    const char *type;
    const char *data_json; /* an object; NULL: {} */
};

/* What happened in one step of an attempt. It becomes durable as a whole, so
 * that a restart finds either all of it or nothing: the events of a line of
 * the container's log never part from the mark that this line was read. */
struct journal_step {
    const struct journal_entry *entries;
    size_t count;
    enum attempt_state state; /* ATTEMPT_STATE_COUNT: unchanged */
    const char *container;    /* NULL: unchanged */
    const char *log_cursor;   /* NULL: unchanged */
};

/* ERR_STATE when the transition table forbids it, or it has ended. */
int journal_commit(struct journal *journal, const char *attempt_id,
    const struct journal_step *step, struct err *err);

/* One event, durable when it returns; group commit makes many cheap. */
int journal_event(struct journal *journal, const char *attempt_id,
    const char *type, const char *data_json, struct err *err);

/* A state change and its event in one transaction; ERR_STATE when the
 * transition table forbids it. container may be NULL (unchanged). */
int journal_state(struct journal *journal, const char *attempt_id,
    enum attempt_state state, const char *container, const char *type,
    const char *data_json, struct err *err);

/* The end: state, outcome and `attempt.ended` in one transaction. */
int journal_end(struct journal *journal, const char *attempt_id,
    enum outcome outcome, const char *message, struct err *err);

/* Events with pos > cursor (blocks up to wait_ms while there are none), and
 * prunes those up to cursor; ended attempts whose last event is acknowledged
 * are forgotten (their fence is kept). ERR_CONFLICT: another journal's
 * cursor. */
int journal_events(struct journal *journal, const struct events_request *in,
    struct events_reply *out, struct err *err);
/* All waiters return at once, now and later (for shutdown). */
void journal_wake(struct journal *journal);

int journal_last_pos(struct journal *journal, int64_t *out, struct err *err);
/* attempt_id NULL: all; ERR_NOT_FOUND for one that is not there. */
int journal_status(struct journal *journal, const char *attempt_id,
    struct status_reply *out, struct err *err);

/* The workspace key is free for another issue. */
int journal_forget_workspace(
    struct journal *journal, const char *key, struct err *err);

#endif
