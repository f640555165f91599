/* SPDX-License-Identifier: Apache-2.0
 * What the files of the store share: its struct, the write that bumps the
 * version, and the row helpers. Private to this folder. */
#ifndef CONTROL_STORE_INTERNAL_H
#define CONTROL_STORE_INTERNAL_H

#include "common/db.h"
#include "common/id.h"
#include "control/store/store.h"

#include <pthread.h>
#include <stdatomic.h>

extern const char *const store_migrations[];
extern const size_t store_migration_count;

/* The data of an event of our own; a comment of 128 KiB fits, escaped. */
enum { STORE_EVENT_MAX = 1024 * 1024 };

struct store {
    struct db *db;
    int lock_fd;
    char control_id[ID_SIZE];
    pthread_mutex_t mutex; /* of version, woken and their condition */
    pthread_cond_t changed;
    int64_t version;
    bool woken;
    atomic_int_fast64_t unknown_events;
};

/* db_write, and the new version is announced when it is durable. */
int store_write(struct store *store, db_fn *fn, void *arg, struct err *err);

/* A step that must give a row: ERR_NOT_FOUND with `what` when it does not. */
int store_step_one(struct db_stmt *stmt, const char *what, struct err *err);

/* Grows an array of items of `size` bytes so that one more fits (by powers of
 * two); the new place is zeroed. NULL when out of memory. */
void *store_grow(void **items, size_t len, size_t size, struct err *err);

/* ---- attempts.c ---- */

int attempt_load(struct db_conn *conn, const char *attempt_id,
    struct attempt *out, struct err *err); /* ERR_NOT_FOUND */

/* ---- endings.c ---- */

struct attempt_end {
    const char *attempt_id;
    enum outcome outcome;
    const char *message; /* may be NULL */
    const struct ending_policy *policy;
};

/* Ends a live attempt with all that follows from it: the verdict on its
 * issue, a retry, the outbox. Does nothing to one that has ended already. */
int attempt_finish(
    struct db_conn *conn, const struct attempt_end *end, struct err *err);

/* ---- projections.c ---- */

/* Brings the attempt's row up to date with one stored event. */
int attempt_project(struct db_conn *conn, const struct event_message *event,
    const struct json *data, struct err *err);

/* ---- events.c ---- */

struct event_row {
    const char *attempt_id;
    const char *issue_identifier;
    int64_t seq;
    int64_t at_ms; /* 0: now */
    const char *type;
    const char *data; /* JSON object; NULL: {} */
};

int event_insert(
    struct db_conn *conn, const struct event_row *row, struct err *err);

/* ---- retries.c ---- */

/* The verdict on an issue: what the store knows about its past. */
struct verdict {
    bool known;
    bool parked;
    bool settled; /* updated_at is as our own writes left it */
    int64_t failures;
    int64_t updated_at;   /* of the issue: at its claim, or as it settled */
    int64_t delivered_at; /* our last write to the tracker; 0: none */
    char *state;          /* as claimed, or as our own transition left it */
};

void verdict_release(struct verdict *verdict);
/* .known is false when the issue was never claimed. */
int verdict_load(struct db_conn *conn, const char *issue_id,
    struct verdict *out, struct err *err);

/* Is the issue in another state, or newer, than our own doing explains? */
bool verdict_is_outdated(
    const struct verdict *verdict, const struct issue *issue);

/* ---- outbox.c ---- */

int outbox_insert(struct db_conn *conn, enum outbox_kind kind,
    const struct attempt *attempt, const char *body, struct err *err);

#endif
