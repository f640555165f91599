/* SPDX-License-Identifier: Apache-2.0
 * One attempt from its acceptance to its end, on the calling thread. */
#ifndef DATAPLANE_ATTEMPT_RUNNER_H
#define DATAPLANE_ATTEMPT_RUNNER_H

#include "dataplane/attempt/inbox.h"
#include "dataplane/attempt/supervisor.h"

/* The request is in the journal, accepted. When this returns, the attempt has
 * ended and left nothing behind; or the data plane was told to end at once
 * and its next start has to clear up. */
void runner_run(const struct supervisor_deps *deps,
    const struct dispatch_request *request, struct inbox *inbox);

#endif
