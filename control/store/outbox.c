/* SPDX-License-Identifier: Apache-2.0
 * The outbox: comments and moves that the tracker still has to be told, in
 * order for each issue, until each is delivered or given up. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "control/store/internal.h"

#include <stdio.h>
#include <string.h>

static const char *
kind_name(enum outbox_kind kind)
{
    return kind == OUTBOX_COMMENT ? "comment" : "transition";
}

int
outbox_insert(struct db_conn *conn, enum outbox_kind kind,
    const struct attempt *attempt, const char *body, struct err *err)
{
    char key[ID_SIZE + 16];

    (void)snprintf(
        key, sizeof(key), "%s:%s", attempt->attempt_id, kind_name(kind));
    return db_exec(conn, err,
        "INSERT INTO outbox(kind, key, attempt_id, issue_id,"
        " issue_identifier, body, created_at) VALUES(?, ?, ?, ?, ?, ?, ?)",
        "ittttti", (int64_t)kind, key, attempt->attempt_id, attempt->issue_id,
        attempt->issue_identifier, body, clock_wall_ms());
}

void
outbox_entry_release(struct outbox_entry *entry)
{
    free(entry->key);
    free(entry->attempt_id);
    free(entry->issue_id);
    free(entry->issue_identifier);
    free(entry->body);
    memset(entry, 0, sizeof(*entry));
}

#define OUTBOX_COLUMNS                                                         \
    "SELECT id, kind, key, attempt_id, issue_id, issue_identifier, body, "     \
    "tries FROM outbox AS o "

static int
read_entry(struct db_stmt *stmt, struct outbox_entry *out, struct err *err)
{
    if (store_step_one(stmt, "a due outbox entry", err) < 0)
        return -1;
    out->id = db_col_int(stmt, 0);
    out->kind = (enum outbox_kind)db_col_int(stmt, 1);
    out->key = db_col_dup(stmt, 2);
    out->attempt_id = db_col_dup(stmt, 3);
    out->issue_id = db_col_dup(stmt, 4);
    out->issue_identifier = db_col_dup(stmt, 5);
    out->body = db_col_dup(stmt, 6);
    out->tries = db_col_int(stmt, 7);
    if (db_step(stmt, err) < 0) {
        outbox_entry_release(out);
        return -1;
    }
    return 0;
}

struct next {
    int64_t now_ms;
    struct outbox_entry *out;
};

static int
query_next(struct db_conn *conn, void *arg, struct err *err)
{
    struct next *next = arg;
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            OUTBOX_COLUMNS
            "WHERE dead = 0 AND not_before <= ?"
            " AND NOT EXISTS (SELECT 1 FROM outbox AS earlier"
            "  WHERE earlier.issue_id = o.issue_id AND earlier.id < o.id"
            "  AND earlier.dead = 0)"
            " ORDER BY id LIMIT 1",
            "i", next->now_ms) < 0)
        return -1;
    return read_entry(stmt, next->out, err);
}

int
store_outbox_next(struct store *store, int64_t now_ms, struct outbox_entry *out,
    struct err *err)
{
    struct next next = {.now_ms = now_ms, .out = out};

    memset(out, 0, sizeof(*out));
    return db_read(store->db, query_next, &next, err);
}

/* ---- what became of an entry ---- */

struct result {
    int64_t id;
    const struct outbox_entry *entry;
    int64_t not_before_ms;
    const char *error;
};

static int
outbox_event(struct db_conn *conn, const struct outbox_entry *entry,
    const char *type, const char *error, struct err *err)
{
    AUTO(buf_free) struct buf data = {0};
    struct jw w;

    buf_init(&data, STORE_EVENT_MAX);
    jw_init(&w, &data);
    jw_obj(&w, NULL);
    jw_str(&w, "effect", kind_name(entry->kind));
    jw_str(&w, entry->kind == OUTBOX_COMMENT ? "body" : "state", entry->body);
    if (error != NULL)
        jw_str(&w, "error", error);
    jw_end_obj(&w);
    if (buf_check(&data, err) < 0)
        return -1;
    const struct event_row event = {
        .attempt_id = entry->attempt_id,
        .issue_identifier = entry->issue_identifier,
        .type = type,
        .data = buf_str(&data),
    };
    return event_insert(conn, &event, err);
}

/* From now on the issue's state and time stamp are of our own making. */
static int
note_delivery(
    struct db_conn *conn, const struct outbox_entry *entry, struct err *err)
{
    return db_exec(conn, err,
        "UPDATE verdicts SET delivered_at = ?, settled = 0,"
        " state = coalesce(?, state) WHERE issue_id = ?",
        "itt", clock_wall_ms(),
        entry->kind == OUTBOX_TRANSITION ? entry->body : NULL, entry->issue_id);
}

static int
done_write(struct db_conn *conn, void *arg, struct err *err)
{
    const struct outbox_entry *entry = ((struct result *)arg)->entry;

    if (db_exec(conn, err, "DELETE FROM outbox WHERE id = ?", "i", entry->id) <
        0)
        return -1;
    if (db_changes(conn) == 0)
        return 0; /* told twice: the event is there */
    if (note_delivery(conn, entry, err) < 0)
        return -1;
    return outbox_event(conn, entry,
        entry->kind == OUTBOX_COMMENT ? "comment.posted" : "issue.transitioned",
        NULL, err);
}

int
store_outbox_done(
    struct store *store, const struct outbox_entry *entry, struct err *err)
{
    struct result result = {.entry = entry};

    return store_write(store, done_write, &result, err);
}

static int
retry_write(struct db_conn *conn, void *arg, struct err *err)
{
    const struct result *result = arg;

    return db_exec(conn, err,
        "UPDATE outbox SET tries = tries + 1, not_before = ?, error = ?"
        " WHERE id = ?",
        "iti", result->not_before_ms, result->error, result->id);
}

int
store_outbox_retry(struct store *store, int64_t id, int64_t not_before_ms,
    const char *error, struct err *err)
{
    struct result result = {
        .id = id, .not_before_ms = not_before_ms, .error = error};

    return store_write(store, retry_write, &result, err);
}

static int
dead_write(struct db_conn *conn, void *arg, struct err *err)
{
    const struct result *result = arg;
    AUTO(outbox_entry_release) struct outbox_entry entry = {0};
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt, OUTBOX_COLUMNS "WHERE id = ? AND dead = 0",
            "i", result->id) < 0 ||
        read_entry(stmt, &entry, err) < 0)
        return -1;
    if (db_exec(conn, err,
            "UPDATE outbox SET dead = 1, tries = tries + 1, error = ?"
            " WHERE id = ?",
            "ti", result->error, result->id) < 0)
        return -1;
    return outbox_event(conn, &entry, "outbox.dead", result->error, err);
}

int
store_outbox_dead(
    struct store *store, int64_t id, const char *error, struct err *err)
{
    struct result result = {.id = id, .error = error};

    return store_write(store, dead_write, &result, err);
}

static int
query_depth(struct db_conn *conn, void *arg, struct err *err)
{
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt, "SELECT count(*) FROM outbox WHERE dead = 0",
            "") < 0 ||
        store_step_one(stmt, "the outbox", err) < 0)
        return -1;
    *(int64_t *)arg = db_col_int(stmt, 0);
    db_done(stmt);
    return 0;
}

int
store_outbox_depth(struct store *store, int64_t *out, struct err *err)
{
    return db_read(store->db, query_depth, out, err);
}
