/* SPDX-License-Identifier: Apache-2.0
 * The real `codex app-server` as a child process, driven by a Codex session.
 * What a worker container does in production, without the container. */
#ifndef TESTS_SUPPORT_CODEX_PROCESS_H
#define TESTS_SUPPORT_CODEX_PROCESS_H

#include "common/err.h"
#include "tests/support/codex_harness.h"

#include <stdbool.h>
#include <sys/types.h>

struct codex_process {
    struct codex_harness h; /* its request is changed before _start */
    char dir[512];          /* removed by _free */
    char workspace[600];
    const char *config_extra; /* put at the start of config.toml; may be NULL */
    pid_t pid;
    int in;
    int out;
    int err;
    struct buf out_line;
    struct buf err_line;
};

/* Why the real Codex cannot run here, or NULL. Unpacks it if need be. */
const char *codex_process_missing(void);

/* A folder with an empty git repository; the harness's defaults. */
void codex_process_init(struct codex_process *p);
/* Starts it with the session's own bundle; model_port is that of the model on
 * this machine. Aborts the test when that fails. */
void codex_process_start(struct codex_process *p, int model_port);
/* Runs until the text is among the events, or the session is done, or ms
 * have passed; true for the first. text NULL: until it is done. */
bool codex_process_run(struct codex_process *p, const char *text, int64_t ms);
/* Kills what is left and removes the folder. */
void codex_process_free(struct codex_process *p);

/* Runs `codex ARGS..` with this CODEX_HOME; the exit code. */
int codex_process_command(
    struct codex_process *p, const char *const *args, struct buf *out);

#endif
