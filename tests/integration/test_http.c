/* SPDX-License-Identifier: Apache-2.0
 * The operator API over a real socket, with the real store, configuration and
 * embedded tracker; the orchestrator and the hosts are stubs. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "control/config/config.h"
#include "control/http/server.h"
#include "control/orchestrator/orchestrator.h"
#include "control/pool/pool.h"
#include "control/store/store.h"
#include "control/tracker/tracker.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REPLY_MAX = 64 * 1024 * 1024, PATIENCE_MS = 5000 };

/* ---- stubs ---- */

static atomic_int refreshes;
static char aborted[64];
static char tracker_error[64];

void
orchestrator_refresh(struct orchestrator *orchestrator)
{
    (void)orchestrator;
    atomic_fetch_add(&refreshes, 1);
}

int
orchestrator_abort(struct orchestrator *orchestrator, const char *issue,
    const char *reason, struct err *err)
{
    (void)orchestrator;
    (void)reason;
    if (strcmp(issue, "RIS-1") != 0)
        return err_set(err, ERR_NOT_FOUND, "nothing runs for %s", issue);
    (void)snprintf(aborted, sizeof(aborted), "%s", issue);
    return 0;
}

void
orchestrator_health(
    struct orchestrator *orchestrator, struct orchestrator_health *out)
{
    (void)orchestrator;
    *out = (struct orchestrator_health){
        .last_poll_at_ms = 1700000000000, .polls_total = 7};
    (void)snprintf(
        out->tracker_error, sizeof(out->tracker_error), "%s", tracker_error);
}

size_t
pool_hosts(struct pool *pool, struct host_info *out, size_t max)
{
    (void)pool;
    cr_assert_geq(max, 1);
    *out = (struct host_info){.name = "host \"a\"",
        .url = "tls+tcp://127.0.0.1:9100",
        .connected = true,
        .capacity = 4,
        .running = 1};
    return 1;
}

/* ---- the world of one test ---- */

static struct world {
    char dir[64];
    struct store *store;
    struct config_live *config;
    struct tracker tracker;
    struct http_server *server;
    struct http_deps deps;
    int port;
} world;

static const struct http_tuning fast = {
    .heartbeat_ms = 200, .request_timeout_ms = 400, .stream_slots = 3};

static void
open_world(const struct http_tuning *tuning)
{
    struct config_sources sources = {.data_dir = world.dir, .port = "0"};
    struct err err = ERR_INIT;

    (void)snprintf(world.dir, sizeof(world.dir), "/tmp/test_http.XXXXXX");
    cr_assert_not_null(mkdtemp(world.dir));
    cr_assert_eq(
        store_open(&world.store, world.dir, &err), 0, "%s", err.message);
    cr_assert_eq(
        config_live_open(&world.config, &sources, &err), 0, "%s", err.message);
    cr_assert_eq(tracker_local_open(&world.tracker, world.store, &err), 0, "%s",
        err.message);
    world.deps = (struct http_deps){.store = world.store,
        .tracker = &world.tracker,
        .config = world.config};
    cr_assert_eq(http_start_tuned(&world.server, &world.deps, tuning, &err), 0,
        "%s", err.message);
    world.port = http_port(world.server);
}

static void
set_up(void)
{
    struct err err = ERR_INIT;

    (void)setenv("LOG_LEVEL", "error", 0);
    cr_assert_eq(log_init("test_http", &err), 0, "%s", err.message);
    (void)unsetenv("RISOLUTO_WRITE_TOKEN");
    (void)unsetenv("RISOLUTO_BIND");
    open_world(&fast);
}

static void
tear_down(void)
{
    struct err err = ERR_INIT;

    http_stop(world.server);
    tracker_close(&world.tracker);
    config_live_close(world.config);
    store_close(world.store);
    cr_expect_eq(file_remove_tree(world.dir, &err), 0, "%s", err.message);
    memset(&world, 0, sizeof(world));
}

TestSuite(http, .init = set_up, .fini = tear_down, .timeout = 60);

/* ---- a client ---- */

struct client {
    int fd;
    struct buf in;
};

static void
client_open(struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)world.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    buf_init(&client->in, REPLY_MAX);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(client->fd, 0);
    cr_assert_eq(
        connect(client->fd, (const struct sockaddr *)&address, sizeof(address)),
        0);
}

static void
client_close(struct client *client)
{
    (void)close(client->fd);
    buf_free(&client->in);
}

/* The server may have closed already: that is for the test to see. */
static void
client_send(const struct client *client, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(client->fd, at, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        at += n;
        len -= (size_t)n;
    }
}

static void
client_puts(const struct client *client, const char *text)
{
    client_send(client, text, strlen(text));
}

/* Reads what comes; false at the end of the connection or after ms. */
static bool
client_read(struct client *client, int ms)
{
    struct pollfd pfd = {.fd = client->fd, .events = POLLIN};
    char chunk[16384];

    if (poll(&pfd, 1, ms) <= 0)
        return false;
    ssize_t n = recv(client->fd, chunk, sizeof(chunk), 0);

    if (n <= 0)
        return false;
    buf_append(&client->in, chunk, (size_t)n);
    return true;
}

static bool
client_saw(struct client *client, const char *text)
{
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;

    while (strstr(buf_str(&client->in), text) == NULL) {
        if (clock_mono_ms() > deadline || !client_read(client, 1000))
            return strstr(buf_str(&client->in), text) != NULL;
    }
    return true;
}

/* ---- one exchange ---- */

struct answer {
    int status;
    struct buf all;
    const char *body;
    struct json *json;
};

static void
answer_release(struct answer *answer)
{
    json_free(answer->json);
    buf_free(&answer->all);
}

static void
parse_answer(struct answer *out)
{
    struct err err = ERR_INIT;
    const char *end = strstr(buf_str(&out->all), "\r\n\r\n");

    out->status = 0;
    if (strncmp(buf_str(&out->all), "HTTP/1.1 ", 9) == 0)
        out->status = (int)strtol(buf_str(&out->all) + 9, NULL, 10);
    out->body = end == NULL ? "" : end + 4;
    out->json = json_parse(out->body, strlen(out->body), REPLY_MAX, &err);
}

/* Sends raw bytes and reads to the end of the connection. */
static void
ask_raw(struct answer *out, const char *text, size_t len)
{
    struct client client;

    client_open(&client);
    client_send(&client, text, len);
    while (client_read(&client, PATIENCE_MS)) {
    }
    (void)close(client.fd);
    out->all = client.in;
    parse_answer(out);
}

/* headers: further lines, each with its CRLF; may be "". */
static void
ask_with(struct answer *out, const char *method, const char *path,
    const char *headers, const char *body)
{
    AUTO(buf_free) struct buf text;

    buf_init(&text, REPLY_MAX);
    buf_printf(&text,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n%s",
        method, path, world.port, headers);
    if (body != NULL)
        buf_printf(&text,
            "Content-Type: application/json\r\nContent-Length: %zu\r\n",
            strlen(body));
    buf_puts(&text, "\r\n");
    if (body != NULL)
        buf_puts(&text, body);
    ask_raw(out, text.data, text.len);
}

static void
ask(struct answer *out, const char *method, const char *path, const char *body)
{
    ask_with(out, method, path, "", body);
}

static const char *
text_at(const struct answer *answer, const char *path)
{
    return json_str(json_path(answer->json, path), "");
}

static void
expect_status(const char *method, const char *path, const char *body, int want)
{
    AUTO(answer_release) struct answer answer;

    ask(&answer, method, path, body);
    cr_expect_eq(
        answer.status, want, "%s %s: %s", method, path, buf_str(&answer.all));
}

static void
make_issue(const char *title)
{
    char body[256];

    (void)snprintf(body, sizeof(body), "{\"title\":\"%s\"}", title);
    expect_status("POST", "/api/v1/issues", body, 201);
}

static int64_t
metric(const char *name)
{
    AUTO(answer_release) struct answer answer;
    char line[128];

    ask(&answer, "GET", "/metrics", NULL);
    (void)snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(answer.body, line);

    cr_assert_not_null(at, "%s in %s", name, answer.body);
    return strtoll(at + strlen(line), NULL, 10);
}

static bool
metric_becomes(const char *name, int64_t value)
{
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;

    while (metric(name) != value) {
        if (clock_mono_ms() > deadline)
            return false;
    }
    return true;
}

/* ---- routes ---- */

Test(http, every_read_answers)
{
    static const char *const paths[] = {"/", "/app.js", "/app.css", "/healthz",
        "/metrics", "/api/v1/openapi.json", "/api/v1/state", "/api/v1/runtime",
        "/api/v1/config", "/api/v1/transitions", "/api/v1/issues",
        "/api/v1/RIS-1", "/api/v1/RIS-1/attempts"};

    make_issue("one");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO(answer_release) struct answer get;
        AUTO(answer_release) struct answer head;

        ask(&get, "GET", paths[i], NULL);
        ask(&head, "HEAD", paths[i], NULL);
        cr_expect_eq(get.status, 200, "%s: %s", paths[i], buf_str(&get.all));
        cr_expect_neq(get.body[0], '\0', "%s", paths[i]);
        cr_expect_eq(head.status, 200, "%s", paths[i]);
        cr_expect_str_empty(head.body, "%s", paths[i]);
        cr_expect_not_null(
            strstr(buf_str(&get.all), "X-Content-Type-Options: nosniff\r\n"));
        cr_expect_not_null(
            strstr(buf_str(&get.all), "Content-Security-Policy: default-src "
                                      "'none'"));
        expect_status("DELETE", paths[i], NULL, 405);
    }
}

Test(http, unknown_things_are_404_in_the_same_form)
{
    static const char *const paths[] = {"/nope", "/api/v1/RIS-9",
        "/api/v1/RIS-9/attempts", "/API/v1/state", "/api/v1/State/",
        "/api/v1/attempts/01a1fbb02125890df3f0d74a9bb943b1",
        "/api/v1/attempts/x", "/api/v1/attempts/x/events", "/healthz/"};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO(answer_release) struct answer answer;

        ask(&answer, "GET", paths[i], NULL);
        cr_expect_eq(answer.status, 404, "%s", paths[i]);
        cr_expect_str_eq(text_at(&answer, "error.code"), "not_found");
        cr_expect_str_not_empty(text_at(&answer, "error.message"));
    }
    expect_status("POST", "/api/v1/RIS-9/abort", NULL, 404);
    expect_status(
        "POST", "/api/v1/RIS-9/transition", "{\"state\":\"Done\"}", 404);
    expect_status("POST", "/api/v1/RIS-9/comments", "{\"body\":\"x\"}", 404);
}

Test(http, an_issue_lives)
{
    AUTO(answer_release) struct answer made;
    AUTO(answer_release) struct answer moved;
    AUTO(answer_release) struct answer seen;
    AUTO(answer_release) struct answer list;

    ask(&made, "POST", "/api/v1/issues",
        "{\"title\":\"T\",\"description\":\"D\",\"state\":\"backlog\","
        "\"priority\":2,\"labels\":[\"bug\"]}");
    cr_expect_eq(made.status, 201);
    cr_expect_str_eq(text_at(&made, "issue.identifier"), "RIS-1");
    cr_expect_str_eq(
        text_at(&made, "issue.state"), "Backlog", "as the workflow spells it");
    cr_expect_eq(atomic_load(&refreshes), 1);

    ask(&moved, "POST", "/api/v1/RIS-1/transition", "{\"state\":\"todo\"}");
    cr_expect_eq(moved.status, 200);
    cr_expect_str_eq(text_at(&moved, "from"), "Backlog");
    cr_expect_str_eq(text_at(&moved, "to"), "Todo");
    expect_status(
        "POST", "/api/v1/RIS-1/comments", "{\"body\":\"hello\"}", 201);

    ask(&seen, "GET", "/api/v1/RIS-1", NULL);
    cr_expect_str_eq(text_at(&seen, "issue.state"), "Todo");
    const struct json *comment = json_first(json_get(seen.json, "comments"));

    cr_expect_str_eq(json_str(json_get(comment, "body"), ""), "hello");
    ask(&list, "GET", "/api/v1/issues?state=Todo&limit=5", NULL);
    cr_expect_eq(json_len(json_get(list.json, "issues")), 1);
    expect_status("GET", "/api/v1/issues?limit=0", NULL, 400);
}

Test(http, bad_issues_are_refused_with_the_reason)
{
    static const struct {
        const char *path;
        const char *body;
        const char *says;
    } cases[] = {
        {"/api/v1/issues", "{}", "title"},
        {"/api/v1/issues", "{\"title\":\" \"}", "title"},
        {"/api/v1/issues", "{\"title\":7}", "title"},
        {"/api/v1/issues", "{\"title\":\"x\",\"stat\":\"Todo\"}", "stat"},
        {"/api/v1/issues", "{\"title\":\"x\",\"state\":\"Tdo\"}", "Todo"},
        {"/api/v1/issues", "{\"title\":\"x\",\"priority\":9}", "priority"},
        {"/api/v1/issues", "{\"title\":\"x\",\"labels\":[\"\"]}", "labels"},
        {"/api/v1/RIS-1/transition", "{\"state\":\"Nowhere\"}", "Done"},
        {"/api/v1/RIS-1/transition", "{}", "state"},
        {"/api/v1/RIS-1/comments", "{\"body\":\"\"}", "body"},
    };

    make_issue("one");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(answer_release) struct answer answer;

        ask(&answer, "POST", cases[i].path, cases[i].body);
        cr_expect_eq(answer.status, 400, "%s", cases[i].body);
        cr_expect_not_null(
            strstr(text_at(&answer, "error.message"), cases[i].says), "%s: %s",
            cases[i].body, text_at(&answer, "error.message"));
    }
}

Test(http, abort_and_refresh_reach_the_orchestrator)
{
    AUTO(answer_release) struct answer answer;

    expect_status("POST", "/api/v1/refresh", NULL, 202);
    expect_status("POST", "/api/v1/refresh", "{}", 202);
    expect_status("POST", "/api/v1/refresh", "{\"x\":1}", 400);
    cr_expect_eq(atomic_load(&refreshes), 2);
    ask(&answer, "POST", "/api/v1/RIS-1/abort", "{\"reason\":\"enough\"}");
    cr_expect_eq(answer.status, 202);
    cr_expect_str_eq(text_at(&answer, "status"), "stopping");
    cr_expect_str_eq(aborted, "RIS-1");
}

/* ---- attempts ---- */

static void
claim(char id[33])
{
    struct issue issue = {0};
    struct attempt attempt = {0};
    struct err err = ERR_INIT;

    make_issue("work");
    cr_assert_eq(store_issue(world.store, "RIS-1", &issue, &err), 0);
    cr_assert_eq(store_claim(world.store, &issue, "h", "m", &attempt, &err), 0,
        "%s", err.message);
    (void)snprintf(id, 33, "%s", attempt.attempt_id);
    attempt_release(&attempt);
    issue_release(&issue);
}

Test(http, an_attempt_is_shown_with_its_events)
{
    AUTO(answer_release) struct answer list;
    AUTO(answer_release) struct answer one;
    AUTO(answer_release) struct answer events;
    AUTO(answer_release) struct answer rest;
    AUTO(answer_release) struct answer state;
    struct err err = ERR_INIT;
    char id[33];
    char path[128];

    claim(id);
    for (int i = 0; i < 120; i++)
        cr_assert_eq(store_add_event(world.store, id, "RIS-1", "note",
                         "{\"text\":\"a\\nb\"}", &err),
            0);
    ask(&list, "GET", "/api/v1/RIS-1/attempts", NULL);
    cr_expect_str_eq(text_at(&list, "current_attempt_id"), id);
    (void)snprintf(path, sizeof(path), "/api/v1/attempts/%s", id);
    ask(&one, "GET", path, NULL);
    cr_expect_str_eq(text_at(&one, "attempt.status"), "claimed");

    (void)snprintf(
        path, sizeof(path), "/api/v1/attempts/%s/events?limit=70", id);
    ask(&events, "GET", path, NULL);
    cr_expect_eq(json_len(json_get(events.json, "events")), 70);
    cr_expect(json_bool(json_get(events.json, "more"), false));
    (void)snprintf(path, sizeof(path),
        "/api/v1/attempts/%s/events?limit=1000&after=%lld", id,
        (long long)json_int(json_get(events.json, "next_after"), -1));
    ask(&rest, "GET", path, NULL);
    cr_expect_eq(json_len(json_get(rest.json, "events")), 51,
        "issue.claimed and 120 notes in all");
    cr_expect_not(json_bool(json_get(rest.json, "more"), true));

    ask(&state, "GET", "/api/v1/state", NULL);
    const struct json *running = json_first(json_get(state.json, "running"));

    cr_expect_str_eq(json_str(json_get(running, "identifier"), ""), "RIS-1");
    cr_expect_str_eq(json_str(json_get(running, "attempt_id"), ""), id);
    cr_expect_eq(json_int(json_path(state.json, "counts.running"), 0), 1);
}

/* ---- state ---- */

Test(http, state_has_the_documented_fields)
{
    static const char *const fields[] = {"generated_at", "counts", "queued",
        "running", "retrying", "completed", "workflow_columns", "codex_totals",
        "rate_limits", "recent_events", "system_health", "hosts"};
    AUTO(answer_release) struct answer state;
    int64_t todo = 0;

    make_issue("waiting");
    ask(&state, "GET", "/api/v1/state", NULL);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        cr_expect_not_null(json_get(state.json, fields[i]), "%s", fields[i]);
    cr_expect_eq(json_len(json_get(state.json, "queued")), 1);
    json_each (column, json_get(state.json, "workflow_columns")) {
        if (strcmp(json_str(json_get(column, "key"), ""), "todo") == 0)
            todo = json_int(json_get(column, "count"), 0);
    }
    cr_expect_eq(todo, 1);
    cr_expect_str_eq(text_at(&state, "system_health.status"), "healthy");
}

Test(http, state_is_not_sent_again_while_nothing_changes)
{
    AUTO(answer_release) struct answer first;
    AUTO(answer_release) struct answer same;
    AUTO(answer_release) struct answer changed;
    char match[128];
    char etag[64] = "";

    ask(&first, "GET", "/api/v1/state", NULL);
    (void)sscanf(strstr(buf_str(&first.all), "ETag: "), "ETag: %63s", etag);
    (void)snprintf(match, sizeof(match), "If-None-Match: %s\r\n", etag);
    ask_with(&same, "GET", "/api/v1/state", match, NULL);
    cr_expect_eq(same.status, 304);
    cr_expect_str_empty(same.body);
    make_issue("new");
    for (int64_t end = clock_mono_ms() + PATIENCE_MS;;) {
        ask_with(&changed, "GET", "/api/v1/state", match, NULL);
        if (changed.status == 200 || clock_mono_ms() > end)
            break;
        answer_release(&changed);
    }
    cr_expect_eq(changed.status, 200);
}

Test(http, a_tracker_that_is_down_is_told_and_health_stays_good)
{
    AUTO(answer_release) struct answer health;
    AUTO(answer_release) struct answer state;

    (void)snprintf(tracker_error, sizeof(tracker_error), "it is down");
    ask(&health, "GET", "/healthz", NULL);
    cr_expect_eq(health.status, 200);
    cr_expect_str_eq(text_at(&health, "status"), "ok");
    cr_expect_str_eq(text_at(&health, "tracker.error"), "it is down");
    ask(&state, "GET", "/api/v1/state", NULL);
    cr_expect_str_eq(text_at(&state, "system_health.status"), "degraded");
}

/* The files under the store are cut off, as by a failing disk. */
Test(http, a_store_that_fails_makes_health_503)
{
    static const char *const names[] = {"risoluto.db", "risoluto.db-wal"};
    AUTO(answer_release) struct answer health;
    char path[128];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", world.dir, names[i]);
        cr_assert_eq(truncate(path, 0), 0, "%s", path);
    }
    ask(&health, "GET", "/healthz", NULL);
    cr_expect_eq(health.status, 503, "%s", buf_str(&health.all));
    cr_expect_str_eq(text_at(&health, "error.code"), "unavailable");
}

Test(http, metrics_are_there_and_labels_escaped)
{
    AUTO(answer_release) struct answer answer;

    make_issue("one");
    cr_expect_eq(metric("risoluto_tracker_polls_total"), 7);
    cr_expect_eq(metric("risoluto_hosts_connected"), 1);
    cr_expect_geq(metric("risoluto_events_total"), 1);
    cr_expect_gt(metric("process_resident_memory_bytes"), 1000000);
    cr_expect_eq(metric("risoluto_attempts_total{outcome=\"succeeded\"}"), 0);
    cr_expect_eq(
        metric("risoluto_http_requests_total{class=\"write\",status=\"2xx\"}"),
        1);
    ask(&answer, "GET", "/metrics", NULL);
    cr_expect_not_null(strstr(
        answer.body, "risoluto_host_running{host=\"host \\\"a\\\"\"} 1\n"));
}

/* ---- hostile requests ---- */

#define HOST "Host: localhost:%d\r\n"
#define END "Connection: close\r\n\r\n"
#define JSON "Content-Type: application/json\r\n"

/* %d in a request stands for our port. */
Test(http, hostile_requests_get_their_status)
{
    static const struct {
        const char *request;
        int status;
        const char *code;
    } cases[] = {
        {"GET /healthz HTTP/1.1\r\n" HOST END, 200, NULL},
        {"GET /healthz HTTP/1.0\r\n" HOST END, 200, NULL},
        {"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", 400,
            "invalid_request"},
        {"GET /healthz HTTP/1.1\r\n" HOST HOST END, 400, "invalid_request"},
        {"GET /healthz HTTP/1.1\r\nHost: evil.example.org:4000\r\n" END, 403,
            "host_forbidden"},
        {"GET /healthz HTTP/1.1\r\n" HOST
         "Origin: http://evil.example.org\r\n" END,
            403, "origin_forbidden"},
        {"POST /api/v1/refresh HTTP/1.1\r\n" HOST
         "Origin: http://localhost:3000\r\n" END,
            403, "origin_forbidden"},
        {"POST /api/v1/refresh HTTP/1.1\r\n" HOST
         "X-Forwarded-For: 203.0.113.9\r\n" END,
            403, "write_forbidden"},
        {"GET /healthz HTTP/2.0\r\n" HOST END, 505, "invalid_request"},
        {"BREW /healthz HTTP/1.1\r\n" HOST END, 400, "invalid_request"},
        {"GET healthz HTTP/1.1\r\n" HOST END, 400, "invalid_request"},
        {"GET /api/v1/%%zz HTTP/1.1\r\n" HOST END, 400, "invalid_request"},
        {"GET /api/v1/%%00 HTTP/1.1\r\n" HOST END, 400, "invalid_request"},
        {"GET /api/v1/issues?limit=x HTTP/1.1\r\n" HOST END, 400,
            "invalid_request"},
        {"GET /api/v1/events?after=-1 HTTP/1.1\r\n" HOST END, 400,
            "invalid_request"},
        {"GET /api/v1/events HTTP/1.1\r\n" HOST "Last-Event-ID: x\r\n" END, 400,
            "invalid_request"},
        {"GET /api/v1/events?attempt_id=x HTTP/1.1\r\n" HOST END, 400,
            "invalid_request"},
        {"OPTIONS /api/v1/state HTTP/1.1\r\n" HOST
         "Origin: http://localhost:%d\r\n"
         "Access-Control-Request-Method: POST\r\n" END,
            405, "method_not_allowed"},
        {"PROPFIND / HTTP/1.1\r\n" HOST END, 405, "method_not_allowed"},
        {"GET / HTTP/1.1\r\n" HOST
         "Upgrade: websocket\r\nSec-WebSocket-Key: eHl6\r\n"
         "Sec-WebSocket-Version: 13\r\nConnection: upgrade\r\n\r\n",
            200, NULL},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST JSON
         "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n" END
         "2\r\n{}\r\n0\r\n\r\n",
            400, "invalid_request"},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST JSON
         "Transfer-Encoding: chunked\r\n" END "2\r\n{}\r\n0\r\n\r\n",
            411, "length_required"},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST JSON
         "Content-Length: 2\r\nContent-Length: 3\r\n" END "{} ",
            400, "invalid_request"},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST JSON
         "Content-Length: x\r\n" END "{}",
            411, "invalid_request"},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST JSON
         "Content-Length: 2x\r\n" END "{}",
            400, "invalid_request"},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST
         "Content-Type: text/plain\r\nContent-Length: 2\r\n" END "{}",
            415, "unsupported_media_type"},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST JSON
         "Content-Encoding: gzip\r\nContent-Length: 2\r\n" END "{}",
            415, "unsupported_media_type"},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST JSON
         "Content-Length: 2\r\n" END "{,",
            400, "invalid_request"},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST JSON
         "Content-Length: 1048577\r\n" END,
            413, "too_large"},
        {"POST /api/v1/issues HTTP/1.1\r\n" HOST JSON
         "Content-Length: 9000000000000000000\r\n" END,
            413, "too_large"},
        /* civetweb stops reading headers at a folded line and drops the rest
         * without a word: the body would be the next request. */
        {"POST /api/v1/refresh HTTP/1.1\r\n" HOST " folded: x\r\n"
         "Content-Length: 38\r\n\r\n"
         "GET /healthz HTTP/1.1\r\nHost: evil\r\n\r\n",
            400, "invalid_request"},
        {"GET /healthz HTTP/1.1\r\n" HOST ": nameless\r\n" END, 400,
            "invalid_request"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(answer_release) struct answer answer;
        char text[1024];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int len = snprintf(text, sizeof(text), cases[i].request, world.port,
            world.port, world.port);
#pragma GCC diagnostic pop

        ask_raw(&answer, text, (size_t)len);
        cr_expect_eq(answer.status, cases[i].status, "%s gave %s", text,
            buf_str(&answer.all));
        if (cases[i].code != NULL)
            cr_expect_str_eq(
                text_at(&answer, "error.code"), cases[i].code, "%s", text);
        cr_expect_null(
            strstr(buf_str(&answer.all), "Access-Control-Allow"), "%s", text);
        cr_expect_null(
            strstr(buf_str(&answer.all) + 1, "HTTP/1.1 "), "two answers");
    }
    expect_status("GET", "/healthz", NULL, 200);
}

Test(http, a_nul_in_the_head_is_refused)
{
    AUTO(answer_release) struct answer answer;
    static const char text[] = "GET /healthz\0 HTTP/1.1\r\nHost: x\r\n\r\n";

    ask_raw(&answer, text, sizeof(text) - 1);
    cr_expect_eq(answer.status, 400);
}

/* Fills a head up to size bytes with one header line. */
static void
ask_long_head(struct answer *out, size_t size)
{
    AUTO(buf_free) struct buf text;

    buf_init(&text, REPLY_MAX);
    buf_printf(&text,
        "GET /healthz HTTP/1.1\r\nHost: localhost:%d\r\nX: ", world.port);
    while (text.len < size)
        buf_putc(&text, 'x');
    buf_puts(&text, "\r\nConnection: close\r\n\r\n");
    ask_raw(out, text.data, text.len);
}

Test(http, a_head_is_bounded)
{
    AUTO(answer_release) struct answer fits;
    AUTO(answer_release) struct answer large;
    AUTO(answer_release) struct answer many;
    AUTO(buf_free) struct buf lines;

    ask_long_head(&fits, 12000);
    cr_expect_eq(fits.status, 200);
    ask_long_head(&large, 20000);
    cr_expect_eq(large.status, 400, "%s", buf_str(&large.all));
    buf_init(&lines, 65536);
    for (int i = 0; i < 70; i++)
        buf_puts(&lines, "X: y\r\n");
    ask_with(&many, "GET", "/healthz", buf_str(&lines), NULL);
    cr_expect_eq(many.status, 400);
}

/* len bytes, in memory that the next call uses again. */
static char *
big_text(size_t len, char fill)
{
    static char text[2 * 1024 * 1024];

    cr_assert_lt(len, sizeof(text));
    memset(text, fill, len);
    text[len] = '\0';
    return text;
}

Test(http, a_body_of_one_mebibyte_is_read_and_one_byte_more_is_not)
{
    enum { MIB = 1024 * 1024 };
    AUTO(answer_release) struct answer whole;
    AUTO(answer_release) struct answer more;
    char *blanks = big_text(MIB + 1, ' ');

    memcpy(blanks, "{\"title\":\"x\"}", 13);
    ask(&more, "POST", "/api/v1/issues", blanks);
    cr_expect_eq(more.status, 413, "%s", buf_str(&more.all));
    blanks[MIB] = '\0';
    ask(&whole, "POST", "/api/v1/issues", blanks);
    cr_expect_eq(whole.status, 201, "%s", buf_str(&whole.all));
}

Test(http, deep_json_crashes_nothing)
{
    AUTO(answer_release) struct answer answer;
    char *deep = big_text(200000, '[');

    ask(&answer, "POST", "/api/v1/issues", deep);
    cr_expect_eq(answer.status, 400);
    expect_status("GET", "/healthz", NULL, 200);
}

/* ---- slow clients ---- */

static bool
closed_within(struct client *client, int64_t ms)
{
    int64_t deadline = clock_mono_ms() + ms;

    while (clock_mono_ms() < deadline) {
        struct pollfd pfd = {.fd = client->fd, .events = POLLIN};

        if (poll(&pfd, 1, 50) > 0 && !client_read(client, 50))
            return true;
    }
    return false;
}

Test(http, clients_that_send_slowly_are_cut_off_and_disturb_nobody)
{
    enum { SLOW = 6 };
    struct client idle[SLOW];
    struct client body[SLOW];
    char head[256];

    (void)snprintf(head, sizeof(head),
        "POST /api/v1/issues HTTP/1.1\r\nHost: localhost:%d\r\n" JSON
        "Content-Length: 100000\r\n\r\n{",
        world.port);
    for (int i = 0; i < SLOW; i++) {
        client_open(&idle[i]);
        client_puts(&idle[i], "GET /hea");
        client_open(&body[i]);
        client_puts(&body[i], head);
    }
    expect_status("GET", "/healthz", NULL, 200);
    /* A byte now and then does not buy time. */
    int64_t began = clock_mono_ms();

    for (int cut = 0; cut < SLOW && clock_mono_ms() - began < PATIENCE_MS;) {
        client_puts(&body[cut], " ");
        cut += closed_within(&body[cut], 100);
    }
    for (int i = 0; i < SLOW; i++) {
        cr_expect(closed_within(&idle[i], 100), "a half head %d", i);
        cr_expect_not_null(strstr(buf_str(&body[i].in), " 400 "));
        client_close(&idle[i]);
        client_close(&body[i]);
    }
}

/* The second half of a body does not show in civetweb's buffer. */
Test(http, a_large_body_that_stops_is_cut_off)
{
    char *half = big_text(100000, ' ');
    struct client client;
    char head[256];

    (void)snprintf(head, sizeof(head),
        "POST /api/v1/issues HTTP/1.1\r\nHost: localhost:%d\r\n" JSON
        "Content-Length: 200000\r\n\r\n",
        world.port);
    client_open(&client);
    client_puts(&client, head);
    client_puts(&client, half);
    cr_expect(closed_within(&client, 3000));
    cr_expect_not_null(strstr(buf_str(&client.in), " 400 "));
    client_close(&client);
}

Test(http, a_client_that_waits_for_100_gets_it)
{
    struct client client;
    char head[256];

    (void)snprintf(head, sizeof(head),
        "POST /api/v1/issues HTTP/1.1\r\nHost: localhost:%d\r\n" JSON
        "Expect: 100-continue\r\nContent-Length: 13\r\n"
        "Connection: close\r\n\r\n",
        world.port);
    client_open(&client);
    client_puts(&client, head);
    cr_expect(client_saw(&client, "HTTP/1.1 100 Continue\r\n\r\n"));
    client_puts(&client, "{\"title\":\"x\"}");
    cr_expect(client_saw(&client, "HTTP/1.1 201 Created"));
    client_close(&client);
}

Test(http, a_connection_is_used_again)
{
    struct client client;
    char text[256];

    (void)snprintf(text, sizeof(text),
        "GET /healthz HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"
        "POST /api/v1/issues HTTP/1.1\r\nHost: localhost:%d\r\n" JSON
        "Content-Length: 13\r\n\r\n{\"title\":\"x\"}"
        "GET /api/v1/RIS-1 HTTP/1.1\r\nHost: localhost:%d\r\n" END,
        world.port, world.port, world.port);
    client_open(&client);
    client_puts(&client, text);
    cr_expect(client_saw(&client, "\"status\":\"ok\""));
    cr_expect(client_saw(&client, "201 Created"));
    cr_expect(client_saw(&client, "\"attempts\":[]"));
    client_close(&client);
}

/* ---- the token ---- */

Test(http_token, a_set_token_is_needed_from_everywhere)
{
    AUTO(answer_release) struct answer without;
    AUTO(answer_release) struct answer wrong;
    AUTO(answer_release) struct answer right;
    AUTO(answer_release) struct answer config;

    (void)setenv("RISOLUTO_WRITE_TOKEN", "0123456789abcdef", 1);
    open_world(&fast);
    ask(&without, "POST", "/api/v1/refresh", NULL);
    cr_expect_eq(without.status, 401);
    cr_expect_str_eq(text_at(&without, "error.code"), "write_unauthorized");
    cr_expect_not_null(strstr(buf_str(&without.all), "WWW-Authenticate: "));
    ask_with(&wrong, "POST", "/api/v1/refresh",
        "Authorization: Bearer 0123456789abcdeX\r\n", NULL);
    cr_expect_eq(wrong.status, 401);
    ask_with(&right, "POST", "/api/v1/refresh",
        "Authorization: Bearer 0123456789abcdef\r\n", NULL);
    cr_expect_eq(right.status, 202);
    ask(&config, "GET", "/api/v1/config", NULL);
    cr_expect_eq(config.status, 200);
    cr_expect_null(strstr(config.body, "0123456789abcdef"));
    cr_expect_str_eq(text_at(&config, "server.write_token"), "[REDACTED]");
    tear_down();
}

/* ---- another tracker ---- */

static char moved_to[64];

static int
foreign_transition(
    void *impl, const char *issue_id, const char *state, struct err *err)
{
    (void)impl;
    (void)err;
    (void)snprintf(moved_to, sizeof(moved_to), "%.20s %.20s", issue_id, state);
    return 0;
}

Test(http, issues_of_another_tracker_are_known_from_their_attempts)
{
    static const struct tracker_ops ops = {
        .kind = "linear", .transition = foreign_transition};
    AUTO(answer_release) struct answer list;
    AUTO(answer_release) struct answer seen;
    char id[33];
    struct tracker local = world.tracker;

    claim(id);
    world.tracker = (struct tracker){.ops = &ops};
    ask(&list, "GET", "/api/v1/issues", NULL);
    cr_expect_eq(list.status, 409);
    cr_expect_not_null(strstr(text_at(&list, "error.message"), "linear"));
    expect_status("POST", "/api/v1/issues", "{\"title\":\"x\"}", 409);
    ask(&seen, "GET", "/api/v1/RIS-1", NULL);
    cr_expect_str_eq(text_at(&seen, "issue.title"), "work");
    cr_expect_eq(json_len(json_get(seen.json, "attempts")), 1);
    expect_status(
        "POST", "/api/v1/RIS-1/transition", "{\"target_state\":\"done\"}", 200);
    cr_expect_not_null(strstr(moved_to, " Done"));
    expect_status("GET", "/api/v1/RIS-2", NULL, 404);
    world.tracker = local;
}

/* ---- event streams ---- */

static void
stream_open(struct client *client, const char *query, int64_t last_id)
{
    char text[256];
    char last[64] = "";

    if (last_id >= 0)
        (void)snprintf(
            last, sizeof(last), "Last-Event-ID: %lld\r\n", (long long)last_id);
    (void)snprintf(text, sizeof(text),
        "GET /api/v1/events%s HTTP/1.1\r\nHost: localhost:%d\r\n%s\r\n", query,
        world.port, last);
    client_open(client);
    client_puts(client, text);
}

static void
add_events(int count, const char *data)
{
    struct err err = ERR_INIT;

    for (int i = 0; i < count; i++)
        cr_assert_eq(
            store_add_event(world.store, NULL, NULL, "note", data, &err), 0,
            "%s", err.message);
}

/* Ids of the complete events in the client's input, which must follow each
 * other from *last + 1 on. */
static void
check_ids(struct client *client, int64_t *last)
{
    const char *at = buf_str(&client->in);

    while ((at = strstr(at, "\nid: ")) != NULL) {
        const char *end = strstr(at + 1, "\n\n");
        int64_t id = strtoll(at + 5, NULL, 10);

        if (end == NULL)
            return;
        cr_assert_eq(id, *last + 1, "after %lld came %lld", (long long)*last,
            (long long)id);
        *last = id;
        at = end;
    }
}

Test(http, a_stream_begins_now_or_where_it_is_told)
{
    struct client now;
    struct client all;

    add_events(3, "{\"n\":1}");
    stream_open(&all, "?after=0", -1);
    cr_expect(client_saw(&all, "Content-Type: text/event-stream"));
    cr_expect(client_saw(&all, "id: 3\nevent: note\ndata: {\"id\":3,"));
    stream_open(&now, "", -1);
    cr_expect(client_saw(&now, "retry: 2000\n\n"));
    cr_expect(client_saw(&now, ": heartbeat\n\n"));
    add_events(1, "{\"n\":2}");
    cr_expect(client_saw(&now, "id: 4\n"));
    cr_expect(client_saw(&all, "id: 4\n"));
    cr_expect_null(strstr(buf_str(&now.in), "id: 3\n"));
    client_close(&now);
    client_close(&all);
    cr_expect(metric_becomes("risoluto_sse_clients", 0), "slots come back");
}

Test(http, a_stream_of_one_attempt_has_only_its_events)
{
    struct err err = ERR_INIT;
    struct client client;
    char id[33];
    char query[80];

    claim(id);
    (void)snprintf(query, sizeof(query), "?after=0&attempt_id=%s", id);
    stream_open(&client, query, -1);
    add_events(1, "{}");
    cr_assert_eq(
        store_add_event(world.store, id, "RIS-1", "last", "{}", &err), 0);
    cr_expect(client_saw(&client, "event: last\n"));
    cr_expect_null(strstr(buf_str(&client.in), "event: note\n"));
    client_close(&client);
}

static void *
write_events(void *arg)
{
    (void)arg;
    add_events(400, "{\"text\":\"line one\\nline two\"}");
    return NULL;
}

Test(http, a_client_that_comes_back_misses_nothing_and_sees_nothing_twice)
{
    int64_t deadline = clock_mono_ms() + 20000;
    int64_t last = 0;
    int reconnects = 0;
    pthread_t writer;

    cr_assert_eq(pthread_create(&writer, NULL, write_events, NULL), 0);
    while (last < 400 && clock_mono_ms() < deadline) {
        struct client client;

        stream_open(&client, reconnects % 2 == 0 ? "" : "?after=9999", last);
        for (int i = 0; i < 3; i++)
            (void)client_read(&client, 300);
        check_ids(&client, &last);
        client_close(&client);
        reconnects++;
        cr_assert(metric_becomes("risoluto_sse_clients", 0));
    }
    (void)pthread_join(writer, NULL);
    cr_expect_eq(last, 400);
    cr_expect_gt(reconnects, 1);
}

Test(http, a_stream_too_many_is_told_to_come_later)
{
    AUTO(answer_release) struct answer refused;
    struct client clients[3];

    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        stream_open(&clients[i], "", -1);
        cr_expect(client_saw(&clients[i], "retry: 2000"));
    }
    ask(&refused, "GET", "/api/v1/events", NULL);
    cr_expect_eq(refused.status, 503);
    cr_expect_str_eq(text_at(&refused, "error.code"), "busy");
    cr_expect_not_null(strstr(buf_str(&refused.all), "Retry-After: "));
    expect_status("GET", "/api/v1/state", NULL, 200);
    add_events(1, "{}");
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        cr_expect(client_saw(&clients[i], "event: note"));
        client_close(&clients[i]);
    }
}

Test(http, a_client_that_never_reads_is_dropped_and_disturbs_nobody)
{
    char *text = big_text(200000, 'x');
    AUTO_FREE char *data = NULL;
    struct client deaf;
    struct client other;
    int64_t last = 0;

    cr_assert_gt(asprintf(&data, "{\"text\":\"%s\"}", text), 0);
    stream_open(&deaf, "?after=0", -1);
    stream_open(&other, "?after=0", -1);
    for (int i = 0; i < 60; i++) {
        add_events(1, data);
        while (client_read(&other, 5)) {
        }
    }
    cr_expect(client_saw(&other, "id: 60\n"));
    (void)client_saw(&other, ": heartbeat");
    check_ids(&other, &last);
    cr_expect_eq(last, 60);
    cr_expect(metric_becomes("risoluto_sse_clients", 1));
    client_close(&deaf);
    client_close(&other);
}

Test(http_tuned, a_stream_ends_after_its_time)
{
    static const struct http_tuning brief = {.stream_max_ms = 300};
    struct client client;

    (void)unsetenv("RISOLUTO_WRITE_TOKEN");
    open_world(&brief);
    stream_open(&client, "", -1);
    cr_expect(client_saw(&client, "retry: 2000"));
    cr_expect(closed_within(&client, 3000));
    client_close(&client);
    tear_down();
}

Test(http_tuned, a_client_that_hung_up_is_noticed_before_the_next_heartbeat)
{
    struct client client;

    (void)unsetenv("RISOLUTO_WRITE_TOKEN");
    open_world(NULL);
    stream_open(&client, "", -1);
    cr_expect(client_saw(&client, "retry: 2000"));
    cr_expect_eq(metric("risoluto_sse_clients"), 1);
    client_close(&client);
    cr_expect(metric_becomes("risoluto_sse_clients", 0));
    tear_down();
}

/* ---- start and stop ---- */

Test(http, a_port_in_use_is_named)
{
    struct config_live *config = NULL;
    struct http_server *second = NULL;
    struct http_deps deps = world.deps;
    struct err err = ERR_INIT;
    char port[16];
    struct config_sources sources = {.data_dir = world.dir, .port = port};

    (void)snprintf(port, sizeof(port), "%d", world.port);
    cr_assert_eq(config_live_open(&config, &sources, &err), 0);
    deps.config = config;
    cr_expect_eq(http_start(&second, &deps, &err), -1);
    cr_expect_null(second);
    cr_expect_eq(err.code, ERR_CONFLICT);
    cr_expect_not_null(strstr(err.message, "is in use"), "%s", err.message);
    cr_expect_not_null(strstr(err.message, port), "%s", err.message);
    config_live_close(config);
    expect_status("GET", "/healthz", NULL, 200);
}

Test(http, an_address_that_cannot_be_bound_is_named)
{
    static const char *const addresses[] = {"192.0.2.7", "::1", "nonsense"};

    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct config_sources sources = {.data_dir = world.dir, .port = "0"};
        struct config_live *config = NULL;
        struct http_server *second = NULL;
        struct http_deps deps = world.deps;
        struct err err = ERR_INIT;

        (void)setenv("RISOLUTO_BIND", addresses[i], 1);
        cr_assert_eq(config_live_open(&config, &sources, &err), 0);
        deps.config = config;
        cr_expect_eq(http_start(&second, &deps, &err), -1);
        cr_expect_eq(err.code, ERR_CONFIG);
        cr_expect_not_null(
            strstr(err.message, addresses[i]), "%s", err.message);
        config_live_close(config);
    }
}

Test(http, it_stops_at_once_whatever_is_open)
{
    char *text = big_text(200000, 'x');
    AUTO_FREE char *data = NULL;
    struct client streams[2];
    struct client half;
    struct client kept;
    char request[128];
    struct err err = ERR_INIT;

    cr_assert_gt(asprintf(&data, "{\"text\":\"%s\"}", text), 0);
    add_events(60, data);
    stream_open(&streams[0], "", -1);
    cr_expect(client_saw(&streams[0], "retry: 2000"));
    stream_open(&streams[1], "?after=0", -1); /* and never reads */
    client_open(&half);
    client_puts(&half, "GET /api");
    client_open(&kept);
    (void)snprintf(request, sizeof(request),
        "GET /healthz HTTP/1.1\r\nHost: localhost:%d\r\n\r\n", world.port);
    client_puts(&kept, request);
    cr_expect(client_saw(&kept, "Connection: keep-alive"));

    int64_t began = clock_mono_ms();

    http_stop(world.server);
    cr_expect_lt(clock_mono_ms() - began, 1000);
    cr_expect(closed_within(&streams[0], 100));
    cr_expect(closed_within(&kept, 100));
    client_close(&streams[0]);
    client_close(&streams[1]);
    client_close(&half);
    client_close(&kept);
    /* The same port can be had again at once. */
    cr_assert_eq(http_start_tuned(&world.server, &world.deps, &fast, &err), 0);
}
