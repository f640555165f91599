/* SPDX-License-Identifier: Apache-2.0
 * From events to the attempt's row: what each type of event of the data plane
 * says about the attempt as it is now. One table. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "control/store/internal.h"

#include <string.h>

struct projection {
    const char *type;
    const char *phase; /* NULL: the event says nothing about it */
    int (*apply)(struct db_conn *conn, const char *attempt_id,
        const struct json *data, struct err *err);
};

static const char *
text(const struct json *data, const char *key)
{
    return json_str(json_get(data, key), NULL);
}

/* A count that cannot be negative. */
static int64_t
count(const struct json *data, const char *key)
{
    int64_t value = 0;

    return json_is_int(json_get(data, key), &value) && value > 0 ? value : 0;
}

static int
on_accepted(struct db_conn *conn, const char *attempt_id,
    const struct json *data, struct err *err)
{
    (void)data;
    return db_exec(conn, err,
        "UPDATE attempts SET status = ?,"
        " started_at = iif(started_at = 0, ?, started_at)"
        " WHERE attempt_id = ? AND status < ?",
        "iiti", (int64_t)ATTEMPT_RUNNING, clock_wall_ms(), attempt_id,
        (int64_t)ATTEMPT_ENDED);
}

static int
on_workspace(struct db_conn *conn, const char *attempt_id,
    const struct json *data, struct err *err)
{
    return db_exec(conn, err,
        "UPDATE attempts SET workspace = coalesce(?, workspace),"
        " branch = coalesce(?, branch) WHERE attempt_id = ?",
        "ttt", text(data, "path"), text(data, "branch"), attempt_id);
}

static int
on_container(struct db_conn *conn, const char *attempt_id,
    const struct json *data, struct err *err)
{
    return db_exec(conn, err,
        "UPDATE attempts SET container = coalesce(?, container)"
        " WHERE attempt_id = ?",
        "tt", text(data, "container"), attempt_id);
}

static int
on_thread(struct db_conn *conn, const char *attempt_id, const struct json *data,
    struct err *err)
{
    return db_exec(conn, err,
        "UPDATE attempts SET thread_id = coalesce(?, thread_id),"
        " model = coalesce(?, model) WHERE attempt_id = ?",
        "ttt", text(data, "thread_id"), text(data, "model"), attempt_id);
}

static int
on_turn(struct db_conn *conn, const char *attempt_id, const struct json *data,
    struct err *err)
{
    return db_exec(conn, err,
        "UPDATE attempts SET turn_id = coalesce(?, turn_id),"
        " turns = max(turns, ?) WHERE attempt_id = ?",
        "tit", text(data, "turn_id"), count(data, "turn"), attempt_id);
}

/* The event carries totals of the attempt so far, never differences, so that
 * applying it is harmless however often usage was reported. */
static int
on_usage(struct db_conn *conn, const char *attempt_id, const struct json *data,
    struct err *err)
{
    return db_exec(conn, err,
        "UPDATE attempts SET input_tokens = ?, cached_input_tokens = ?,"
        " output_tokens = ?, reasoning_tokens = ?, total_tokens = ?"
        " WHERE attempt_id = ?",
        "iiiiit", count(data, "input_tokens"),
        count(data, "cached_input_tokens"), count(data, "output_tokens"),
        count(data, "reasoning_tokens"), count(data, "total_tokens"),
        attempt_id);
}

static int
on_rate_limits(struct db_conn *conn, const char *attempt_id,
    const struct json *data, struct err *err)
{
    AUTO(buf_free) struct buf out = {0};
    struct jw w;

    buf_init(&out, STORE_EVENT_MAX);
    jw_init(&w, &out);
    jw_node(&w, NULL, json_get(data, "rate_limits"));
    if (buf_check(&out, err) < 0)
        return -1;
    return db_exec(conn, err,
        "UPDATE attempts SET rate_limits = ? WHERE attempt_id = ?", "tt",
        buf_str(&out), attempt_id);
}

static int
on_commit(struct db_conn *conn, const char *attempt_id, const struct json *data,
    struct err *err)
{
    return db_exec(conn, err,
        "UPDATE attempts SET commit_id = coalesce(?, commit_id),"
        " branch = coalesce(?, branch) WHERE attempt_id = ?",
        "ttt", text(data, "commit"), text(data, "branch"), attempt_id);
}

/* Phases are the data plane's names for its states; an event that ends one
 * state is the beginning of the next. */
static const struct projection projections[] = {
    {"attempt.accepted", "preparing_workspace", on_accepted},
    {"workspace.ready", "creating_container", on_workspace},
    {"container.created", "starting_codex", on_container},
    {"thread.started", "starting_codex", on_thread},
    {"turn.started", "running_turn", on_turn},
    {"turn.completed", "finishing", NULL},
    {"change.committed", "finishing", on_commit},
    {"usage.updated", NULL, on_usage},
    {"rate_limits.updated", NULL, on_rate_limits},
};

static int
project_head(struct db_conn *conn, const struct event_message *event,
    const char *phase, struct err *err)
{
    return db_exec(conn, err,
        "UPDATE attempts SET last_event = ?, last_event_at = ?, last_seq = ?,"
        " phase = iif(status < 2, coalesce(?, phase), phase)"
        " WHERE attempt_id = ?",
        "tiitt", event->type, event->at_ms, event->seq, phase,
        event->attempt_id);
}

int
attempt_project(struct db_conn *conn, const struct event_message *event,
    const struct json *data, struct err *err)
{
    const struct projection *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(projections); i++) {
        if (strcmp(projections[i].type, event->type) == 0)
            found = &projections[i];
    }
    if (project_head(conn, event, found == NULL ? NULL : found->phase, err) < 0)
        return -1;
    if (found == NULL || found->apply == NULL)
        return 0;
    return found->apply(conn, event->attempt_id, data, err);
}
