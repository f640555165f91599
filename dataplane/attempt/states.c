/* SPDX-License-Identifier: Apache-2.0
 * The states of an attempt: their names, and which may follow which. */
#include "dataplane/attempt/journal.h"

const char *
attempt_state_name(enum attempt_state state)
{
    static const char *const names[] = {
#define X(id, name) [id] = (name),
        ATTEMPT_STATES(X)
#undef X
    };

    if ((unsigned)state >= ATTEMPT_STATE_COUNT)
        return "unknown";
    return names[state];
}

bool
attempt_state_may_follow(enum attempt_state from, enum attempt_state to)
{
    enum {
        A = 1U << ATTEMPT_ACCEPTED,
        W = 1U << ATTEMPT_WORKSPACE,
        C = 1U << ATTEMPT_CREATING,
        S = 1U << ATTEMPT_STARTING,
        T = 1U << ATTEMPT_TURN,
        F = 1U << ATTEMPT_FINISHING
    };

    /* By the state to be entered: the states it may be entered from. */
    static const unsigned allowed[ATTEMPT_STATE_COUNT] = {
        [ATTEMPT_ACCEPTED] = 0,
        [ATTEMPT_WORKSPACE] = A,
        [ATTEMPT_CREATING] = W,
        [ATTEMPT_STARTING] = C,
        [ATTEMPT_TURN] = S,
        [ATTEMPT_FINISHING] = A | W | C | S | T,
        [ATTEMPT_ENDED] = A | W | C | S | T | F,
    };

    if ((unsigned)from >= ATTEMPT_STATE_COUNT ||
        (unsigned)to >= ATTEMPT_STATE_COUNT)
        return false;
    return (allowed[to] & 1U << from) != 0;
}
