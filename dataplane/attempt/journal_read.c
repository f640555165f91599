/* SPDX-License-Identifier: Apache-2.0
 * The journal's reading half: the long poll for events (whose cursor is also
 * the acknowledgement that prunes), and the state of attempts. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/attempt/journal.h"
#include "dataplane/attempt/journal_db.h"

#include <string.h>

int
journal_db_last_pos(struct db_conn *conn, int64_t *out, struct err *err)
{
    struct db_stmt *stmt;
    int row;

    *out = 0;
    if (db_query(conn, err, &stmt,
            "SELECT seq FROM sqlite_sequence WHERE name = 'events'", "") != 0)
        return -1;
    row = db_step(stmt, err);
    if (row == 1)
        *out = db_col_int(stmt, 0);
    db_done(stmt);
    return row < 0 ? -1 : 0;
}

static int
read_last_pos(struct db_conn *conn, void *arg, struct err *err)
{
    return journal_db_last_pos(conn, arg, err);
}

int
journal_last_pos(struct journal *journal, int64_t *out, struct err *err)
{
    return db_read(journal->db, read_last_pos, out, err);
}

/* ---- fences ---- */

struct fence_job {
    const char *attempt_id;
    int64_t fence;
};

static int
check_fence(struct db_conn *conn, void *arg, struct err *err)
{
    const struct fence_job *job = arg;
    struct db_stmt *stmt;
    int64_t fence = 0;
    int row;

    if (db_query(conn, err, &stmt,
            "SELECT fence FROM attempts WHERE attempt_id = ?", "t",
            job->attempt_id) != 0)
        return -1;
    row = db_step(stmt, err);
    if (row == 1)
        fence = db_col_int(stmt, 0);
    db_done(stmt);
    if (row == 0)
        return err_set(
            err, ERR_NOT_FOUND, "no attempt %s on this host", job->attempt_id);
    if (row == 1 && fence != job->fence)
        return err_set(err, ERR_STALE_FENCE,
            "fence %lld is not the attempt's, which is %lld",
            (long long)job->fence, (long long)fence);
    return row < 0 ? -1 : 0;
}

int
journal_check_fence(struct journal *journal, const char *attempt_id,
    int64_t fence, struct err *err)
{
    struct fence_job job = {.attempt_id = attempt_id, .fence = fence};

    return db_read(journal->db, check_fence, &job, err);
}

/* ---- acknowledgement ---- */

static int
free_bytes(struct db_conn *conn, int64_t cursor, struct err *err)
{
    return db_exec(conn, err,
        "UPDATE meta SET bytes = MAX(0, bytes - (SELECT"
        " COALESCE(SUM(LENGTH(CAST(data AS BLOB))"
        " + LENGTH(CAST(type AS BLOB)) + 64), 0)"
        " FROM events WHERE pos <= ?))",
        "i", cursor);
}

static int
prune(struct db_conn *conn, void *arg, struct err *err)
{
    const int64_t *cursor = arg;
    int64_t last;

    if (journal_db_last_pos(conn, &last, err) != 0)
        return -1;
    if (*cursor > last)
        return err_set(err, ERR_INVALID,
            "cursor %lld is ahead of this journal, which ends at %lld",
            (long long)*cursor, (long long)last);
    if (free_bytes(conn, *cursor, err) != 0 ||
        db_exec(conn, err, "DELETE FROM events WHERE pos <= ?", "i", *cursor) !=
            0)
        return -1;
    return db_exec(conn, err,
        "DELETE FROM attempts WHERE state = ? AND last_pos <= ?", "ii",
        (int64_t)ATTEMPT_ENDED, *cursor);
}

static int
acknowledge(struct journal *journal, int64_t cursor, struct err *err)
{
    bool done;

    pthread_mutex_lock(&journal->mutex);
    done = cursor <= journal->pruned;
    pthread_mutex_unlock(&journal->mutex);
    if (done)
        return 0;
    if (db_write(journal->db, prune, &cursor, err) != 0)
        return -1;
    pthread_mutex_lock(&journal->mutex);
    if (cursor > journal->pruned)
        journal->pruned = cursor;
    pthread_mutex_unlock(&journal->mutex);
    return 0;
}

/* ---- events ---- */

struct events_job {
    int64_t cursor;
    int64_t limit;
    struct slice *out;
};

static int
read_event(struct db_stmt *stmt, struct event_message *event, struct err *err)
{
    event->pos = db_col_int(stmt, 0);
    event->attempt_id = db_col_dup(stmt, 1);
    event->seq = db_col_int(stmt, 2);
    event->at_ms = db_col_int(stmt, 3);
    event->type = db_col_dup(stmt, 4);
    event->data = db_col_dup(stmt, 5);
    if (event->attempt_id == NULL || event->type == NULL || event->data == NULL)
        return err_no_memory(err);
    return 0;
}

static int
collect_events(
    struct db_stmt *stmt, const struct events_job *job, struct err *err)
{
    AUTO_FREE struct event_message *events =
        calloc((size_t)job->limit, sizeof(struct event_message));
    size_t bytes = 0;
    int row = 1;

    if (events == NULL)
        return err_no_memory(err);
    job->out->items = events;
    /* At least one event, whatever its size; then up to the limit. */
    while (job->out->len < (size_t)job->limit && bytes < PROTO_EVENTS_BYTES &&
           (row = db_step(stmt, err)) == 1) {
        struct event_message *event = &events[job->out->len++];

        if (read_event(stmt, event, err) != 0) {
            (void)STEAL(events); /* released with the reply */
            return -1;
        }
        bytes += strlen(event->data);
    }
    if (job->out->len == 0)
        job->out->items = NULL;
    else
        (void)STEAL(events);
    return row < 0 ? -1 : 0;
}

static int
read_events(struct db_conn *conn, void *arg, struct err *err)
{
    const struct events_job *job = arg;
    struct db_stmt *stmt;
    int result;

    if (db_query(conn, err, &stmt,
            "SELECT pos, attempt_id, seq, at_ms, type, data FROM events"
            " WHERE pos > ? ORDER BY pos LIMIT ?",
            "ii", job->cursor, job->limit) != 0)
        return -1;
    result = collect_events(stmt, job, err);
    db_done(stmt);
    return result;
}

/* Waits until there may be news: false at the deadline or in a shutdown. */
static bool
wait_for_news(struct journal *journal, uint64_t seen, int64_t deadline)
{
    bool news;

    pthread_mutex_lock(&journal->mutex);
    while (journal->version == seen && !journal->closing &&
           clock_mono_ms() < deadline)
        (void)clock_cond_wait_until(
            &journal->changed, &journal->mutex, deadline);
    news = journal->version != seen && !journal->closing;
    pthread_mutex_unlock(&journal->mutex);
    return news;
}

static uint64_t
current_version(struct journal *journal)
{
    uint64_t version;

    pthread_mutex_lock(&journal->mutex);
    version = journal->version;
    pthread_mutex_unlock(&journal->mutex);
    return version;
}

int
journal_events(struct journal *journal, const struct events_request *in,
    struct events_reply *out, struct err *err)
{
    struct events_job job = {.cursor = in->cursor, .out = &out->events};
    int64_t deadline = clock_mono_ms() + in->wait_ms;
    uint64_t seen;

    memset(out, 0, sizeof(*out));
    if (strcmp(in->journal_id, journal->id) != 0)
        return err_set(err, ERR_CONFLICT,
            "the cursor is of journal %s; this one is %s: say hello again",
            in->journal_id, journal->id);
    job.limit = in->max_events < 1 ? 1 : in->max_events;
    job.limit =
        job.limit > PROTO_EVENTS_MAX_COUNT ? PROTO_EVENTS_MAX_COUNT : job.limit;
    if (acknowledge(journal, in->cursor, err) != 0)
        return -1;
    do {
        schema_release(&events_reply_schema, out);
        seen = current_version(journal);
        if (db_read(journal->db, read_events, &job, err) != 0) {
            schema_release(&events_reply_schema, out);
            return -1;
        }
    } while (out->events.len == 0 && wait_for_news(journal, seen, deadline));
    return 0;
}

void
journal_wake(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    journal->closing = true;
    pthread_cond_broadcast(&journal->changed);
    pthread_mutex_unlock(&journal->mutex);
}

/* ---- status ---- */

struct status_job {
    const char *attempt_id; /* NULL: all */
    struct slice *out;
};

static int
read_attempt(struct db_stmt *stmt, struct attempt_status *out, struct err *err)
{
    out->attempt_id = db_col_dup(stmt, 0);
    out->fence = db_col_int(stmt, 1);
    out->issue_id = db_col_dup(stmt, 2);
    out->issue_identifier = db_col_dup(stmt, 3);
    out->state =
        strdup(attempt_state_name((enum attempt_state)db_col_int(stmt, 4)));
    out->outcome = db_col_dup(stmt, 5);
    out->started_at_ms = db_col_int(stmt, 6);
    out->last_seq = db_col_int(stmt, 7);
    out->container = db_col_dup(stmt, 8);
    if (out->attempt_id == NULL || out->issue_id == NULL ||
        out->issue_identifier == NULL || out->state == NULL)
        return err_no_memory(err);
    return 0;
}

static int
collect_attempts(struct db_stmt *stmt, struct slice *out, struct err *err)
{
    struct attempt_status *list = NULL;
    int row;

    while ((row = db_step(stmt, err)) == 1) {
        struct attempt_status *grown =
            realloc(list, (out->len + 1) * sizeof(*list));

        if (grown == NULL)
            return err_no_memory(err);
        list = grown;
        out->items = list;
        memset(&list[out->len], 0, sizeof(*list));
        if (read_attempt(stmt, &list[out->len++], err) != 0)
            return -1;
    }
    return row < 0 ? -1 : 0;
}

static int
read_status(struct db_conn *conn, void *arg, struct err *err)
{
    const struct status_job *job = arg;
    struct db_stmt *stmt;
    int result;

    if (db_query(conn, err, &stmt,
            "SELECT attempt_id, fence, issue_id, identifier, state, outcome,"
            " started_at_ms, last_seq, container FROM attempts"
            " WHERE ?1 IS NULL OR attempt_id = ?1"
            /* Those that go on first: they must not fall to the limit. */
            " ORDER BY outcome IS NOT NULL, attempt_id LIMIT ?2",
            "ti", job->attempt_id, (int64_t)PROTO_STATUS_MAX_COUNT) != 0)
        return -1;
    result = collect_attempts(stmt, job->out, err);
    db_done(stmt);
    return result;
}

int
journal_status(struct journal *journal, const char *attempt_id,
    struct status_reply *out, struct err *err)
{
    struct status_job job = {.attempt_id = attempt_id, .out = &out->attempts};

    memset(out, 0, sizeof(*out));
    if (db_read(journal->db, read_status, &job, err) != 0) {
        schema_release(&status_reply_schema, out);
        return -1;
    }
    if (attempt_id != NULL && out->attempts.len == 0)
        return err_set(
            err, ERR_NOT_FOUND, "no attempt %s on this host", attempt_id);
    return 0;
}
