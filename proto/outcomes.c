/* SPDX-License-Identifier: Apache-2.0
 * Lookups in the table of outcomes. */
#include "proto/outcomes.h"

#include "common/cleanup.h"

#include <string.h>

static const struct {
    const char *name;
    const char *text;
    bool retry;
} outcomes[OUTCOME_COUNT] = {

#define X(id, name, retry, text) [id] = {name, text, retry},
    OUTCOMES(X)
#undef X
};

static enum outcome
known(enum outcome outcome)
{
    return (unsigned)outcome < OUTCOME_COUNT ? outcome : OUTCOME_INTERNAL;
}

const char *
outcome_name(enum outcome outcome)
{
    return outcomes[known(outcome)].name;
}

const char *
outcome_text(enum outcome outcome)
{
    return outcomes[known(outcome)].text;
}

bool
outcome_is_retryable(enum outcome outcome)
{
    return outcomes[known(outcome)].retry;
}

enum outcome
outcome_from_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(outcomes); i++) {
        if (strcmp(outcomes[i].name, name) == 0)
            return (enum outcome)i;
    }
    return OUTCOME_INTERNAL;
}
