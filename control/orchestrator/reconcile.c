/* SPDX-License-Identifier: Apache-2.0
 * Running attempts against the tracker (Symphony specification 8.5, B): an
 * issue that somebody moved out of its active states is not worked on. */
#include "control/orchestrator/internal.h"

#include "common/cleanup.h"
#include "common/log.h"

#include <stdio.h>
#include <string.h>

static const struct issue *
find_issue(const struct issue_list *issues, const char *id)
{
    for (size_t i = 0; i < issues->len; i++)
        if (strcmp(issues->items[i].id, id) == 0)
            return &issues->items[i];
    return NULL;
}

/* Why the attempt must stop, in reason; false: it goes on. */
static bool
must_stop(const struct config *config, const struct issue *issue, char *reason,
    size_t size)
{
    const struct config_strings *active = &config->tracker_active_states;

    if (issue == NULL)
        (void)snprintf(reason, size, "the issue is gone from the tracker");
    else if (!issue_state_in(issue->state, active->items, active->count))
        (void)snprintf(
            reason, size, "the issue was moved to \"%.100s\"", issue->state);
    else
        return false;
    return true;
}

int
reconcile_running(
    struct orchestrator *o, const struct config *config, struct err *err)
{
    AUTO(attempt_list_release) struct attempt_list live = {0};
    AUTO(issue_list_release) struct issue_list issues = {0};
    AUTO_FREE char **ids = NULL;
    char reason[256];

    if (store_live_attempts(o->deps.store, &live, err) != 0)
        return -1;
    if (live.len == 0)
        return 0;
    ids = calloc(live.len, sizeof(*ids));
    if (ids == NULL)
        return err_no_memory(err);
    for (size_t i = 0; i < live.len; i++)
        ids[i] = live.items[i].issue_id;
    if (o->deps.tracker->ops->fetch_by_ids(
            o->deps.tracker->impl, ids, live.len, &issues, err) != 0)
        return -1;
    for (size_t i = 0; i < live.len; i++) {
        struct err why = ERR_INIT;

        if (!must_stop(config, find_issue(&issues, live.items[i].issue_id),
                reason, sizeof(reason)))
            continue;
        /* A host that is away now is asked again at the next poll. */
        if (launch_abort(o, &live.items[i], OUTCOME_SUPERSEDED, reason, &why) !=
            0)
            log_failure(NULL, "could not stop an attempt", &why);
    }
    return 0;
}
