/* SPDX-License-Identifier: Apache-2.0
 * dataplane/attempt/inbox: calls and orders to stop, between threads. */
#include "dataplane/attempt/inbox.h"

#include "common/clock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>

enum { SOON_MS = 5000 };

static struct inbox inbox;
static struct err err;

static void
begin(void)
{
    cr_assert_eq(inbox_init(&inbox, &err), 0);
}

static void
end(void)
{
    inbox_destroy(&inbox);
}

TestSuite(inbox, .init = begin, .fini = end, .timeout = 20);

static bool
is_readable(int fd, int ms)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};

    return poll(&item, 1, ms) == 1;
}

struct caller {
    struct inbox_call call;
    int result;
    struct err err;
};

static void *
call_main(void *arg)
{
    struct caller *caller = arg;

    caller->result = inbox_call(&inbox, &caller->call, SOON_MS, &caller->err);
    return NULL;
}

Test(inbox, a_call_gets_the_answer_of_the_other_thread)
{
    struct caller caller = {
        .call = {.kind = INBOX_STEER, .id = "1", .text = "go on"}};
    const struct err refusal = {.code = ERR_NOT_FOUND, .message = "no"};
    struct inbox_call *taken;
    pthread_t thread;

    inbox_open(&inbox);
    cr_assert_eq(pthread_create(&thread, NULL, call_main, &caller), 0);
    cr_assert(is_readable(inbox.wake_fd, SOON_MS));
    inbox_clear_wake(&inbox);
    cr_expect_not(is_readable(inbox.wake_fd, 0));
    taken = inbox_take(&inbox);
    cr_assert_eq(taken, &caller.call);
    cr_expect_null(inbox_take(&inbox));
    inbox_answer(&inbox, taken, -1, &refusal);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_expect_eq(caller.result, -1);
    cr_expect_eq(caller.err.code, ERR_NOT_FOUND);
}

Test(inbox, a_call_is_refused_while_nobody_works)
{
    struct inbox_call call = {.id = "1", .text = ""};

    cr_expect_eq(inbox_call(&inbox, &call, SOON_MS, &err), -1);
    cr_expect_eq(err.code, ERR_STATE);
}

Test(inbox, a_call_that_is_not_taken_in_time_is_withdrawn)
{
    struct inbox_call call = {.id = "1", .text = ""};
    int64_t begun = clock_mono_ms();

    inbox_open(&inbox);
    cr_expect_eq(inbox_call(&inbox, &call, 30, &err), -1);
    cr_expect_eq(err.code, ERR_TIMEOUT);
    cr_expect_geq(clock_mono_ms() - begun, 30);
    cr_expect_null(inbox_take(&inbox), "it must not be carried out later");
}

Test(inbox, closing_answers_those_that_wait)
{
    struct caller caller = {.call = {.id = "1", .text = ""}};
    pthread_t thread;

    inbox_open(&inbox);
    cr_assert_eq(pthread_create(&thread, NULL, call_main, &caller), 0);
    cr_assert(is_readable(inbox.wake_fd, SOON_MS));
    inbox_close(&inbox);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_expect_eq(caller.result, -1);
    cr_expect_eq(caller.err.code, ERR_STATE);
}

Test(inbox, the_first_stop_counts_and_can_only_become_more_urgent)
{
    const struct inbox_stop abort = {
        .outcome = OUTCOME_ABORTED, .reason = "first"};
    const struct inbox_stop halt = {
        .outcome = OUTCOME_RESTARTED, .reason = "second", .at_once = true};
    struct inbox_stop seen;

    inbox_get_stop(&inbox, &seen);
    cr_expect_not(seen.wanted);
    cr_expect(inbox_stop(&inbox, &abort));
    cr_expect(is_readable(inbox.cancel_fd, 0));
    cr_expect(is_readable(inbox.wake_fd, 0));
    cr_expect_not(is_readable(inbox.halt_fd, 0));
    cr_expect_not(inbox_stop(&inbox, &halt));
    cr_expect(is_readable(inbox.halt_fd, 0));
    inbox_get_stop(&inbox, &seen);
    cr_expect(seen.wanted && seen.at_once);
    cr_expect_eq(seen.outcome, OUTCOME_ABORTED);
    cr_expect_str_eq(seen.reason, "first");
    /* For good: every later wait sees them too. */
    inbox_clear_wake(&inbox);
    cr_expect(is_readable(inbox.cancel_fd, 0));
}
