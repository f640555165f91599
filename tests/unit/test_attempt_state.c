/* SPDX-License-Identifier: Apache-2.0
 * The order in which an attempt lives. */
#include "common/cleanup.h"
#include "dataplane/attempt/journal.h"

#include <criterion/criterion.h>
#include <string.h>

/* Forward by one; to finishing or ended from anywhere before; never back. */
static bool
expected(int from, int to)
{
    if (to == ATTEMPT_FINISHING || to == ATTEMPT_ENDED)
        return from < to;
    return to == from + 1;
}

Test(attempt_state, follows_exactly_the_stated_order)
{
    for (int from = 0; from < ATTEMPT_STATE_COUNT; from++)
        for (int to = 0; to < ATTEMPT_STATE_COUNT; to++)
            cr_expect_eq(attempt_state_may_follow(
                             (enum attempt_state)from, (enum attempt_state)to),
                expected(from, to), "%s to %s",
                attempt_state_name((enum attempt_state)from),
                attempt_state_name((enum attempt_state)to));
}

Test(attempt_state, knows_no_state_outside_the_table)
{
    const enum attempt_state wrong[] = {
        ATTEMPT_STATE_COUNT, (enum attempt_state)99, (enum attempt_state) - 1};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        cr_expect_not(attempt_state_may_follow(wrong[i], ATTEMPT_ENDED));
        cr_expect_not(attempt_state_may_follow(ATTEMPT_ACCEPTED, wrong[i]));
        cr_expect_str_eq(attempt_state_name(wrong[i]), "unknown");
    }
}
