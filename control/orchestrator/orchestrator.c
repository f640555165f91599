/* SPDX-License-Identifier: Apache-2.0
 * The loop: outbox, claimed attempts, reconciliation, candidates. */
#include "control/orchestrator/orchestrator.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "control/orchestrator/internal.h"
#include "control/orchestrator/policy.h"

#include <stdio.h>
#include <string.h>

enum {
    /* Outbox, retries and unanswered dispatches are looked at so often. */
    ROUND_MS = 1000,
    LOOP_STACK = 512 * 1024
};

/* ---- small things under the lock ---- */

bool
orchestrator_is_stopping(struct orchestrator *o)
{
    bool stopping;

    pthread_mutex_lock(&o->lock);
    stopping = o->stopping;
    pthread_mutex_unlock(&o->lock);
    return stopping;
}

static bool
take_refresh(struct orchestrator *o)
{
    bool refresh;

    pthread_mutex_lock(&o->lock);
    refresh = o->refresh;
    o->refresh = false;
    pthread_mutex_unlock(&o->lock);
    return refresh;
}

static void
wait_until(struct orchestrator *o, int64_t deadline)
{
    pthread_mutex_lock(&o->lock);
    while (!o->stopping && !o->refresh && clock_mono_ms() < deadline)
        (void)clock_cond_wait_until(&o->wake, &o->lock, deadline);
    pthread_mutex_unlock(&o->lock);
}

void
orchestrator_refresh(struct orchestrator *o)
{
    pthread_mutex_lock(&o->lock);
    o->refresh = true;
    pthread_cond_broadcast(&o->wake);
    pthread_mutex_unlock(&o->lock);
}

/* ---- the loop ---- */

static void
note_poll(struct orchestrator *o, int result, const struct err *err)
{
    bool news;

    pthread_mutex_lock(&o->lock);
    o->health.polls_total++;
    o->health.last_poll_at_ms = clock_wall_ms();
    news = (result != 0) != (o->health.poll_failures > 0);
    o->health.poll_failures = result == 0 ? 0 : o->health.poll_failures + 1;
    (void)snprintf(o->health.tracker_error, sizeof(o->health.tracker_error),
        "%s", result == 0 ? "" : err->message);
    pthread_mutex_unlock(&o->lock);
    if (news && result != 0)
        log_failure(NULL, "poll failed", err);
    else if (news)
        log_info(NULL, "polling works again");
}

static void
poll_tracker(struct orchestrator *o, const struct config *config)
{
    struct err err = ERR_INIT;
    int result = reconcile_running(o, config, &err);

    if (result == 0)
        result = candidates_run(o, config, &err);
    note_poll(o, result, &err);
}

/* A bad edit is told once, until it is mended or becomes another one. */
static void
reload(struct orchestrator *o, char *last_error, size_t size)
{
    struct err err = ERR_INIT;

    if (config_reload(o->deps.config, &err) == 0) {
        last_error[0] = '\0';
    } else if (strncmp(last_error, err.message, size - 1) != 0) {
        (void)snprintf(last_error, size, "%s", err.message);
        log_failure(
            NULL, "configuration not taken; the last good one stays", &err);
    }
}

/* Did a retry fall due since the last poll? */
static bool
has_due_retry(struct orchestrator *o)
{
    AUTO(retry_list_release) struct retry_list retries = {0};
    struct orchestrator_health health;
    struct err err = ERR_INIT;
    int64_t now = clock_wall_ms();

    orchestrator_health(o, &health);
    if (store_retries(o->deps.store, &retries, &err) != 0) {
        log_failure(NULL, "could not read the retries", &err);
        return false;
    }
    for (size_t i = 0; i < retries.len; i++)
        if (retries.items[i].due_at_ms > health.last_poll_at_ms &&
            retries.items[i].due_at_ms <= now)
            return true;
    return false;
}

static void *
loop(void *arg)
{
    struct orchestrator *o = arg;
    int64_t next_poll = 0;
    char config_error[ERR_MESSAGE_MAX] = "";

    while (!orchestrator_is_stopping(o)) {
        struct config *config;
        struct err err = ERR_INIT;
        int64_t waiting = 0;
        bool due;

        reload(o, config_error, sizeof(config_error));
        config = config_get(o->deps.config);
        if (outbox_deliver(o, &err) != 0)
            log_failure(NULL, "outbox", &err);
        if (launch_claimed(o, config, &waiting, &err) != 0)
            log_failure(NULL, "dispatch", &err);
        due = take_refresh(o) || clock_mono_ms() >= next_poll;
        if (due || has_due_retry(o)) {
            poll_tracker(o, config);
            next_poll = clock_mono_ms() + config->polling_interval_ms;
        }
        config_release(config);
        wait_until(o, next_poll < clock_mono_ms() + ROUND_MS
                          ? next_poll
                          : clock_mono_ms() + ROUND_MS);
    }
    return NULL;
}

/* ---- hooks ---- */

static void
decide(void *arg, const struct attempt *attempt, enum outcome outcome,
    int64_t failures, struct ending *out)
{
    struct config *config = config_get(arg);

    policy_decide(config, attempt, outcome, failures, clock_wall_ms(), out);
    config_release(config);
}

struct ending_policy
orchestrator_policy(struct config_live *config)
{
    return (struct ending_policy){.decide = decide, .arg = config};
}

static void
host_changed(void *arg)
{
    orchestrator_refresh(arg);
}

struct pool_hooks
orchestrator_hooks(struct orchestrator *o)
{
    return (struct pool_hooks){
        .policy = orchestrator_policy(o->deps.config),
        .changed = host_changed,
        .arg = o,
    };
}

/* ---- life ---- */

int
orchestrator_new(struct orchestrator **out,
    const struct orchestrator_deps *deps, struct err *err)
{
    struct orchestrator *o = calloc(1, sizeof(*o));

    *out = o;
    if (o == NULL)
        return err_no_memory(err);
    o->deps = *deps;
    pthread_mutex_init(&o->dispatching, NULL);
    pthread_mutex_init(&o->lock, NULL);
    clock_cond_init(&o->wake);
    return 0;
}

int
orchestrator_start(struct orchestrator *o, struct pool *pool, struct err *err)
{
    pthread_attr_t attr;
    int rv;

    o->deps.pool = pool;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LOOP_STACK);
    rv = pthread_create(&o->thread, &attr, loop, o);
    pthread_attr_destroy(&attr);
    if (rv != 0)
        return err_set(err, ERR_SYSTEM, "thread: %s", strerror(rv));
    o->thread_started = true;
    return 0;
}

void
orchestrator_stop(struct orchestrator *o)
{
    if (o == NULL || !o->thread_started)
        return;
    pthread_mutex_lock(&o->lock);
    o->stopping = true;
    pthread_cond_broadcast(&o->wake);
    pthread_mutex_unlock(&o->lock);
    pthread_join(o->thread, NULL);
    o->thread_started = false;
}

void
orchestrator_free(struct orchestrator *o)
{
    if (o == NULL)
        return;
    pthread_cond_destroy(&o->wake);
    pthread_mutex_destroy(&o->lock);
    pthread_mutex_destroy(&o->dispatching);
    free(o);
}

/* ---- the operator's calls ---- */

static bool
is_of_issue(const struct attempt *attempt, const char *issue)
{
    return strcmp(attempt->issue_identifier, issue) == 0 ||
           strcmp(attempt->issue_id, issue) == 0;
}

int
orchestrator_abort(struct orchestrator *o, const char *issue,
    const char *reason, struct err *err)
{
    AUTO(attempt_list_release) struct attempt_list live = {0};

    if (store_live_attempts(o->deps.store, &live, err) != 0)
        return -1;
    for (size_t i = 0; i < live.len; i++)
        if (is_of_issue(&live.items[i], issue))
            return launch_abort(
                o, &live.items[i], OUTCOME_ABORTED, reason, err);
    return err_set(
        err, ERR_NOT_FOUND, "no attempt of \"%s\" is running", issue);
}

void
orchestrator_health(struct orchestrator *o, struct orchestrator_health *out)
{
    pthread_mutex_lock(&o->lock);
    *out = o->health;
    pthread_mutex_unlock(&o->lock);
}
