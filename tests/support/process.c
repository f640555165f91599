/* SPDX-License-Identifier: Apache-2.0
 * Child processes of tests, their logs, and waiting for conditions. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "tests/support/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { LOG_MAX = 16 * 1024 * 1024, POLL_MS = 10 };

const char *
harness_binary(const char *name)
{
    static char path[4096];
    char exe[2048];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    cr_assert_gt(n, 0);
    exe[n] = '\0'; /* .../build/tests/KIND/test_x */
    (void)snprintf(
        path, sizeof(path), "%s/bin/%s", dirname(dirname(dirname(exe))), name);
    return path;
}

bool
harness_until(harness_condition *condition, void *arg, int64_t ms)
{
    int64_t deadline = clock_mono_ms() + ms;
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

    while (!condition(arg)) {
        if (clock_mono_ms() >= deadline)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* posix_spawn changes neither, and says so only in words. */
static char *const *
unconst(const char *const *strings)
{
    union {
        const char *const *in;
        char *const *out;
    } pointer = {.in = strings};

    return pointer.out;
}

void
process_start(struct process *process, const char *dir, const char *name,
    const char *const *argv, const char *const *env)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    int rv;

    (void)snprintf(process->log, sizeof(process->log), "%s/%s.log", dir, name);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(
        &actions, 1, process->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    rv = posix_spawn(
        &process->pid, argv[0], &actions, &attr, unconst(argv), unconst(env));
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    cr_assert_eq(rv, 0, "cannot start %s: %s", argv[0], strerror(rv));
}

static bool
has_ended(struct process *process, int *code)
{
    int status = 0;

    if (process->pid == 0 || waitpid(process->pid, &status, WNOHANG) == 0)
        return false;
    process->pid = 0;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

int
process_wait(struct process *process, int64_t ms)
{
    int64_t deadline = clock_mono_ms() + ms;
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    int code = -1;

    while (!has_ended(process, &code) && clock_mono_ms() < deadline)
        (void)nanosleep(&pause, NULL);
    return code;
}

int
process_stop(struct process *process, int signal_number)
{
    int code;

    if (process->pid == 0)
        return -1;
    (void)kill(process->pid, signal_number);
    code = process_wait(process, 30000);
    if (code < 0) {
        (void)kill(process->pid, SIGKILL);
        code = process_wait(process, 5000);
        cr_assert_fail("%s did not end within 30 s", process->log);
    }
    return code;
}

void
process_log(const struct process *process, struct buf *out)
{
    struct err err = ERR_INIT;

    if (file_read(process->log, out, &err) != 0)
        buf_clear(out);
}

bool
process_said(struct process *process, const char *text, int64_t ms)
{
    int64_t deadline = clock_mono_ms() + ms;
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    AUTO(buf_free) struct buf log;

    buf_init(&log, LOG_MAX);
    for (;;) {
        int code = -1;
        bool ended = has_ended(process, &code);

        process_log(process, &log);
        if (strstr(buf_str(&log), text) != NULL)
            return true;
        if (ended || clock_mono_ms() >= deadline)
            return false;
        (void)nanosleep(&pause, NULL);
    }
}
