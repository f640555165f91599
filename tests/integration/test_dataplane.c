/* SPDX-License-Identifier: Apache-2.0
 * risoluto-dataplane as a process: it starts and ends in time, whatever the
 * engine does. No engine is needed. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/proc.h"
#include "tests/support/harness.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    START_MS = 10000,
    END_MS = 5000,
    RSS_MAX_KIB = 8 * 1024,
    PATH_SIZE = 128,
    TEXT_MAX = 65536
};

static char top[64];
static char data[PATH_SIZE];
static char workspaces[PATH_SIZE];
static char pki[PATH_SIZE];
static char engine[96];
static char url[64];
static struct process plane;

static void
make_pki(void)
{
    const char *argv[] = {harness_binary("risoluto"), "pki", pki, NULL};
    const char *env[] = {"PATH=/usr/bin:/bin", NULL};
    const struct proc_options options = {.argv = argv,
        .env = env,
        .uid = (uid_t)-1,
        .gid = (gid_t)-1,
        .timeout_ms = START_MS};
    struct proc_result result;
    struct err err = ERR_INIT;
    AUTO(buf_free) struct buf out;

    buf_init(&out, TEXT_MAX);
    cr_assert_eq(proc_run(&options, &out, &result, &err), 0, "%s", err.message);
    cr_assert_eq(result.exit_code, 0, "%s", buf_str(&out));
}

static int
free_port(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

static void
begin(void)
{
    (void)snprintf(top, sizeof(top), "/tmp/risoluto-dp-XXXXXX");
    cr_assert_not_null(mkdtemp(top));
    cr_assert_eq(chmod(top, 0711), 0); /* the workspaces' user passes */
    (void)snprintf(data, sizeof(data), "%s/data", top);
    (void)snprintf(workspaces, sizeof(workspaces), "%s/workspaces", top);
    (void)snprintf(pki, sizeof(pki), "%s/pki", top);
    (void)snprintf(engine, sizeof(engine), "%s/engine.sock", top);
    (void)snprintf(url, sizeof(url), "tls+tcp://127.0.0.1:%d", free_port());
    plane = (struct process){0};
    make_pki();
}

static void
end(void)
{
    struct err err = ERR_INIT;

    (void)process_stop(&plane, SIGKILL);
    cr_expect_eq(file_remove_tree(top, &err), 0);
}

TestSuite(dataplane, .init = begin, .fini = end, .timeout = 120);

static void
start(void)
{
    const char *argv[] = {harness_binary("risoluto-dataplane"), "--data-dir",
        data, "--workspace-root", workspaces, "--pki-dir", pki,
        "--docker-socket", engine, "--listen", url, NULL};
    const char *asan = getenv("ASAN_OPTIONS");
    AUTO_FREE char *passed = NULL;
    const char *env[] = {"PATH=/usr/bin:/bin", NULL, NULL};

    if (asan != NULL && asprintf(&passed, "ASAN_OPTIONS=%s", asan) > 0)
        env[1] = passed;
    process_start(&plane, top, "dataplane", argv, env);
    cr_assert(process_said(&plane, "serving", START_MS), "see %s", plane.log);
}

static void
expect_clean_end(void)
{
    int64_t begun = clock_mono_ms();

    cr_assert_eq(kill(plane.pid, SIGTERM), 0);
    cr_expect_eq(process_wait(&plane, END_MS), 0, "see %s", plane.log);
    cr_expect_leq(clock_mono_ms() - begun, END_MS);
}

Test(dataplane, serves_without_an_engine_and_says_what_to_do)
{
    AUTO(buf_free) struct buf log;

    buf_init(&log, TEXT_MAX);
    start();
    process_log(&plane, &log);
    cr_expect_not_null(strstr(buf_str(&log), engine), "%s", buf_str(&log));
    expect_clean_end();
}

Test(dataplane, ends_every_time_it_is_told_to)
{
    for (int i = 0; i < 10; i++) {
        (void)unlink(plane.log); /* its last "serving" is not this one's */
        start();
        expect_clean_end();
    }
}

Test(dataplane, starts_and_ends_in_time_with_an_engine_that_never_answers)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", engine);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 16), 0);
    start();
    expect_clean_end();
}

Test(dataplane, is_small_when_idle)
{
    char path[64];
    const char *line;
    long kib = 0;
    AUTO(buf_free) struct buf status;
    struct err err = ERR_INIT;

    buf_init(&status, TEXT_MAX);
    start();
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)plane.pid);
    cr_assert_eq(file_read(path, &status, &err), 0);
    line = strstr(buf_str(&status), "VmRSS:");
    cr_assert_not_null(line);
    kib = strtol(line + strlen("VmRSS:"), NULL, 10);
    /* A sanitizer's own memory is not the program's. */
    if (strstr(harness_binary("x"), "/asan/") == NULL)
        cr_expect_lt(kib, RSS_MAX_KIB, "%ld KiB", kib);
    expect_clean_end();
}
