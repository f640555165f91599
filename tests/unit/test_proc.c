/* SPDX-License-Identifier: Apache-2.0
 * common/proc: output, time-outs, users, and nothing left behind. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/proc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct proc_options
shell(const char *const argv[4])
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", "X=y", NULL};
    return (struct proc_options){.argv = argv,
        .env = env,
        .uid = (uid_t)-1,
        .gid = (gid_t)-1,
        .timeout_ms = 10000};
}

/* Runs a script, bounded by max bytes of output. */
static struct proc_result
run(const char *script, struct buf *out, size_t max)
{
    const char *const argv[4] = {"sh", "-c", script, NULL};
    struct proc_options options = shell(argv);
    struct proc_result result;
    struct err err = ERR_INIT;
    buf_init(out, max);
    cr_assert_eq(proc_run(&options, out, &result, &err), 0, "%s", err.message);
    return result;
}

Test(proc, collects_both_streams_and_the_exit_code)
{
    struct buf out;
    struct proc_result result = run("echo a; echo b >&2; exit 7", &out, 100);
    cr_assert_str_eq(buf_str(&out), "a\nb\n");
    cr_assert_eq(result.exit_code, 7);
    cr_assert_eq(result.signal, 0);
    cr_assert_not(result.timed_out);
    buf_free(&out);
}

Test(proc, reports_the_signal)
{
    struct buf out;
    struct proc_result result = run("kill -TERM $$", &out, 100);
    cr_assert_eq(result.exit_code, -1);
    cr_assert_eq(result.signal, SIGTERM);
    buf_free(&out);
}

Test(proc, gives_the_environment_and_nothing_else)
{
    struct buf out;
    (void)run(
        "echo $X; echo ${HOME-none}; cat; ls /proc/self/fd | wc -l", &out, 100);
    /* stdin is empty; ls has 0, 1, 2 and the folder it reads */
    cr_assert_str_eq(buf_str(&out), "y\nnone\n4\n");
    buf_free(&out);
}

Test(proc, bounds_the_output_and_keeps_its_beginning)
{
    struct buf out;
    struct proc_result result =
        run("head -c 3000000 /dev/zero | tr '\\0' x; exit 3", &out, 1000);
    cr_assert_eq(result.exit_code, 3);
    cr_assert_eq(out.len, 1000);
    cr_assert(out.failed);
    buf_free(&out);
}

Test(proc, reads_output_of_many_pipe_fulls)
{
    struct buf out;
    (void)run("head -c 3000000 /dev/zero", &out, 4000000);
    cr_assert_eq(out.len, 3000000);
    cr_assert_not(out.failed);
    buf_free(&out);
}

static bool
is_gone(pid_t pid)
{
    for (int i = 0; i < 200; i++) {
        char path[64];
        char state = 'X';
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            return true;
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
            state = 'X';
        (void)fclose(file);
        if (state == 'Z' || state == 'X') /* dead, waiting for init */
            return true;
        struct timespec nap = {.tv_nsec = 5000000};
        (void)nanosleep(&nap, NULL);
    }
    return false;
}

Test(proc, a_time_out_kills_grandchildren_too)
{
    const char *const argv[4] = {"sh", "-c", "sleep 60 & echo $!; wait", NULL};
    struct proc_options options = shell(argv);
    options.timeout_ms = 300;
    struct proc_result result;
    struct err err = ERR_INIT;
    struct buf out;
    buf_init(&out, 100);
    int64_t before = clock_mono_ms();
    cr_assert_eq(proc_run(&options, &out, &result, &err), 0);
    cr_assert_lt(clock_mono_ms() - before, 5000);
    cr_assert(result.timed_out);
    cr_assert_eq(result.signal, SIGKILL);
    cr_assert(is_gone((pid_t)strtol(buf_str(&out), NULL, 10)));
    buf_free(&out);
}

Test(proc, a_background_process_does_not_hold_it_up)
{
    struct buf out;
    int64_t before = clock_mono_ms();
    struct proc_result result = run("sleep 60 & echo $!", &out, 100);
    cr_assert_lt(clock_mono_ms() - before, 5000);
    cr_assert_not(result.timed_out);
    cr_assert_eq(result.exit_code, 0);
    cr_assert(is_gone((pid_t)strtol(buf_str(&out), NULL, 10)));
    buf_free(&out);
}

Test(proc, changes_the_user_and_drops_groups)
{
    if (geteuid() != 0)
        cr_skip_test("needs root to change the user");
    const char *const argv[4] = {
        "sh", "-c", "id -u; id -g; id -G; pwd; id -u -r", NULL};
    struct proc_options options = shell(argv);
    static const gid_t groups[] = {4, 5};
    cr_assert_eq(setgroups(ARRAY_LEN(groups), groups), 0);
    options.uid = 1234;
    options.gid = 2345;
    options.cwd = "/";
    struct proc_result result;
    struct err err = ERR_INIT;
    struct buf out;
    buf_init(&out, 100);
    cr_assert_eq(proc_run(&options, &out, &result, &err), 0);
    cr_assert_str_eq(buf_str(&out), "1234\n2345\n2345\n/\n1234\n");
    cr_assert_eq(geteuid(), 0, "the parent's user must not change");
    buf_free(&out);
}

Test(proc, failures_to_start_say_why)
{
    static const struct {
        const char *program;
        const char *cwd;
        enum err_code code;
        int number;
    } cases[] = {{"no-such-program-at-all", NULL, ERR_NOT_FOUND, 0},
        {"/no/such/program", NULL, ERR_SYSTEM, ENOENT},
        {"/etc/passwd", NULL, ERR_SYSTEM, EACCES},
        {"true", "/no/such/folder", ERR_SYSTEM, ENOENT}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const argv[4] = {cases[i].program, NULL};
        struct proc_options options = shell(argv);
        options.cwd = cases[i].cwd;
        struct proc_result result;
        struct err err = ERR_INIT;
        struct buf out;
        buf_init(&out, 100);
        cr_expect_eq(proc_run(&options, &out, &result, &err), -1);
        cr_expect_eq(err.code, cases[i].code, "%s", err.message);
        cr_expect_eq(err.sys, cases[i].number, "%s", err.message);
        buf_free(&out);
    }
}

Test(proc, ignored_signals_are_not_inherited)
{
    struct buf out;
    const char *mask;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)run("grep SigIgn /proc/self/status", &out, 100);
    mask = strchr(buf_str(&out), '\t');
    cr_assert_not_null(mask, "%s", buf_str(&out));
    /* Signals 32 and 33 are the C library's own: it lets nobody set them, and
     * whoever started this test may have left them ignored. */
    cr_expect_eq(strtoull(mask, NULL, 16) & ~0x180000000ULL, 0, "%s", mask);
    buf_free(&out);
}

static void *
many(void *arg)
{
    for (int i = 0; i < 20; i++) {
        struct buf out;
        struct proc_result result = run("echo $$", &out, 100);
        if (result.exit_code != 0 || out.len < 2)
            *(int *)arg = 1;
        buf_free(&out);
    }
    return NULL;
}

Test(proc, works_from_many_threads_at_once)
{
    pthread_t threads[4];
    int failed[4] = {0};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, many, &failed[i]), 0);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        cr_assert_eq(failed[i], 0);
    }
}
