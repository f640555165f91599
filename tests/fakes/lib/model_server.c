/* SPDX-License-Identifier: Apache-2.0
 * HTTP around the rehearsal model's plan and answer. */
#include "tests/fakes/lib/model_server.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "tests/fakes/lib/model_answer.h"
#include "tests/fakes/lib/model_plan.h"

#include <civetweb.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    BODY_MAX = 32 * 1024 * 1024,
    SCRIPT_MAX = 64 * 1024,
    HANG_MS = 3600000,
    SERVER_THREADS = 32
};

struct model_server {
    struct mg_context *http;
    struct model_options options;
    struct json *script;
    char health[128];
    int port;
    atomic_ulong requests;
    pthread_mutex_t mutex;
    pthread_cond_t stop_cond;
    bool stopping;
};

/* ---- waiting and writing ---- */

struct client {
    struct model_server *server;
    struct mg_connection *conn;
};

static bool
wait_for_stop(struct model_server *server, long ms)
{
    int64_t deadline = clock_mono_ms() + ms;
    (void)pthread_mutex_lock(&server->mutex);
    int rc = 0;
    while (!server->stopping && rc != ETIMEDOUT)
        rc =
            clock_cond_wait_until(&server->stop_cond, &server->mutex, deadline);
    bool stopping = server->stopping;
    (void)pthread_mutex_unlock(&server->mutex);
    return stopping;
}

static bool
client_wait(void *arg, long ms)
{
    const struct client *client = arg;
    return !wait_for_stop(client->server, ms);
}

static bool
client_write(void *arg, const void *data, size_t len)
{
    const struct client *client = arg;
    return mg_write(client->conn, data, len) == (int)len;
}

/* ---- plain answers ---- */

static void
answer_json(struct mg_connection *conn, int status, const char *body)
{
    (void)mg_printf(conn,
        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
        status, mg_get_response_code_text(conn, status), strlen(body), body);
}

static void
answer_error(struct mg_connection *conn, int status, const char *type,
    const char *message)
{
    struct jw w;
    AUTO(buf_free) struct buf body = {.max = 4096};
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_obj(&w, "error");
    jw_str(&w, "type", type);
    jw_str(&w, "code", type);
    jw_str(&w, "message", message);
    jw_end_obj(&w);
    jw_end_obj(&w);
    answer_json(conn, status, buf_str(&body));
}

static void
answer_status(struct mg_connection *conn, long status)
{
    answer_error(conn, (int)status,
        status == 401   ? "invalid_api_key"
        : status == 429 ? "rate_limit_exceeded"
                        : "server_error",
        "the rehearsal answers with this status because it was told to");
}

static void
answer_usage_limit(struct mg_connection *conn)
{
    static const char body[] =
        "{\"error\":{\"type\":\"usage_limit_reached\",\"message\":\"The usage "
        "limit has been reached\",\"plan_type\":\"plus\","
        "\"resets_in_seconds\":3600}}";
    answer_json(conn, 429, body);
}

/* ---- POST /v1/responses ---- */

static int
read_body(struct mg_connection *conn, struct buf *out, struct err *err)
{
    char chunk[8192];
    for (;;) {
        int got = mg_read(conn, chunk, sizeof(chunk));
        if (got < 0)
            return err_set(err, ERR_SYSTEM, "the client hung up");
        if (got == 0)
            return buf_check(out, err);
        buf_append(out, chunk, (size_t)got);
    }
}

static bool
key_is_good(const struct model_server *server, struct mg_connection *conn)
{
    static const char scheme[] = "Bearer ";
    const char *header = mg_get_header(conn, "Authorization");
    if (server->options.key == NULL)
        return true;
    if (header == NULL || strncasecmp(header, scheme, strlen(scheme)) != 0)
        return false;
    header += strlen(scheme);
    return secret_equal(server->options.key, header, strlen(header));
}

static void
add_wish(struct model_wishes *wishes, const struct json *wish)
{
    (void)model_wish(wishes, json_str(wish, ""));
}

/* {"always":[wish..],"requests":[wish or "" ..]}: what every request is to
 * meet, and what the first, the second and so on are. */
static void
script_wishes(const struct model_server *server, unsigned long number,
    struct model_wishes *out)
{
    unsigned long at = 0;
    *out = (struct model_wishes){.status = 0};
    json_each (wish, json_get(server->script, "always"))
        add_wish(out, wish);
    json_each (wish, json_get(server->script, "requests")) {
        if (++at == number)
            add_wish(out, wish);
    }
}

static void
log_plan(const struct model_server *server, unsigned long number,
    const struct model_plan *plan, size_t bytes)
{
    if (!server->options.verbose)
        return;
    (void)fprintf(stderr,
        "POST /v1/responses number=%lu bytes=%zu step=%u calls=%zu%s%s%s\n",
        number, bytes, plan->step, plan->call_count,
        plan->call_count > 0 ? " tool=" : "",
        plan->call_count > 0 ? plan->calls[0].name : "",
        plan->last ? " last" : "");
}

static void
stream(struct model_server *server, struct mg_connection *conn,
    const struct model_plan *plan, unsigned long number, size_t bytes)
{
    struct err err = ERR_INIT;
    struct client client = {server, conn};
    struct model_stream out = {client_write, client_wait, &client};
    char limits[256] = "";
    if (plan->wishes.limits > 0)
        (void)snprintf(limits, sizeof(limits),
            "x-codex-primary-used-percent: %ld\r\n"
            "x-codex-primary-window-minutes: 300\r\n"
            "x-codex-primary-reset-at: %lld\r\n",
            plan->wishes.limits, (long long)clock_wall_ms() / 1000 + 3600);
    (void)mg_printf(conn,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        "Cache-Control: no-store\r\n%sConnection: close\r\n\r\n",
        limits);
    if (model_answer_stream(plan, number, bytes / 4, &out, &err) != 0)
        (void)fprintf(stderr, "request %lu: %s\n", number, err.message);
}

static void
answer_plan(struct model_server *server, struct mg_connection *conn,
    const struct model_plan *plan, unsigned long number, size_t bytes)
{
    const struct model_wishes *wishes = &plan->wishes;
    if (wishes->delay_ms > 0 && wait_for_stop(server, wishes->delay_ms))
        return;
    if (wishes->hang)
        (void)wait_for_stop(server, HANG_MS);
    else if (wishes->usage_limit)
        answer_usage_limit(conn);
    else if (wishes->status > 0)
        answer_status(conn, wishes->status);
    else
        stream(server, conn, plan, number, bytes);
}

static void
handle_responses(struct model_server *server, struct mg_connection *conn)
{
    struct err err = ERR_INIT;
    struct model_wishes wishes;
    struct model_plan plan;
    AUTO(buf_free) struct buf body = {.max = BODY_MAX};
    unsigned long number = atomic_fetch_add(&server->requests, 1) + 1;
    if (!key_is_good(server, conn)) {
        answer_error(conn, 401, "invalid_api_key", "Incorrect API key.");
        return;
    }
    if (read_body(conn, &body, &err) != 0) {
        answer_error(conn, 400, "invalid_request_error", err.message);
        return;
    }
    script_wishes(server, number, &wishes);
    AUTO(json_free_ptr)
    struct json *request = json_parse(buf_str(&body), body.len, BODY_MAX, &err);
    if (request == NULL || model_plan(&plan, request, &wishes, &err) != 0) {
        answer_error(conn, 400, "invalid_request_error", err.message);
        return;
    }
    log_plan(server, number, &plan, body.len);
    answer_plan(server, conn, &plan, number, body.len);
    model_plan_release(&plan);
}

/* ---- the server ---- */

static int
handle(struct mg_connection *conn, void *arg)
{
    static const char models[] =
        "{\"object\":\"list\",\"data\":[{\"id\":\"gpt-5.5\",\"object\":"
        "\"model\",\"owned_by\":\"rehearsal\"}]}";
    struct model_server *server = arg;
    const struct mg_request_info *info = mg_get_request_info(conn);
    bool get = strcmp(info->request_method, "GET") == 0;
    if (get && strcmp(info->local_uri, server->health) == 0)
        answer_json(conn, 200, "{\"status\":\"ok\"}");
    else if (get && strcmp(info->local_uri, "/v1/models") == 0)
        answer_json(conn, 200, models);
    else if (strcmp(info->request_method, "POST") == 0 &&
             strcmp(info->local_uri, "/v1/responses") == 0)
        handle_responses(server, conn);
    else
        answer_error(conn, 404, "not_found", "there is nothing here");
    return 200;
}

static bool
knows_all(const struct json *list)
{
    struct model_wishes ignored = {.status = 0};
    json_each (wish, list) {
        const char *text = json_str(wish, "?");
        if (*text != '\0' && !model_wish(&ignored, text))
            return false;
    }
    return true;
}

static int
load_script(struct model_server *server, const char *path, struct err *err)
{
    AUTO(buf_free) struct buf text = {.max = SCRIPT_MAX};
    if (file_read(path, &text, err) != 0)
        return -1;
    server->script = json_parse(buf_str(&text), text.len, SCRIPT_MAX, err);
    if (server->script == NULL)
        return -1;
    if (!knows_all(json_get(server->script, "always")) ||
        !knows_all(json_get(server->script, "requests")))
        return err_set(err, ERR_INVALID,
            "%s: \"always\" and \"requests\" must be lists of the wishes "
            "that --help names",
            path);
    return 0;
}

static int
serve(struct model_server *server, struct err *err)
{
    char where[64];
    char threads[16];
    struct mg_server_port port = {0};
    struct mg_callbacks callbacks = {0};
    (void)snprintf(where, sizeof(where), "%s:%d", server->options.bind,
        server->options.port);
    (void)snprintf(threads, sizeof(threads), "%d", SERVER_THREADS);
    const char *options[] = {"listening_ports", where, "num_threads", threads,
        "access_control_allow_methods", "", "enable_keep_alive", "no", NULL};
    server->http = mg_start(&callbacks, server, options);
    if (server->http == NULL)
        return err_set(
            err, ERR_SYSTEM, "cannot serve on %s: is the port in use?", where);
    mg_set_request_handler(server->http, "/", handle, server);
    if (mg_get_server_ports(server->http, 1, &port) != 1)
        return err_set(err, ERR_SYSTEM, "cannot tell which port is served");
    server->port = port.port;
    return 0;
}

int
model_server_start(struct model_server **out,
    const struct model_options *options, struct err *err)
{
    struct model_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    server->options = *options;
    (void)snprintf(server->health, sizeof(server->health), "%s",
        options->health != NULL ? options->health : "/healthz");
    (void)pthread_mutex_init(&server->mutex, NULL);
    clock_cond_init(&server->stop_cond);
    if ((options->script != NULL &&
            load_script(server, options->script, err) != 0) ||
        serve(server, err) != 0) {
        model_server_stop(server);
        return -1;
    }
    *out = server;
    return 0;
}

int
model_server_port(const struct model_server *server)
{
    return server->port;
}

unsigned long
model_server_requests(const struct model_server *server)
{
    return atomic_load(&server->requests);
}

void
model_server_stop(struct model_server *server)
{
    if (server == NULL)
        return;
    (void)pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    (void)pthread_cond_broadcast(&server->stop_cond);
    (void)pthread_mutex_unlock(&server->mutex);
    if (server->http != NULL)
        mg_stop(server->http);
    json_free(server->script);
    (void)pthread_cond_destroy(&server->stop_cond);
    (void)pthread_mutex_destroy(&server->mutex);
    free(server);
}
