/* SPDX-License-Identifier: Apache-2.0
 * Carries decided effects out on the tracker, each once in effect: comments
 * carry an idempotency key, a transition to the state it has is no change. */
#include "control/orchestrator/internal.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

#include <string.h>

enum { RETRY_MIN_MS = 1000, RETRY_MAX_MS = 60000, ROUND_MAX = 100 };

static int
perform(
    struct tracker *tracker, const struct outbox_entry *entry, struct err *err)
{
    if (entry->kind == OUTBOX_COMMENT)
        return tracker->ops->comment(
            tracker->impl, entry->issue_id, entry->key, entry->body, err);
    return tracker->ops->transition(
        tracker->impl, entry->issue_id, entry->body, err);
}

/* A refused credential may be mended by the operator; a state or an issue
 * that does not exist stays so. */
static bool
is_hopeless(const struct err *why)
{
    return !err_is_retryable(why->code) && why->code != ERR_TRACKER_AUTH;
}

static int
put_back(struct store *store, const struct outbox_entry *entry,
    const struct err *why, struct err *err)
{
    struct log_ctx ctx = {.issue_id = entry->issue_id,
        .issue_identifier = entry->issue_identifier,
        .attempt_id = entry->attempt_id};
    int64_t pause = RETRY_MIN_MS;

    log_failure(&ctx, "tracker write failed", why);
    if (is_hopeless(why))
        return store_outbox_dead(store, entry->id, why->message, err);
    for (int64_t i = 0; i < entry->tries && pause < RETRY_MAX_MS; i++)
        pause *= 2;
    pause = pause < RETRY_MAX_MS ? pause : RETRY_MAX_MS;
    return store_outbox_retry(
        store, entry->id, clock_wall_ms() + pause, why->message, err);
}

/* 1: handled one, 0: nothing is due. */
static int
deliver_one(struct orchestrator *o, struct err *err)
{
    AUTO(outbox_entry_release) struct outbox_entry entry = {0};
    struct err why = ERR_INIT;
    int result;

    if (store_outbox_next(o->deps.store, clock_wall_ms(), &entry, err) != 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    if (perform(o->deps.tracker, &entry, &why) == 0)
        result = store_outbox_done(o->deps.store, &entry, err);
    else
        result = put_back(o->deps.store, &entry, &why, err);
    return result == 0 ? 1 : -1;
}

int
outbox_deliver(struct orchestrator *o, struct err *err)
{
    for (int i = 0; i < ROUND_MAX && !orchestrator_is_stopping(o); i++) {
        int result = deliver_one(o, err);

        if (result <= 0)
            return result;
    }
    return 0;
}
