/* SPDX-License-Identifier: Apache-2.0
 * The states an issue can be in, from the configuration. */
#include "control/http/workflow.h"

#include "control/tracker/issue.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct workflow_state *
add_state(struct workflow *workflow, const char *label, const char *kind)
{
    const struct workflow_state *known = workflow_find(workflow, label);
    struct workflow_state *state = &workflow->states[workflow->count];

    if (known != NULL)
        return known;
    if (workflow->count == WORKFLOW_STATES_MAX || label[0] == '\0')
        return NULL;
    (void)snprintf(state->label, sizeof(state->label), "%s", label);
    for (size_t i = 0; i < sizeof(state->key); i++)
        state->key[i] = (char)tolower((unsigned char)state->label[i]);
    state->kind = kind;
    state->terminal = strcmp(kind, "terminal") == 0;
    workflow->count++;
    return state;
}

struct workflow *
workflow_new(const struct config *config, struct err *err)
{
    struct workflow *workflow = calloc(1, sizeof(*workflow));
    const struct config_strings *active = &config->tracker_active_states;
    const struct config_strings *ended = &config->tracker_terminal_states;

    if (workflow == NULL) {
        (void)err_no_memory(err);
        return NULL;
    }
    if (!issue_state_in("Backlog", active->items, active->count))
        (void)add_state(workflow, "Backlog", "backlog");
    for (size_t i = 0; i < active->count; i++)
        (void)add_state(workflow, active->items[i],
            issue_state_equal(active->items[i], "Todo") ? "todo" : "active");
    if (config->agent_success_state != NULL &&
        !issue_state_in(
            config->agent_success_state, ended->items, ended->count))
        (void)add_state(workflow, config->agent_success_state, "gate");
    for (size_t i = 0; i < ended->count; i++)
        (void)add_state(workflow, ended->items[i], "terminal");
    return workflow;
}

const struct workflow_state *
workflow_find(const struct workflow *workflow, const char *name)
{
    for (size_t i = 0; i < workflow->count; i++) {
        if (issue_state_equal(workflow->states[i].label, name))
            return &workflow->states[i];
    }
    return NULL;
}

const struct workflow_state *
workflow_find_or_add(struct workflow *workflow, const char *name)
{
    return add_state(workflow, name, "other");
}

int
workflow_unknown(
    const struct workflow *workflow, const char *name, struct err *err)
{
    char known[ERR_MESSAGE_MAX / 2] = "";
    size_t used = 0;

    for (size_t i = 0; i < workflow->count && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
            i == 0 ? "" : ", ", workflow->states[i].label);
    return err_set(err, ERR_INVALID,
        "\"%.64s\" is no state of the workflow; known are: %s", name, known);
}
