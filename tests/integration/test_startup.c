/* SPDX-License-Identifier: Apache-2.0
 * Starting wrongly: one clear line, a non-zero exit, nothing half-started. */
#include "common/cleanup.h"
#include "common/file.h"
#include "tests/support/harness.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { SOON_MS = 10000 };

static struct planes planes;

static void
prepare(void)
{
    const char *missing = harness_docker_missing(NULL);

    if (missing != NULL)
        cr_skip("%s", missing);
    planes = (struct planes){0};
}

static void
stop(void)
{
    if (planes.dir[0] != '\0')
        planes_stop(&planes);
}

TestSuite(startup, .init = prepare, .fini = stop, .timeout = 60);

static void
write_file(const char *name, const char *text)
{
    AUTO_FREE char *path = file_join(planes.dir, name);
    AUTO_FREE char *copy = strdup(path);
    struct err err = ERR_INIT;

    *strrchr(copy, '/') = '\0';
    cr_assert_eq(file_make_dirs(copy, 0700, &err), 0);
    cr_assert_eq(file_write_atomic(path, text, strlen(text), 0600, &err), 0);
}

/* Starts a second control plane with these arguments; its whole output. */
static int
try_control(const char *data, const char *port, struct buf *log)
{
    struct process process = {0};
    char pki[300];
    const char *argv[] = {harness_binary("risoluto-control"), "--data-dir",
        data, "--port", port, NULL};
    const char *env[] = {"PATH=/usr/bin:/bin", pki, NULL};
    int code;

    (void)snprintf(pki, sizeof(pki), "RISOLUTO_PKI_DIR=%s/pki", planes.dir);
    process_start(&process, planes.dir, "second", argv, env);
    code = process_wait(&process, SOON_MS);
    if (code < 0)
        (void)process_stop(&process, SIGKILL);
    process_log(&process, log);
    return code;
}

static size_t
count_lines(const struct buf *log)
{
    size_t lines = 0;

    for (size_t i = 0; i < log->len; i++)
        lines += log->data[i] == '\n';
    return lines;
}

static void
expect_refusal(int code, const struct buf *log, const char *text)
{
    cr_expect_eq(code, 1, "exit code %d", code);
    cr_expect_not_null(strstr(buf_str(log), text), "%s", buf_str(log));
    cr_expect_eq(count_lines(log), 1, "%s", buf_str(log));
}

Test(startup, an_unknown_key_is_named_with_its_line_and_a_near_match)
{
    AUTO_FREE char *data = NULL;
    AUTO(buf_free) struct buf log;

    buf_init(&log, 65536);
    planes_prepare(&planes);
    data = file_join(planes.dir, "control");
    write_file("control/config/overlay.yaml",
        "codex:\n  model: gpt-5.5\n  modle: x\n");
    expect_refusal(try_control(data, "0", &log), &log, "overlay.yaml:3");
    cr_expect_not_null(strstr(buf_str(&log), "codex.model"));
}

Test(startup, a_second_control_plane_on_one_data_directory_is_refused)
{
    AUTO_FREE char *data = NULL;
    AUTO(buf_free) struct buf log;
    AUTO(answer_free) struct answer health = {0};
    char url[128];

    buf_init(&log, 65536);
    planes_prepare(&planes);
    data = file_join(planes.dir, "control");
    planes_start_control(&planes);
    expect_refusal(try_control(data, "0", &log), &log, "another control plane");
    (void)snprintf(url, sizeof(url), "%s/healthz", planes.url);
    http_call(&health, "GET", url, NULL);
    cr_expect_eq(health.status, 200, "the first one was disturbed");
}

Test(startup, a_port_in_use_is_named_and_nothing_is_left_running)
{
    AUTO_FREE char *data = NULL;
    AUTO(buf_free) struct buf log;
    char port[16];

    buf_init(&log, 65536);
    planes_prepare(&planes);
    planes_start_control(&planes);
    data = file_join(planes.dir, "other");
    (void)snprintf(port, sizeof(port), "%d", planes.port);
    expect_refusal(try_control(data, port, &log), &log, port);
}

Test(startup, a_second_data_plane_on_one_data_directory_is_refused)
{
    AUTO_FREE char *data = NULL;
    AUTO_FREE char *pki = NULL;
    AUTO_FREE char *workspaces = NULL;
    AUTO(buf_free) struct buf log;
    struct process process = {0};

    buf_init(&log, 65536);
    planes_prepare(&planes);
    planes_start_dataplane(&planes);
    data = file_join(planes.dir, "dataplane");
    pki = file_join(planes.dir, "pki");
    workspaces = file_join(planes.dir, "workspaces");
    {
        const char *argv[] = {harness_binary("risoluto-dataplane"),
            "--data-dir", data, "--pki-dir", pki, "--workspace-root",
            workspaces, "--listen", "tls+tcp://127.0.0.1:0", NULL};
        const char *env[] = {"PATH=/usr/bin:/bin", NULL};
        int code;

        process_start(&process, planes.dir, "second", argv, env);
        code = process_wait(&process, SOON_MS);
        if (code < 0)
            (void)process_stop(&process, SIGKILL);
        process_log(&process, &log);
        expect_refusal(code, &log, "another data plane");
    }
}

Test(startup, a_plane_without_certificates_does_not_start)
{
    AUTO_FREE char *data = NULL;
    AUTO(buf_free) struct buf log;
    AUTO_FREE char *ca = NULL;

    buf_init(&log, 65536);
    planes_prepare(&planes);
    data = file_join(planes.dir, "control");
    ca = file_join(planes.dir, "pki/control.key");
    cr_assert_eq(unlink(ca), 0);
    expect_refusal(try_control(data, "0", &log), &log, "risoluto pki");
}

Test(startup, a_tracker_that_is_down_is_reported_and_tried_again)
{
    static const char *const linear[] = {"LINEAR_API_KEY=lin_test", NULL};
    AUTO(answer_free) struct answer health = {0};
    char url[128];

    planes.control_env = linear;
    planes.workflow = "---\n"
                      "tracker:\n"
                      "  kind: linear\n"
                      "  endpoint: http://127.0.0.1:9/graphql\n"
                      "  project_slug: test\n"
                      "polling:\n"
                      "  interval_ms: 200\n"
                      "---\n"
                      "{{ issue.title }}\n";
    planes_prepare(&planes);
    planes_start_dataplane(&planes);
    planes_start_control(&planes);
    cr_expect(process_said(&planes.control, "poll failed", SOON_MS));
    (void)snprintf(url, sizeof(url), "%s/healthz", planes.url);
    http_call(&health, "GET", url, NULL);
    cr_expect_eq(health.status, 200);
}
