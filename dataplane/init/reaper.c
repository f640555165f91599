/* SPDX-License-Identifier: Apache-2.0
 * Children, signals and zombies, by sigtimedwait: no handlers, no races. */
#include "dataplane/init/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMED_OUT = 124, SIGNALLED = 128 };

static sigset_t ours;      /* the signals that we wait for */
static sigset_t inherited; /* the mask that children get back */
static pid_t command_pid = -1;

int
reaper_init(void)
{
    const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};

    (void)sigemptyset(&ours);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)sigaddset(&ours, signals[i]);
    if (sigprocmask(SIG_BLOCK, &ours, &inherited) != 0)
        return -1;
    /* Orphans come to us even where we are not PID 1. */
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static long
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
code_of(int status)
{
    return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status)
                               : WEXITSTATUS(status);
}

/* In the child, and never back. quiet: no stdin, stdout to stderr. */
static void
become(const struct bundle_command *command, bool quiet, int report)
{
    char *argv[BUNDLE_ARGS_MAX + 1] = {0};
    int null = -1;
    int error = 0;

    (void)setsid();
    if (quiet) {
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
            dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
            goto fail;
    }
    /* execvp does not write to its arguments, whatever its type says. */
    memcpy(argv, command->argv, command->argc * sizeof(argv[0]));
    if (sigprocmask(SIG_SETMASK, &inherited, NULL) == 0)
        (void)execvp(argv[0], argv);
fail:
    error = errno;
    (void)!write(report, &error, sizeof(error));
    _exit(127);
}

/* The child's pid, or -1 with errno, also when it could not execute: its end
 * of the pipe closes by itself when it does. */
static pid_t
spawn(const struct bundle_command *command, bool quiet)
{
    int report[2];
    int error = 0;
    ssize_t n = 0;
    pid_t pid = -1;

    if (pipe2(report, O_CLOEXEC) != 0)
        return -1;
    pid = fork();
    if (pid == 0)
        become(command, quiet, report[1]);
    error = errno;
    (void)close(report[1]);
    if (pid > 0) {
        do
            n = read(report[0], &error, sizeof(error));
        while (n < 0 && errno == EINTR);
        if (n == (ssize_t)sizeof(error)) {
            (void)waitpid(pid, NULL, 0);
            pid = -1;
        }
    }
    (void)close(report[0]);
    errno = error;
    return pid;
}

/* Reaps whatever has ended. True, with *status, when pid is among it. */
static bool
reap(pid_t pid, int *status)
{
    bool found = false;
    int ended = 0;
    pid_t child = 0;

    while ((child = waitpid(-1, &ended, WNOHANG)) > 0) {
        if (child == pid) {
            *status = ended;
            found = true;
        }
    }
    return found;
}

/* Everything else in a container dies with its PID 1's charge; outside of one
 * only the charge's own session does. */
static void
kill_rest(pid_t pid)
{
    if (getpid() != 1) {
        (void)kill(-pid, SIGKILL);
        return;
    }
    (void)kill(-1, SIGKILL);
    do
        errno = 0;
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
}

/* The next of our signals, or 0 at the deadline (-1: none). */
static int
next_signal(long deadline_ms)
{
    for (;;) {
        struct timespec limit = {0};
        long left = deadline_ms - now_ms();
        int got = 0;

        if (deadline_ms < 0) {
            got = sigwaitinfo(&ours, NULL);
        } else {
            if (left > 0) {
                limit.tv_sec = left / 1000;
                limit.tv_nsec = left % 1000 * 1000000;
            }
            got = sigtimedwait(&ours, NULL, &limit);
        }
        if (got > 0)
            return got;
        if (errno == EAGAIN)
            return 0;
    }
}

int
reaper_run(const struct bundle_command *command, struct reaper_result *result)
{
    long start = now_ms();
    int status = 0;
    bool timed_out = false;
    bool ended = false;
    pid_t pid = spawn(command, true);

    if (pid < 0)
        return -1;
    while (!ended) {
        int got = next_signal(timed_out ? -1 : start + command->timeout_ms);

        if (got == 0) {
            timed_out = true;
            (void)kill(-pid, SIGKILL);
        } else if (got != SIGCHLD) {
            (void)kill(-pid, SIGTERM);
        }
        ended = reap(pid, &status);
    }
    kill_rest(pid);
    result->exit_code = timed_out ? TIMED_OUT : code_of(status);
    result->ms = now_ms() - start;
    return 0;
}

int
reaper_start(const struct bundle_command *command)
{
    command_pid = spawn(command, false);
    return command_pid < 0 ? -1 : 0;
}

int
reaper_wait(void)
{
    int status = 0;

    while (!reap(command_pid, &status)) {
        int got = next_signal(-1);

        if (got != SIGCHLD)
            (void)kill(command_pid, got);
    }
    kill_rest(command_pid);
    return code_of(status);
}
