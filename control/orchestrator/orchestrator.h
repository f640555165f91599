/* SPDX-License-Identifier: Apache-2.0
 * Decides which issues run, follows them, and ends them: the only component
 * that claims, dispatches and releases (Symphony specification 7 and 8). */
#ifndef CONTROL_ORCHESTRATOR_ORCHESTRATOR_H
#define CONTROL_ORCHESTRATOR_ORCHESTRATOR_H

#include "common/err.h"

#include <stdint.h>

struct config_live;
struct orchestrator;
struct pool;
struct pool_hooks;
struct store;
struct tracker;

struct orchestrator_deps {
    struct store *store;
    struct tracker *tracker;
    struct config_live *config;
    struct pool *pool; /* set by orchestrator_start */
};

/* Makes it, without a thread; its hooks are what the pool is started with. */
int orchestrator_new(struct orchestrator **out,
    const struct orchestrator_deps *deps, struct err *err);
struct pool_hooks orchestrator_hooks(struct orchestrator *orchestrator);

/* Starts the loop: an immediate poll, then one every polling.interval_ms. */
int orchestrator_start(
    struct orchestrator *orchestrator, struct pool *pool, struct err *err);

/* Ends the loop (joins); the hooks may still be called after it. */
void orchestrator_stop(struct orchestrator *orchestrator);
void orchestrator_free(struct orchestrator *orchestrator); /* NULL is legal */

/* Poll now rather than at the next interval. */
void orchestrator_refresh(struct orchestrator *orchestrator);

/* Stops the live attempt of an issue (identifier or id); the end comes as an
 * event. ERR_NOT_FOUND when nothing runs; ERR_UNAVAILABLE when its data plane
 * cannot be told now. */
int orchestrator_abort(struct orchestrator *orchestrator, const char *issue,
    const char *reason, struct err *err);

struct orchestrator_health {
    int64_t last_poll_at_ms;             /* wall clock; 0: never */
    int64_t poll_failures;               /* in a row */
    char tracker_error[ERR_MESSAGE_MAX]; /* "" when the last poll went well */
    int64_t polls_total;
    int64_t dispatches_total;
};

void orchestrator_health(
    struct orchestrator *orchestrator, struct orchestrator_health *out);

#endif
