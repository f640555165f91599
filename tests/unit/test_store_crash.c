/* SPDX-License-Identifier: Apache-2.0
 * control/store: kill -9 at any moment loses nothing that was acknowledged
 * and doubles nothing. */
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err.message)

enum { ROUNDS = 4, ACKS_PER_ROUND = 60, NOTES = 1000000 };

static struct store_fixture f;
static struct err err;

struct ack { /* what the child says is durable */
    int64_t cursor;
    int64_t notes;
};

static int ack_fd;
static char attempt_id[64];

static void
acknowledge(int64_t cursor, int64_t notes)
{
    struct ack ack = {cursor, notes};

    if (write(ack_fd, &ack, sizeof(ack)) != sizeof(ack))
        _exit(3);
}

/* Beside the events, so that commits are shared. */
static void *
write_notes(void *arg)
{
    struct err own = ERR_INIT;

    for (int64_t i = *(int64_t *)arg; i < NOTES; i++) {
        if (store_add_event(f.store, NULL, NULL, "note", NULL, &own) < 0)
            _exit(4);
        acknowledge(0, i + 1);
    }
    return NULL;
}

static void
write_events(int64_t cursor)
{
    struct err own = ERR_INIT;
    char type[] = "item.completed";
    char data[] = "{}";

    for (;;) {
        struct event_message batch[3];
        struct slice events = {batch, 3};
        for (int64_t i = 0; i < 3; i++) {
            cursor++;
            batch[i] = (struct event_message){.pos = cursor,
                .attempt_id = attempt_id,
                .seq = cursor,
                .at_ms = 1,
                .type = type,
                .data = data};
        }
        if (store_apply_events(
                f.store, "host-a", "j", &events, &f.policy, &own) < 0)
            _exit(5);
        acknowledge(cursor, 0);
    }
}

/* Runs until it is killed. */
static void
child(int64_t cursor, int64_t notes)
{
    pthread_t thread;

    if (store_open(&f.store, f.dir, &err) < 0 ||
        pthread_create(&thread, NULL, write_notes, &notes) != 0)
        _exit(6);
    write_events(cursor);
}

/* Writes until enough is acknowledged, and dies; the last it promised. */
static struct ack
run_and_kill(int64_t cursor, int64_t notes)
{
    struct ack last = {cursor, notes};
    struct ack ack;
    int fds[2];
    int status = 0;

    cr_assert_eq(pipe(fds), 0);
    pid_t pid = fork(); /* no thread of ours is alive here */
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        ack_fd = fds[1];
        (void)close(fds[0]);
        child(cursor, notes);
    }
    (void)close(fds[1]);
    for (int n = 0;
         n < ACKS_PER_ROUND && read(fds[0], &ack, sizeof(ack)) == sizeof(ack);
         n++) {
        last.cursor = ack.cursor > last.cursor ? ack.cursor : last.cursor;
        last.notes = ack.notes > last.notes ? ack.notes : last.notes;
    }
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status), "the child ended by itself: %d",
        WEXITSTATUS(status));
    (void)close(fds[0]);
    return last;
}

static int64_t
count(const char *type)
{
    struct event_list list;
    int64_t after = 0;
    int64_t n = 0;

    do {
        OK(store_events(f.store, NULL, after, 1000, &list, &err));
        for (size_t i = 0; i < list.len; i++) {
            n += strcmp(list.items[i].type, type) == 0;
            after = list.items[i].id;
        }
        size_t len = list.len;
        event_list_release(&list);
        if (len == 0)
            return n;
    } while (true);
}

Test(store_crash, what_was_acknowledged_survives_and_nothing_is_doubled)
{
    struct issue issue = store_fixture_issue("MT-1", "Todo");
    struct ack promised = {0};

    store_fixture_open(&f);
    struct attempt attempt = store_fixture_claim(&f, &issue);
    (void)snprintf(attempt_id, sizeof(attempt_id), "%s", attempt.attempt_id);
    attempt_release(&attempt);
    issue_release(&issue);
    store_close(f.store);
    for (int round = 0; round < ROUNDS; round++) {
        promised = run_and_kill(promised.cursor, promised.notes);
        int64_t cursor = 0;
        OK(store_open(&f.store, f.dir, &err));
        OK(store_check(f.store, &err));
        OK(store_cursor(f.store, "host-a", "j", &cursor, &err));
        cr_assert_geq(cursor, promised.cursor, "an acknowledged batch is gone");
        cr_assert_eq(cursor % 3, 0, "a batch is stored in part");
        cr_assert_eq(count("item.completed"), cursor);
        OK(store_attempt(f.store, attempt_id, &attempt, &err));
        cr_assert_eq(attempt.last_seq, cursor);
        attempt_release(&attempt);
        int64_t notes = count("note");
        cr_assert_geq(notes, promised.notes, "an acknowledged event is gone");
        store_close(f.store);
        promised = (struct ack){cursor, notes};
    }
    OK(store_open(&f.store, f.dir, &err));
    store_fixture_close(&f);
}
