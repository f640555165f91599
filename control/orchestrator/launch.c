/* SPDX-License-Identifier: Apache-2.0
 * Dispatch and abort of single attempts. */
#include "control/orchestrator/dispatch.h"
#include "control/orchestrator/internal.h"

#include "common/borrow.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

#include <string.h>

enum {
    CALL_TIMEOUT_MS = 5000,
    /* A host that cannot be reached for so long gets no more tries. */
    DISPATCH_PATIENCE_MS = 60000
};

static struct log_ctx
attempt_ctx(const struct attempt *attempt)
{
    return (struct log_ctx){.issue_id = attempt->issue_id,
        .issue_identifier = attempt->issue_identifier,
        .attempt_id = attempt->attempt_id};
}

/* The answer may have been lost on its way: ask again, the id is the key. */
static bool
may_have_happened(const struct err *err)
{
    return err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT ||
           err->code == ERR_CANCELLED || err->code == ERR_BUSY;
}

static int
end_attempt(struct orchestrator *o, const struct attempt *attempt,
    enum outcome outcome, const char *message, struct err *err)
{
    struct ending_policy policy = orchestrator_policy(o->deps.config);

    return store_end_attempt(
        o->deps.store, attempt->attempt_id, outcome, message, &policy, err);
}

static int
send_dispatch(struct orchestrator *o, struct dispatch *dispatch,
    const struct attempt *attempt, struct err *err)
{
    struct dispatch_reply reply = {0};
    struct log_ctx ctx = attempt_ctx(attempt);

    if (pool_call(o->deps.pool, attempt->host, OP_DISPATCH, &dispatch->request,
            &reply, CALL_TIMEOUT_MS, err) != 0)
        return -1;
    schema_release(&dispatch_reply_schema, &reply);
    log_info(&ctx, "dispatched", LOG_S("host", attempt->host),
        LOG_I("fence", attempt->fence), LOG_I("number", attempt->number));
    return store_dispatched(o->deps.store, attempt->attempt_id, err);
}

static int
dispatch_failed(struct orchestrator *o, const struct attempt *attempt,
    const struct err *why, struct err *err)
{
    struct log_ctx ctx = attempt_ctx(attempt);
    int64_t waited = clock_wall_ms() - attempt->created_at_ms;

    if (may_have_happened(why) && waited < DISPATCH_PATIENCE_MS)
        return 0; /* stays claimed; tried again within a second */
    log_failure(&ctx, "dispatch failed", why);
    return end_attempt(o, attempt, OUTCOME_DISPATCH, why->message, err);
}

static int
launch_locked(struct orchestrator *o, const struct config *config,
    const struct issue *issue, const struct attempt *attempt, struct err *err)
{
    struct dispatch dispatch;
    struct err why = ERR_INIT;
    int result;

    if (dispatch_build(&dispatch, config, issue, attempt, &why) != 0) {
        enum outcome outcome =
            why.code == ERR_CONFIG ? OUTCOME_TEMPLATE : OUTCOME_INTERNAL;
        return end_attempt(o, attempt, outcome, why.message, err);
    }
    result = send_dispatch(o, &dispatch, attempt, &why);
    dispatch_release(&dispatch);
    return result == 0 ? 0 : dispatch_failed(o, attempt, &why, err);
}

int
launch_attempt(struct orchestrator *o, const struct config *config,
    const struct issue *issue, const struct attempt *attempt, struct err *err)
{
    int result;

    pthread_mutex_lock(&o->dispatching);
    result = launch_locked(o, config, issue, attempt, err);
    pthread_mutex_unlock(&o->dispatching);
    return result;
}

/* Reads the attempt again: it may have been aborted meanwhile. */
static int
launch_again(struct orchestrator *o, const struct config *config,
    const char *attempt_id, struct err *err)
{
    AUTO(attempt_release) struct attempt attempt = {0};
    AUTO(issue_release) struct issue issue = {0};
    AUTO(json_free_ptr) struct json *node = NULL;

    if (store_attempt(o->deps.store, attempt_id, &attempt, err) != 0)
        return -1;
    if (attempt.status != ATTEMPT_CLAIMED)
        return 0;
    node = json_parse(attempt.issue_json, strlen(attempt.issue_json),
        strlen(attempt.issue_json) + 1, err);
    if (node == NULL || issue_read(node, &issue, err) != 0)
        return -1;
    return launch_locked(o, config, &issue, &attempt, err);
}

int
launch_claimed(struct orchestrator *o, const struct config *config,
    int64_t *waiting, struct err *err)
{
    AUTO(attempt_list_release) struct attempt_list live = {0};
    int result = 0;

    *waiting = 0;
    if (store_live_attempts(o->deps.store, &live, err) != 0)
        return -1;
    for (size_t i = 0; i < live.len && result == 0; i++) {
        if (live.items[i].status != ATTEMPT_CLAIMED)
            continue;
        ++*waiting;
        pthread_mutex_lock(&o->dispatching);
        result = launch_again(o, config, live.items[i].attempt_id, err);
        pthread_mutex_unlock(&o->dispatching);
    }
    return result;
}

static int
abort_locked(struct orchestrator *o, const struct attempt *attempt,
    enum outcome outcome, const char *reason, struct err *err)
{
    struct abort_request request = {.attempt_id = attempt->attempt_id,
        .fence = attempt->fence,
        .outcome = borrow_text(outcome_name(outcome)),
        .reason = borrow_text(reason)};
    struct ack_reply reply = {0};
    struct log_ctx ctx = attempt_ctx(attempt);
    int result = pool_call(o->deps.pool, attempt->host, OP_ABORT, &request,
        &reply, CALL_TIMEOUT_MS, err);

    /* Claimed here and unknown there: nothing runs, it ends at once. */
    if (result != 0 && err->code == ERR_NOT_FOUND &&
        attempt->status == ATTEMPT_CLAIMED)
        return end_attempt(o, attempt, outcome, reason, err);
    if (result != 0)
        return -1;
    log_info(&ctx, "abort sent", LOG_S("outcome", outcome_name(outcome)),
        LOG_S("reason", reason));
    return 0;
}

int
launch_abort(struct orchestrator *o, const struct attempt *attempt,
    enum outcome outcome, const char *reason, struct err *err)
{
    int result;

    pthread_mutex_lock(&o->dispatching);
    result = abort_locked(o, attempt, outcome, reason, err);
    pthread_mutex_unlock(&o->dispatching);
    return result;
}
