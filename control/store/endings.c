/* SPDX-License-Identifier: Apache-2.0
 * How an attempt ends: its row, the verdict on its issue, the retry and the
 * effects on the tracker, all in the transaction that ends it. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "control/store/internal.h"

#include <string.h>

static int
end_row(struct db_conn *conn, const struct attempt *attempt,
    const struct attempt_end *end, struct err *err)
{
    return db_exec(conn, err,
        "UPDATE attempts SET status = ?, phase = 'ended', outcome = ?,"
        " message = ?, ended_at = ? WHERE attempt_id = ?",
        "ittit", (int64_t)ATTEMPT_ENDED, outcome_name(end->outcome),
        end->message != NULL ? end->message : outcome_text(end->outcome),
        clock_wall_ms(), attempt->attempt_id);
}

/* Returns the failures in a row, this end included, or -1. */
static int64_t
count_failures(struct db_conn *conn, const struct attempt *attempt,
    enum outcome outcome, struct err *err)
{
    AUTO(verdict_release) struct verdict verdict = {0};

    if (verdict_load(conn, attempt->issue_id, &verdict, err) < 0)
        return -1;
    return outcome == OUTCOME_SUCCEEDED ? 0 : verdict.failures + 1;
}

static int
add_retry(struct db_conn *conn, const struct attempt *attempt,
    const struct ending *ending, struct err *err)
{
    AUTO(buf_free) struct buf data = {0};
    struct jw w;

    if (db_exec(conn, err,
            "INSERT OR REPLACE INTO retries(issue_id, issue_identifier,"
            " error, number, due_at, continuation) VALUES(?, ?, ?, ?, ?, ?)",
            "tttiii", attempt->issue_id, attempt->issue_identifier,
            attempt->message, attempt->number + 1, ending->retry_at_ms,
            (int64_t)ending->continuation) < 0)
        return -1;
    buf_init(&data, STORE_EVENT_MAX);
    jw_init(&w, &data);
    jw_obj(&w, NULL);
    jw_int(&w, "number", attempt->number + 1);
    jw_int(&w, "due_at_ms", ending->retry_at_ms);
    jw_bool(&w, "continuation", ending->continuation);
    jw_end_obj(&w);
    if (buf_check(&data, err) < 0)
        return -1;
    const struct event_row event = {
        .attempt_id = attempt->attempt_id,
        .issue_identifier = attempt->issue_identifier,
        .type = "retry.scheduled",
        .data = buf_str(&data),
    };
    return event_insert(conn, &event, err);
}

static int
write_consequences(struct db_conn *conn, const struct attempt *attempt,
    int64_t failures, const struct ending *ending, struct err *err)
{
    bool retry = ending->retry_at_ms > 0;

    if (db_exec(conn, err,
            "UPDATE verdicts SET parked = ?, failures = ? WHERE issue_id = ?",
            "iit", (int64_t)!retry, failures, attempt->issue_id) < 0)
        return -1;
    if (retry && add_retry(conn, attempt, ending, err) < 0)
        return -1;
    if (ending->comment[0] != '\0' &&
        outbox_insert(conn, OUTBOX_COMMENT, attempt, ending->comment, err) < 0)
        return -1;
    if (ending->transition_to[0] != '\0' &&
        outbox_insert(
            conn, OUTBOX_TRANSITION, attempt, ending->transition_to, err) < 0)
        return -1;
    return 0;
}

int
attempt_finish(
    struct db_conn *conn, const struct attempt_end *end, struct err *err)
{
    AUTO(attempt_release) struct attempt attempt = {0};

    if (attempt_load(conn, end->attempt_id, &attempt, err) < 0)
        return -1;
    if (attempt.status == ATTEMPT_ENDED)
        return 0;
    if (end_row(conn, &attempt, end, err) < 0)
        return -1;
    attempt_release(&attempt);
    if (attempt_load(conn, end->attempt_id, &attempt, err) < 0)
        return -1;
    int64_t failures = count_failures(conn, &attempt, end->outcome, err);
    if (failures < 0)
        return -1;
    struct ending ending = {0};
    end->policy->decide(
        end->policy->arg, &attempt, end->outcome, failures, &ending);
    return write_consequences(conn, &attempt, failures, &ending, err);
}

/* ---- from this side ---- */

static int
own_end_event(struct db_conn *conn, const struct attempt_end *end,
    const char *issue_identifier, struct err *err)
{
    AUTO(buf_free) struct buf data = {0};
    struct jw w;

    buf_init(&data, STORE_EVENT_MAX);
    jw_init(&w, &data);
    jw_obj(&w, NULL);
    jw_str(&w, "outcome", outcome_name(end->outcome));
    jw_str(&w, "message", end->message);
    jw_end_obj(&w);
    if (buf_check(&data, err) < 0)
        return -1;
    const struct event_row event = {
        .attempt_id = end->attempt_id,
        .issue_identifier = issue_identifier,
        .type = "attempt.ended",
        .data = buf_str(&data),
    };
    return event_insert(conn, &event, err);
}

static int
end_write(struct db_conn *conn, void *arg, struct err *err)
{
    const struct attempt_end *end = arg;
    AUTO(attempt_release) struct attempt attempt = {0};

    if (attempt_load(conn, end->attempt_id, &attempt, err) < 0)
        return -1;
    if (attempt.status == ATTEMPT_ENDED)
        return 0;
    if (own_end_event(conn, end, attempt.issue_identifier, err) < 0)
        return -1;
    return attempt_finish(conn, end, err);
}

int
store_end_attempt(struct store *store, const char *attempt_id,
    enum outcome outcome, const char *message,
    const struct ending_policy *policy, struct err *err)
{
    struct attempt_end end = {
        .attempt_id = attempt_id,
        .outcome = outcome,
        .message = message,
        .policy = policy,
    };

    return store_write(store, end_write, &end, err);
}
