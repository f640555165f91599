/* SPDX-License-Identifier: Apache-2.0
 * May this dispatch become an attempt here? The idempotency and the fences of
 * the protocol are decided in one transaction with its first event. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"
#include "dataplane/attempt/journal.h"
#include "dataplane/attempt/journal_db.h"

#include <string.h>

enum { DISPATCH_MAX = 3 * 1024 * 1024 }; /* as JSON, kept with the attempt */

struct accept_job {
    struct journal *journal;
    const struct dispatch_request *request;
    const char *dispatch_json;
    const char *event_json;
    bool known;
};

/* The dispatch without its credential: the journal is on disk. */
static int
encode_dispatch(
    const struct dispatch_request *request, struct buf *out, struct err *err)
{
    struct dispatch_request copy = *request;
    struct jw w;

    copy.codex.api_key = NULL;
    jw_init(&w, out);
    schema_encode(&dispatch_request_schema, &copy, &w, NULL);
    return buf_check(out, err);
}

static int
encode_accepted(
    const struct dispatch_request *request, struct buf *out, struct err *err)
{
    struct jw w;

    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_int(&w, "attempt_number", request->attempt_number);
    jw_int(&w, "fence", request->fence);
    jw_str(&w, "issue_id", request->issue.id);
    jw_str(&w, "identifier", request->issue.identifier);
    jw_str(&w, "model", request->codex.model);
    jw_str(&w, "image", request->sandbox.image);
    jw_str(&w, "workspace_key", request->workspace.key);
    jw_end_obj(&w);
    return buf_check(out, err);
}

static int
stale(struct err *err, int64_t fence, int64_t newest)
{
    return err_set(err, ERR_STALE_FENCE,
        "fence %lld is older than %lld, which this host has seen",
        (long long)fence, (long long)newest);
}

/* Looks at what is known of this attempt id. */
static int
find_attempt(struct db_conn *conn, struct accept_job *job, struct err *err)
{
    const struct dispatch_request *request = job->request;
    struct db_stmt *stmt;
    int64_t fence = 0;
    int row;

    if (db_query(conn, err, &stmt,
            "SELECT fence FROM attempts WHERE attempt_id = ?", "t",
            request->attempt_id) != 0)
        return -1;
    row = db_step(stmt, err);
    if (row == 1)
        fence = db_col_int(stmt, 0);
    db_done(stmt);
    if (row <= 0)
        return row;
    if (request->fence < fence)
        return stale(err, request->fence, fence);
    if (request->fence > fence)
        return err_set(err, ERR_CONFLICT,
            "attempt %s was accepted with another fence", request->attempt_id);
    job->known = true;
    return 0;
}

static int
check_issue_fence(struct db_conn *conn, struct accept_job *job, struct err *err)
{
    const struct dispatch_request *request = job->request;
    struct db_stmt *stmt;
    int64_t fence = 0;
    int row;

    if (db_query(conn, err, &stmt,
            "SELECT fence, attempt_id FROM fences WHERE issue_id = ?", "t",
            request->issue.id) != 0)
        return -1;
    row = db_step(stmt, err);
    if (row == 1) {
        fence = db_col_int(stmt, 0);
        /* It ran, was acknowledged and forgotten: it must not run again. */
        job->known = fence == request->fence &&
                     strcmp(db_col_text(stmt, 1), request->attempt_id) == 0;
    }
    db_done(stmt);
    if (row <= 0)
        return row;
    if (request->fence < fence)
        return stale(err, request->fence, fence);
    return 0;
}

static int
check_others(struct db_conn *conn, struct accept_job *job, struct err *err)
{
    const struct dispatch_request *request = job->request;
    struct db_stmt *stmt;
    int row;

    if (db_query(conn, err, &stmt,
            "SELECT attempt_id FROM attempts"
            " WHERE issue_id = ? AND state <> ?",
            "ti", request->issue.id, (int64_t)ATTEMPT_ENDED) != 0)
        return -1;
    row = db_step(stmt, err);
    if (row == 1)
        (void)err_set(err, ERR_CONFLICT,
            "attempt %s of this issue has not ended", db_col_text(stmt, 0));
    db_done(stmt);
    if (row != 0)
        return -1;
    if (db_query(conn, err, &stmt,
            "SELECT issue_id FROM workspaces"
            " WHERE key = ? AND issue_id <> ?",
            "tt", request->workspace.key, request->issue.id) != 0)
        return -1;
    row = db_step(stmt, err);
    if (row == 1)
        (void)err_set(err, ERR_CONFLICT, "workspace %s belongs to issue %s",
            request->workspace.key, db_col_text(stmt, 0));
    db_done(stmt);
    return row != 0 ? -1 : 0;
}

static int
insert_attempt(struct db_conn *conn, struct accept_job *job, struct err *err)
{
    const struct dispatch_request *request = job->request;

    if (db_exec(conn, err,
            "INSERT INTO fences (issue_id, fence, attempt_id) VALUES (?,?,?)"
            " ON CONFLICT (issue_id) DO UPDATE SET fence = excluded.fence,"
            " attempt_id = excluded.attempt_id",
            "tit", request->issue.id, request->fence,
            request->attempt_id) != 0 ||
        db_exec(conn, err,
            "INSERT OR IGNORE INTO workspaces (key, issue_id) VALUES (?, ?)",
            "tt", request->workspace.key, request->issue.id) != 0)
        return -1;
    return db_exec(conn, err,
        "INSERT INTO attempts (attempt_id, fence, issue_id, identifier,"
        " state, started_at_ms, dispatch) VALUES (?, ?, ?, ?, ?, ?, ?)",
        "tittiit", request->attempt_id, request->fence, request->issue.id,
        request->issue.identifier, (int64_t)ATTEMPT_ACCEPTED, clock_wall_ms(),
        job->dispatch_json);
}

static int
accept_attempt(struct db_conn *conn, void *arg, struct err *err)
{
    struct accept_job *job = arg;
    const struct journal_entry entry = {
        .type = "attempt.accepted", .data_json = job->event_json};
    const struct journal_step step = {
        .entries = &entry, .count = 1, .state = ATTEMPT_STATE_COUNT};
    struct journal_step_job first = {.journal = job->journal,
        .attempt_id = job->request->attempt_id,
        .step = &step};

    job->known = false;
    if (find_attempt(conn, job, err) != 0)
        return -1;
    if (!job->known && check_issue_fence(conn, job, err) != 0)
        return -1;
    if (job->known)
        return 0;
    if (check_others(conn, job, err) != 0 ||
        insert_attempt(conn, job, err) != 0)
        return -1;
    return journal_db_step(conn, &first, err);
}

int
journal_accept(struct journal *journal, const struct dispatch_request *request,
    bool *known, struct err *err)
{
    AUTO(buf_free) struct buf dispatch;
    AUTO(buf_free) struct buf event;
    struct accept_job job = {.journal = journal, .request = request};

    buf_init(&dispatch, DISPATCH_MAX);
    buf_init(&event, JOURNAL_EVENT_MAX);
    if (encode_dispatch(request, &dispatch, err) != 0 ||
        encode_accepted(request, &event, err) != 0)
        return -1;
    job.dispatch_json = buf_str(&dispatch);
    job.event_json = buf_str(&event);
    if (db_write(journal->db, accept_attempt, &job, err) != 0)
        return -1;
    *known = job.known;
    if (!job.known)
        journal_db_announce(journal);
    return 0;
}
