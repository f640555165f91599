/* SPDX-License-Identifier: Apache-2.0
 * A queue of calls, each on its caller's stack until it is answered. */
#include "dataplane/attempt/inbox.h"

#include "common/clock.h"

#include <sys/eventfd.h>
#include <unistd.h>

int
inbox_init(struct inbox *inbox, struct err *err)
{
    *inbox = (struct inbox){.open = false};
    inbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    inbox->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    inbox->halt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&inbox->mutex, NULL);
    clock_cond_init(&inbox->answered);
    if (inbox->wake_fd < 0 || inbox->cancel_fd < 0 || inbox->halt_fd < 0) {
        (void)err_sys(err, "eventfd");
        inbox_destroy(inbox);
        return -1;
    }
    return 0;
}

static void
close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

void
inbox_destroy(struct inbox *inbox)
{
    close_fd(inbox->wake_fd);
    close_fd(inbox->cancel_fd);
    close_fd(inbox->halt_fd);
    pthread_cond_destroy(&inbox->answered);
    pthread_mutex_destroy(&inbox->mutex);
}

static void
signal_fd(int fd)
{
    (void)eventfd_write(fd, 1); /* full means readable, which is enough */
}

/* ---- callers ---- */

static void
append(struct inbox *inbox, struct inbox_call *call)
{
    struct inbox_call **end = &inbox->first;

    while (*end != NULL)
        end = &(*end)->next;
    *end = call;
}

static void
unlink_call(struct inbox *inbox, const struct inbox_call *call)
{
    struct inbox_call **at = &inbox->first;

    while (*at != NULL && *at != call)
        at = &(*at)->next;
    if (*at != NULL)
        *at = call->next;
}

int
inbox_call(struct inbox *inbox, struct inbox_call *call, int64_t timeout_ms,
    struct err *err)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;

    call->err = err;
    call->next = NULL;
    call->result = -1;
    call->taken = false;
    call->answered = false;
    pthread_mutex_lock(&inbox->mutex);
    if (!inbox->open) {
        pthread_mutex_unlock(&inbox->mutex);
        return err_set(err, ERR_STATE, "the agent is not at work");
    }
    append(inbox, call);
    signal_fd(inbox->wake_fd);
    /* Once taken, the call is in use by the other thread, which is bounded in
     * what it does: wait for its answer however long. */
    while (!call->answered && (call->taken || clock_mono_ms() < deadline))
        (void)clock_cond_wait_until(&inbox->answered, &inbox->mutex,
            call->taken ? clock_mono_ms() + timeout_ms : deadline);
    if (!call->answered) {
        unlink_call(inbox, call);
        (void)err_set(err, ERR_TIMEOUT, "the attempt did not react in time");
    }
    pthread_mutex_unlock(&inbox->mutex);
    return call->result;
}

bool
inbox_stop(struct inbox *inbox, const struct inbox_stop *stop)
{
    bool first;

    pthread_mutex_lock(&inbox->mutex);
    first = !inbox->stop.wanted;
    if (first)
        inbox->stop = *stop;
    inbox->stop.wanted = true;
    inbox->stop.at_once = inbox->stop.at_once || stop->at_once;
    if (stop->at_once)
        signal_fd(inbox->halt_fd);
    signal_fd(inbox->cancel_fd);
    signal_fd(inbox->wake_fd);
    pthread_mutex_unlock(&inbox->mutex);
    return first;
}

/* ---- the attempt's thread ---- */

void
inbox_open(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox->open = true;
    pthread_mutex_unlock(&inbox->mutex);
}

void
inbox_close(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox->open = false;
    for (struct inbox_call *call = inbox->first; call != NULL;
         call = call->next) {
        (void)err_set(call->err, ERR_STATE, "the attempt has ended");
        call->answered = true;
    }
    inbox->first = NULL;
    pthread_cond_broadcast(&inbox->answered);
    pthread_mutex_unlock(&inbox->mutex);
}

void
inbox_clear_wake(struct inbox *inbox)
{
    eventfd_t value;

    (void)eventfd_read(inbox->wake_fd, &value);
}

struct inbox_call *
inbox_take(struct inbox *inbox)
{
    struct inbox_call *call;

    pthread_mutex_lock(&inbox->mutex);
    call = inbox->first;
    if (call != NULL) {
        inbox->first = call->next;
        call->taken = true;
    }
    pthread_mutex_unlock(&inbox->mutex);
    return call;
}

void
inbox_answer(struct inbox *inbox, struct inbox_call *call, int result,
    const struct err *err)
{
    pthread_mutex_lock(&inbox->mutex);
    call->result = result;
    if (result != 0)
        *call->err = *err;
    call->answered = true;
    pthread_cond_broadcast(&inbox->answered);
    pthread_mutex_unlock(&inbox->mutex);
}

void
inbox_get_stop(struct inbox *inbox, struct inbox_stop *out)
{
    pthread_mutex_lock(&inbox->mutex);
    *out = inbox->stop;
    pthread_mutex_unlock(&inbox->mutex);
}
