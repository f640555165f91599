/* SPDX-License-Identifier: Apache-2.0
 * Which attempts run here, and who may start another one. */
#include "dataplane/attempt/supervisor.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/log.h"
#include "dataplane/attempt/inbox.h"
#include "dataplane/attempt/recovery.h"
#include "dataplane/attempt/runner.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    STACK_BYTES = 256 * 1024,
    CALL_TIMEOUT_MS = 5000,
    RECOVERY_EVERY_MS = 2000,
    FIRST_TRY_MS = 3000
};

struct attempt {
    struct supervisor *supervisor;
    struct dispatch_request request;
    struct inbox inbox;
    int refs; /* its thread, and callers under way */
    struct attempt *next;
};

struct supervisor {
    struct supervisor_deps deps;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct attempt *attempts; /* that run */
    int64_t running;
    int threads; /* attempts' and recovery's, detached */
    bool tried;  /* to recover, at least once */
    bool recovered;
    bool draining;
    bool stopping;
    char held[WORKSPACE_KEY_MAX + 1]; /* a workspace under removal, or "" */
};

/* ---- the list; all with the mutex held ---- */

static struct attempt *
find_attempt(struct supervisor *supervisor, const char *attempt_id)
{
    struct attempt *attempt = supervisor->attempts;

    while (
        attempt != NULL && strcmp(attempt->request.attempt_id, attempt_id) != 0)
        attempt = attempt->next;
    return attempt;
}

static struct attempt *
find_user(struct supervisor *supervisor, const char *key)
{
    struct attempt *attempt = supervisor->attempts;

    while (attempt != NULL && strcmp(attempt->request.workspace.key, key) != 0)
        attempt = attempt->next;
    return attempt;
}

static void
unlink_attempt(struct supervisor *supervisor, const struct attempt *attempt)
{
    struct attempt **at = &supervisor->attempts;

    while (*at != NULL && *at != attempt)
        at = &(*at)->next;
    if (*at != NULL)
        *at = attempt->next;
}

static void
unref(struct attempt *attempt)
{
    if (--attempt->refs > 0)
        return;
    schema_release(&dispatch_request_schema, &attempt->request);
    inbox_destroy(&attempt->inbox);
    free(attempt);
}

/* ---- threads ---- */

static int
spawn(void *(*run)(void *), void *arg, struct err *err)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rv;

    if (pthread_attr_init(&attr) != 0)
        return err_no_memory(err);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rv = pthread_create(&thread, &attr, run, arg);
    (void)pthread_attr_destroy(&attr);
    if (rv == 0)
        return 0;
    return err_set(err, ERR_BUSY, "cannot start a thread: %s", strerror(rv));
}

/* The last thing that a thread does with the supervisor. */
static void
thread_done(struct supervisor *supervisor)
{
    supervisor->threads--;
    pthread_cond_broadcast(&supervisor->changed);
    pthread_mutex_unlock(&supervisor->mutex);
}

static void *
attempt_main(void *arg)
{
    struct attempt *attempt = arg;
    struct supervisor *supervisor = attempt->supervisor;

    runner_run(&supervisor->deps, &attempt->request, &attempt->inbox);
    pthread_mutex_lock(&supervisor->mutex);
    unlink_attempt(supervisor, attempt);
    supervisor->running--;
    unref(attempt);
    thread_done(supervisor);
    return NULL;
}

/* ---- start: recovery ---- */

/* Tries until it is done; each failure is said once, not every time. */
static bool
try_recovery(struct supervisor *supervisor, bool first)
{
    struct err err = ERR_INIT;
    bool recovered = recovery_run(&supervisor->deps, &err) == 0;

    if (!recovered && first)
        log_failure(NULL,
            "cannot clear up after an earlier run; no work is taken until "
            "that is done",
            &err);
    if (recovered && !first)
        log_info(NULL, "cleared up after an earlier run");
    pthread_mutex_lock(&supervisor->mutex);
    supervisor->recovered = recovered;
    supervisor->tried = true;
    pthread_cond_broadcast(&supervisor->changed);
    pthread_mutex_unlock(&supervisor->mutex);
    return recovered;
}

/* false: stopping. */
static bool
pause_recovery(struct supervisor *supervisor)
{
    int64_t next = clock_mono_ms() + RECOVERY_EVERY_MS;
    bool stopping;

    pthread_mutex_lock(&supervisor->mutex);
    while (!supervisor->stopping && clock_mono_ms() < next)
        (void)clock_cond_wait_until(
            &supervisor->changed, &supervisor->mutex, next);
    stopping = supervisor->stopping;
    pthread_mutex_unlock(&supervisor->mutex);
    return !stopping;
}

static void *
recovery_main(void *arg)
{
    struct supervisor *supervisor = arg;
    bool first = true;

    while (!try_recovery(supervisor, first) && pause_recovery(supervisor))
        first = false;
    pthread_mutex_lock(&supervisor->mutex);
    thread_done(supervisor);
    return NULL;
}

/* An engine that takes a request and does not answer must not keep us from
 * serving, and saying so. */
static void
await_first_try(struct supervisor *supervisor)
{
    int64_t deadline = clock_mono_ms() + FIRST_TRY_MS;

    pthread_mutex_lock(&supervisor->mutex);
    while (!supervisor->tried && clock_mono_ms() < deadline)
        (void)clock_cond_wait_until(
            &supervisor->changed, &supervisor->mutex, deadline);
    pthread_mutex_unlock(&supervisor->mutex);
}

int
supervisor_start(struct supervisor **out, const struct supervisor_deps *deps,
    struct err *err)
{
    struct supervisor *supervisor = calloc(1, sizeof(*supervisor));

    *out = NULL;
    if (supervisor == NULL)
        return err_no_memory(err);
    supervisor->deps = *deps;
    pthread_mutex_init(&supervisor->mutex, NULL);
    clock_cond_init(&supervisor->changed);
    supervisor->threads = 1;
    if (spawn(recovery_main, supervisor, err) != 0) {
        supervisor->threads = 0;
        (void)supervisor_stop(supervisor, 0);
        return -1;
    }
    await_first_try(supervisor);
    *out = supervisor;
    return 0;
}

/* ---- stop ---- */

/* With the mutex held. */
static void
halt(struct supervisor *supervisor)
{
    const struct inbox_stop stop = {.wanted = true,
        .at_once = true,
        .outcome = OUTCOME_RESTARTED,
        .reason = "the data plane was stopped"};

    supervisor->stopping = true;
    pthread_cond_broadcast(&supervisor->changed);
    for (struct attempt *attempt = supervisor->attempts; attempt != NULL;
         attempt = attempt->next)
        (void)inbox_stop(&attempt->inbox, &stop);
}

void
supervisor_halt(struct supervisor *supervisor)
{
    pthread_mutex_lock(&supervisor->mutex);
    halt(supervisor);
    pthread_mutex_unlock(&supervisor->mutex);
}

bool
supervisor_stop(struct supervisor *supervisor, int64_t grace_ms)
{
    int64_t deadline = clock_mono_ms() + grace_ms;
    int left;

    pthread_mutex_lock(&supervisor->mutex);
    halt(supervisor);
    while (supervisor->threads > 0 && clock_mono_ms() < deadline)
        (void)clock_cond_wait_until(
            &supervisor->changed, &supervisor->mutex, deadline);
    left = supervisor->threads;
    pthread_mutex_unlock(&supervisor->mutex);
    if (left > 0) {
        /* They still use it; the process ends, and the next start clears up. */
        log_warn(NULL, "attempts did not end in time", LOG_I("threads", left));
        return false;
    }
    pthread_cond_destroy(&supervisor->changed);
    pthread_mutex_destroy(&supervisor->mutex);
    free(supervisor);
    return true;
}

/* ---- dispatch ---- */

static int
check_request(const struct dispatch_request *request, struct err *err)
{
    const char *driver = request->sandbox.log_driver;

    if (!id_is_valid(request->attempt_id))
        return err_set(err, ERR_INVALID,
            "attempt_id must be 32 lower-case hexadecimal digits");
    if (!workspace_key_is_valid(request->workspace.key))
        return err_set(err, ERR_INVALID, "workspace.key is not a valid key");
    if (driver != NULL && driver[0] != '\0' &&
        strcmp(driver, "json-file") != 0 && strcmp(driver, "local") != 0)
        return err_set(err, ERR_INVALID,
            "sandbox.log_driver must be json-file or local: the worker's log "
            "is read back");
    return 0;
}

/* Without these an attempt could only fail: refused before it is accepted. */
static int
check_engine(struct supervisor *supervisor,
    const struct dispatch_request *request, struct err *err)
{
    const char *network = request->sandbox.network;
    bool exists = false;

    if (network == NULL || network[0] == '\0')
        network = supervisor->deps.default_network;
    if (docker_network_exists(supervisor->deps.docker, network, &exists, err) !=
        0)
        return -1;
    if (exists)
        return 0;
    return err_set(err, ERR_UNAVAILABLE,
        "Docker network %s does not exist on this host: create it (docker "
        "network create %s), or name another one by codex.sandbox.network or "
        "the data plane's --network",
        network, network);
}

/* Room for one more, now? With the mutex held. */
static int
check_room(struct supervisor *supervisor,
    const struct dispatch_request *request, struct err *err)
{
    if (supervisor->stopping)
        return err_set(err, ERR_UNAVAILABLE, "this data plane is stopping");
    if (!supervisor->recovered)
        return err_set(err, ERR_UNAVAILABLE,
            "this data plane cannot clear up after an earlier run yet: its "
            "Docker Engine does not answer");
    if (supervisor->draining)
        return err_set(err, ERR_UNAVAILABLE, "this data plane is draining");
    if (supervisor->running >= supervisor->deps.capacity)
        return err_set(err, ERR_BUSY, "all %lld places are taken",
            (long long)supervisor->deps.capacity);
    if (find_user(supervisor, request->workspace.key) != NULL ||
        strcmp(supervisor->held, request->workspace.key) == 0)
        return err_set(
            err, ERR_BUSY, "workspace %s is in use", request->workspace.key);
    return 0;
}

static void
give_back_room(struct supervisor *supervisor, struct attempt *attempt)
{
    pthread_mutex_lock(&supervisor->mutex);
    unlink_attempt(supervisor, attempt);
    supervisor->running--;
    /* The request stays the caller's. */
    memset(&attempt->request, 0, sizeof(attempt->request));
    unref(attempt);
    pthread_mutex_unlock(&supervisor->mutex);
}

/* It is in the list (so that its workspace is taken) before it is accepted. */
static struct attempt *
take_room(struct supervisor *supervisor, const struct dispatch_request *request,
    struct err *err)
{
    struct attempt *attempt = calloc(1, sizeof(*attempt));

    if (attempt == NULL) {
        (void)err_no_memory(err);
        return NULL;
    }
    if (inbox_init(&attempt->inbox, err) != 0) {
        free(attempt);
        return NULL;
    }
    attempt->supervisor = supervisor;
    attempt->refs = 1;
    pthread_mutex_lock(&supervisor->mutex);
    if (check_room(supervisor, request, err) != 0) {
        unref(attempt);
        attempt = NULL;
    } else {
        attempt->request = *request;
        attempt->next = supervisor->attempts;
        supervisor->attempts = attempt;
        supervisor->running++;
    }
    pthread_mutex_unlock(&supervisor->mutex);
    return attempt;
}

/* Is this attempt known? Then *reply says in which state it is. */
static int
reply_if_known(struct supervisor *supervisor,
    const struct dispatch_request *request, struct dispatch_reply *reply,
    bool *known, struct err *err)
{
    struct status_reply status;
    struct attempt_status *found;

    *known = false;
    if (journal_status(
            supervisor->deps.journal, request->attempt_id, &status, err) != 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    found = status.attempts.items;
    if (found != NULL) {
        *known = true;
        reply->state = STEAL(found->state);
    }
    schema_release(&status_reply_schema, &status);
    return journal_check_fence(
        supervisor->deps.journal, request->attempt_id, request->fence, err);
}

static int
launch(struct supervisor *supervisor, struct attempt *attempt, struct err *err)
{
    struct err ignored = ERR_INIT;
    int result;

    pthread_mutex_lock(&supervisor->mutex);
    supervisor->threads++;
    result = spawn(attempt_main, attempt, err);
    if (result != 0)
        supervisor->threads--;
    pthread_mutex_unlock(&supervisor->mutex);
    if (result != 0 &&
        journal_end(supervisor->deps.journal, attempt->request.attempt_id,
            OUTCOME_INTERNAL, err->message, &ignored) != 0)
        log_failure(NULL, "end not journaled", &ignored);
    return result;
}

static int
accept_attempt(struct supervisor *supervisor, struct attempt *attempt,
    struct dispatch_reply *reply, struct err *err)
{
    bool known = false;

    if (journal_accept(
            supervisor->deps.journal, &attempt->request, &known, err) != 0)
        return -1;
    reply->accepted = !known;
    reply->state =
        strdup(attempt_state_name(known ? ATTEMPT_ENDED : ATTEMPT_ACCEPTED));
    if (reply->state == NULL)
        return err_no_memory(err);
    return 0;
}

/* The request is zeroed when an attempt's thread owns it now. */
static int
start_attempt(struct supervisor *supervisor, struct dispatch_request *request,
    struct dispatch_reply *reply, struct err *err)
{
    struct attempt *attempt = take_room(supervisor, request, err);
    int result;

    if (attempt == NULL)
        return -1;
    result = accept_attempt(supervisor, attempt, reply, err);
    if (result == 0 && reply->accepted)
        result = launch(supervisor, attempt, err);
    if (result == 0 && reply->accepted)
        memset(request, 0, sizeof(*request));
    else /* failed; or known, ended and forgotten */
        give_back_room(supervisor, attempt);
    return result;
}

int
supervisor_dispatch(struct supervisor *supervisor,
    struct dispatch_request *request, struct dispatch_reply *reply,
    struct err *err)
{
    bool known = false;

    memset(reply, 0, sizeof(*reply));
    if (check_request(request, err) != 0 ||
        reply_if_known(supervisor, request, reply, &known, err) != 0 ||
        (!known && (check_engine(supervisor, request, err) != 0 ||
                       start_attempt(supervisor, request, reply, err) != 0))) {
        schema_release(&dispatch_reply_schema, reply);
        return -1;
    }
    schema_release(&dispatch_request_schema, request);
    return 0;
}

/* ---- calls ---- */

/* A running attempt to work with, or NULL; unref_locked when done. */
static struct attempt *
borrow(struct supervisor *supervisor, const char *attempt_id)
{
    struct attempt *attempt;

    pthread_mutex_lock(&supervisor->mutex);
    attempt = find_attempt(supervisor, attempt_id);
    if (attempt != NULL)
        attempt->refs++;
    pthread_mutex_unlock(&supervisor->mutex);
    return attempt;
}

static void
give_back(struct supervisor *supervisor, struct attempt *attempt)
{
    pthread_mutex_lock(&supervisor->mutex);
    unref(attempt);
    pthread_mutex_unlock(&supervisor->mutex);
}

static int
call_attempt(struct supervisor *supervisor, const char *attempt_id,
    struct inbox_call *call, struct ack_reply *reply, struct err *err)
{
    struct attempt *attempt = borrow(supervisor, attempt_id);
    int result;

    if (attempt == NULL)
        return err_set(err, ERR_STATE, "attempt %s has ended", attempt_id);
    result = inbox_call(&attempt->inbox, call, CALL_TIMEOUT_MS, err);
    give_back(supervisor, attempt);
    reply->done = result == 0 && !call->repeated;
    return result;
}

int
supervisor_respond(struct supervisor *supervisor,
    const struct respond_request *request, struct ack_reply *reply,
    struct err *err)
{
    struct inbox_call call = {.kind = INBOX_RESPOND,
        .id = request->request_id,
        .text = request->response};

    if (journal_check_fence(supervisor->deps.journal, request->attempt_id,
            request->fence, err) != 0)
        return -1;
    return call_attempt(supervisor, request->attempt_id, &call, reply, err);
}

int
supervisor_steer(struct supervisor *supervisor,
    const struct steer_request *request, struct ack_reply *reply,
    struct err *err)
{
    struct inbox_call call = {
        .kind = INBOX_STEER, .id = request->steer_id, .text = request->text};

    if (journal_check_fence(supervisor->deps.journal, request->attempt_id,
            request->fence, err) != 0)
        return -1;
    return call_attempt(supervisor, request->attempt_id, &call, reply, err);
}

int
supervisor_abort(struct supervisor *supervisor,
    const struct abort_request *request, struct ack_reply *reply,
    struct err *err)
{
    struct inbox_stop stop = {
        .wanted = true, .outcome = outcome_from_name(request->outcome)};
    struct attempt *attempt;

    reply->done = false;
    if (stop.outcome != OUTCOME_ABORTED && stop.outcome != OUTCOME_SUPERSEDED)
        return err_set(
            err, ERR_INVALID, "outcome must be aborted or superseded");
    if (journal_check_fence(supervisor->deps.journal, request->attempt_id,
            request->fence, err) != 0)
        return -1;
    snprintf(stop.reason, sizeof(stop.reason), "%s",
        request->reason[0] != '\0' ? request->reason
                                   : outcome_text(stop.outcome));
    attempt = borrow(supervisor, request->attempt_id);
    if (attempt == NULL)
        return 0; /* ended by itself meanwhile */
    reply->done = inbox_stop(&attempt->inbox, &stop);
    give_back(supervisor, attempt);
    return 0;
}

/* ---- the host ---- */

void
supervisor_drain(struct supervisor *supervisor, bool draining)
{
    pthread_mutex_lock(&supervisor->mutex);
    supervisor->draining = draining;
    pthread_mutex_unlock(&supervisor->mutex);
}

void
supervisor_load(struct supervisor *supervisor, int64_t *running,
    int64_t *capacity, bool *draining)
{
    pthread_mutex_lock(&supervisor->mutex);
    *running = supervisor->running;
    *capacity = supervisor->deps.capacity;
    *draining = supervisor->draining;
    pthread_mutex_unlock(&supervisor->mutex);
}

char *
supervisor_workspace_user(struct supervisor *supervisor, const char *key)
{
    const struct attempt *attempt;
    char *id;

    pthread_mutex_lock(&supervisor->mutex);
    attempt = find_user(supervisor, key);
    id = attempt != NULL ? strdup(attempt->request.attempt_id) : NULL;
    pthread_mutex_unlock(&supervisor->mutex);
    return id;
}

int
supervisor_hold_workspace(
    struct supervisor *supervisor, const char *key, struct err *err)
{
    const struct attempt *user;
    int result = 0;

    pthread_mutex_lock(&supervisor->mutex);
    user = find_user(supervisor, key);
    if (user != NULL)
        result = err_set(err, ERR_CONFLICT, "attempt %s works in workspace %s",
            user->request.attempt_id, key);
    else if (!supervisor->recovered)
        result = err_set(err, ERR_UNAVAILABLE,
            "an earlier run is not cleared up yet: the Docker Engine does not "
            "answer");
    else if (supervisor->held[0] != '\0')
        result = err_set(err, ERR_BUSY, "another workspace is being removed");
    else
        snprintf(supervisor->held, sizeof(supervisor->held), "%s", key);
    pthread_mutex_unlock(&supervisor->mutex);
    return result;
}

void
supervisor_release_workspace(struct supervisor *supervisor)
{
    pthread_mutex_lock(&supervisor->mutex);
    supervisor->held[0] = '\0';
    pthread_mutex_unlock(&supervisor->mutex);
}
