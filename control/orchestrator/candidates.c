/* SPDX-License-Identifier: Apache-2.0
 * Which issues run next (Symphony specification 8.2 and 8.3). */
#include "control/orchestrator/internal.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

#include <string.h>

static bool
has_label(const struct issue *issue, const char *wanted)
{
    for (size_t i = 0; i < issue->label_count; i++)
        if (issue_state_equal(issue->labels[i], wanted))
            return true;
    return false;
}

static bool
is_eligible(const struct config *config, const struct issue *issue)
{
    const struct config_strings *active = &config->tracker_active_states;
    const struct config_strings *over = &config->tracker_terminal_states;
    const struct config_strings *labels = &config->tracker_required_labels;

    if (issue->id == NULL || issue->identifier == NULL ||
        issue->title == NULL || issue->state == NULL || !issue->dispatchable)
        return false;
    if (!issue_state_in(issue->state, active->items, active->count) ||
        issue_state_in(issue->state, over->items, over->count))
        return false;
    for (size_t i = 0; i < labels->count; i++)
        if (!has_label(issue, labels->items[i]))
            return false;
    return true;
}

static bool
claimed_in_state(const struct attempt *attempt, const char *state)
{
    struct err err = ERR_INIT;
    size_t len = strlen(attempt->issue_json);
    AUTO(json_free_ptr)
    struct json *issue = json_parse(attempt->issue_json, len, len + 1, &err);

    return issue_state_equal(json_str(json_get(issue, "state"), ""), state);
}

/* agent.max_concurrent_agents_by_state: is there room for one more? */
static bool
has_room_in_state(const struct json *limits, const struct attempt_list *live,
    const char *state)
{
    json_each (limit, limits) {
        int64_t running = 0;

        if (!issue_state_equal(json_key(limit), state))
            continue;
        for (size_t i = 0; i < live->len; i++)
            running += claimed_in_state(&live->items[i], state);
        return running < json_int(limit, INT64_MAX);
    }
    return true;
}

/* 1: claimed and handed over, 0: passed over, -1: the store failed. */
static int
try_issue(struct orchestrator *o, const struct config *config,
    const struct issue *issue, const char *host, struct err *err)
{
    AUTO(attempt_release) struct attempt attempt = {0};
    bool claimable = false;

    if (store_is_claimable(
            o->deps.store, issue, clock_wall_ms(), &claimable, err) != 0)
        return -1;
    if (!claimable)
        return 0;
    if (store_claim(o->deps.store, issue, host, config->codex_model, &attempt,
            err) != 0)
        return err->code == ERR_CONFLICT ? 0 : -1;
    pthread_mutex_lock(&o->lock);
    o->health.dispatches_total++;
    pthread_mutex_unlock(&o->lock);
    return launch_attempt(o, config, issue, &attempt, err) == 0 ? 1 : -1;
}

static int
fill_slots(struct orchestrator *o, const struct config *config,
    const struct issue_list *issues, const struct json *limits, struct err *err)
{
    for (size_t i = 0; i < issues->len; i++) {
        AUTO(attempt_list_release) struct attempt_list live = {0};
        const char *host = pool_pick(o->deps.pool);

        if (host == NULL || orchestrator_is_stopping(o))
            return 0;
        if (!is_eligible(config, &issues->items[i]))
            continue;
        if (store_live_attempts(o->deps.store, &live, err) != 0)
            return -1;
        if ((int64_t)live.len >= config->agent_max_concurrent_agents)
            return 0;
        if (has_room_in_state(limits, &live, issues->items[i].state) &&
            try_issue(o, config, &issues->items[i], host, err) < 0)
            return -1;
    }
    return 0;
}

int
candidates_run(
    struct orchestrator *o, const struct config *config, struct err *err)
{
    AUTO(issue_list_release) struct issue_list issues = {0};
    const struct config_strings *active = &config->tracker_active_states;
    const char *text = config->agent_max_concurrent_agents_by_state;
    AUTO(json_free_ptr)
    struct json *limits = json_parse(text, strlen(text), strlen(text) + 1, err);

    if (limits == NULL)
        return err_wrap(err, "agent.max_concurrent_agents_by_state");
    if (o->deps.tracker->ops->fetch_by_states(o->deps.tracker->impl,
            active->items, active->count, &issues, err) != 0)
        return -1;
    if (issues.len > 1)
        qsort(issues.items, issues.len, sizeof(*issues.items), issue_compare);
    return fill_slots(o, config, &issues, limits, err);
}
