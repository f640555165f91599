/* SPDX-License-Identifier: Apache-2.0
 * control/store: what follows from an attempt's end: the outbox in order,
 * retries, and when an issue may be claimed again. */
#include "common/clock.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

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

TestSuite(outbox, .init = setup, .fini = teardown);
TestSuite(claimable, .init = setup, .fini = teardown);

static void
run(enum outcome outcome)
{
    struct attempt attempt = store_fixture_claim(&f, &issue);

    OK(store_end_attempt(
        f.store, attempt.attempt_id, outcome, "because", &f.policy, &err));
    attempt_release(&attempt);
}

static void
answer(const char *comment, const char *transition, int64_t retry_at_ms)
{
    memset(&f.ending, 0, sizeof(f.ending));
    (void)snprintf(f.ending.comment, sizeof(f.ending.comment), "%s", comment);
    (void)snprintf(f.ending.transition_to, sizeof(f.ending.transition_to), "%s",
        transition);
    f.ending.retry_at_ms = retry_at_ms;
}

static int64_t
depth(void)
{
    int64_t n = -1;

    OK(store_outbox_depth(f.store, &n, &err));
    return n;
}

/* The tracker's answer to a request that goes out now. */
static void
fetch(const char *state, int64_t updated_at, bool own_writes_show)
{
    free(issue.state);
    issue.state = strdup(state);
    issue.updated_at_ms = updated_at;
    issue.own_writes_show = own_writes_show;
    int64_t now = clock_wall_ms();
    while (clock_wall_ms() == now)
        ; /* at most a millisecond: later than what was delivered before */
    issue.fetched_at_ms = clock_wall_ms();
}

/* ---- the outbox ---- */

Test(outbox, effects_are_durable_with_the_end_and_keep_their_order)
{
    struct outbox_entry entry;

    answer("done", "In Review", 0);
    run(OUTCOME_SUCCEEDED);
    store_fixture_reopen(&f);
    cr_assert_eq(depth(), 2);
    OK(store_outbox_next(f.store, clock_wall_ms(), &entry, &err));
    cr_assert_eq(entry.kind, OUTBOX_COMMENT);
    cr_assert_str_eq(entry.body, "done");
    cr_assert_str_eq(entry.issue_id, issue.id);
    cr_assert_not_null(strstr(entry.key, entry.attempt_id));
    OK(store_outbox_done(f.store, &entry, &err));
    OK(store_outbox_done(f.store, &entry, &err)); /* told twice */
    outbox_entry_release(&entry);
    cr_assert_eq(store_fixture_count(&f, "comment.posted"), 1);
    cr_assert_eq(store_fixture_deliver(&f), OUTBOX_TRANSITION);
    cr_assert_eq(store_fixture_count(&f, "issue.transitioned"), 1);
    cr_assert_eq(store_fixture_deliver(&f), -1);
    cr_assert_eq(depth(), 0);
}

Test(outbox, a_waiting_entry_holds_back_its_issue_and_no_other)
{
    struct outbox_entry entry;
    int64_t now = clock_wall_ms();

    answer("one", "In Review", 0);
    run(OUTCOME_SUCCEEDED);
    struct issue first = issue;
    issue = store_fixture_issue("MT-2", "Todo");
    answer("two", "", 0);
    run(OUTCOME_SUCCEEDED);
    OK(store_outbox_next(f.store, now, &entry, &err));
    cr_assert_str_eq(entry.body, "one");
    OK(store_outbox_retry(f.store, entry.id, now + 60000, "down", &err));
    outbox_entry_release(&entry);
    OK(store_outbox_next(f.store, now, &entry, &err));
    cr_assert_str_eq(entry.body, "two", "the other issue's entry is next");
    OK(store_outbox_done(f.store, &entry, &err));
    outbox_entry_release(&entry);
    cr_assert_eq(store_outbox_next(f.store, now, &entry, &err), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    OK(store_outbox_next(f.store, now + 60000, &entry, &err));
    cr_assert_str_eq(entry.body, "one");
    cr_assert_eq(entry.tries, 1);
    outbox_entry_release(&entry);
    issue_release(&first);
}

Test(outbox, a_dead_entry_is_told_and_stands_in_nobodys_way)
{
    struct outbox_entry entry;

    answer("one", "In Review", 0);
    run(OUTCOME_SUCCEEDED);
    OK(store_outbox_next(f.store, clock_wall_ms(), &entry, &err));
    OK(store_outbox_dead(f.store, entry.id, "refused", &err));
    cr_assert_eq(store_outbox_dead(f.store, entry.id, "refused", &err), -1);
    outbox_entry_release(&entry);
    cr_assert_eq(store_fixture_count(&f, "outbox.dead"), 1);
    cr_assert_eq(depth(), 1);
    cr_assert_eq(store_fixture_deliver(&f), OUTBOX_TRANSITION);
}

/* ---- retries ---- */

Test(claimable, a_retry_waits_for_its_time)
{
    struct retry_list list;
    int64_t due = clock_wall_ms() + 60000;
    bool now = true;
    bool later = false;

    answer("", "", due);
    run(OUTCOME_STALLED);
    store_fixture_reopen(&f);
    OK(store_retries(f.store, &list, &err));
    cr_assert_eq(list.len, 1);
    cr_assert_str_eq(list.items[0].issue_identifier, "MT-1");
    cr_assert_str_eq(list.items[0].error, "because");
    cr_assert_eq(list.items[0].number, 2);
    cr_assert_eq(list.items[0].due_at_ms, due);
    retry_list_release(&list);
    OK(store_is_claimable(f.store, &issue, due - 1, &now, &err));
    cr_assert_not(now);
    OK(store_is_claimable(f.store, &issue, due, &later, &err));
    cr_assert(later);
    struct attempt attempt = store_fixture_claim(&f, &issue);
    OK(store_retries(f.store, &list, &err));
    cr_assert_eq(list.len, 0);
    attempt_release(&attempt);
}

Test(claimable, failures_are_counted_since_success_or_a_persons_change)
{
    answer("", "", 1);
    run(OUTCOME_STALLED);
    cr_assert_eq(f.failures, 1);
    run(OUTCOME_STALLED);
    cr_assert_eq(f.failures, 2);
    run(OUTCOME_SUCCEEDED);
    cr_assert_eq(f.failures, 0);
    run(OUTCOME_STALLED);
    cr_assert_eq(f.failures, 1);
    issue.updated_at_ms++;
    run(OUTCOME_STALLED);
    cr_assert_eq(f.failures, 1, "a person has changed the issue");
    OK(store_release_issue(f.store, issue.id, &err));
    run(OUTCOME_STALLED);
    cr_assert_eq(f.failures, 1, "the operator has released it");
}

/* ---- claimable again ---- */

Test(claimable, a_new_issue_is_and_a_running_one_is_not)
{
    cr_assert(store_fixture_claimable(&f, &issue));
    struct attempt attempt = store_fixture_claim(&f, &issue);
    cr_assert_not(store_fixture_claimable(&f, &issue));
    attempt_release(&attempt);
}

Test(claimable, a_parked_issue_waits_for_a_person)
{
    answer("", "", 0);
    run(OUTCOME_BLOCKED);
    fetch("Todo", 1000, false);
    cr_assert_not(store_fixture_claimable(&f, &issue));
    fetch("Todo", 1001, false);
    cr_assert(store_fixture_claimable(&f, &issue));
    fetch("In Progress", 1000, false);
    cr_assert(store_fixture_claimable(&f, &issue));
    fetch("Todo", 1000, false);
    OK(store_release_issue(f.store, issue.id, &err));
    cr_assert(store_fixture_claimable(&f, &issue));
}

Test(claimable, not_while_our_effects_are_under_way_nor_by_an_old_snapshot)
{
    answer("done", "In Review", 0);
    run(OUTCOME_SUCCEEDED);
    fetch("Todo", 5000, true);
    cr_assert_not(store_fixture_claimable(&f, &issue), "outbox is not empty");
    cr_assert_eq(store_fixture_deliver(&f), OUTBOX_COMMENT);
    cr_assert_not(store_fixture_claimable(&f, &issue), "nor is it now");
    cr_assert_eq(store_fixture_deliver(&f), OUTBOX_TRANSITION);
    cr_assert_not(store_fixture_claimable(&f, &issue), "snapshot is older");
    fetch("In Review", 6000, true);
    cr_assert_not(store_fixture_claimable(&f, &issue));
    fetch("Todo", 7000, true);
    cr_assert(store_fixture_claimable(&f, &issue), "a person moved it back");
}

Test(claimable, our_own_writes_are_no_change_where_they_show)
{
    answer("blocked", "", 0);
    run(OUTCOME_BLOCKED);
    cr_assert_eq(store_fixture_deliver(&f), OUTBOX_COMMENT);
    fetch("Todo", 5000, true); /* our comment moved it from 1000 */
    cr_assert_not(store_fixture_claimable(&f, &issue));
    store_fixture_reopen(&f);
    fetch("Todo", 5000, true);
    cr_assert_not(store_fixture_claimable(&f, &issue));
    fetch("Todo", 5001, true);
    cr_assert(store_fixture_claimable(&f, &issue));
}

Test(claimable, where_our_writes_do_not_show_any_new_time_is_a_persons)
{
    answer("blocked", "In Review", 0);
    run(OUTCOME_BLOCKED);
    cr_assert_eq(store_fixture_deliver(&f), OUTBOX_COMMENT);
    cr_assert_eq(store_fixture_deliver(&f), OUTBOX_TRANSITION);
    fetch("In Review", 1000, false);
    cr_assert_not(store_fixture_claimable(&f, &issue));
    fetch("In Review", 1001, false);
    cr_assert(store_fixture_claimable(&f, &issue));
}

Test(claimable, a_move_that_was_given_up_leaves_the_issue_parked)
{
    struct outbox_entry entry;

    answer("", "Nowhere", 0);
    run(OUTCOME_SUCCEEDED);
    OK(store_outbox_next(f.store, clock_wall_ms(), &entry, &err));
    OK(store_outbox_dead(f.store, entry.id, "no such state", &err));
    outbox_entry_release(&entry);
    fetch("Todo", 1000, true);
    cr_assert_not(store_fixture_claimable(&f, &issue));
}
