/* SPDX-License-Identifier: Apache-2.0
 * Containers first, then the journal: an attempt has ended only when nothing
 * of it runs any more. */
#include "dataplane/attempt/recovery.h"

#include "common/cleanup.h"
#include "common/log.h"
#include "dataplane/attempt/worker.h"

#include <stdio.h>

enum { STOP_GRACE_MS = 1000 };

static int
remove_one(const struct supervisor_deps *deps,
    const struct docker_container *container, struct err *err)
{
    const struct log_ctx ctx = {.attempt_id = container->attempt_id[0] != '\0'
                                                  ? container->attempt_id
                                                  : NULL};

    if (docker_stop(deps->docker, container->id, STOP_GRACE_MS, err) != 0 ||
        docker_remove(deps->docker, container->id, err) != 0)
        return err_wrap(err, "container %s", container->name);
    log_info(&ctx, "removed a container that an earlier process left",
        LOG_S("container", container->name));
    return 0;
}

static int
remove_containers(const struct supervisor_deps *deps, struct err *err)
{
    AUTO_FREE struct docker_container *list = NULL;
    char label[128];
    size_t count = 0;

    snprintf(label, sizeof(label), WORKER_LABEL_DATAPLANE "=%s",
        journal_id(deps->journal));
    if (docker_list(deps->docker, label, &list, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (remove_one(deps, &list[i], err) != 0)
            return -1;
    return 0;
}

static int
end_attempts(const struct supervisor_deps *deps, const struct slice *attempts,
    struct err *err)
{
    const struct attempt_status *items = attempts->items;

    for (size_t i = 0; i < attempts->len; i++) {
        const struct log_ctx ctx = {.issue_id = items[i].issue_id,
            .issue_identifier = items[i].issue_identifier,
            .attempt_id = items[i].attempt_id};

        if (items[i].outcome != NULL)
            continue;
        if (journal_end(deps->journal, items[i].attempt_id, OUTCOME_RESTARTED,
                outcome_text(OUTCOME_RESTARTED), err) != 0)
            return -1;
        log_info(&ctx, "ended an attempt of an earlier process",
            LOG_S("state", items[i].state));
    }
    return 0;
}

int
recovery_run(const struct supervisor_deps *deps, struct err *err)
{
    struct status_reply status;
    int result;

    if (remove_containers(deps, err) != 0 ||
        journal_status(deps->journal, NULL, &status, err) != 0)
        return -1;
    result = end_attempts(deps, &status.attempts, err);
    schema_release(&status_reply_schema, &status);
    return result;
}
