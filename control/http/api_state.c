/* SPDX-License-Identifier: Apache-2.0
 * GET /api/v1/state: the board, what runs, what waits, what happened last.
 * Rendered once per change and shared by all readers. */
#include "control/http/handlers.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/http/view.h"
#include "control/http/workflow.h"
#include "control/orchestrator/orchestrator.h"

#include <stdlib.h>
#include <string.h>

enum {
    BOARD_ISSUES_MAX = 500,
    COMPLETED_MAX = 20,
    RECENT_EVENTS_MAX = 50,
    MAX_AGE_MS = 1000 /* hosts and poll results are not in the store */
};

/* Everything that one rendering needs, read before the first byte. */
struct board {
    struct config *config;
    struct workflow *workflow;
    struct issue_list issues; /* of the embedded tracker */
    struct attempt_list live;
    struct attempt_list ended;
    struct retry_list retries;
    struct event_list events;
    struct totals totals;
    struct hosts hosts;
    struct orchestrator_health health;
    struct store *store;
};

static void
board_release(struct board *board)
{
    config_release(board->config);
    free(board->workflow);
    issue_list_release(&board->issues);
    attempt_list_release(&board->live);
    attempt_list_release(&board->ended);
    retry_list_release(&board->retries);
    event_list_release(&board->events);
    view_hosts_release(&board->hosts);
}

static int
board_load(struct http_app *app, struct board *board, struct err *err)
{
    struct store *store = app->deps.store;

    board->store = store;
    board->config = config_get(app->deps.config);
    board->workflow = workflow_new(board->config, err);
    if (board->workflow == NULL)
        return -1;
    if (api_issues_are_local(app) &&
        store_issues(store, NULL, 0, BOARD_ISSUES_MAX, &board->issues, err) !=
            0)
        return -1;
    if (store_live_attempts(store, &board->live, err) != 0 ||
        store_recent_attempts(store, COMPLETED_MAX, &board->ended, err) != 0 ||
        store_retries(store, &board->retries, err) != 0 ||
        store_recent_events(store, RECENT_EVENTS_MAX, &board->events, err) !=
            0 ||
        store_totals(store, &board->totals, err) != 0)
        return -1;
    orchestrator_health(app->deps.orchestrator, &board->health);
    return view_hosts_load(app->deps.pool, &board->hosts, err);
}

/* ---- what is done with an issue ---- */

static bool
is_live(const struct board *board, const char *issue_id)
{
    for (size_t i = 0; i < board->live.len; i++) {
        if (strcmp(board->live.items[i].issue_id, issue_id) == 0)
            return true;
    }
    return false;
}

static bool
is_retrying(const struct board *board, const char *issue_id)
{
    for (size_t i = 0; i < board->retries.len; i++) {
        if (strcmp(board->retries.items[i].issue_id, issue_id) == 0)
            return true;
    }
    return false;
}

static bool
has_required_labels(const struct config *config, const struct issue *issue)
{
    const struct config_strings *want = &config->tracker_required_labels;

    for (size_t i = 0; i < want->count; i++) {
        if (!issue_state_in(want->items[i], issue->labels, issue->label_count))
            return false;
    }
    return true;
}

/* "running", "retrying", "queued", or "idle": nothing is planned. */
static int
issue_status(const struct board *board, const struct issue *issue,
    const char **out, struct err *err)
{
    const struct config_strings *active = &board->config->tracker_active_states;
    bool claimable = false;

    *out = "idle";
    if (is_live(board, issue->id)) {
        *out = "running";
    } else if (is_retrying(board, issue->id)) {
        *out = "retrying";
    } else if (issue->dispatchable &&
               issue_state_in(issue->state, active->items, active->count) &&
               has_required_labels(board->config, issue)) {
        if (store_is_claimable(
                board->store, issue, clock_wall_ms(), &claimable, err) != 0)
            return -1;
        *out = claimable ? "queued" : "idle";
    }
    return 0;
}

/* ---- parts of the answer ---- */

static int
write_queued(const struct board *board, struct jw *w, struct err *err)
{
    jw_arr(w, "queued");
    for (size_t i = 0; i < board->issues.len; i++) {
        const char *status = NULL;

        if (issue_status(board, &board->issues.items[i], &status, err) != 0)
            return -1;
        if (strcmp(status, "queued") == 0)
            view_issue_row(&board->issues.items[i], status, w);
    }
    jw_end_arr(w);
    return 0;
}

static void
write_attempts(const struct attempt_list *list, const char *key, struct jw *w)
{
    jw_arr(w, key);
    for (size_t i = 0; i < list->len; i++)
        view_attempt_row(&list->items[i], w);
    jw_end_arr(w);
}

static int64_t
count_in_state(const struct board *board, const char *label)
{
    int64_t count = 0;

    for (size_t i = 0; i < board->issues.len; i++)
        count += issue_state_equal(board->issues.items[i].state, label);
    return count;
}

static int
write_column(const struct board *board, const struct workflow_state *state,
    int64_t count, struct jw *w, struct err *err)
{
    jw_obj(w, NULL);
    jw_str(w, "key", state->key);
    jw_str(w, "label", state->label);
    jw_str(w, "kind", state->kind);
    jw_bool(w, "terminal", state->terminal);
    jw_int(w, "count", count);
    jw_arr(w, "issues");
    for (size_t i = 0; i < board->issues.len; i++) {
        const struct issue *issue = &board->issues.items[i];
        const char *status = NULL;

        if (!issue_state_equal(issue->state, state->label))
            continue;
        if (issue_status(board, issue, &status, err) != 0)
            return -1;
        view_issue_row(issue, status, w);
    }
    jw_end_arr(w);
    jw_end_obj(w);
    return 0;
}

/* Trackers know many words for the end; one column is shown even when it is
 * empty, the others when they have issues. */
static int
write_columns(struct board *board, struct jw *w, struct err *err)
{
    bool shown = false;

    for (size_t i = 0; i < board->issues.len; i++)
        (void)workflow_find_or_add(
            board->workflow, board->issues.items[i].state);
    jw_arr(w, "workflow_columns");
    for (size_t i = 0; i < board->workflow->count; i++) {
        const struct workflow_state *state = &board->workflow->states[i];
        int64_t count = count_in_state(board, state->label);

        if (state->terminal && count == 0 && shown)
            continue;
        shown |= state->terminal;
        if (write_column(board, state, count, w, err) != 0)
            return -1;
    }
    jw_end_arr(w);
    return 0;
}

static void
write_totals(const struct totals *totals, struct jw *w)
{
    jw_obj(w, "codex_totals");
    jw_int(w, "input_tokens", totals->input_tokens);
    jw_int(w, "output_tokens", totals->output_tokens);
    jw_int(w, "total_tokens", totals->total_tokens);
    jw_int(w, "seconds_running", totals->seconds_running);
    jw_end_obj(w);
}

/* What the account's newest attempt heard last. */
static void
write_rate_limits(const struct board *board, struct jw *w)
{
    const struct attempt *newest = NULL;
    const struct attempt_list *lists[] = {&board->live, &board->ended};

    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        for (size_t i = 0; i < lists[l]->len; i++) {
            const struct attempt *a = &lists[l]->items[i];

            if (a->rate_limits != NULL &&
                (newest == NULL ||
                    a->last_event_at_ms > newest->last_event_at_ms))
                newest = a;
        }
    }
    jw_raw(w, "rate_limits", newest == NULL ? NULL : newest->rate_limits);
}

static void
write_health(const struct board *board, struct jw *w)
{
    const struct orchestrator_health *health = &board->health;
    const char *status = "healthy";
    const char *message = board->live.len > 0
                              ? "working"
                              : "idle: nothing is running; issues in an active "
                                "state are picked up";

    if (board->hosts.connected == 0) {
        status = "critical";
        message = "no data plane is connected; see hosts";
    } else if (health->tracker_error[0] != '\0') {
        status = "degraded";
        message = health->tracker_error;
    } else if (board->hosts.connected < board->hosts.len) {
        status = "degraded";
        message = "not every data plane is connected; see hosts";
    }
    jw_obj(w, "system_health");
    jw_str(w, "status", status);
    view_time(w, "checked_at", health->last_poll_at_ms);
    jw_int(w, "running_count", (int64_t)board->live.len);
    jw_str(w, "message", message);
    jw_end_obj(w);
}

static int
write_board(struct board *board, struct jw *w, struct err *err)
{
    jw_obj(w, "counts");
    jw_int(w, "running", (int64_t)board->live.len);
    jw_int(w, "retrying", (int64_t)board->retries.len);
    jw_end_obj(w);
    if (write_queued(board, w, err) != 0)
        return -1;
    write_attempts(&board->live, "running", w);
    jw_arr(w, "retrying");
    for (size_t i = 0; i < board->retries.len; i++)
        view_retry_row(&board->retries.items[i], w);
    jw_end_arr(w);
    write_attempts(&board->ended, "completed", w);
    if (write_columns(board, w, err) != 0)
        return -1;
    write_totals(&board->totals, w);
    write_rate_limits(board, w);
    jw_arr(w, "recent_events");
    for (size_t i = 0; i < board->events.len; i++)
        view_event_row(&board->events.items[i], w);
    jw_end_arr(w);
    write_health(board, w);
    view_hosts(&board->hosts, w, "hosts");
    return 0;
}

/* ---- the snapshot ---- */

static int
state_render(void *arg, struct buf *out, struct err *err)
{
    AUTO(board_release) struct board board;
    struct jw w;

    memset(&board, 0, sizeof(board));
    if (board_load(arg, &board, err) != 0)
        return -1;
    jw_init(&w, out);
    jw_obj(&w, NULL);
    view_time(&w, "generated_at", clock_wall_ms());
    int head = (int)out->len;

    if (write_board(&board, &w, err) != 0)
        return -1;
    jw_end_obj(&w);
    return head;
}

static int64_t
state_version(void *arg)
{
    const struct http_app *app = arg;

    return store_version(app->deps.store);
}

int
api_state_open(struct http_app *app, struct err *err)
{
    const struct snapshot_source source = {.render = state_render,
        .version = state_version,
        .arg = app,
        .max_age_ms = MAX_AGE_MS};

    return snapshot_new(&app->state, &source, err);
}

int
api_state_get(struct http_app *app, struct http_call *call, struct err *err)
{
    struct http_reply *reply = &call->reply;

    if (snapshot_get(app->state, &reply->shared, err) != 0)
        return -1;
    (void)memcpy(reply->etag, shared_body_etag(reply->shared),
        strlen(shared_body_etag(reply->shared)) + 1);
    return 0;
}
