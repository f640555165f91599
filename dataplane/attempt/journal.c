/* SPDX-License-Identifier: Apache-2.0
 * The journal's writing: each change of an attempt and the events that
 * tell of it are one transaction. Only the journal*.c files know its SQL. */
#include "dataplane/attempt/journal.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "dataplane/attempt/journal_db.h"

#include <stdio.h>
#include <string.h>

enum {
    ROW_OVERHEAD = 64,        /* what an event costs beside its text */
    END_RESERVE = 1024 * 1024 /* beyond max_bytes, for attempt.ended */
};

static const char *const migrations[] = {
    "CREATE TABLE meta ("
    " one INTEGER PRIMARY KEY CHECK (one = 1),"
    " journal_id TEXT NOT NULL,"
    " control_id TEXT,"
    " bytes INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE attempts ("
    " attempt_id TEXT PRIMARY KEY,"
    " fence INTEGER NOT NULL,"
    " issue_id TEXT NOT NULL,"
    " identifier TEXT NOT NULL,"
    " state INTEGER NOT NULL,"
    " outcome TEXT,"
    " message TEXT,"
    " container TEXT,"
    " log_cursor TEXT NOT NULL DEFAULT '',"
    " started_at_ms INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL DEFAULT 0,"
    " last_pos INTEGER NOT NULL DEFAULT 0,"
    " dispatch TEXT NOT NULL);"
    "CREATE INDEX attempts_issue ON attempts (issue_id);"
    /* AUTOINCREMENT: a position is never given out twice, pruned or not. */
    "CREATE TABLE events ("
    " pos INTEGER PRIMARY KEY AUTOINCREMENT,"
    " attempt_id TEXT NOT NULL,"
    " seq INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL,"
    " type TEXT NOT NULL,"
    " data TEXT NOT NULL);"
    "CREATE TABLE fences ("
    " issue_id TEXT PRIMARY KEY,"
    " fence INTEGER NOT NULL,"
    " attempt_id TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE workspaces ("
    " key TEXT PRIMARY KEY,"
    " issue_id TEXT NOT NULL) WITHOUT ROWID;",
};

/* ---- opening ---- */

static int
load_or_make_id(struct db_conn *conn, void *arg, struct err *err)
{
    struct journal *journal = arg;
    struct db_stmt *stmt;
    int row;

    if (db_query(conn, err, &stmt, "SELECT journal_id FROM meta", "") != 0)
        return -1;
    row = db_step(stmt, err);
    if (row == 1)
        snprintf(journal->id, sizeof(journal->id), "%s", db_col_text(stmt, 0));
    db_done(stmt);
    if (row != 0)
        return row < 0 ? -1 : 0;
    id_new(journal->id);
    return db_exec(conn, err,
        "INSERT INTO meta (one, journal_id) VALUES (1, ?)", "t", journal->id);
}

static int
open_database(struct journal *journal, const char *dir, struct err *err)
{
    AUTO_FREE char *path = file_join(dir, "journal.db");
    const struct db_options options = {
        .path = path,
        .migrations = migrations,
        .migration_count = ARRAY_LEN(migrations),
    };

    if (path == NULL)
        return err_no_memory(err);
    if (db_open(&journal->db, &options, err) != 0)
        return -1;
    return db_write(journal->db, load_or_make_id, journal, err);
}

static int
take_lock(struct journal *journal, const char *dir, struct err *err)
{
    AUTO_FREE char *path = file_join(dir, "dataplane.lock");

    if (path == NULL)
        return err_no_memory(err);
    if (file_lock(path, &journal->lock_fd, err) == 0)
        return 0;
    if (err->code == ERR_CONFLICT)
        return err_set(err, ERR_CONFLICT,
            "another data plane runs on %s: stop it, or give this one its own "
            "--data-dir",
            dir);
    return -1;
}

int
journal_open(
    struct journal **out, const char *dir, int64_t max_bytes, struct err *err)
{
    struct journal *journal = calloc(1, sizeof(*journal));

    *out = NULL;
    if (journal == NULL)
        return err_no_memory(err);
    journal->lock_fd = -1;
    journal->max_bytes = max_bytes;
    pthread_mutex_init(&journal->mutex, NULL);
    clock_cond_init(&journal->changed);
    if (file_make_dirs(dir, 0700, err) != 0 ||
        take_lock(journal, dir, err) != 0 ||
        open_database(journal, dir, err) != 0) {
        journal_close(journal);
        return err_wrap(err, "journal in %s", dir);
    }
    *out = journal;
    return 0;
}

void
journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    db_close(journal->db);
    if (journal->lock_fd >= 0)
        (void)close(journal->lock_fd);
    pthread_cond_destroy(&journal->changed);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

const char *
journal_id(const struct journal *journal)
{
    return journal->id;
}

/* ---- the owner ---- */

static int
adopt_control(struct db_conn *conn, void *arg, struct err *err)
{
    const char *control_id = arg;
    struct db_stmt *stmt;
    bool free_to_take = false;
    bool same = false;

    if (db_query(conn, err, &stmt, "SELECT control_id FROM meta", "") != 0)
        return -1;
    if (db_step(stmt, err) != 1)
        return err_wrap(err, "meta");
    free_to_take = db_col_text(stmt, 0) == NULL;
    same = !free_to_take && strcmp(db_col_text(stmt, 0), control_id) == 0;
    db_done(stmt);
    if (same)
        return 0;
    if (!free_to_take)
        return err_set(err, ERR_CONFLICT,
            "this data plane belongs to another control plane: stop one of "
            "the two, or give this data plane a new --data-dir");
    return db_exec(
        conn, err, "UPDATE meta SET control_id = ?", "t", control_id);
}

int
journal_adopt_control(
    struct journal *journal, const char *control_id, struct err *err)
{
    AUTO_FREE char *id = strdup(control_id);

    if (id == NULL)
        return err_no_memory(err);
    return db_write(journal->db, adopt_control, id, err);
}

/* ---- one step of an attempt ---- */

static int
load_attempt(
    struct db_conn *conn, struct journal_step_job *job, struct err *err)
{
    struct db_stmt *stmt;
    int row;

    if (db_query(conn, err, &stmt,
            "SELECT state, last_seq, last_pos FROM attempts"
            " WHERE attempt_id = ?",
            "t", job->attempt_id) != 0)
        return -1;
    row = db_step(stmt, err);
    if (row == 1) {
        job->state = (enum attempt_state)db_col_int(stmt, 0);
        job->seq = db_col_int(stmt, 1);
        job->pos = db_col_int(stmt, 2);
    }
    db_done(stmt);
    if (row == 0)
        return err_set(
            err, ERR_NOT_FOUND, "no attempt %s on this host", job->attempt_id);
    return row < 0 ? -1 : 0;
}

static const char *
entry_data(const struct journal_entry *entry)
{
    return entry->data_json != NULL ? entry->data_json : "{}";
}

static int
measure(const struct journal_step *step, int64_t *total, struct err *err)
{
    *total = 0;
    for (size_t i = 0; i < step->count; i++) {
        const struct journal_entry *entry = &step->entries[i];
        size_t len = strlen(entry_data(entry));

        if (len > JOURNAL_EVENT_MAX)
            return err_set(err, ERR_TOO_LARGE,
                "event %s has %zu bytes of data; at most %d are kept",
                entry->type, len, JOURNAL_EVENT_MAX);
        *total += (int64_t)(len + strlen(entry->type)) + ROW_OVERHEAD;
    }
    return 0;
}

static int
reserve_space(
    struct db_conn *conn, const struct journal_step_job *job, struct err *err)
{
    struct db_stmt *stmt;
    int64_t need;
    int64_t used;

    if (measure(job->step, &need, err) != 0)
        return -1;
    if (need == 0)
        return 0;
    if (db_query(conn, err, &stmt, "SELECT bytes FROM meta", "") != 0)
        return -1;
    if (db_step(stmt, err) != 1)
        return err_wrap(err, "meta");
    used = db_col_int(stmt, 0);
    db_done(stmt);
    if (job->journal->max_bytes > 0 &&
        used + need > job->journal->max_bytes + job->reserve)
        return err_set(err, ERR_DISK_FULL,
            "the journal holds %lld bytes of events that the control plane "
            "has not fetched; the limit is %lld",
            (long long)used, (long long)job->journal->max_bytes);
    return db_exec(conn, err, "UPDATE meta SET bytes = bytes + ?", "i", need);
}

static int
insert_events(
    struct db_conn *conn, struct journal_step_job *job, struct err *err)
{
    int64_t now = clock_wall_ms();

    for (size_t i = 0; i < job->step->count; i++) {
        const struct journal_entry *entry = &job->step->entries[i];

        if (db_exec(conn, err,
                "INSERT INTO events (attempt_id, seq, at_ms, type, data)"
                " VALUES (?, ?, ?, ?, ?)",
                "tiitt", job->attempt_id, ++job->seq, now, entry->type,
                entry_data(entry)) != 0)
            return -1;
        job->pos = db_last_id(conn);
    }
    return 0;
}

int
journal_db_step(struct db_conn *conn, void *arg, struct err *err)
{
    struct journal_step_job *job = arg;
    const struct journal_step *step = job->step;

    if (load_attempt(conn, job, err) != 0)
        return -1;
    if (job->state == ATTEMPT_ENDED ||
        (step->state != ATTEMPT_STATE_COUNT &&
            !attempt_state_may_follow(job->state, step->state)))
        return err_set(err, ERR_STATE, "attempt %s is %s", job->attempt_id,
            attempt_state_name(job->state));
    if (step->state != ATTEMPT_STATE_COUNT)
        job->state = step->state;
    if (reserve_space(conn, job, err) != 0 ||
        insert_events(conn, job, err) != 0)
        return -1;
    return db_exec(conn, err,
        "UPDATE attempts SET state = ?1, last_seq = ?2, last_pos = ?3,"
        " container = COALESCE(?4, container),"
        " log_cursor = COALESCE(?5, log_cursor),"
        " outcome = ?6, message = ?7 WHERE attempt_id = ?8",
        "iiittttt", (int64_t)job->state, job->seq, job->pos, step->container,
        step->log_cursor, job->outcome, job->message, job->attempt_id);
}

void
journal_db_announce(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    journal->version++;
    pthread_cond_broadcast(&journal->changed);
    pthread_mutex_unlock(&journal->mutex);
}

static int
write_step(struct journal_step_job *job, struct err *err)
{
    if (db_write(job->journal->db, journal_db_step, job, err) != 0)
        return -1;
    if (job->step->count > 0)
        journal_db_announce(job->journal);
    return 0;
}

int
journal_commit(struct journal *journal, const char *attempt_id,
    const struct journal_step *step, struct err *err)
{
    struct journal_step_job job = {
        .journal = journal, .attempt_id = attempt_id, .step = step};

    return write_step(&job, err);
}

int
journal_event(struct journal *journal, const char *attempt_id, const char *type,
    const char *data_json, struct err *err)
{
    return journal_state(
        journal, attempt_id, ATTEMPT_STATE_COUNT, NULL, type, data_json, err);
}

int
journal_state(struct journal *journal, const char *attempt_id,
    enum attempt_state state, const char *container, const char *type,
    const char *data_json, struct err *err)
{
    const struct journal_entry entry = {.type = type, .data_json = data_json};
    const struct journal_step step = {
        .entries = &entry, .count = 1, .state = state, .container = container};

    return journal_commit(journal, attempt_id, &step, err);
}

int
journal_end(struct journal *journal, const char *attempt_id,
    enum outcome outcome, const char *message, struct err *err)
{
    AUTO(buf_free) struct buf data;
    struct jw w;
    struct journal_entry entry = {.type = "attempt.ended"};
    const struct journal_step step = {
        .entries = &entry, .count = 1, .state = ATTEMPT_ENDED};
    struct journal_step_job job = {.journal = journal,
        .attempt_id = attempt_id,
        .step = &step,
        .outcome = outcome_name(outcome),
        .message = message,
        .reserve = END_RESERVE};

    buf_init(&data, JOURNAL_EVENT_MAX);
    jw_init(&w, &data);
    jw_obj(&w, NULL);
    jw_str(&w, "outcome", outcome_name(outcome));
    jw_str(&w, "message", message);
    jw_end_obj(&w);
    if (buf_check(&data, err) != 0)
        return -1;
    entry.data_json = buf_str(&data);
    return write_step(&job, err);
}

/* ---- workspaces ---- */

static int
forget_workspace(struct db_conn *conn, void *arg, struct err *err)
{
    return db_exec(
        conn, err, "DELETE FROM workspaces WHERE key = ?", "t", (char *)arg);
}

int
journal_forget_workspace(
    struct journal *journal, const char *key, struct err *err)
{
    AUTO_FREE char *copy = strdup(key);

    if (copy == NULL)
        return err_no_memory(err);
    return db_write(journal->db, forget_workspace, copy, err);
}
