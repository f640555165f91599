/* SPDX-License-Identifier: Apache-2.0
 * control/store: claims and fences, events in exactly once, what they say
 * about an attempt, waiting for change, and who may open the store. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/id.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err.message)

static struct store_fixture f;
static struct issue issue;
static struct err err;

static void
setup(void)
{
    err_clear(&err);
    store_fixture_open(&f);
    issue = store_fixture_issue("MT-1", "Todo");
}

static void
teardown(void)
{
    issue_release(&issue);
    store_fixture_close(&f);
}

TestSuite(store, .init = setup, .fini = teardown);

static void
event(const struct attempt *attempt, int64_t seq, const char *type,
    const char *data)
{
    OK(store_fixture_event(&f, attempt->attempt_id, seq, type, data, &err));
}

static struct attempt
load(const char *attempt_id)
{
    struct attempt attempt;

    OK(store_attempt(f.store, attempt_id, &attempt, &err));
    return attempt;
}

/* ---- opening ---- */

Test(store, keeps_its_identity_over_a_restart_and_is_private)
{
    char id[ID_SIZE];
    char path[128];
    struct stat st;

    (void)snprintf(id, sizeof(id), "%s", store_control_id(f.store));
    cr_assert(id_is_valid(id));
    store_fixture_reopen(&f);
    cr_assert_str_eq(store_control_id(f.store), id);
    (void)snprintf(path, sizeof(path), "%s/risoluto.db", f.dir);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 077, 0);
    OK(store_check(f.store, &err));
}

Test(store, makes_its_folder_and_refuses_a_second_control_plane)
{
    char dir[128];
    struct stat st;
    struct store *first = NULL;

    (void)snprintf(dir, sizeof(dir), "%s/new/data", f.dir);
    OK(store_open(&first, dir, &err));
    cr_assert_eq(stat(dir, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0700);
    store_close(first);

    struct store *second = NULL;
    cr_assert_eq(store_open(&second, f.dir, &err), -1);
    cr_assert_null(second);
    cr_assert_eq(err.code, ERR_CONFLICT);
    cr_assert_not_null(strstr(err.message, "--data-dir"));
}

/* ---- claims ---- */

Test(store, a_claim_is_whole_and_durable)
{
    struct attempt attempt = store_fixture_claim(&f, &issue);

    store_fixture_reopen(&f);
    struct attempt again = load(attempt.attempt_id);
    cr_assert_str_eq(again.issue_id, issue.id);
    cr_assert_str_eq(again.issue_identifier, "MT-1");
    cr_assert_str_eq(again.issue_title, "A title");
    cr_assert_str_eq(again.host, "host-a");
    cr_assert_str_eq(again.model, "model-x");
    cr_assert_eq(again.fence, 1);
    cr_assert_eq(again.number, 1);
    cr_assert_eq(again.status, ATTEMPT_CLAIMED);
    cr_assert_null(again.outcome);
    cr_assert_not_null(strstr(again.issue_json, "\"identifier\":\"MT-1\""));
    cr_assert_eq(store_fixture_count(&f, "issue.claimed"), 1);
    attempt_release(&again);
    attempt_release(&attempt);
}

Test(store, an_issue_has_one_live_attempt_and_a_growing_fence)
{
    struct attempt attempt = store_fixture_claim(&f, &issue);
    struct attempt second;

    cr_assert_eq(
        store_claim(f.store, &issue, "host-b", "m", &second, &err), -1);
    cr_assert_eq(err.code, ERR_CONFLICT);
    cr_assert_null(second.attempt_id);
    OK(store_end_attempt(f.store, attempt.attempt_id, OUTCOME_DISPATCH,
        "no host", &f.policy, &err));
    second = store_fixture_claim(&f, &issue);
    cr_assert_eq(second.fence, 2);
    cr_assert_eq(second.number, 2);
    attempt_release(&second);
    attempt_release(&attempt);
}

static void *
claim_in_thread(void *arg)
{
    struct err own = ERR_INIT;
    struct attempt attempt;
    int result = store_claim(f.store, &issue, "host-a", "m", &attempt, &own);

    (void)arg;
    attempt_release(&attempt);
    return result == 0 ? &f : NULL;
}

Test(store, of_many_claims_at_once_one_wins)
{
    pthread_t threads[8];
    int won = 0;

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        cr_assert_eq(
            pthread_create(&threads[i], NULL, claim_in_thread, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *result = NULL;
        cr_assert_eq(pthread_join(threads[i], &result), 0);
        won += result != NULL;
    }
    cr_assert_eq(won, 1);
}

Test(store, dispatched_is_told_once)
{
    struct attempt attempt = store_fixture_claim(&f, &issue);

    /* The events of the host may be faster than its answer. */
    event(&attempt, 1, "attempt.accepted", "{}");
    OK(store_dispatched(f.store, attempt.attempt_id, &err));
    OK(store_dispatched(f.store, attempt.attempt_id, &err));
    cr_assert_eq(store_fixture_count(&f, "attempt.dispatched"), 1);
    struct attempt now = load(attempt.attempt_id);
    cr_assert_eq(now.status, ATTEMPT_RUNNING);
    cr_assert_gt(now.started_at_ms, 0);
    cr_assert_eq(store_dispatched(f.store, "nobody", &err), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    attempt_release(&now);
    attempt_release(&attempt);
}

/* ---- events ---- */

Test(store, events_shape_the_attempt)
{
    struct attempt a = store_fixture_claim(&f, &issue);

    event(&a, 1, "attempt.accepted", "{}");
    event(&a, 2, "workspace.ready", "{\"path\":\"/w/MT-1\",\"created\":true}");
    event(&a, 3, "container.created", "{\"container\":\"risoluto-MT-1\"}");
    event(&a, 4, "thread.started", "{\"thread_id\":\"t1\",\"model\":\"m2\"}");
    event(&a, 5, "turn.started", "{\"turn_id\":\"u1\",\"turn\":1}");
    event(&a, 6, "usage.updated",
        "{\"input_tokens\":100,\"cached_input_tokens\":40,"
        "\"output_tokens\":20,\"reasoning_tokens\":5,\"total_tokens\":120}");
    event(&a, 7, "rate_limits.updated",
        "{\"rate_limits\":{\"primary\":{\"used_percent\":3}}}");
    struct attempt now = load(a.attempt_id);
    cr_assert_str_eq(now.phase, "running_turn");
    cr_assert_str_eq(now.workspace, "/w/MT-1");
    cr_assert_str_eq(now.container, "risoluto-MT-1");
    cr_assert_str_eq(now.thread_id, "t1");
    cr_assert_str_eq(now.turn_id, "u1");
    cr_assert_str_eq(now.model, "m2");
    cr_assert_eq(now.turns, 1);
    cr_assert_eq(now.input_tokens, 100);
    cr_assert_eq(now.cached_input_tokens, 40);
    cr_assert_eq(now.output_tokens, 20);
    cr_assert_eq(now.reasoning_tokens, 5);
    cr_assert_eq(now.total_tokens, 120);
    cr_assert_str_eq(now.rate_limits, "{\"primary\":{\"used_percent\":3}}");
    cr_assert_str_eq(now.last_event, "rate_limits.updated");
    cr_assert_eq(now.last_seq, 7);
    attempt_release(&now);
    event(&a, 8, "turn.completed", "{}");
    event(&a, 9, "change.committed",
        "{\"commit\":\"abc\",\"branch\":\"risoluto/MT-1\"}");
    event(&a, 10, "attempt.ended",
        "{\"outcome\":\"succeeded\",\"message\":\"all done\"}");
    now = load(a.attempt_id);
    cr_assert_eq(now.status, ATTEMPT_ENDED);
    cr_assert_str_eq(now.phase, "ended");
    cr_assert_str_eq(now.outcome, "succeeded");
    cr_assert_str_eq(now.message, "all done");
    cr_assert_str_eq(now.commit, "abc");
    cr_assert_str_eq(now.branch, "risoluto/MT-1");
    cr_assert_gt(now.ended_at_ms, 0);
    cr_assert_eq(f.outcome, OUTCOME_SUCCEEDED);
    attempt_release(&now);
    attempt_release(&a);
}

Test(store, a_repeated_batch_changes_nothing)
{
    struct attempt a = store_fixture_claim(&f, &issue);
    int64_t cursor = -1;

    event(&a, 1, "attempt.accepted", "{}");
    event(&a, 2, "attempt.ended", "{\"outcome\":\"stalled\"}");
    OK(store_cursor(f.store, "host-a", "journal-1", &cursor, &err));
    cr_assert_eq(cursor, 2);
    f.pos = 0; /* the same positions again */
    event(&a, 1, "attempt.accepted", "{}");
    event(&a, 2, "attempt.ended", "{\"outcome\":\"stalled\"}");
    event(&a, 2, "attempt.ended", "{\"outcome\":\"stalled\"}"); /* a new one */
    cr_assert_eq(store_fixture_count(&f, "attempt.ended"), 1);
    cr_assert_eq(f.decisions, 1);
    OK(store_cursor(f.store, "host-a", "journal-1", &cursor, &err));
    cr_assert_eq(cursor, 3);
    OK(store_cursor(f.store, "host-a", "another", &cursor, &err));
    cr_assert_eq(cursor, 0);
    attempt_release(&a);
}

Test(store, a_gap_stores_nothing_of_its_batch)
{
    struct attempt a = store_fixture_claim(&f, &issue);
    char type[] = "note";
    char data[] = "{}";
    struct event_message batch[] = {
        {.pos = 1,
            .attempt_id = a.attempt_id,
            .seq = 1,
            .type = type,
            .data = data},
        {.pos = 2,
            .attempt_id = a.attempt_id,
            .seq = 3,
            .type = type,
            .data = data},
    };
    struct slice events = {batch, 2};
    int64_t cursor = -1;

    cr_assert_eq(store_apply_events(
                     f.store, "host-a", "journal-1", &events, &f.policy, &err),
        -1);
    cr_assert_eq(err.code, ERR_PROTOCOL);
    cr_assert_eq(store_fixture_count(&f, "note"), 0);
    OK(store_cursor(f.store, "host-a", "journal-1", &cursor, &err));
    cr_assert_eq(cursor, 0);
    attempt_release(&a);
}

Test(store, events_of_strangers_are_counted_and_acknowledged)
{
    int64_t cursor = 0;

    OK(store_fixture_event(&f, "stranger", 1, "attempt.accepted", "{}", &err));
    cr_assert_eq(store_unknown_events(f.store), 1);
    cr_assert_eq(store_fixture_count(&f, "attempt.accepted"), 0);
    OK(store_cursor(f.store, "host-a", "journal-1", &cursor, &err));
    cr_assert_eq(cursor, 1);
}

Test(store, a_host_speaks_only_for_its_own_attempts)
{
    struct issue mine = store_fixture_issue("MT-77", "Todo");
    struct attempt a = store_fixture_claim(&f, &mine);
    char type[] = "attempt.ended";
    char data[] = "{\"outcome\":\"succeeded\"}";
    struct event_message event = {.pos = 1,
        .attempt_id = a.attempt_id,
        .seq = 1,
        .type = type,
        .data = data};
    struct slice events = {&event, 1};
    struct attempt now;

    OK(store_apply_events(
        f.store, "host-b", "journal-2", &events, &f.policy, &err));
    cr_expect_eq(store_unknown_events(f.store), 1);
    OK(store_attempt(f.store, a.attempt_id, &now, &err));
    cr_expect_null(now.outcome);
    attempt_release(&now);
    attempt_release(&a);
    issue_release(&mine);
}

Test(store, event_data_must_be_an_object)
{
    struct attempt a = store_fixture_claim(&f, &issue);

    cr_assert_eq(
        store_fixture_event(&f, a.attempt_id, 1, "note", "[1]", &err), -1);
    cr_assert_eq(err.code, ERR_PROTOCOL);
    attempt_release(&a);
}

Test(store, late_events_of_an_ended_attempt_do_not_revive_it)
{
    struct attempt a = store_fixture_claim(&f, &issue);

    event(&a, 1, "attempt.accepted", "{}");
    OK(store_end_attempt(f.store, a.attempt_id, OUTCOME_CONTAINER_LOST,
        "host is gone", &f.policy, &err));
    event(&a, 2, "turn.started", "{\"turn\":1}");
    event(&a, 3, "attempt.ended", "{\"outcome\":\"succeeded\"}");
    struct attempt now = load(a.attempt_id);
    cr_assert_eq(now.status, ATTEMPT_ENDED);
    cr_assert_str_eq(now.phase, "ended");
    cr_assert_str_eq(now.outcome, "container_lost");
    cr_assert_eq(f.decisions, 1);
    attempt_release(&now);
    attempt_release(&a);
}

Test(store, events_are_read_in_order_from_a_place)
{
    struct attempt a = store_fixture_claim(&f, &issue);
    struct event_list list;
    int64_t last = 0;

    OK(store_add_event(f.store, NULL, NULL, "poll.failed", "{\"n\":1}", &err));
    event(&a, 1, "attempt.accepted", "{}");
    OK(store_events(f.store, NULL, 0, 100, &list, &err));
    cr_assert_eq(list.len, 3);
    cr_assert_str_eq(list.items[0].type, "issue.claimed");
    cr_assert_str_eq(list.items[1].type, "poll.failed");
    cr_assert_null(list.items[1].attempt_id);
    cr_assert_str_eq(list.items[2].issue_identifier, "MT-1");
    cr_assert_eq(list.items[2].seq, 1);
    int64_t middle = list.items[1].id;
    event_list_release(&list);
    OK(store_events(f.store, NULL, middle, 100, &list, &err));
    cr_assert_eq(list.len, 1);
    event_list_release(&list);
    OK(store_events(f.store, a.attempt_id, 0, 100, &list, &err));
    cr_assert_eq(list.len, 2);
    event_list_release(&list);
    OK(store_recent_events(f.store, 2, &list, &err));
    cr_assert_eq(list.len, 2);
    cr_assert_str_eq(list.items[1].type, "attempt.accepted");
    OK(store_last_event_id(f.store, &last, &err));
    cr_assert_eq(last, list.items[1].id);
    event_list_release(&list);
    attempt_release(&a);
}

/* ---- reading ---- */

Test(store, attempts_are_listed_by_issue_live_and_ended)
{
    struct attempt first = store_fixture_claim(&f, &issue);
    struct attempt_list list;
    struct totals totals;

    event(&first, 1, "usage.updated",
        "{\"input_tokens\":7,\"output_tokens\":3,\"total_tokens\":10}");
    OK(store_end_attempt(
        f.store, first.attempt_id, OUTCOME_STALLED, NULL, &f.policy, &err));
    struct attempt second = store_fixture_claim(&f, &issue);
    OK(store_live_attempts(f.store, &list, &err));
    cr_assert_eq(list.len, 1);
    cr_assert_str_eq(list.items[0].attempt_id, second.attempt_id);
    attempt_list_release(&list);
    OK(store_issue_attempts(f.store, "MT-1", &list, &err));
    cr_assert_eq(list.len, 2);
    cr_assert_eq(list.items[0].number, 2);
    attempt_list_release(&list);
    OK(store_issue_attempts(f.store, issue.id, &list, &err));
    cr_assert_eq(list.len, 2);
    attempt_list_release(&list);
    OK(store_recent_attempts(f.store, 10, &list, &err));
    cr_assert_eq(list.len, 1);
    cr_assert_str_eq(list.items[0].message, outcome_text(OUTCOME_STALLED));
    attempt_list_release(&list);
    OK(store_totals(f.store, &totals, &err));
    cr_assert_eq(totals.attempts, 2);
    cr_assert_eq(totals.input_tokens, 7);
    cr_assert_eq(totals.total_tokens, 10);
    attempt_release(&second);
    attempt_release(&first);
}

Test(store, an_attempt_writes_itself_as_json)
{
    struct attempt a = store_fixture_claim(&f, &issue);
    AUTO(buf_free) struct buf out = {0};
    struct jw w;

    buf_init(&out, 65536);
    jw_init(&w, &out);
    attempt_write(&a, &w, NULL);
    AUTO(json_free_ptr)
    struct json *json = json_parse(buf_str(&out), out.len, 65536, &err);
    cr_assert_not_null(json, "%s", err.message);
    cr_assert_str_eq(json_str(json_get(json, "status"), ""), "claimed");
    cr_assert_eq(json_int(json_get(json, "attempt"), 0), 1);
    cr_assert_eq(json_type(json_get(json, "ended_at")), JSON_NULL);
    cr_assert_eq(json_int(json_path(json, "tokens.total_tokens"), -1), 0);
    attempt_release(&a);
}

/* ---- waiting ---- */

static void *
change_in_thread(void *arg)
{
    struct err own = ERR_INIT;

    (void)arg;
    (void)store_add_event(f.store, NULL, NULL, "note", NULL, &own);
    return NULL;
}

Test(store, waiters_wake_on_a_change_a_time_out_and_a_shutdown)
{
    int64_t seen = store_version(f.store);
    pthread_t thread;

    cr_assert_eq(store_wait(f.store, seen, clock_mono_ms() + 20), seen);
    cr_assert_eq(pthread_create(&thread, NULL, change_in_thread, NULL), 0);
    cr_assert_gt(store_wait(f.store, seen, clock_mono_ms() + 10000), seen);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    seen = store_version(f.store);
    store_wake(f.store);
    int64_t before = clock_mono_ms();
    cr_assert_eq(store_wait(f.store, seen, before + 10000), seen);
    cr_assert_lt(clock_mono_ms() - before, 5000);
}
