/* SPDX-License-Identifier: Apache-2.0
 * The data plane as a whole: its parts put together and taken apart. */
#ifndef DATAPLANE_SERVE_H
#define DATAPLANE_SERVE_H

#include "common/err.h"
#include "dataplane/options.h"

#include <signal.h>

/* Serves until one of the signals (blocked in all threads) arrives; then ends
 * within 5 s. -1: it could not begin, and nothing of it is left. */
int serve(
    const struct options *options, const sigset_t *signals, struct err *err);

#endif
