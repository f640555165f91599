/* SPDX-License-Identifier: Apache-2.0
 * risoluto status, refresh, wait: the control plane as a whole. */
#include "control/cli/verb.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/cli/client.h"
#include "control/cli/render.h"
#include "control/cli/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_DEFAULT_S = 60, WAIT_STEP_MS = 200, COMPLETED_SHOWN = 5 };

/* ---- status ---- */

static void
print_hosts(const struct json *hosts)
{
    json_each (host, hosts) {
        bool connected = json_bool(json_get(host, "connected"), false);
        (void)printf("host       ");
        render_member(stdout, host, "name");
        (void)printf(" (");
        render_member(stdout, host, "url");
        (void)printf("): %s", connected ? "connected" : "not connected");
        if (connected)
            (void)printf(", %" PRId64 " of %" PRId64 " at work",
                json_int(json_get(host, "running"), 0),
                json_int(json_get(host, "capacity"), 0));
        if (json_str(json_get(host, "error"), NULL) != NULL) {
            (void)printf(", ");
            render_member(stdout, host, "error");
        }
        (void)printf("\n");
    }
}

static void
print_running(const struct json *running)
{
    json_each (row, running) {
        char a[TEXT_COUNT_SIZE];
        (void)printf("  ");
        render_member(stdout, row, "identifier");
        (void)printf("  ");
        render_member(stdout, row, "phase");
        (void)printf(", turn %" PRId64 ", %s tokens, ",
            json_int(json_get(row, "turns"), 0),
            text_count(
                json_int(json_path(row, "tokenUsage.totalTokens"), 0), a));
        render_member(stdout, row, "title");
        (void)printf("\n");
    }
}

static void
print_retrying(const struct json *retrying)
{
    json_each (row, retrying) {
        (void)printf("  ");
        render_member(stdout, row, "identifier");
        (void)printf("  again at ");
        render_member(stdout, row, "nextRetryDueAt");
        (void)printf(": ");
        render_member(stdout, row, "error");
        (void)printf("\n");
    }
}

static void
print_completed(const struct json *completed)
{
    int shown = 0;
    json_each (row, completed) {
        if (shown++ == COMPLETED_SHOWN)
            break;
        (void)printf("  ");
        render_member(stdout, row, "identifier");
        (void)printf("  ");
        render_member(stdout, row, "status");
        (void)printf(", ");
        render_member(stdout, row, "endedAt");
        (void)printf(", ");
        render_member(stdout, row, "title");
        (void)printf("\n");
    }
}

static void
print_runtime(const struct client *client, const struct json *runtime)
{
    (void)printf("server     %s, version ", client_url(client));
    render_member(stdout, runtime, "version");
    (void)printf("\nmodel      ");
    render_member(stdout, runtime, "provider_summary");
    if (json_bool(json_get(runtime, "rehearsal"), false))
        (void)printf("\n           the rehearsal model: scripted, no real one");
    (void)printf("\n");
}

static void
print_state(const struct json *state)
{
    char a[TEXT_COUNT_SIZE];
    const struct json *health = json_get(state, "system_health");
    (void)printf("health     ");
    render_member(stdout, health, "status");
    (void)printf(": ");
    render_member(stdout, health, "message");
    (void)printf("\n");
    print_hosts(json_get(state, "hosts"));
    (void)printf("tokens     %s in all\n",
        text_count(
            json_int(json_path(state, "codex_totals.total_tokens"), 0), a));
    (void)printf("\nrunning    %zu\n", json_len(json_get(state, "running")));
    print_running(json_get(state, "running"));
    (void)printf("queued     %zu\n", json_len(json_get(state, "queued")));
    json_each (row, json_get(state, "queued")) {
        (void)printf("  ");
        render_issue_row(stdout, row);
    }
    (void)printf("retrying   %zu\n", json_len(json_get(state, "retrying")));
    print_retrying(json_get(state, "retrying"));
    (void)printf("completed\n");
    print_completed(json_get(state, "completed"));
}

static int
run_status(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    AUTO(json_free_ptr) struct json *runtime = NULL;
    AUTO(json_free_ptr) struct json *state = NULL;
    if (client_open(&client, call, err) != 0 ||
        client_get(client, "/api/v1/runtime", &runtime, err) != 0 ||
        client_get(client, "/api/v1/state", &state, err) != 0)
        return -1;
    print_runtime(client, runtime);
    print_state(state);
    return VERB_DONE;
}

const struct verb verb_status = {
    .name = "status",
    .usage = "",
    .summary = "what runs, what waits, what happened last",
    .remote = true,
    .run = run_status,
};

/* ---- refresh ---- */

static int
run_refresh(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    if (client_open(&client, call, err) != 0 ||
        client_call(client, "POST", "/api/v1/refresh", NULL, NULL, err) != 0)
        return -1;
    (void)printf("the tracker is looked at now\n");
    return VERB_DONE;
}

const struct verb verb_refresh = {
    .name = "refresh",
    .usage = "",
    .summary = "look at the tracker now, not at the next interval",
    .remote = true,
    .run = run_refresh,
};

/* ---- wait ---- */

static const char *timeout_option;

static int
parse_timeout(int64_t *out_ms, struct err *err)
{
    char *end = NULL;
    *out_ms = WAIT_DEFAULT_S * INT64_C(1000);
    if (timeout_option == NULL)
        return 0;
    long seconds = strtol(timeout_option, &end, 10);
    if (end == timeout_option || *end != '\0' || seconds < 0 || seconds > 86400)
        return err_set(
            err, ERR_INVALID, "--timeout: expected seconds, 0 to 86400");
    *out_ms = seconds * INT64_C(1000);
    return 0;
}

/* There is nothing to be notified by before somebody listens: ask again. */
static int
run_wait(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    int64_t timeout_ms = 0;
    if (parse_timeout(&timeout_ms, err) != 0 ||
        client_open(&client, call, err) != 0)
        return -1;
    int64_t deadline = clock_mono_ms() + timeout_ms;
    for (;;) {
        if (client_call(client, "GET", "/healthz", NULL, NULL, err) == 0) {
            (void)printf("%s is healthy\n", client_url(client));
            return VERB_DONE;
        }
        if (clock_mono_ms() >= deadline)
            return -1;
        struct timespec ts = {.tv_nsec = (long)WAIT_STEP_MS * 1000000L};
        (void)nanosleep(&ts, NULL);
        err_clear(err);
    }
}

static const struct cli_option wait_options[] = {
    {"timeout", "SECONDS", "how long to wait (60)", &timeout_option},
};

const struct verb verb_wait = {
    .name = "wait",
    .usage = "[--timeout SECONDS]",
    .summary = "wait until the control plane is healthy",
    .options = wait_options,
    .option_count = ARRAY_LEN(wait_options),
    .remote = true,
    .run = run_wait,
};
