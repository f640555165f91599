/* SPDX-License-Identifier: Apache-2.0
 * The main job, end to end: an issue becomes a finished change, through both
 * planes, the real Docker Engine, the real Codex and real git. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "tests/support/harness.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define IMAGE "risoluto-codex:latest"

enum { ATTEMPT_MS = 90000, SOON_MS = 15000 };

static struct planes planes;

static void
need_docker(void)
{
    const char *missing = harness_docker_missing(IMAGE);

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

TestSuite(spine, .init = need_docker, .fini = stop, .timeout = 180);

static const char *
text_at(const struct answer *answer, const char *path)
{
    return json_str(json_path(answer->json, path), "");
}

static void
expect_outcome(const char *issue, const char *outcome, struct answer *out)
{
    planes_attempt(&planes, issue, ATTEMPT_MS, out);
    cr_expect_str_eq(
        text_at(out, "attempt.outcome"), outcome, "%s", buf_str(&out->body));
}

static void
api(struct answer *out, const char *method, const char *path, const char *body)
{
    char url[512];

    (void)snprintf(url, sizeof(url), "%s%s", planes.url, path);
    http_call(out, method, url, body);
}

Test(spine, an_issue_becomes_a_committed_change)
{
    AUTO(answer_free) struct answer attempt = {0};
    AUTO(answer_free) struct answer issue = {0};
    AUTO(buf_free) struct buf content;
    AUTO_FREE char *id = NULL;
    AUTO_FREE char *change = NULL;
    AUTO_FREE char *path = NULL;
    struct err err = ERR_INIT;
    char issue_path[256];

    buf_init(&content, 65536);
    planes_start(&planes);
    id = planes_issue(&planes, "Greet the reader",
        "Write a greeting.\n\nfile: GREETING.md\n```\nGood morning, reader.\n"
        "```\n");
    expect_outcome(id, "succeeded", &attempt);

    cr_expect_gt(
        json_int(json_path(attempt.json, "attempt.tokens.total_tokens"), 0), 0);
    cr_expect_str_not_empty(text_at(&attempt, "attempt.commit"));
    cr_assert(planes_event(&planes, text_at(&attempt, "attempt.attempt_id"),
        "change.committed", &change));
    cr_expect_not_null(strstr(change, "Good morning, reader."), "%s", change);

    cr_assert_gt(
        asprintf(&path, "%s/workspaces/%s/GREETING.md", planes.dir, id), 0);
    cr_assert_eq(file_read(path, &content, &err), 0, "%s", err.message);
    cr_expect_str_eq(buf_str(&content), "Good morning, reader.\n");

    (void)snprintf(issue_path, sizeof(issue_path), "/api/v1/%s", id);
    api(&issue, "GET", issue_path, NULL);
    cr_expect_str_eq(text_at(&issue, "issue.state"), "In Review");
    cr_expect_geq(json_len(json_get(issue.json, "comments")), 1);
}

static bool
container_runs(void *arg)
{
    char filter[128];
    const char *const list[] = {"ps", "-q", "--filter", filter, "--filter",
        "label=risoluto.attempt", NULL};
    struct buf *out = arg;

    buf_clear(out);
    (void)snprintf(filter, sizeof(filter), "network=%s", planes.network);
    return harness_docker(out, list) == 0 && out->len > 0;
}

Test(spine, a_worker_shows_no_secret_and_is_locked_down)
{
    AUTO(answer_free) struct answer attempt = {0};
    AUTO(answer_free) struct answer aborted = {0};
    AUTO(buf_free) struct buf container;
    AUTO(buf_free) struct buf inspect;
    AUTO_FREE char *id = NULL;
    char path[256];

    buf_init(&container, 65536);
    buf_init(&inspect, 1048576);
    planes_start(&planes);
    id = planes_issue(&planes, "Take your time", "rehearsal: sleep=60\n");
    cr_assert(harness_until(container_runs, &container, ATTEMPT_MS));
    container.data[strcspn(container.data, "\n")] = '\0';
    {
        const char *const args[] = {"inspect", container.data, NULL};

        cr_assert_eq(harness_docker(&inspect, args), 0);
    }
    cr_expect_null(strstr(buf_str(&inspect), "sk-test"), "a secret shows");
    cr_expect_not_null(strstr(buf_str(&inspect), "no-new-privileges"));
    cr_expect_not_null(strstr(buf_str(&inspect), "\"CapDrop\": [\n"
                                                 "                \"ALL\""));
    cr_expect_not_null(
        strstr(buf_str(&inspect), "host.docker.internal:host-gateway"));

    (void)snprintf(path, sizeof(path), "/api/v1/%s/abort", id);
    api(&aborted, "POST", path, "{}");
    cr_expect_eq(aborted.status, 202, "%s", buf_str(&aborted.body));
    expect_outcome(id, "aborted", &attempt);
    cr_expect_not(container_runs(&container), "the container is still there");
}

struct failing_model {
    const char *marker;
    const char *outcome;
};

static void
expect_model_failure(const char *marker, const char *outcome)
{
    AUTO(answer_free) struct answer attempt = {0};
    AUTO_FREE char *id = NULL;

    planes_start(&planes);
    id = planes_issue(&planes, "A provider in trouble", marker);
    expect_outcome(id, outcome, &attempt);
    cr_expect_str_not_empty(text_at(&attempt, "attempt.message"));
}

Test(spine, a_refused_credential_is_model_unauthorized)
{
    expect_model_failure("rehearsal: status=401\n", "model_unauthorized");
}

Test(spine, a_model_that_answers_500_is_model_error)
{
    expect_model_failure("rehearsal: status=500\n", "model_error");
}

Test(spine, a_model_that_answers_429_is_model_rate_limited)
{
    expect_model_failure("rehearsal: status=429\n", "model_rate_limited");
}

Test(spine, a_model_that_hangs_up_is_model_error)
{
    expect_model_failure("rehearsal: hangup\n", "model_error");
}

Test(spine, a_wrong_image_name_is_image_missing)
{
    AUTO(answer_free) struct answer attempt = {0};
    AUTO_FREE char *id = NULL;

    planes.workflow = "---\n"
                      "codex:\n"
                      "  sandbox:\n"
                      "    image: risoluto-no-such-image:1\n"
                      "---\n"
                      "{{ issue.title }}\n";
    planes_start(&planes);
    id = planes_issue(&planes, "Nowhere to run", "");
    expect_outcome(id, "image_missing", &attempt);
    cr_expect_not_null(strstr(
        text_at(&attempt, "attempt.message"), "risoluto-no-such-image:1"));
}

Test(spine, an_unknown_template_variable_fails_the_attempt_by_name)
{
    AUTO(answer_free) struct answer attempt = {0};
    AUTO_FREE char *id = NULL;

    planes.workflow = "---\n---\nDo {{ issue.titel }} now.\n";
    planes_start(&planes);
    id = planes_issue(&planes, "A prompt with a slip", "");
    expect_outcome(id, "template_render_error", &attempt);
    cr_expect_not_null(strstr(text_at(&attempt, "attempt.message"), "titel"),
        "%s", text_at(&attempt, "attempt.message"));
}

Test(spine, an_issue_that_is_moved_away_stops_its_agent)
{
    AUTO(answer_free) struct answer attempt = {0};
    AUTO(answer_free) struct answer moved = {0};
    AUTO(buf_free) struct buf container;
    AUTO_FREE char *id = NULL;
    char path[256];

    buf_init(&container, 65536);
    planes_start(&planes);
    id = planes_issue(&planes, "Never mind", "rehearsal: sleep=60\n");
    cr_assert(harness_until(container_runs, &container, ATTEMPT_MS));
    (void)snprintf(path, sizeof(path), "/api/v1/%s/transition", id);
    api(&moved, "POST", path, "{\"state\":\"Canceled\"}");
    cr_expect_eq(moved.status, 200, "%s", buf_str(&moved.body));
    expect_outcome(id, "superseded", &attempt);
}

Test(spine, a_host_bound_provider_is_reached_by_host_docker_internal)
{
    AUTO(answer_free) struct answer attempt = {0};
    AUTO_FREE char *id = NULL;

    planes.model_host = "127.0.0.1";
    planes_start(&planes);
    id = planes_issue(&planes, "Call home", "Write a line.\n");
    expect_outcome(id, "succeeded", &attempt);
}

static bool
host_is_reported(void *arg)
{
    AUTO(answer_free) struct answer state = {0};

    (void)arg;
    api(&state, "GET", "/api/v1/state", NULL);
    return strstr(buf_str(&state.body), "Docker") != NULL;
}

Test(spine, without_an_engine_nothing_is_claimed_and_the_reason_is_shown)
{
    AUTO(answer_free) struct answer issue = {0};
    AUTO_FREE char *id = NULL;
    char path[256];

    planes.docker_socket = "/nonexistent/docker.sock";
    planes_start(&planes);
    id = planes_issue(&planes, "No engine", "");
    cr_expect(harness_until(host_is_reported, NULL, SOON_MS));
    (void)snprintf(path, sizeof(path), "/api/v1/%s", id);
    api(&issue, "GET", path, NULL);
    cr_expect_eq(json_len(json_get(issue.json, "attempts")), 0);
}

Test(spine, sigterm_during_a_turn_ends_both_planes_in_five_seconds)
{
    AUTO(buf_free) struct buf container;
    int64_t began;

    buf_init(&container, 65536);
    planes_start(&planes);
    free(planes_issue(&planes, "Interrupted", "rehearsal: sleep=60\n"));
    cr_assert(harness_until(container_runs, &container, ATTEMPT_MS));
    began = clock_mono_ms();
    cr_expect_eq(process_stop(&planes.control, SIGTERM), 0);
    cr_expect_lt(clock_mono_ms() - began, 5000);
    began = clock_mono_ms();
    cr_expect_eq(process_stop(&planes.dataplane, SIGTERM), 0);
    cr_expect_lt(clock_mono_ms() - began, 5000);
}

Test(spine, a_control_plane_killed_in_mid_run_loses_and_doubles_nothing)
{
    AUTO(answer_free) struct answer attempts = {0};
    AUTO(answer_free) struct answer attempt = {0};
    AUTO(answer_free) struct answer events = {0};
    AUTO(buf_free) struct buf container = {0};
    AUTO_FREE char *id = NULL;
    char path[256];
    int64_t seq = 0;

    buf_init(&container, 65536);
    planes_start(&planes);
    id = planes_issue(&planes, "Go on without me", "rehearsal: sleep=4\n");
    cr_assert(harness_until(container_runs, &container, ATTEMPT_MS));
    cr_expect_eq(process_stop(&planes.control, SIGKILL), 128 + SIGKILL);
    planes_start_control(&planes);
    expect_outcome(id, "succeeded", &attempt);

    (void)snprintf(path, sizeof(path), "/api/v1/%s/attempts", id);
    api(&attempts, "GET", path, NULL);
    cr_expect_eq(json_len(json_get(attempts.json, "attempts")), 1);
    (void)snprintf(path, sizeof(path), "/api/v1/attempts/%s/events?limit=1000",
        text_at(&attempt, "attempt.attempt_id"));
    api(&events, "GET", path, NULL);
    json_each (event, json_get(events.json, "events")) {
        int64_t next = json_int(json_get(event, "seq"), 0);

        if (next == 0)
            continue; /* the control plane's own */
        cr_expect_eq(next, seq + 1, "event %lld after %lld", (long long)next,
            (long long)seq);
        seq = next;
    }
    cr_expect_gt(seq, 10);
}
