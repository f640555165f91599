/* SPDX-License-Identifier: Apache-2.0
 * Drives a Codex session in tests. */
#include "tests/support/codex_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENT_MAX = 8 * 1024 * 1024 };

static int
record_line(void *arg, const char *line, size_t len, struct err *err)
{
    struct codex_harness *h = arg;
    if (h->fail_send)
        return err_set(err, ERR_SYSTEM, "stdin is closed");
    buf_append(&h->sent, line, len);
    return 0;
}

static int
record_event(
    void *arg, const char *type, const char *data_json, struct err *err)
{
    struct codex_harness *h = arg;
    if (h->fail_event)
        return err_set(err, ERR_DISK_FULL, "the journal is full");
    buf_printf(&h->events, "%s ", type);
    buf_puts(&h->events, data_json);
    buf_putc(&h->events, '\n');
    return 0;
}

void
codex_harness_init(struct codex_harness *h)
{
    static char attempt[] = "0123456789abcdef0123456789abcdef";
    static char model[] = "gpt-5.5";
    static char provider[] = "openai";
    static char policy[] = "\"never\"";
    static char sandbox[] = "workspace-write";
    static char prompt[] = "the prompt";
    static char more[] = "go on";
    *h = (struct codex_harness){.now = 1000};
    buf_init(&h->sent, SENT_MAX);
    buf_init(&h->events, SENT_MAX);
    h->request.attempt_id = attempt;
    h->request.max_turns = 3;
    h->request.prompt = prompt;
    h->request.continuation_prompt = more;
    h->request.codex = (struct codex_spec){.model = model,
        .provider = {.id = provider},
        .api_key = secret_new(HARNESS_KEY, strlen(HARNESS_KEY)),
        .approval_policy = policy,
        .thread_sandbox = sandbox,
        .startup_timeout_ms = 30000,
        .read_timeout_ms = 5000,
        .turn_timeout_ms = 3600000,
        .stall_timeout_ms = 300000,
        .drain_timeout_ms = 2000,
        .approval_timeout_ms = 600000};
}

void
codex_harness_start(struct codex_harness *h)
{
    struct err err = ERR_INIT;
    struct codex_sink sink = {record_line, record_event, h};
    if (codex_session_new(&h->session, &h->request, HARNESS_WORKSPACE, &sink,
            h->now, &err) != 0) {
        (void)fprintf(stderr, "codex_session_new: %s\n", err.message);
        abort();
    }
}

void
codex_harness_free(struct codex_harness *h)
{
    codex_session_free(h->session);
    secret_free(h->request.codex.api_key);
    buf_free(&h->sent);
    buf_free(&h->events);
}

/* The id of the latest line sent with this method, as JSON. */
static size_t
latest_id(const struct codex_harness *h, const char *method, size_t method_len,
    char out[64])
{
    char needle[160];
    const char *found = NULL;
    (void)snprintf(
        needle, sizeof(needle), "\"method\":\"%.*s\"", (int)method_len, method);
    for (const char *p = buf_str(&h->sent); (p = strstr(p, needle)) != NULL;
         p++)
        found = p;
    if (found == NULL)
        return (size_t)snprintf(out, 64, "\"none\"");
    const char *start = found;
    while (start > buf_str(&h->sent) && start[-1] != '\n')
        start--;
    size_t len = strcspn(start + strlen("{\"id\":"), ",");
    if (strncmp(start, "{\"id\":", strlen("{\"id\":")) != 0 || len >= 64)
        return (size_t)snprintf(out, 64, "\"none\"");
    start += strlen("{\"id\":");
    memcpy(out, start, len);
    return len;
}

int
codex_harness_line(struct codex_harness *h, const char *line)
{
    struct buf out;
    buf_init(&out, SENT_MAX);
    for (const char *p = line; *p != '\0';) {
        if (strncmp(p, "\"@", 2) != 0) {
            buf_putc(&out, *p++);
            continue;
        }
        char id[64];
        size_t method = strcspn(p + 2, "\"");
        if (p[2 + method] == '\0') {
            buf_puts(&out, p);
            break;
        }
        buf_append(&out, id, latest_id(h, p + 2, method, id));
        p += method + 3;
    }
    struct err err = ERR_INIT;
    int rc = codex_session_line(
        h->session, buf_str(&out), out.len, false, h->now, &err);
    buf_free(&out);
    return rc;
}

void
codex_harness_init_lines(struct codex_harness *h)
{
    (void)codex_harness_line(h, "{\"risoluto_init\":\"ready\"}");
    (void)codex_harness_line(h,
        "{\"risoluto_init\":\"preflight\",\"ok\":true,\"ms\":12,"
        "\"exit_code\":0}");
    (void)codex_harness_line(h, "{\"risoluto_init\":\"exec\"}");
}

void
codex_harness_replay(struct codex_harness *h, const char *name)
{
    char path[256];
    char *line = NULL;
    size_t size = 0;
    (void)snprintf(path, sizeof(path), "tests/unit/data/codex/%s", name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        (void)fprintf(stderr, "%s: run the tests from the top folder\n", path);
        abort();
    }
    while (getline(&line, &size, file) > 0) {
        /* The recordings had no key: their login is left out. */
        if (codex_session_phase(h->session) == CODEX_LOGIN)
            (void)codex_harness_line(h,
                "{\"id\":\"@account/login/start\",\"result\":"
                "{\"type\":\"apiKey\"}}");
        (void)codex_harness_line(h, line);
    }
    free(line);
    (void)fclose(file);
}

#define SANDBOX                                                                \
    "{\"type\":\"workspaceWrite\",\"writableRoots\":[],"                       \
    "\"networkAccess\":false,\"excludeTmpdirEnvVar\":false,"                   \
    "\"excludeSlashTmp\":false}"

void
codex_harness_to_turn(struct codex_harness *h)
{
    codex_harness_init_lines(h);
    (void)codex_harness_line(
        h, "{\"id\":\"@initialize\",\"result\":{\"userAgent\":\"codex\"}}");
    if (codex_session_phase(h->session) == CODEX_LOGIN)
        (void)codex_harness_line(h,
            "{\"id\":\"@account/login/start\",\"result\":"
            "{\"type\":\"apiKey\"}}");
    (void)codex_harness_line(h,
        "{\"id\":\"@thread/start\",\"result\":{\"thread\":{\"id\":\"th-1\"},"
        "\"model\":\"gpt-5.5\",\"modelProvider\":\"risoluto\","
        "\"approvalPolicy\":\"never\",\"approvalsReviewer\":\"user\","
        "\"sandbox\":" SANDBOX "}}");
    codex_harness_turn(h, "tu-1");
}

void
codex_harness_turn(struct codex_harness *h, const char *turn_id)
{
    char line[512];
    (void)snprintf(line, sizeof(line),
        "{\"id\":\"@turn/start\",\"result\":{\"turn\":{\"id\":\"%s\","
        "\"status\":\"inProgress\"}}}",
        turn_id);
    (void)codex_harness_line(h, line);
}

void
codex_harness_turn_end(
    struct codex_harness *h, const char *turn_id, const char *last_message)
{
    char line[4096];
    (void)snprintf(line, sizeof(line),
        "{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th-1\","
        "\"turn\":{\"id\":\"%s\",\"status\":\"completed\",\"error\":null,"
        "\"items\":[{\"type\":\"agentMessage\",\"id\":\"m\",\"text\":\"%s\","
        "\"phase\":null}]}}}",
        turn_id, last_message);
    (void)codex_harness_line(h, line);
}

int
codex_harness_tick(struct codex_harness *h, int64_t ms)
{
    struct err err = ERR_INIT;
    h->now += ms;
    return codex_session_tick(h->session, h->now, &err);
}

static size_t
count(const char *haystack, const char *needle)
{
    size_t found = 0;
    for (const char *p = haystack; (p = strstr(p, needle)) != NULL; p++)
        found++;
    return found;
}

size_t
codex_harness_sent(const struct codex_harness *h, const char *text)
{
    return count(buf_str(&h->sent), text);
}

size_t
codex_harness_events(const struct codex_harness *h, const char *text)
{
    return count(buf_str(&h->events), text);
}

const char *
codex_harness_request_id(const struct codex_harness *h)
{
    static char id[64];
    static const char needle[] = "approval.requested {\"request_id\":\"";
    const char *found = NULL;
    for (const char *p = buf_str(&h->events); (p = strstr(p, needle)) != NULL;
         p++)
        found = p + strlen(needle);
    if (found == NULL)
        return "none";
    (void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(found, "\""), found);
    return id;
}

enum outcome
codex_harness_outcome(const struct codex_harness *h)
{
    const char *message = NULL;
    return codex_session_outcome(h->session, &message);
}

const char *
codex_harness_message(const struct codex_harness *h)
{
    const char *message = NULL;
    (void)codex_session_outcome(h->session, &message);
    return message;
}
