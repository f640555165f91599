/* SPDX-License-Identifier: Apache-2.0
 * Child processes: posix_spawn-like, never a shell, never plain fork in a
 * process that has threads. */
#ifndef COMMON_PROC_H
#define COMMON_PROC_H

#include "common/buf.h"
#include "common/err.h"

#include <stdint.h>
#include <sys/types.h>

struct proc_options {
    const char *const *argv; /* argv[0] is looked up in PATH */
    const char *const *env;  /* whole environment; NULL is empty */
    const char *cwd;         /* NULL keeps ours */
    uid_t uid;               /* (uid_t)-1 keeps ours; groups are dropped */
    gid_t gid;
    int64_t timeout_ms; /* then SIGKILL to its process group; 0: no limit */
    int cancel_fd;      /* readable: the same at once; 0: none */
};

struct proc_result {
    int exit_code; /* -1 when a signal ended it */
    int signal;
    int timed_out;
    int cancelled;
};

/* Runs to the end. stdout and stderr go into out (bounded: the rest is read
 * and dropped, and out->failed set), stdin is /dev/null, every other file is
 * closed. Processes that it leaves behind in its group are killed. Returns 0
 * when it ran, whatever its exit code; -1 when it could not be started
 * (ERR_NOT_FOUND: no such program). */
int proc_run(const struct proc_options *options, struct buf *out,
    struct proc_result *result, struct err *err);

#endif
