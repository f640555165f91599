/* SPDX-License-Identifier: Apache-2.0
 * dataplane/attempt/journal: sequences, fences, acknowledgement, restarts. */
#include "dataplane/attempt/journal.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ATTEMPT_A "0123456789abcdef0123456789abcde1"
#define ATTEMPT_B "0123456789abcdef0123456789abcde2"
#define KEY "sk-never-on-disk-1234567890"

enum { NO_LIMIT = 0 };

static char dir[512];
static struct journal *journal;
static struct err err;

static void
open_journal(int64_t max_bytes)
{
    err_clear(&err);
    cr_assert_eq(
        journal_open(&journal, dir, max_bytes, &err), 0, "%s", err.message);
}

static void
begin(void)
{
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(
        dir, sizeof(dir), "%s/journalXXXXXX", tmp != NULL ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(dir));
    open_journal(NO_LIMIT);
}

static void
end(void)
{
    journal_close(journal);
    journal = NULL;
    cr_assert_eq(file_remove_tree(dir, &err), 0);
}

TestSuite(journal, .init = begin, .fini = end, .timeout = 20);

static void
restart(void)
{
    journal_close(journal);
    open_journal(NO_LIMIT);
}

struct text {
    char id[40];
    char issue[16];
    char key[16];
};

static struct dispatch_request
dispatch(struct text *text, const char *id, const char *issue, int64_t fence)
{
    static char model[] = "m";
    static char image[] = "i";
    static char prompt[] = "do it";
    static char policy[] = "\"never\"";
    static char title[] = "";

    (void)snprintf(text->id, sizeof(text->id), "%s", id);
    (void)snprintf(text->issue, sizeof(text->issue), "%s", issue);
    (void)snprintf(text->key, sizeof(text->key), "%s", issue);
    return (struct dispatch_request){.attempt_id = text->id,
        .fence = fence,
        .attempt_number = 1,
        .lease_ms = 1000,
        .max_turns = 1,
        .issue = {.id = text->issue, .identifier = text->issue, .title = title},
        .prompt = prompt,
        .continuation_prompt = prompt,
        .workspace = {.key = text->key, .branch = text->issue},
        .codex = {.model = model, .approval_policy = policy},
        .sandbox = {.image = image}};
}

static int
accept_one(const char *id, const char *issue, int64_t fence, bool *known)
{
    struct text text;
    const struct dispatch_request request = dispatch(&text, id, issue, fence);

    err_clear(&err);
    return journal_accept(journal, &request, known, &err);
}

static void
must_accept(const char *id, const char *issue, int64_t fence)
{
    bool known = true;

    cr_assert_eq(accept_one(id, issue, fence, &known), 0, "%s", err.message);
    cr_assert_not(known);
}

static void
must_end(const char *id)
{
    cr_assert_eq(journal_end(journal, id, OUTCOME_SUCCEEDED, "done", &err), 0,
        "%s", err.message);
}

static void
must_note(const char *id, const char *type)
{
    cr_assert_eq(
        journal_event(journal, id, type, "{}", &err), 0, "%s", err.message);
}

static int
poll_events(
    int64_t cursor, int64_t max, int64_t wait_ms, struct events_reply *out)
{
    char id[64];
    const struct events_request request = {.journal_id = id,
        .cursor = cursor,
        .max_events = max,
        .wait_ms = wait_ms};

    (void)snprintf(id, sizeof(id), "%s", journal_id(journal));
    err_clear(&err);
    return journal_events(journal, &request, out, &err);
}

static size_t
count_events(int64_t cursor)
{
    struct events_reply reply;
    size_t n;

    cr_assert_eq(poll_events(cursor, 100, 0, &reply), 0, "%s", err.message);
    n = reply.events.len;
    schema_release(&events_reply_schema, &reply);
    return n;
}

static int64_t
last_pos(void)
{
    int64_t pos = -1;

    cr_assert_eq(journal_last_pos(journal, &pos, &err), 0);
    return pos;
}

/* ---- events ---- */

Test(journal, numbers_each_attempt_by_itself_without_gaps)
{
    struct events_reply reply;
    int64_t seq_a = 0;
    int64_t seq_b = 0;
    int64_t pos = 0;

    must_accept(ATTEMPT_A, "one", 1);
    must_accept(ATTEMPT_B, "two", 2);
    for (int i = 0; i < 5; i++) {
        must_note(ATTEMPT_A, "x");
        must_note(ATTEMPT_B, "y");
    }
    cr_assert_eq(poll_events(0, 100, 0, &reply), 0);
    cr_assert_eq(reply.events.len, 12);
    for (size_t i = 0; i < reply.events.len; i++) {
        const struct event_message *event =
            (struct event_message *)reply.events.items + i;
        int64_t *seq =
            strcmp(event->attempt_id, ATTEMPT_A) == 0 ? &seq_a : &seq_b;

        cr_expect_eq(event->seq, ++*seq);
        cr_expect_gt(event->pos, pos);
        pos = event->pos;
    }
    schema_release(&events_reply_schema, &reply);
}

Test(journal, delivers_again_until_acknowledged)
{
    must_accept(ATTEMPT_A, "one", 1);
    must_note(ATTEMPT_A, "x");
    cr_expect_eq(count_events(0), 2);
    cr_expect_eq(count_events(0), 2);
    cr_expect_eq(count_events(last_pos()), 0);
    cr_expect_eq(count_events(0), 0, "acknowledged events are pruned");
}

Test(journal, never_gives_a_position_out_twice)
{
    int64_t before;

    must_accept(ATTEMPT_A, "one", 1);
    must_note(ATTEMPT_A, "x");
    before = last_pos();
    cr_expect_eq(count_events(before), 0);
    restart();
    cr_expect_eq(last_pos(), before);
    must_note(ATTEMPT_A, "y");
    cr_expect_gt(last_pos(), before);
}

Test(journal, refuses_a_cursor_that_is_not_its_own)
{
    struct events_reply reply;
    char other[] = "ffffffffffffffffffffffffffffffff";
    const struct events_request request = {
        .journal_id = other, .max_events = 1};

    must_accept(ATTEMPT_A, "one", 1);
    cr_expect_eq(journal_events(journal, &request, &reply, &err), -1);
    cr_expect_eq(err.code, ERR_CONFLICT);
    cr_expect_eq(poll_events(last_pos() + 1, 1, 0, &reply), -1);
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_eq(count_events(0), 1, "a bad cursor acknowledges nothing");
}

Test(journal, bounds_a_reply_by_count_and_by_bytes)
{
    AUTO(buf_free) struct buf big;
    struct events_reply reply;

    buf_init(&big, JOURNAL_EVENT_MAX);
    buf_puts(&big, "{\"a\":\"");
    for (size_t i = 0; i < (size_t)900 * 1024; i++)
        buf_putc(&big, 'x');
    buf_puts(&big, "\"}");
    must_accept(ATTEMPT_A, "one", 1);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(
            journal_event(journal, ATTEMPT_A, "big", buf_str(&big), &err), 0);
    cr_assert_eq(poll_events(0, 2, 0, &reply), 0);
    cr_expect_eq(reply.events.len, 2);
    schema_release(&events_reply_schema, &reply);
    cr_assert_eq(poll_events(0, 100, 0, &reply), 0);
    cr_expect_eq(
        reply.events.len, 3, "stops past a MiB, got %zu", reply.events.len);
    schema_release(&events_reply_schema, &reply);
}

Test(journal, refuses_an_event_that_no_reply_could_carry)
{
    static char big[JOURNAL_EVENT_MAX + 2];

    memset(big, 'x', JOURNAL_EVENT_MAX + 1);
    must_accept(ATTEMPT_A, "one", 1);
    cr_expect_eq(journal_event(journal, ATTEMPT_A, "big", big, &err), -1);
    cr_expect_eq(err.code, ERR_TOO_LARGE);
    cr_expect_eq(count_events(0), 1);
}

static void *
note_later(void *arg)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    struct err failure = ERR_INIT;

    (void)nanosleep(&pause, NULL);
    *(int *)arg = journal_event(journal, ATTEMPT_A, "late", "{}", &failure);
    return NULL;
}

Test(journal, wakes_a_waiting_poll_when_an_event_comes)
{
    struct events_reply reply;
    pthread_t thread;
    int result = -1;
    int64_t begun = clock_mono_ms();

    must_accept(ATTEMPT_A, "one", 1);
    cr_assert_eq(pthread_create(&thread, NULL, note_later, &result), 0);
    cr_assert_eq(poll_events(last_pos(), 10, 10000, &reply), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_expect_eq(result, 0);
    cr_expect_eq(reply.events.len, 1);
    cr_expect_lt(clock_mono_ms() - begun, 2000);
    schema_release(&events_reply_schema, &reply);
}

Test(journal, a_poll_waits_no_longer_than_asked_and_not_in_a_shutdown)
{
    struct events_reply reply;
    int64_t begun = clock_mono_ms();

    cr_assert_eq(poll_events(0, 10, 60, &reply), 0);
    cr_expect_eq(reply.events.len, 0);
    cr_expect_geq(clock_mono_ms() - begun, 60);
    journal_wake(journal);
    begun = clock_mono_ms();
    cr_assert_eq(poll_events(0, 10, 10000, &reply), 0);
    cr_expect_lt(clock_mono_ms() - begun, 1000);
}

/* ---- fences and idempotency ---- */

Test(journal, accepts_a_dispatch_once)
{
    bool known = false;

    must_accept(ATTEMPT_A, "one", 5);
    cr_expect_eq(accept_one(ATTEMPT_A, "one", 5, &known), 0);
    cr_expect(known);
    cr_expect_eq(count_events(0), 1);
}

Test(journal, refuses_older_fences_even_after_it_forgot_the_attempt)
{
    bool known = false;

    must_accept(ATTEMPT_A, "one", 5);
    must_end(ATTEMPT_A);
    cr_expect_eq(count_events(last_pos()), 0);
    restart();
    cr_expect_eq(accept_one(ATTEMPT_B, "one", 4, &known), -1);
    cr_expect_eq(err.code, ERR_STALE_FENCE);
    /* The same dispatch, delivered late: it must not run a second time. */
    cr_expect_eq(accept_one(ATTEMPT_A, "one", 5, &known), 0);
    cr_expect(known);
    must_accept(ATTEMPT_B, "one", 6);
}

Test(journal, one_attempt_of_an_issue_at_a_time)
{
    bool known = false;

    must_accept(ATTEMPT_A, "one", 1);
    cr_expect_eq(accept_one(ATTEMPT_B, "one", 2, &known), -1);
    cr_expect_eq(err.code, ERR_CONFLICT);
    must_end(ATTEMPT_A);
    must_accept(ATTEMPT_B, "one", 2);
}

Test(journal, a_workspace_key_belongs_to_one_issue)
{
    struct text text;
    struct dispatch_request request = dispatch(&text, ATTEMPT_B, "two", 1);
    bool known = false;

    must_accept(ATTEMPT_A, "one", 1);
    must_end(ATTEMPT_A);
    (void)snprintf(text.key, sizeof(text.key), "one");
    cr_expect_eq(journal_accept(journal, &request, &known, &err), -1);
    cr_expect_eq(err.code, ERR_CONFLICT);
    cr_assert_eq(journal_forget_workspace(journal, "one", &err), 0);
    cr_expect_eq(journal_accept(journal, &request, &known, &err), 0);
}

Test(journal, checks_a_fence_exactly)
{
    must_accept(ATTEMPT_A, "one", 7);
    cr_expect_eq(journal_check_fence(journal, ATTEMPT_A, 7, &err), 0);
    cr_expect_eq(journal_check_fence(journal, ATTEMPT_A, 6, &err), -1);
    cr_expect_eq(err.code, ERR_STALE_FENCE);
    cr_expect_eq(journal_check_fence(journal, ATTEMPT_A, 8, &err), -1);
    cr_expect_eq(err.code, ERR_STALE_FENCE);
    cr_expect_eq(journal_check_fence(journal, ATTEMPT_B, 7, &err), -1);
    cr_expect_eq(err.code, ERR_NOT_FOUND);
}

Test(journal, belongs_to_the_first_control_plane)
{
    cr_expect_eq(journal_adopt_control(journal, "first", &err), 0);
    cr_expect_eq(journal_adopt_control(journal, "first", &err), 0);
    restart();
    cr_expect_eq(journal_adopt_control(journal, "second", &err), -1);
    cr_expect_eq(err.code, ERR_CONFLICT);
    cr_expect_eq(journal_adopt_control(journal, "first", &err), 0);
}

/* ---- steps ---- */

Test(journal, a_step_is_written_whole_or_not_at_all)
{
    static char big[JOURNAL_EVENT_MAX + 2];
    struct journal_entry entries[] = {{.type = "x"}, {.type = "y"}};
    struct journal_step step = {.entries = entries,
        .count = ARRAY_LEN(entries),
        .state = ATTEMPT_WORKSPACE,
        .container = "c",
        .log_cursor = "17"};
    struct status_reply status;
    const struct attempt_status *found;

    memset(big, 'x', JOURNAL_EVENT_MAX + 1);
    must_accept(ATTEMPT_A, "one", 1);
    entries[1].data_json = big;
    cr_expect_eq(journal_commit(journal, ATTEMPT_A, &step, &err), -1);
    cr_expect_eq(count_events(0), 1);
    entries[1].data_json = NULL;
    cr_expect_eq(journal_commit(journal, ATTEMPT_A, &step, &err), 0);
    cr_assert_eq(journal_status(journal, ATTEMPT_A, &status, &err), 0);
    found = status.attempts.items;
    cr_expect_str_eq(found->state, "preparing_workspace");
    cr_expect_str_eq(found->container, "c");
    cr_expect_eq(found->last_seq, 3);
    schema_release(&status_reply_schema, &status);
}

Test(journal, refuses_a_state_out_of_order)
{
    must_accept(ATTEMPT_A, "one", 1);
    cr_expect_eq(
        journal_state(journal, ATTEMPT_A, ATTEMPT_TURN, NULL, "x", "{}", &err),
        -1);
    cr_expect_eq(err.code, ERR_STATE);
    must_end(ATTEMPT_A);
    cr_expect_eq(journal_event(journal, ATTEMPT_A, "x", "{}", &err), -1);
    cr_expect_eq(err.code, ERR_STATE);
    cr_expect_eq(count_events(0), 2);
}

Test(journal, an_end_tells_outcome_and_message)
{
    struct events_reply reply;
    const struct event_message *last;

    must_accept(ATTEMPT_A, "one", 1);
    cr_assert_eq(
        journal_end(journal, ATTEMPT_A, OUTCOME_OOM, "a \"quoted\" one", &err),
        0);
    cr_assert_eq(poll_events(0, 10, 0, &reply), 0);
    last = (struct event_message *)reply.events.items + 1;
    cr_expect_str_eq(last->type, "attempt.ended");
    cr_expect_str_eq(last->data,
        "{\"outcome\":\"container_oom\",\"message\":\"a \\\"quoted\\\" one\"}");
    schema_release(&events_reply_schema, &reply);
}

Test(journal, forgets_an_ended_attempt_once_its_end_is_acknowledged)
{
    struct status_reply status;

    must_accept(ATTEMPT_A, "one", 1);
    must_end(ATTEMPT_A);
    cr_expect_eq(count_events(last_pos() - 1), 1);
    cr_assert_eq(journal_status(journal, ATTEMPT_A, &status, &err), 0);
    schema_release(&status_reply_schema, &status);
    cr_expect_eq(count_events(last_pos()), 0);
    cr_expect_eq(journal_status(journal, ATTEMPT_A, &status, &err), -1);
    cr_expect_eq(err.code, ERR_NOT_FOUND);
}

/* ---- limits and files ---- */

Test(journal, a_full_journal_refuses_events_but_not_the_end)
{
    int written = 0;

    journal_close(journal);
    open_journal(16384);
    must_accept(ATTEMPT_A, "one", 1);
    while (written < 1000 &&
           journal_event(journal, ATTEMPT_A, "x", "{\"n\":1}", &err) == 0)
        written++;
    cr_expect_eq(err.code, ERR_DISK_FULL, "%s", err.message);
    cr_expect_gt(written, 100);
    cr_expect_lt(written, 1000);
    must_end(ATTEMPT_A);
    /* Acknowledging makes room again. */
    cr_expect_eq(count_events(last_pos()), 0);
    must_accept(ATTEMPT_B, "one", 2);
}

static bool
file_holds(const char *name, const char *text)
{
    AUTO_FREE char *path = file_join(dir, name);
    AUTO(buf_free) struct buf content;

    buf_init(&content, (size_t)64 * 1024 * 1024);
    return file_read(path, &content, &err) == 0 &&
           memmem(content.data, content.len, text, strlen(text)) != NULL;
}

Test(journal, never_writes_the_api_key)
{
    struct text text;
    struct dispatch_request request = dispatch(&text, ATTEMPT_A, "one", 1);
    bool known;

    request.codex.api_key = secret_new(KEY, strlen(KEY));
    cr_assert_eq(journal_accept(journal, &request, &known, &err), 0);
    cr_expect(file_holds("journal.db-wal", "do it"));
    cr_expect_not(file_holds("journal.db-wal", KEY));
    cr_expect_not(file_holds("journal.db", KEY));
    secret_free(request.codex.api_key);
}

Test(journal, one_process_at_a_time)
{
    struct journal *second = NULL;

    cr_expect_eq(journal_open(&second, dir, NO_LIMIT, &err), -1);
    cr_expect_eq(err.code, ERR_CONFLICT);
    cr_expect_null(second);
    cr_expect_not_null(strstr(err.message, "--data-dir"), "%s", err.message);
}

Test(journal, keeps_its_identity_and_its_open_attempts)
{
    struct status_reply status;
    char id[64];

    (void)snprintf(id, sizeof(id), "%s", journal_id(journal));
    must_accept(ATTEMPT_A, "one", 1);
    must_accept(ATTEMPT_B, "two", 1);
    must_end(ATTEMPT_A);
    restart();
    cr_expect_str_eq(journal_id(journal), id);
    cr_assert_eq(journal_status(journal, NULL, &status, &err), 0);
    cr_expect_eq(status.attempts.len, 2);
    cr_expect_str_eq(
        ((struct attempt_status *)status.attempts.items)->attempt_id, ATTEMPT_B,
        "those that go on come first");
    schema_release(&status_reply_schema, &status);
}

struct writer {
    char id[40];
    int failed;
};

static void *
write_many(void *arg)
{
    struct writer *writer = arg;
    struct err failure = ERR_INIT;

    for (int i = 0; i < 50; i++)
        writer->failed +=
            journal_event(journal, writer->id, "x", "{}", &failure) != 0;
    return NULL;
}

Test(journal, many_writers_lose_nothing)
{
    enum { WRITERS = 8 };

    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    struct status_reply status;

    for (int i = 0; i < WRITERS; i++) {
        char issue[16];

        (void)snprintf(issue, sizeof(issue), "i%d", i);
        (void)snprintf(writers[i].id, sizeof(writers[i].id), "%032d", i);
        writers[i].failed = 0;
        must_accept(writers[i].id, issue, 1);
    }
    for (int i = 0; i < WRITERS; i++)
        cr_assert_eq(
            pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    for (int i = 0; i < WRITERS; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        cr_expect_eq(writers[i].failed, 0);
    }
    cr_assert_eq(journal_status(journal, NULL, &status, &err), 0);
    for (size_t i = 0; i < status.attempts.len; i++)
        cr_expect_eq(
            ((struct attempt_status *)status.attempts.items)[i].last_seq, 51);
    schema_release(&status_reply_schema, &status);
}
