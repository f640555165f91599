/* SPDX-License-Identifier: Apache-2.0
 * After a restart: what an earlier process left is removed and ended. */
#ifndef DATAPLANE_ATTEMPT_RECOVERY_H
#define DATAPLANE_ATTEMPT_RECOVERY_H

#include "common/err.h"
#include "dataplane/attempt/supervisor.h"

/* Removes all containers that carry our journal's label, then ends all
 * attempts of the journal that have not ended. Call it only while no attempt
 * runs. Containers of other installations are not touched. On an error (the
 * engine does not answer) nothing was ended: a worker may still be at work in
 * its workspace. */
int recovery_run(const struct supervisor_deps *deps, struct err *err);

#endif
