/* SPDX-License-Identifier: Apache-2.0
 * Events: taking a host's batch in exactly once, and reading them back by
 * their id, which is also the SSE id. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "control/store/internal.h"
#include "proto/ops.h"

#include <string.h>

enum { EVENTS_MAX = 1000 };

int
event_insert(struct db_conn *conn, const struct event_row *row, struct err *err)
{
    return db_exec(conn, err,
        "INSERT INTO events(attempt_id, issue_identifier, seq, at_ms, type,"
        " data) VALUES(?, ?, ?, ?, ?, ?)",
        "ttiitt", row->attempt_id, row->issue_identifier, row->seq,
        row->at_ms != 0 ? row->at_ms : clock_wall_ms(), row->type,
        row->data != NULL ? row->data : "{}");
}

/* ---- a batch ---- */

struct batch {
    const char *host;
    const char *journal_id;
    const struct slice *events;
    const struct ending_policy *policy;
    int64_t unknown;
};

static int
load_cursor(struct db_conn *conn, const char *host, const char *journal_id,
    int64_t *cursor, struct err *err)
{
    struct db_stmt *stmt = NULL;

    *cursor = 0;
    if (db_query(conn, err, &stmt,
            "SELECT cursor FROM cursors WHERE host = ? AND journal_id = ?",
            "tt", host, journal_id) < 0)
        return -1;
    int row = db_step(stmt, err);
    if (row <= 0)
        return row;
    *cursor = db_col_int(stmt, 0);
    db_done(stmt);
    return 0;
}

struct owner { /* of an event, as far as taking it in needs to know it */
    bool known;
    int64_t last_seq;
    char *issue_identifier;
};

/* A host speaks only for the attempts that were given to it. */
static int
load_owner(struct db_conn *conn, const char *host, const char *attempt_id,
    struct owner *out, struct err *err)
{
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            "SELECT last_seq, issue_identifier FROM attempts"
            " WHERE attempt_id = ? AND host = ?",
            "tt", attempt_id, host) < 0)
        return -1;
    int row = db_step(stmt, err);
    if (row <= 0)
        return row;
    out->known = true;
    out->last_seq = db_col_int(stmt, 0);
    out->issue_identifier = db_col_dup(stmt, 1);
    db_done(stmt);
    return out->issue_identifier == NULL ? err_no_memory(err) : 0;
}

static int
end_by_event(struct db_conn *conn, const struct batch *batch,
    const struct event_message *event, const struct json *data, struct err *err)
{
    const struct attempt_end end = {
        .attempt_id = event->attempt_id,
        .outcome =
            outcome_from_name(json_str(json_get(data, "outcome"), "internal")),
        .message = json_str(json_get(data, "message"), NULL),
        .policy = batch->policy,
    };

    return attempt_finish(conn, &end, err);
}

static int
store_event(struct db_conn *conn, const struct batch *batch,
    const struct event_message *event, const char *issue_identifier,
    struct err *err)
{
    AUTO(json_free_ptr)
    struct json *data =
        json_parse(event->data, strlen(event->data), PROTO_FRAME_MAX, err);

    if (data == NULL || json_type(data) != JSON_OBJECT)
        return err_set(err, ERR_PROTOCOL,
            "event %lld of attempt %s carries no JSON object",
            (long long)event->seq, event->attempt_id);
    const struct event_row row = {
        .attempt_id = event->attempt_id,
        .issue_identifier = issue_identifier,
        .seq = event->seq,
        .at_ms = event->at_ms,
        .type = event->type,
        .data = event->data,
    };
    if (event_insert(conn, &row, err) < 0 ||
        attempt_project(conn, event, data, err) < 0)
        return -1;
    if (strcmp(event->type, "attempt.ended") == 0)
        return end_by_event(conn, batch, event, data, err);
    return 0;
}

static int
take_event(struct db_conn *conn, struct batch *batch,
    const struct event_message *event, struct err *err)
{
    struct owner owner = {0};

    if (load_owner(conn, batch->host, event->attempt_id, &owner, err) < 0)
        return -1;
    AUTO_FREE char *issue_identifier = owner.issue_identifier;
    if (!owner.known) {
        batch->unknown++;
        return 0;
    }
    if (event->seq <= owner.last_seq)
        return 0;
    if (event->seq != owner.last_seq + 1)
        return err_set(err, ERR_PROTOCOL,
            "host %s skipped from event %lld to %lld of attempt %s",
            batch->host, (long long)owner.last_seq, (long long)event->seq,
            event->attempt_id);
    return store_event(conn, batch, event, issue_identifier, err);
}

static int
batch_write(struct db_conn *conn, void *arg, struct err *err)
{
    struct batch *batch = arg;
    const struct event_message *events = batch->events->items;
    int64_t cursor = 0;

    batch->unknown = 0;
    if (load_cursor(conn, batch->host, batch->journal_id, &cursor, err) < 0)
        return -1;
    for (size_t i = 0; i < batch->events->len; i++) {
        if (events[i].pos <= cursor)
            continue; /* an answer that was repeated */
        if (take_event(conn, batch, &events[i], err) < 0)
            return -1;
        cursor = events[i].pos;
    }
    return db_exec(conn, err,
        "INSERT OR REPLACE INTO cursors(host, journal_id, cursor)"
        " VALUES(?, ?, ?)",
        "tti", batch->host, batch->journal_id, cursor);
}

int
store_apply_events(struct store *store, const char *host,
    const char *journal_id, const struct slice *events,
    const struct ending_policy *policy, struct err *err)
{
    struct batch batch = {
        .host = host,
        .journal_id = journal_id,
        .events = events,
        .policy = policy,
    };

    if (events->len == 0)
        return 0;
    if (store_write(store, batch_write, &batch, err) < 0)
        return -1;
    (void)atomic_fetch_add(&store->unknown_events, batch.unknown);
    return 0;
}

struct cursor_query {
    const char *host;
    const char *journal_id;
    int64_t *cursor;
};

static int
query_cursor(struct db_conn *conn, void *arg, struct err *err)
{
    struct cursor_query *query = arg;

    return load_cursor(
        conn, query->host, query->journal_id, query->cursor, err);
}

int
store_cursor(struct store *store, const char *host, const char *journal_id,
    int64_t *cursor, struct err *err)
{
    struct cursor_query query = {host, journal_id, cursor};

    return db_read(store->db, query_cursor, &query, err);
}

/* ---- reading ---- */

#define EVENT_COLUMNS                                                          \
    "SELECT id, attempt_id, issue_identifier, seq, at_ms, type, data "         \
    "FROM events "

struct event_query {
    const char *attempt_id;
    int64_t after;
    int64_t limit;
    struct event_list *out;
};

static void
event_release(struct event *event)
{
    free(event->attempt_id);
    free(event->issue_identifier);
    free(event->type);
    free(event->data);
}

void
event_list_release(struct event_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        event_release(&list->items[i]);
    free(list->items);
    *list = (struct event_list){0};
}

static int
read_events(struct db_stmt *stmt, struct event_list *out, struct err *err)
{
    int row = 0;

    while ((row = db_step(stmt, err)) == 1) {
        void *items = out->items;
        struct event *event = store_grow(&items, out->len, sizeof(*event), err);
        if (event == NULL) {
            db_done(stmt);
            row = -1;
            break;
        }
        out->items = items;
        out->len++;
        event->id = db_col_int(stmt, 0);
        event->attempt_id = db_col_dup(stmt, 1);
        event->issue_identifier = db_col_dup(stmt, 2);
        event->seq = db_col_int(stmt, 3);
        event->at_ms = db_col_int(stmt, 4);
        event->type = db_col_dup(stmt, 5);
        event->data = db_col_dup(stmt, 6);
    }
    if (row < 0)
        event_list_release(out);
    return row;
}

static int
query_all(struct db_conn *conn, void *arg, struct err *err)
{
    struct event_query *query = arg;
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            EVENT_COLUMNS "WHERE id > ? ORDER BY id LIMIT ?", "ii",
            query->after, query->limit) < 0)
        return -1;
    return read_events(stmt, query->out, err);
}

static int
query_of_attempt(struct db_conn *conn, void *arg, struct err *err)
{
    struct event_query *query = arg;
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            EVENT_COLUMNS "WHERE attempt_id = ? AND id > ? ORDER BY id LIMIT ?",
            "tii", query->attempt_id, query->after, query->limit) < 0)
        return -1;
    return read_events(stmt, query->out, err);
}

int
store_events(struct store *store, const char *attempt_id, int64_t after,
    int64_t limit, struct event_list *out, struct err *err)
{
    struct event_query query = {
        .attempt_id = attempt_id,
        .after = after,
        .limit = limit < EVENTS_MAX ? limit : EVENTS_MAX,
        .out = out,
    };

    *out = (struct event_list){0};
    return db_read(store->db, attempt_id == NULL ? query_all : query_of_attempt,
        &query, err);
}

static int
query_newest(struct db_conn *conn, void *arg, struct err *err)
{
    struct event_query *query = arg;
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            "SELECT * FROM (" EVENT_COLUMNS
            "ORDER BY id DESC LIMIT ?) ORDER BY id",
            "i", query->limit) < 0)
        return -1;
    return read_events(stmt, query->out, err);
}

int
store_recent_events(
    struct store *store, int64_t limit, struct event_list *out, struct err *err)
{
    struct event_query query = {
        .limit = limit < EVENTS_MAX ? limit : EVENTS_MAX,
        .out = out,
    };

    *out = (struct event_list){0};
    return db_read(store->db, query_newest, &query, err);
}

static int
query_last_id(struct db_conn *conn, void *arg, struct err *err)
{
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt, "SELECT coalesce(max(id), 0) FROM events",
            "") < 0 ||
        store_step_one(stmt, "the last event", err) < 0)
        return -1;
    *(int64_t *)arg = db_col_int(stmt, 0);
    db_done(stmt);
    return 0;
}

int
store_last_event_id(struct store *store, int64_t *out, struct err *err)
{
    return db_read(store->db, query_last_id, out, err);
}

/* ---- our own ---- */

static int
add_write(struct db_conn *conn, void *arg, struct err *err)
{
    return event_insert(conn, arg, err);
}

int
store_add_event(struct store *store, const char *attempt_id,
    const char *issue_identifier, const char *type, const char *data_json,
    struct err *err)
{
    struct event_row row = {
        .attempt_id = attempt_id,
        .issue_identifier = issue_identifier,
        .type = type,
        .data = data_json,
    };

    return store_write(store, add_write, &row, err);
}

void
event_write(const struct event *event, struct jw *w, const char *key)
{
    char at[CLOCK_ISO_SIZE];

    jw_obj(w, key);
    jw_int(w, "id", event->id);
    jw_str(w, "type", event->type);
    jw_str(w, "at", clock_iso(event->at_ms, at));
    jw_str(w, "attempt_id", event->attempt_id);
    jw_str(w, "issue_identifier", event->issue_identifier);
    jw_int(w, "seq", event->seq);
    jw_raw(w, "data", event->data);
    jw_end_obj(w);
}
