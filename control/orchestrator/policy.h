/* SPDX-License-Identifier: Apache-2.0
 * What follows from the end of an attempt: retry, comment, transition. Pure,
 * so that it can run inside the transaction that ends the attempt. */
#ifndef CONTROL_ORCHESTRATOR_POLICY_H
#define CONTROL_ORCHESTRATOR_POLICY_H

#include "control/config/config.h"
#include "control/store/store.h"
#include "proto/outcomes.h"

#include <stdint.h>

void policy_decide(const struct config *config, const struct attempt *attempt,
    enum outcome outcome, int64_t failures, int64_t now_ms, struct ending *out);

/* min(10 s * 2^(failures - 1), max_ms) (Symphony specification 8.4). */
int64_t policy_backoff_ms(int64_t failures, int64_t max_ms);

#endif
