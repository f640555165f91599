/* SPDX-License-Identifier: Apache-2.0
 * Decides which issues run, follows them, and ends them: the only component
 * that claims, dispatches and releases (Symphony specification 7 and 8). */
#ifndef CONTROL_ORCHESTRATOR_ORCHESTRATOR_H
#define CONTROL_ORCHESTRATOR_ORCHESTRATOR_H

#include "common/err.h"
#include "common/json.h"

#include <stdbool.h>
#include <stdint.h>

struct config_live;
struct orchestrator;
struct pool;
struct store;
struct tracker;

struct orchestrator_deps {
    struct store *store;
    struct tracker *tracker;
    struct pool *pool;
    struct config_live *config;
};

int orchestrator_start(struct orchestrator **out,
    const struct orchestrator_deps *deps, struct err *err);
void orchestrator_stop(struct orchestrator *orchestrator); /* joins */

/* Poll now rather than at the next interval. */
void orchestrator_refresh(struct orchestrator *orchestrator);

/* Stops the live attempt of an issue (identifier or id); returns at once, the
 * end comes as an event. ERR_NOT_FOUND when nothing runs. */
int orchestrator_abort(struct orchestrator *orchestrator, const char *issue,
    const char *reason, struct err *err);

struct orchestrator_health {
    int64_t last_poll_at_ms; /* wall clock; 0: never */
    int64_t poll_failures;   /* in a row */
    char tracker_error[256]; /* "" when the last poll went well */
    int64_t polls_total;
    int64_t dispatches_total;
};

void orchestrator_health(
    struct orchestrator *orchestrator, struct orchestrator_health *out);

#endif
