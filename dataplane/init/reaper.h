/* SPDX-License-Identifier: Apache-2.0
 * The duties of PID 1: children, signals, zombies. */
#ifndef DATAPLANE_INIT_REAPER_H
#define DATAPLANE_INIT_REAPER_H

#include "dataplane/init/bundle.h"

/* Blocks the signals that the others wait for. -1 with errno. */
int reaper_init(void);

struct reaper_result {
    int exit_code; /* 128+n for signal n; 124: the time-out killed it */
    long ms;
};

/* Runs a command to its end, with stdin from /dev/null and stdout to our
 * stderr; nothing that it started outlives it when we are PID 1. SIGTERM ends
 * it. -1 with errno when it cannot be started. */
int reaper_run(
    const struct bundle_command *command, struct reaper_result *result);

/* Starts the command in a session of its own, with our standard streams. */
int reaper_start(const struct bundle_command *command);

/* Passes SIGTERM, SIGINT, SIGHUP and SIGQUIT on to it and reaps everything
 * until it ends; then kills and reaps the rest. Its exit code. */
int reaper_wait(void);

#endif
