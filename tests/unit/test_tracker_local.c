/* SPDX-License-Identifier: Apache-2.0
 * control/tracker/local and the rows behind it: what may be written, what is
 * read back, whose changes count. */
#include "common/cleanup.h"
#include "control/config/config.h"
#include "control/tracker/tracker.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err.message)

static struct store_fixture f;
static struct tracker tracker;
static struct err err;

static void
setup(void)
{
    char kind[] = "local";
    struct config config = {.tracker_kind = kind};

    err_clear(&err);
    store_fixture_open(&f);
    OK(tracker_open(&tracker, &config, f.store, &err));
}

static void
teardown(void)
{
    tracker_close(&tracker);
    store_fixture_close(&f);
}

TestSuite(local, .init = setup, .fini = teardown);

static struct issue
create(const char *title, const char *state)
{
    struct new_issue new = {.title = title, .state = state};
    struct issue issue;

    OK(store_issue_create(f.store, "RIS", &new, &issue, &err));
    return issue;
}

static struct issue
load(const char *key)
{
    struct issue issue;

    OK(store_issue(f.store, key, &issue, &err));
    return issue;
}

static size_t
count_in(const char *state)
{
    char name[64];
    char *states[] = {name};
    struct issue_list list = {0};

    (void)snprintf(name, sizeof(name), "%s", state);
    OK(tracker.ops->fetch_by_states(tracker.impl, states, 1, &list, &err));
    size_t len = list.len;
    issue_list_release(&list);
    return len;
}

Test(local, an_issue_is_created_whole_and_numbered)
{
    char *labels[] = {(char[]){" Bug "}, (char[]){"ui"}};
    struct new_issue new = {
        .title = "A title",
        .description = "Text",
        .state = "Todo",
        .priority = 2,
        .labels = labels,
        .label_count = 2,
    };
    struct issue issue;

    OK(store_issue_create(f.store, "RIS", &new, &issue, &err));
    cr_assert_str_eq(issue.identifier, "RIS-1");
    issue_release(&issue);
    OK(store_issue_create(f.store, "OPS", &new, &issue, &err));
    cr_assert_str_eq(issue.identifier, "OPS-1");
    issue_release(&issue);
    OK(store_issue_create(f.store, "RIS", &new, &issue, &err));
    cr_assert_str_eq(issue.identifier, "RIS-2");
    struct issue again = load("RIS-2");
    cr_assert_str_eq(again.id, issue.id);
    cr_assert_str_eq(again.description, "Text");
    cr_assert_str_eq(again.state, "Todo");
    cr_assert_eq(again.priority, 2);
    cr_assert_eq(again.label_count, 2);
    cr_assert_str_eq(again.labels[0], "bug");
    cr_assert(again.dispatchable);
    cr_assert_not(again.own_writes_show);
    cr_assert_gt(again.created_at_ms, 0);
    cr_assert_eq(store_fixture_count(&f, "issue.created"), 3);
    issue_release(&again);
    issue_release(&issue);
}

Test(local, what_is_out_of_bounds_is_refused)
{
    static char long_title[600];
    char *blank[] = {(char[]){" "}};
    struct issue issue;

    memset(long_title, 'x', sizeof(long_title) - 1);

    const struct {
        const char *prefix;
        struct new_issue issue;
    } cases[] = {
        {"RIS", {.title = NULL, .state = "Todo"}},
        {"RIS", {.title = " \n", .state = "Todo"}},
        {"RIS", {.title = long_title, .state = "Todo"}},
        {"RIS", {.title = "t", .state = ""}},
        {"RIS", {.title = "t", .state = "Todo", .priority = 5}},
        {"RIS", {.title = "t", .state = "Todo", .priority = -1}},
        {"RIS",
            {.title = "t", .state = "Todo", .labels = blank, .label_count = 1}},
        {"", {.title = "t", .state = "Todo"}},
        {"ris", {.title = "t", .state = "Todo"}},
        {"ABCDEFGHIJK", {.title = "t", .state = "Todo"}},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cr_assert_eq(store_issue_create(f.store, cases[i].prefix,
                         &cases[i].issue, &issue, &err),
            -1, "case %zu", i);
        cr_assert_eq(err.code, ERR_INVALID, "case %zu", i);
        cr_assert_null(issue.id);
    }
    cr_assert_eq(store_issue(f.store, "RIS-1", &issue, &err), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
}

Test(local, issues_are_found_by_state_without_case_and_newest_first)
{
    char *states[] = {(char[]){"todo "}, (char[]){"IN PROGRESS"}};
    struct issue a = create("a", "Todo");
    struct issue b = create("b", "In Progress");
    struct issue c = create("c", "Done");
    struct issue_list list = {0};

    OK(tracker.ops->fetch_by_states(tracker.impl, states, 2, &list, &err));
    cr_assert_eq(list.len, 2);
    cr_assert_str_eq(list.items[0].title, "b");
    issue_list_release(&list);
    OK(tracker.ops->fetch_by_states(tracker.impl, states, 0, &list, &err));
    cr_assert_eq(list.len, 0);
    OK(store_issues(f.store, NULL, 0, 1, &list, &err));
    cr_assert_eq(list.len, 1);
    cr_assert_str_eq(list.items[0].title, "c");
    issue_list_release(&list);
    issue_release(&a);
    issue_release(&b);
    issue_release(&c);
}

Test(local, issues_are_found_by_id_once_and_unknown_ones_left_out)
{
    struct issue a = create("a", "Todo");
    char *ids[] = {a.id, (char[]){"nobody"}, a.id};
    struct issue_list list = {0};

    OK(tracker.ops->fetch_by_ids(tracker.impl, ids, 3, &list, &err));
    cr_assert_eq(list.len, 1);
    cr_assert_str_eq(list.items[0].identifier, a.identifier);
    issue_list_release(&list);
    issue_release(&a);
}

Test(local, our_move_keeps_the_time_a_persons_does_not)
{
    struct issue a = create("a", "Todo");

    OK(tracker.ops->transition(tracker.impl, a.id, "In Review", &err));
    struct issue ours = load(a.id);
    cr_assert_str_eq(ours.state, "In Review");
    cr_assert_eq(ours.updated_at_ms, a.updated_at_ms);
    cr_assert_eq(count_in("in review"), 1);
    cr_assert_eq(store_fixture_count(&f, "issue.transitioned"), 0);
    OK(store_issue_transition(f.store, a.identifier, "Todo", true, &err));
    struct issue theirs = load(a.id);
    cr_assert_gt(theirs.updated_at_ms, a.updated_at_ms);
    cr_assert_eq(store_fixture_count(&f, "issue.transitioned"), 1);
    cr_assert_eq(
        tracker.ops->transition(tracker.impl, "nobody", "Todo", &err), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    issue_release(&theirs);
    issue_release(&ours);
    issue_release(&a);
}

Test(local, our_comment_is_posted_once_per_key)
{
    struct issue a = create("a", "Todo");
    struct comment_list list;

    OK(tracker.ops->comment(tracker.impl, a.id, "k1", "first", &err));
    OK(tracker.ops->comment(tracker.impl, a.id, "k1", "first", &err));
    OK(tracker.ops->comment(tracker.impl, a.id, "k2", "second", &err));
    struct issue after = load(a.id);
    cr_assert_eq(after.updated_at_ms, a.updated_at_ms);
    OK(store_issue_comment(f.store, a.id, NULL, "ann", "same", &err));
    OK(store_issue_comment(f.store, a.id, NULL, "ann", "same", &err));
    OK(store_issue_comments(f.store, a.identifier, &list, &err));
    cr_assert_eq(list.len, 4);
    cr_assert_str_eq(list.items[0].body, "first");
    cr_assert_str_eq(list.items[0].author, "risoluto");
    cr_assert_str_eq(list.items[3].author, "ann");
    comment_list_release(&list);
    issue_release(&after);
    after = load(a.id);
    cr_assert_gt(after.updated_at_ms, a.updated_at_ms);
    cr_assert_eq(
        store_issue_comment(f.store, a.id, NULL, "ann", " ", &err), -1);
    cr_assert_eq(err.code, ERR_INVALID);
    issue_release(&after);
    issue_release(&a);
}

/* The whole way: run, comment, move; then a person answers. */
Test(local, a_finished_issue_runs_again_only_after_a_person)
{
    struct issue a = create("a", "Todo");

    (void)snprintf(f.ending.comment, sizeof(f.ending.comment), "done");
    (void)snprintf(
        f.ending.transition_to, sizeof(f.ending.transition_to), "In Review");
    struct attempt attempt = store_fixture_claim(&f, &a);
    OK(store_end_attempt(
        f.store, attempt.attempt_id, OUTCOME_SUCCEEDED, NULL, &f.policy, &err));
    struct outbox_entry entry;
    while (store_outbox_next(f.store, INT64_MAX, &entry, &err) == 0) {
        if (entry.kind == OUTBOX_COMMENT)
            OK(tracker.ops->comment(
                tracker.impl, entry.issue_id, entry.key, entry.body, &err));
        else
            OK(tracker.ops->transition(
                tracker.impl, entry.issue_id, entry.body, &err));
        OK(store_outbox_done(f.store, &entry, &err));
        outbox_entry_release(&entry);
    }
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    struct issue now = load(a.id);
    cr_assert_str_eq(now.state, "In Review");
    cr_assert_not(store_fixture_claimable(&f, &now));
    issue_release(&now);
    usleep(2000); /* a person is slower than the clock's tick */
    OK(store_issue_transition(f.store, a.id, "Todo", true, &err));
    now = load(a.id);
    cr_assert(store_fixture_claimable(&f, &now));
    issue_release(&now);
    attempt_release(&attempt);
    issue_release(&a);
}

Test(local, an_unknown_kind_is_refused)
{
    char kind[] = "jira";
    struct config config = {.tracker_kind = kind};
    struct tracker none;

    cr_assert_eq(tracker_open(&none, &config, f.store, &err), -1);
    cr_assert_eq(err.code, ERR_TRACKER_CONFIG);
    tracker_close(&none);
}
