/* SPDX-License-Identifier: Apache-2.0
 * From an issue and the configuration to the dispatch that a data plane
 * gets. */
#ifndef CONTROL_ORCHESTRATOR_DISPATCH_H
#define CONTROL_ORCHESTRATOR_DISPATCH_H

#include "common/err.h"
#include "control/config/config.h"
#include "control/store/store.h"
#include "control/tracker/issue.h"
#include "proto/messages.h"

/* request borrows from the members, the configuration, the issue and the
 * attempt: they must outlive it, and it is never released by its schema. */
struct dispatch {
    struct dispatch_request request;
    char *prompt;
    char *key;
    char *branch;
    char *message;
    char *title; /* cut to what a message may carry */
    struct config_repo repo;
};

/* ERR_CONFIG when the prompt template does not fit the issue: the attempt
 * fails with that message. */
int dispatch_build(struct dispatch *out, const struct config *config,
    const struct issue *issue, const struct attempt *attempt, struct err *err);
void dispatch_release(struct dispatch *dispatch);

#endif
