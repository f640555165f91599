/* SPDX-License-Identifier: Apache-2.0
 * Attempts: claiming, the fence, reading them back, and their JSON. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "control/store/internal.h"

#include <stddef.h>
#include <string.h>

enum { ISSUE_JSON_MAX = 512 * 1024, LIST_MAX = 1000 };

/* ---- one row ---- */

/* The text and number columns in the order in which they are selected; their
 * members follow in the same order in the two tables below. */
#define ATTEMPT_COLUMNS                                                        \
    "SELECT attempt_id, issue_id, issue_identifier, issue_title, host, "       \
    "phase, outcome, message, model, thread_id, turn_id, container, "          \
    "workspace, branch, commit_id, last_event, rate_limits, issue_json, "      \
    "fence, number, turns, input_tokens, cached_input_tokens, "                \
    "output_tokens, reasoning_tokens, total_tokens, created_at, "              \
    "started_at, ended_at, last_event_at, last_seq, status FROM attempts "

#define AT(member) offsetof(struct attempt, member)

static const size_t text_columns[] = {
    AT(attempt_id),
    AT(issue_id),
    AT(issue_identifier),
    AT(issue_title),
    AT(host),
    AT(phase),
    AT(outcome),
    AT(message),
    AT(model),
    AT(thread_id),
    AT(turn_id),
    AT(container),
    AT(workspace),
    AT(branch),
    AT(commit),
    AT(last_event),
    AT(rate_limits),
    AT(issue_json),
};

static const size_t number_columns[] = {
    AT(fence),
    AT(number),
    AT(turns),
    AT(input_tokens),
    AT(cached_input_tokens),
    AT(output_tokens),
    AT(reasoning_tokens),
    AT(total_tokens),
    AT(created_at_ms),
    AT(started_at_ms),
    AT(ended_at_ms),
    AT(last_event_at_ms),
    AT(last_seq),
};

static char **
text_at(struct attempt *attempt, size_t offset)
{
    return (char **)(void *)((char *)attempt + offset);
}

static void
read_row(struct db_stmt *stmt, struct attempt *out)
{
    int column = 0;

    for (size_t i = 0; i < ARRAY_LEN(text_columns); i++)
        *text_at(out, text_columns[i]) = db_col_dup(stmt, column++);
    for (size_t i = 0; i < ARRAY_LEN(number_columns); i++) {
        int64_t value = db_col_int(stmt, column++);
        memcpy((char *)out + number_columns[i], &value, sizeof(value));
    }
    out->status = (enum attempt_status_kind)db_col_int(stmt, column);
}

void
attempt_release(struct attempt *attempt)
{
    for (size_t i = 0; i < ARRAY_LEN(text_columns); i++)
        free(*text_at(attempt, text_columns[i]));
    memset(attempt, 0, sizeof(*attempt));
}

void
attempt_list_release(struct attempt_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        attempt_release(&list->items[i]);
    free(list->items);
    *list = (struct attempt_list){0};
}

/* Reads every row of stmt; on error the list is empty. */
static int
read_rows(struct db_stmt *stmt, struct attempt_list *out, struct err *err)
{
    int row = 0;

    while ((row = db_step(stmt, err)) == 1) {
        void *items = out->items;
        struct attempt *attempt =
            store_grow(&items, out->len, sizeof(*attempt), err);
        if (attempt == NULL) {
            db_done(stmt);
            row = -1;
            break;
        }
        out->items = items;
        out->len++;
        read_row(stmt, attempt);
    }
    if (row < 0)
        attempt_list_release(out);
    return row;
}

int
attempt_load(struct db_conn *conn, const char *attempt_id, struct attempt *out,
    struct err *err)
{
    struct db_stmt *stmt = NULL;

    memset(out, 0, sizeof(*out));
    if (db_query(conn, err, &stmt, ATTEMPT_COLUMNS "WHERE attempt_id = ?", "t",
            attempt_id) < 0 ||
        store_step_one(stmt, "the attempt", err) < 0)
        return -1;
    read_row(stmt, out);
    if (db_step(stmt, err) < 0) { /* tells of a copy that failed */
        attempt_release(out);
        return -1;
    }
    return 0;
}

/* ---- claiming ---- */

struct claim {
    const struct issue *issue;
    const char *issue_json;
    const char *host;
    const char *model;
    struct attempt *out;
};

static int
next_number(struct db_conn *conn, const char *issue_id, int64_t *number,
    struct err *err)
{
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            "SELECT count(*) FILTER (WHERE status < 2),"
            " coalesce(max(number), 0) + 1 FROM attempts WHERE issue_id = ?",
            "t", issue_id) < 0 ||
        store_step_one(stmt, "the issue", err) < 0)
        return -1;
    int64_t live = db_col_int(stmt, 0);
    *number = db_col_int(stmt, 1);
    db_done(stmt);
    if (live > 0)
        return err_set(
            err, ERR_CONFLICT, "the issue has a live attempt already");
    return 0;
}

static int
next_fence(
    struct db_conn *conn, const char *issue_id, int64_t *fence, struct err *err)
{
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            "INSERT INTO fences(issue_id, fence) VALUES(?, 1)"
            " ON CONFLICT(issue_id) DO UPDATE SET fence = fence + 1"
            " RETURNING fence",
            "t", issue_id) < 0 ||
        store_step_one(stmt, "the fence", err) < 0)
        return -1;
    *fence = db_col_int(stmt, 0);
    /* To its end: SQLite applies RETURNING's change before the first row, but
     * a statement that was not finished would hold the savepoint open. */
    if (db_step(stmt, err) < 0)
        return -1;
    return 0;
}

/* The claim answers the verdict on the issue: what comes is judged afresh,
 * and old failures do not count when a person has changed the issue since. */
static int
renew_verdict(struct db_conn *conn, const struct issue *issue, struct err *err)
{
    AUTO(verdict_release) struct verdict verdict = {0};

    if (verdict_load(conn, issue->id, &verdict, err) < 0)
        return -1;
    int64_t failures = verdict.failures;
    if (verdict.known && verdict_is_outdated(&verdict, issue))
        failures = 0;
    if (db_exec(conn, err,
            "INSERT OR REPLACE INTO verdicts(issue_id, failures, state,"
            " updated_at) VALUES(?, ?, ?, ?)",
            "titi", issue->id, failures, issue->state,
            issue->updated_at_ms) < 0)
        return -1;
    return db_exec(
        conn, err, "DELETE FROM retries WHERE issue_id = ?", "t", issue->id);
}

static int
claim_event(struct db_conn *conn, const struct claim *claim, int64_t fence,
    int64_t number, const char *attempt_id, struct err *err)
{
    AUTO(buf_free) struct buf data = {0};
    struct jw w;

    buf_init(&data, STORE_EVENT_MAX);
    jw_init(&w, &data);
    jw_obj(&w, NULL);
    jw_str(&w, "host", claim->host);
    jw_str(&w, "model", claim->model);
    jw_int(&w, "fence", fence);
    jw_int(&w, "number", number);
    jw_end_obj(&w);
    if (buf_check(&data, err) < 0)
        return -1;
    const struct event_row event = {
        .attempt_id = attempt_id,
        .issue_identifier = claim->issue->identifier,
        .type = "issue.claimed",
        .data = buf_str(&data),
    };
    return event_insert(conn, &event, err);
}

static int
claim_write(struct db_conn *conn, void *arg, struct err *err)
{
    struct claim *claim = arg;
    const struct issue *issue = claim->issue;
    char attempt_id[ID_SIZE];
    int64_t number = 0;
    int64_t fence = 0;

    id_new(attempt_id);
    if (next_number(conn, issue->id, &number, err) < 0 ||
        next_fence(conn, issue->id, &fence, err) < 0)
        return -1;
    if (db_exec(conn, err,
            "INSERT INTO attempts(attempt_id, issue_id, issue_identifier,"
            " issue_title, issue_json, host, model, fence, number, status,"
            " created_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            "tttttttiiii", attempt_id, issue->id, issue->identifier,
            issue->title, claim->issue_json, claim->host, claim->model, fence,
            number, (int64_t)ATTEMPT_CLAIMED, clock_wall_ms()) < 0)
        return -1;
    if (renew_verdict(conn, issue, err) < 0 ||
        claim_event(conn, claim, fence, number, attempt_id, err) < 0)
        return -1;
    return attempt_load(conn, attempt_id, claim->out, err);
}

int
store_claim(struct store *store, const struct issue *issue, const char *host,
    const char *model, struct attempt *out, struct err *err)
{
    AUTO(buf_free) struct buf json = {0};
    struct jw w;

    memset(out, 0, sizeof(*out));
    buf_init(&json, ISSUE_JSON_MAX);
    jw_init(&w, &json);
    issue_write(issue, &w, NULL);
    if (buf_check(&json, err) < 0)
        return err_wrap(err, "issue %s", issue->identifier);
    struct claim claim = {
        .issue = issue,
        .issue_json = buf_str(&json),
        .host = host,
        .model = model,
        .out = out,
    };
    if (store_write(store, claim_write, &claim, err) < 0) {
        attempt_release(out); /* its transaction may have failed after it */
        return -1;
    }
    return 0;
}

/* ---- dispatched ---- */

struct attempt_query {
    const char *key;
    int64_t limit;
    struct attempt *one;
    struct attempt_list *list;
};

static int
dispatched_write(struct db_conn *conn, void *arg, struct err *err)
{
    const struct attempt_query *query = arg;
    const char *attempt_id = query->key;
    AUTO(attempt_release) struct attempt attempt = {0};

    if (attempt_load(conn, attempt_id, &attempt, err) < 0)
        return -1;
    if (db_exec(conn, err,
            "UPDATE attempts SET dispatched = 1, status = max(status, ?),"
            " started_at = iif(started_at = 0, ?, started_at)"
            " WHERE attempt_id = ? AND dispatched = 0 AND status < ?",
            "iiti", (int64_t)ATTEMPT_RUNNING, clock_wall_ms(), attempt_id,
            (int64_t)ATTEMPT_ENDED) < 0)
        return -1;
    if (db_changes(conn) == 0)
        return 0;
    AUTO(buf_free) struct buf data = {0};
    struct jw w;
    buf_init(&data, STORE_EVENT_MAX);
    jw_init(&w, &data);
    jw_obj(&w, NULL);
    jw_str(&w, "host", attempt.host);
    jw_end_obj(&w);
    if (buf_check(&data, err) < 0)
        return -1;
    const struct event_row event = {
        .attempt_id = attempt_id,
        .issue_identifier = attempt.issue_identifier,
        .type = "attempt.dispatched",
        .data = buf_str(&data),
    };
    return event_insert(conn, &event, err);
}

int
store_dispatched(struct store *store, const char *attempt_id, struct err *err)
{
    struct attempt_query query = {.key = attempt_id};

    return store_write(store, dispatched_write, &query, err);
}

/* ---- reading ---- */

static int
query_one(struct db_conn *conn, void *arg, struct err *err)
{
    struct attempt_query *query = arg;

    return attempt_load(conn, query->key, query->one, err);
}

int
store_attempt(struct store *store, const char *attempt_id, struct attempt *out,
    struct err *err)
{
    struct attempt_query query = {.key = attempt_id, .one = out};

    memset(out, 0, sizeof(*out));
    return db_read(store->db, query_one, &query, err);
}

static int
query_live(struct db_conn *conn, void *arg, struct err *err)
{
    struct attempt_query *query = arg;
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            ATTEMPT_COLUMNS "WHERE status < 2 ORDER BY created_at, attempt_id",
            "") < 0)
        return -1;
    return read_rows(stmt, query->list, err);
}

int
store_live_attempts(
    struct store *store, struct attempt_list *out, struct err *err)
{
    struct attempt_query query = {.list = out};

    *out = (struct attempt_list){0};
    return db_read(store->db, query_live, &query, err);
}

static int
query_of_issue(struct db_conn *conn, void *arg, struct err *err)
{
    struct attempt_query *query = arg;
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            ATTEMPT_COLUMNS "WHERE issue_id = ?1 OR issue_identifier = ?1"
                            " ORDER BY number DESC LIMIT ?2",
            "ti", query->key, query->limit) < 0)
        return -1;
    return read_rows(stmt, query->list, err);
}

int
store_issue_attempts(struct store *store, const char *issue,
    struct attempt_list *out, struct err *err)
{
    struct attempt_query query = {.key = issue, .limit = LIST_MAX, .list = out};

    *out = (struct attempt_list){0};
    return db_read(store->db, query_of_issue, &query, err);
}

static int
query_recent(struct db_conn *conn, void *arg, struct err *err)
{
    struct attempt_query *query = arg;
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            ATTEMPT_COLUMNS "WHERE status = 2"
                            " ORDER BY ended_at DESC, attempt_id DESC LIMIT ?",
            "i", query->limit) < 0)
        return -1;
    return read_rows(stmt, query->list, err);
}

int
store_recent_attempts(struct store *store, int64_t limit,
    struct attempt_list *out, struct err *err)
{
    struct attempt_query query = {
        .limit = limit < LIST_MAX ? limit : LIST_MAX, .list = out};

    *out = (struct attempt_list){0};
    return db_read(store->db, query_recent, &query, err);
}

static int
query_totals(struct db_conn *conn, void *arg, struct err *err)
{
    struct totals *out = arg;
    struct db_stmt *stmt = NULL;

    /* An attempt that never started has no running time. */
    if (db_query(conn, err, &stmt,
            "SELECT count(*), coalesce(sum(input_tokens), 0),"
            " coalesce(sum(output_tokens), 0),"
            " coalesce(sum(total_tokens), 0),"
            " coalesce(sum(max(0, iif(started_at = 0, 0,"
            "  iif(status = 2, ended_at, ?) - started_at))), 0) / 1000"
            " FROM attempts",
            "i", clock_wall_ms()) < 0 ||
        store_step_one(stmt, "the totals", err) < 0)
        return -1;
    out->attempts = db_col_int(stmt, 0);
    out->input_tokens = db_col_int(stmt, 1);
    out->output_tokens = db_col_int(stmt, 2);
    out->total_tokens = db_col_int(stmt, 3);
    out->seconds_running = db_col_int(stmt, 4);
    db_done(stmt);
    return 0;
}

int
store_totals(struct store *store, struct totals *out, struct err *err)
{
    *out = (struct totals){0};
    return db_read(store->db, query_totals, out, err);
}

/* ---- JSON ---- */

const char *
attempt_status_name(enum attempt_status_kind status)
{
    static const char *const names[] = {
        [ATTEMPT_CLAIMED] = "claimed",
        [ATTEMPT_RUNNING] = "running",
        [ATTEMPT_ENDED] = "ended",
    };

    return (size_t)status < ARRAY_LEN(names) ? names[status] : "unknown";
}

static void
write_time(struct jw *w, const char *key, int64_t at_ms)
{
    char text[CLOCK_ISO_SIZE];

    jw_str(w, key, at_ms == 0 ? NULL : clock_iso(at_ms, text));
}

static void
write_usage(const struct attempt *attempt, struct jw *w)
{
    jw_obj(w, "tokens");
    jw_int(w, "input_tokens", attempt->input_tokens);
    jw_int(w, "cached_input_tokens", attempt->cached_input_tokens);
    jw_int(w, "output_tokens", attempt->output_tokens);
    jw_int(w, "reasoning_tokens", attempt->reasoning_tokens);
    jw_int(w, "total_tokens", attempt->total_tokens);
    jw_end_obj(w);
}

void
attempt_write(const struct attempt *attempt, struct jw *w, const char *key)
{
    jw_obj(w, key);
    jw_str(w, "attempt_id", attempt->attempt_id);
    jw_str(w, "issue_id", attempt->issue_id);
    jw_str(w, "issue_identifier", attempt->issue_identifier);
    jw_str(w, "title", attempt->issue_title);
    jw_str(w, "host", attempt->host);
    jw_int(w, "fence", attempt->fence);
    jw_int(w, "attempt", attempt->number);
    jw_str(w, "status", attempt_status_name(attempt->status));
    jw_str(w, "phase", attempt->phase);
    jw_str(w, "outcome", attempt->outcome);
    jw_str(w, "message", attempt->message);
    jw_str(w, "model", attempt->model);
    jw_str(w, "thread_id", attempt->thread_id);
    jw_str(w, "turn_id", attempt->turn_id);
    jw_str(w, "container", attempt->container);
    jw_str(w, "workspace", attempt->workspace);
    jw_str(w, "branch", attempt->branch);
    jw_str(w, "commit", attempt->commit);
    jw_int(w, "turns", attempt->turns);
    write_usage(attempt, w);
    jw_raw(w, "rate_limits", attempt->rate_limits);
    jw_str(w, "last_event", attempt->last_event);
    write_time(w, "last_event_at", attempt->last_event_at_ms);
    write_time(w, "created_at", attempt->created_at_ms);
    write_time(w, "started_at", attempt->started_at_ms);
    write_time(w, "ended_at", attempt->ended_at_ms);
    jw_end_obj(w);
}
