/* SPDX-License-Identifier: Apache-2.0
 * What follows from the end of an attempt. */
#include "common/cleanup.h"
#include "control/orchestrator/policy.h"

#include <criterion/criterion.h>
#include <string.h>

enum { NOW = 1000000 };

static char success_state[] = "In Review";
static char branch[] = "risoluto/RIS-1";
static char commit[] = "0123abcd";
static char message[] = "the engine went away";

static struct config config = {
    .agent_success_state = success_state,
    .agent_max_retry_backoff_ms = 300000,
    .agent_max_continuation_attempts = 2,
};

static struct ending
decide(enum outcome outcome, int64_t failures)
{
    struct attempt attempt = {.number = 3,
        .turns = 2,
        .total_tokens = 1234,
        .branch = branch,
        .commit = commit,
        .message = message};
    struct ending out;

    policy_decide(&config, &attempt, outcome, failures, NOW, &out);
    return out;
}

Test(policy, success_moves_the_issue_and_tells_where_the_change_is)
{
    struct ending ending = decide(OUTCOME_SUCCEEDED, 0);

    cr_expect_str_eq(ending.transition_to, "In Review");
    cr_expect_eq(ending.retry_at_ms, 0);
    cr_expect_not_null(strstr(ending.comment, "0123abcd"));
    cr_expect_not_null(strstr(ending.comment, "risoluto/RIS-1"));
}

Test(policy, success_without_a_change_says_so)
{
    struct attempt attempt = {.number = 1, .turns = 1};
    struct ending out;

    policy_decide(&config, &attempt, OUTCOME_SUCCEEDED, 0, NOW, &out);
    cr_expect_not_null(strstr(out.comment, "changed nothing"));
}

struct backoff_row {
    int64_t failures;
    int64_t ms;
};

Test(policy, backoff_doubles_from_ten_seconds_to_its_cap)
{
    static const struct backoff_row rows[] = {{1, 10000}, {2, 20000},
        {3, 40000}, {5, 160000}, {6, 300000}, {60, 300000}, {1000000, 300000}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_eq(policy_backoff_ms(rows[i].failures, 300000), rows[i].ms);
}

Test(policy, every_outcome_either_retries_or_tells_people_or_was_their_doing)
{
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        enum outcome outcome = (enum outcome)i;
        struct ending ending = decide(outcome, 1);
        bool own_doing =
            outcome == OUTCOME_ABORTED || outcome == OUTCOME_SUPERSEDED;

        cr_expect_eq(ending.retry_at_ms > 0, outcome_is_retryable(outcome),
            "%s", outcome_name(outcome));
        cr_expect(
            own_doing || ending.retry_at_ms > 0 || ending.comment[0] != '\0',
            "%s ends in silence", outcome_name(outcome));
    }
}

Test(policy, a_series_of_failures_comments_once)
{
    cr_expect_str_not_empty(decide(OUTCOME_ENGINE, 1).comment);
    cr_expect_str_empty(decide(OUTCOME_ENGINE, 2).comment);
    cr_expect_eq(decide(OUTCOME_ENGINE, 2).retry_at_ms, NOW + 20000);
}

Test(policy, continuations_are_quick_and_bounded)
{
    struct ending first = decide(OUTCOME_TURNS_EXHAUSTED, 1);
    struct ending last = decide(OUTCOME_TURNS_EXHAUSTED, 3);

    cr_expect_eq(first.retry_at_ms, NOW + 1000);
    cr_expect(first.continuation);
    cr_expect_eq(last.retry_at_ms, 0);
    cr_expect_not_null(strstr(last.comment, "continuations"));
}

Test(policy, no_success_state_leaves_the_issue_where_it_is)
{
    char none[] = "";
    struct config bare = config;
    struct attempt attempt = {.number = 1};
    struct ending out;

    bare.agent_success_state = none;
    policy_decide(&bare, &attempt, OUTCOME_SUCCEEDED, 0, NOW, &out);
    cr_expect_str_empty(out.transition_to);
}
