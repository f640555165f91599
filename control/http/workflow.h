/* SPDX-License-Identifier: Apache-2.0
 * The states an issue can be in, as the configuration names them: the columns
 * of the board, and what a transition may ask for. */
#ifndef CONTROL_HTTP_WORKFLOW_H
#define CONTROL_HTTP_WORKFLOW_H

#include "common/err.h"
#include "control/config/config.h"

#include <stdbool.h>
#include <stddef.h>

enum { WORKFLOW_LABEL_SIZE = 129, WORKFLOW_STATES_MAX = 96 };

struct workflow_state {
    char key[WORKFLOW_LABEL_SIZE]; /* the label in lower case */
    char label[WORKFLOW_LABEL_SIZE];
    const char *kind; /* backlog, todo, active, gate, terminal, other */
    bool terminal;
};

struct workflow {
    struct workflow_state states[WORKFLOW_STATES_MAX];
    size_t count;
};

/* Backlog, the active states, agent.success_state, the terminal states. Big:
 * keep it off the stack. Free it. */
struct workflow *workflow_new(const struct config *config, struct err *err);

/* The state of that name, compared as trackers do; NULL: unknown. */
const struct workflow_state *workflow_find(
    const struct workflow *workflow, const char *name);

/* The same, and a state that is not configured is added as "other"; NULL only
 * when there is no room. */
const struct workflow_state *workflow_find_or_add(
    struct workflow *workflow, const char *name);

/* ERR_INVALID that lists the known states. Returns -1. */
int workflow_unknown(
    const struct workflow *workflow, const char *name, struct err *err);

#endif
