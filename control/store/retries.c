/* SPDX-License-Identifier: Apache-2.0
 * Retries that wait for their time, and the verdict on an issue: may it be
 * claimed again? store.h states the rule. */
#include "common/cleanup.h"
#include "control/store/internal.h"

#include <string.h>

/* ---- the verdict ---- */

void
verdict_release(struct verdict *verdict)
{
    free(verdict->state);
    memset(verdict, 0, sizeof(*verdict));
}

int
verdict_load(struct db_conn *conn, const char *issue_id, struct verdict *out,
    struct err *err)
{
    struct db_stmt *stmt = NULL;

    memset(out, 0, sizeof(*out));
    if (db_query(conn, err, &stmt,
            "SELECT parked, settled, failures, updated_at, delivered_at, state"
            " FROM verdicts WHERE issue_id = ?",
            "t", issue_id) < 0)
        return -1;
    int row = db_step(stmt, err);
    if (row <= 0)
        return row;
    out->known = true;
    out->parked = db_col_int(stmt, 0) != 0;
    out->settled = db_col_int(stmt, 1) != 0;
    out->failures = db_col_int(stmt, 2);
    out->updated_at = db_col_int(stmt, 3);
    out->delivered_at = db_col_int(stmt, 4);
    out->state = db_col_dup(stmt, 5);
    if (db_step(stmt, err) < 0) {
        verdict_release(out);
        return -1;
    }
    return 0;
}

/* Was the snapshot asked for before our last write to the tracker ended? */
static bool
is_stale(const struct verdict *verdict, const struct issue *issue)
{
    return issue->fetched_at_ms != 0 &&
           issue->fetched_at_ms <= verdict->delivered_at;
}

/* Is updated_at still to be learned, because our own writes changed it? */
static bool
is_unsettled(const struct verdict *verdict, const struct issue *issue)
{
    return issue->own_writes_show && verdict->delivered_at != 0 &&
           !verdict->settled;
}

bool
verdict_is_outdated(const struct verdict *verdict, const struct issue *issue)
{
    if (is_stale(verdict, issue))
        return false;
    if (!issue_state_equal(verdict->state, issue->state))
        return true;
    return !is_unsettled(verdict, issue) &&
           issue->updated_at_ms > verdict->updated_at;
}

/* ---- claimable? ---- */

struct claimable {
    const struct issue *issue;
    int64_t now_ms;
    bool answer;
    bool settle; /* this snapshot shows updated_at as our writes left it */
};

/* What stands in the way for now: a live attempt, a retry that is not due,
 * an undelivered effect of an attempt that ended for good. */
static int
find_obstacle(struct db_conn *conn, const struct claimable *query, bool parked,
    bool *found, struct err *err)
{
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            "SELECT EXISTS(SELECT 1 FROM attempts"
            "  WHERE issue_id = ?1 AND status < 2)"
            " OR EXISTS(SELECT 1 FROM retries"
            "  WHERE issue_id = ?1 AND due_at > ?2)"
            " OR (?3 AND EXISTS(SELECT 1 FROM outbox"
            "  WHERE issue_id = ?1 AND dead = 0))",
            "tii", query->issue->id, query->now_ms, (int64_t)parked) < 0 ||
        store_step_one(stmt, "the issue", err) < 0)
        return -1;
    *found = db_col_int(stmt, 0) != 0;
    db_done(stmt);
    return 0;
}

static int
query_claimable(struct db_conn *conn, void *arg, struct err *err)
{
    struct claimable *query = arg;
    AUTO(verdict_release) struct verdict verdict = {0};
    bool obstacle = false;

    if (verdict_load(conn, query->issue->id, &verdict, err) < 0 ||
        find_obstacle(conn, query, verdict.parked, &obstacle, err) < 0)
        return -1;
    if (obstacle)
        return 0;
    query->answer =
        !verdict.parked || verdict_is_outdated(&verdict, query->issue);
    query->settle = !query->answer && is_unsettled(&verdict, query->issue) &&
                    !is_stale(&verdict, query->issue);
    return 0;
}

static int
settle_write(struct db_conn *conn, void *arg, struct err *err)
{
    const struct issue *issue = ((struct claimable *)arg)->issue;

    /* Only for the delivery that the snapshot is younger than: another one
     * may have come in between. */
    return db_exec(conn, err,
        "UPDATE verdicts SET settled = 1, updated_at = ?"
        " WHERE issue_id = ? AND (?3 = 0 OR delivered_at < ?3)",
        "iti", issue->updated_at_ms, issue->id, issue->fetched_at_ms);
}

int
store_is_claimable(struct store *store, const struct issue *issue,
    int64_t now_ms, bool *out, struct err *err)
{
    struct claimable query = {.issue = issue, .now_ms = now_ms};

    *out = false;
    if (db_read(store->db, query_claimable, &query, err) < 0)
        return -1;
    if (query.settle && db_write(store->db, settle_write, &query, err) < 0)
        return -1;
    *out = query.answer;
    return 0;
}

struct release {
    const char *issue_id;
};

static int
release_write(struct db_conn *conn, void *arg, struct err *err)
{
    const char *issue_id = ((struct release *)arg)->issue_id;

    if (db_exec(conn, err, "DELETE FROM retries WHERE issue_id = ?", "t",
            issue_id) < 0)
        return -1;
    return db_exec(conn, err,
        "UPDATE verdicts SET parked = 0, failures = 0 WHERE issue_id = ?", "t",
        issue_id);
}

int
store_release_issue(struct store *store, const char *issue_id, struct err *err)
{
    struct release release = {issue_id};

    return store_write(store, release_write, &release, err);
}

/* ---- retries ---- */

static void
retry_release(struct retry *retry)
{
    free(retry->issue_id);
    free(retry->issue_identifier);
    free(retry->error);
}

void
retry_list_release(struct retry_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        retry_release(&list->items[i]);
    free(list->items);
    *list = (struct retry_list){0};
}

static int
query_retries(struct db_conn *conn, void *arg, struct err *err)
{
    struct retry_list *out = arg;
    struct db_stmt *stmt = NULL;
    int row = 0;

    if (db_query(conn, err, &stmt,
            "SELECT issue_id, issue_identifier, error, number, due_at,"
            " continuation FROM retries ORDER BY due_at, issue_id",
            "") < 0)
        return -1;
    while ((row = db_step(stmt, err)) == 1) {
        void *items = out->items;
        struct retry *retry = store_grow(&items, out->len, sizeof(*retry), err);
        if (retry == NULL) {
            db_done(stmt);
            row = -1;
            break;
        }
        out->items = items;
        out->len++;
        retry->issue_id = db_col_dup(stmt, 0);
        retry->issue_identifier = db_col_dup(stmt, 1);
        retry->error = db_col_dup(stmt, 2);
        retry->number = db_col_int(stmt, 3);
        retry->due_at_ms = db_col_int(stmt, 4);
        retry->continuation = db_col_int(stmt, 5) != 0;
    }
    if (row < 0)
        retry_list_release(out);
    return row;
}

int
store_retries(struct store *store, struct retry_list *out, struct err *err)
{
    *out = (struct retry_list){0};
    return db_read(store->db, query_retries, out, err);
}
