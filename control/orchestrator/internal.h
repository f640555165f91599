/* SPDX-License-Identifier: Apache-2.0
 * What the files of the orchestrator share; nobody else includes this. */
#ifndef CONTROL_ORCHESTRATOR_INTERNAL_H
#define CONTROL_ORCHESTRATOR_INTERNAL_H

#include "control/config/config.h"
#include "control/orchestrator/orchestrator.h"
#include "control/pool/pool.h"
#include "control/store/store.h"
#include "control/tracker/tracker.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct orchestrator {
    struct orchestrator_deps deps;
    pthread_t thread;
    bool thread_started;
    /* Held while an attempt is dispatched or aborted, so that an abort never
     * slips between a claim and its dispatch. Taken before `lock`. */
    pthread_mutex_t dispatching;
    pthread_mutex_t lock; /* the members below */
    pthread_cond_t wake;
    bool stopping;
    bool refresh;
    struct orchestrator_health health;
};

bool orchestrator_is_stopping(struct orchestrator *orchestrator);

/* reconcile.c: stops attempts whose issue left its active states. */
int reconcile_running(struct orchestrator *orchestrator,
    const struct config *config, struct err *err);

/* candidates.c: claims and dispatches what may run, while there is room. */
int candidates_run(struct orchestrator *orchestrator,
    const struct config *config, struct err *err);

/* launch.c: hands a claimed attempt to its host; repeats are harmless. When
 * the host refuses for good, or the prompt cannot be made, the attempt ends.
 * -1 only when the store failed. */
int launch_attempt(struct orchestrator *orchestrator,
    const struct config *config, const struct issue *issue,
    const struct attempt *attempt, struct err *err);
/* Those that were claimed and not yet accepted (also by an earlier process);
 * *waiting: how many still are. */
int launch_claimed(struct orchestrator *orchestrator,
    const struct config *config, int64_t *waiting, struct err *err);
int launch_abort(struct orchestrator *orchestrator,
    const struct attempt *attempt, enum outcome outcome, const char *reason,
    struct err *err);

/* outbox.c: delivers what is due to the tracker. */
int outbox_deliver(struct orchestrator *orchestrator, struct err *err);

/* The policy for attempts that end, bound to this orchestrator. */
struct ending_policy orchestrator_policy(struct config_live *config);

#endif
