/* SPDX-License-Identifier: Apache-2.0
 * The HTTP server: civetweb's threads and parser, and nothing else of it. All
 * requests are taken in begin_request, before civetweb looks at them: its own
 * CORS, authentication, files and scripts are never reached. */
#include "control/http/server.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "control/config/config.h"
#include "control/http/app.h"
#include "control/http/handlers.h"
#include "control/http/reply.h"
#include "control/http/router.h"
#include "control/http/sockets.h"
#include "control/store/store.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    HEAD_MAX = 16 * 1024, /* civetweb's buffer for a request's head */
    READ_CHUNK = 4096,
    DRAIN_MAX = 4 * 1024 * 1024,
    DRAIN_MS = 500,
    STOP_GRACE_MS = 300,
    ONE_WRITE_MAX = 32 * 1024 /* head and body in one packet below that */
};

struct http_server {
    struct http_app app;
    struct config *config; /* its strings are the guard's */
    struct mg_context *civetweb;
    int port;
    pthread_mutex_t mutex;
    pthread_cond_t quiet; /* connections became 0 */
    int connections;      /* being served */
};

/* One request on its connection. */
struct exchange {
    struct http_server *server;
    struct mg_connection *conn;
    const struct mg_request_info *info;
    struct http_request request;
    struct http_header headers[HTTP_HEADERS_MAX];
    int fd;            /* -1: not looked for, or not found */
    int64_t body_read; /* bytes of the body taken from the connection */
    bool failed;       /* a write failed: the client is gone */
};

/* ---- reading the body ---- */

static int
exchange_fd(struct exchange *ex)
{
    if (ex->fd < 0)
        ex->fd = sockets_find(
            ex->info->remote_addr, ex->info->remote_port, ex->server->port);
    return ex->fd;
}

/* How many bytes mg_read can be asked for without waiting for more than the
 * first: it waits for all that it is asked for, and a client that sends a
 * byte now and then would hold it for hours. civetweb may still have a part
 * of the body next to the head, which the socket does not show; beyond
 * HEAD_MAX bytes it cannot. */
static int64_t
ready_bytes(struct exchange *ex, int64_t left, int64_t deadline)
{
    int64_t ready = 1;

    if (ex->body_read >= HEAD_MAX && exchange_fd(ex) >= 0) {
        int64_t wait = deadline - clock_mono_ms();

        ready = sockets_readable(ex->fd, wait > 0 ? (int)wait : 0);
    }
    if (ready > READ_CHUNK)
        ready = READ_CHUNK;
    return ready > left ? left : ready;
}

static int
read_body(void *arg, struct buf *out, struct err *err)
{
    struct exchange *ex = arg;
    const char *expect = http_header(&ex->request, "Expect");
    int64_t deadline =
        clock_mono_ms() + ex->server->app.tuning.request_timeout_ms;
    char chunk[READ_CHUNK];

    if (expect != NULL && strcasecmp(expect, "100-continue") == 0)
        (void)mg_printf(ex->conn, "HTTP/1.1 100 Continue\r\n\r\n");
    while (ex->body_read < ex->request.body_len) {
        int64_t want =
            ready_bytes(ex, ex->request.body_len - ex->body_read, deadline);
        int got = want <= 0 ? 0 : mg_read(ex->conn, chunk, (size_t)want);

        if (got <= 0)
            return err_set(err, ERR_INVALID,
                "the body ended or stopped before its Content-Length");
        if (clock_mono_ms() > deadline)
            return err_set(err, ERR_INVALID, "the body did not arrive in time");
        ex->body_read += got;
        buf_append(out, chunk, (size_t)got);
    }
    return buf_check(out, err);
}

/* A socket that is closed with unread bytes is reset, and the client may lose
 * our answer with it: take what is under way, within bounds. */
static void
drain(struct exchange *ex)
{
    int64_t left = ex->request.body_len - ex->body_read;
    int64_t deadline = clock_mono_ms() + DRAIN_MS;
    int64_t budget = DRAIN_MAX;
    char chunk[READ_CHUNK];
    int fd = -1;

    if (left <= 0 || http_header(&ex->request, "Expect") != NULL)
        return;
    fd = exchange_fd(ex);
    while (fd >= 0 && left > 0 && budget > 0) {
        int64_t wait = deadline - clock_mono_ms();
        int64_t ready = wait <= 0 ? -1 : sockets_readable(fd, (int)wait);

        if (ready <= 0)
            return;
        ssize_t got = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);

        if (got <= 0)
            return;
        left -= got;
        budget -= got;
    }
}

/* ---- writing ---- */

static int
sink_write(void *arg, const void *data, size_t len)
{
    struct exchange *ex = arg;

    if (!ex->failed && len > 0)
        ex->failed = mg_write(ex->conn, data, len) != (int)len;
    return ex->failed ? -1 : 0;
}

static bool
sink_is_gone(void *arg, int wait_ms)
{
    struct exchange *ex = arg;

    return ex->failed || sockets_hung_up(exchange_fd(ex), wait_ms);
}

static void
send_reply(struct exchange *ex, const struct http_call *call, bool keep)
{
    AUTO(buf_free) struct buf head;
    struct err err = ERR_INIT;
    size_t len = 0;
    const char *body = reply_body(call, &len);

    buf_init(&head, HEAD_MAX + ONE_WRITE_MAX);
    reply_head(call, keep, &head);
    if (len <= ONE_WRITE_MAX) {
        buf_append(&head, body, len);
        len = 0;
    }
    if (buf_check(&head, &err) != 0) {
        log_failure(NULL, "a reply cannot be sent", &err);
        ex->failed = true;
    }
    (void)sink_write(ex, head.data, head.len);
    (void)sink_write(ex, body, len);
}

/* ---- one request ---- */

/* civetweb ends the headers at the first line that it cannot read and says
 * nothing; what follows is then body to it and header to a proxy before us.
 * Its parser put a NUL over each line's end, so what stands behind the last
 * value shows whether the headers really ended there. */
static bool
headers_were_cut(const struct mg_request_info *info)
{
    const char *end = NULL;

    if (info->num_headers == 0)
        return true;
    end = info->http_headers[info->num_headers - 1].value;
    end += strlen(end);
    if (end - info->request_method > HEAD_MAX - 64)
        return true; /* no room to look */
    return !(end[1] == '\0' && (end[2] == '\r' || end[2] == '\n'));
}

static int
take_request(struct exchange *ex, struct err *err)
{
    const struct mg_request_info *info = ex->info;

    ex->request = (struct http_request){.method = info->request_method,
        .path = info->local_uri_raw == NULL ? "" : info->local_uri_raw,
        .query = info->query_string,
        .headers = ex->headers,
        .loopback = strncmp(info->remote_addr, "127.", 4) == 0,
        .read_body = read_body,
        .arg = ex};
    for (int i = 0; i < info->num_headers && i < HTTP_HEADERS_MAX; i++) {
        ex->headers[i].name = info->http_headers[i].name;
        ex->headers[i].value = info->http_headers[i].value;
        ex->request.header_count++;
    }
    if (info->num_headers > HTTP_HEADERS_MAX)
        return err_set(err, ERR_INVALID, "more than %d header lines",
            (int)HTTP_HEADERS_MAX);
    if (headers_were_cut(info))
        return err_set(err, ERR_INVALID, "malformed header lines");
    return http_framing(&ex->request, &ex->request.body_len, err);
}

/* A connection that stays holds a thread: only while there are plenty. */
static bool
may_keep(struct exchange *ex, const struct http_call *call)
{
    struct http_server *server = ex->server;
    const char *wish = http_header(&ex->request, "Connection");
    bool crowded = false;

    if (call->reply.stream != NULL || atomic_load(&server->app.stopping) ||
        strcmp(ex->info->http_version, "1.1") != 0 ||
        (wish != NULL && strcasecmp(wish, "keep-alive") != 0) ||
        ex->body_read < ex->request.body_len)
        return false;
    (void)pthread_mutex_lock(&server->mutex);
    crowded = server->connections - atomic_load(&server->app.streams) >
              server->app.tuning.request_threads * 3 / 4;
    (void)pthread_mutex_unlock(&server->mutex);
    return !crowded;
}

static void
account(const struct exchange *ex, const struct http_call *call, int64_t ms)
{
    struct http_app *app = &ex->server->app;
    int status = call->reply.status;
    bool is_read = strcmp(ex->request.method, "GET") == 0 ||
                   strcmp(ex->request.method, "HEAD") == 0;

    atomic_fetch_add(
        &app->requests[call->class][status / 100 % HTTP_STATUS_CLASSES], 1);
    log_write(is_read ? LOG_DEBUG : LOG_INFO, NULL, "request",
        (const struct log_kv[]){LOG_S("method", ex->request.method),
            LOG_S("path", ex->request.path), LOG_I("status", status),
            LOG_I("ms", ms), LOG_S("client", ex->info->remote_addr), LOG_END_});
}

static int
on_request(struct mg_connection *conn)
{
    struct http_server *server = mg_get_user_data(mg_get_context(conn));
    struct exchange ex = {.server = server,
        .conn = conn,
        .info = mg_get_request_info(conn),
        .fd = -1};
    const struct http_sink sink = {
        .write = sink_write, .is_gone = sink_is_gone, .arg = &ex};
    int64_t began = clock_mono_ms();
    struct http_call call;
    struct err err = ERR_INIT;

    http_call_init(&call, &ex.request);
    bool framed = take_request(&ex, &err) == 0;

    if (framed)
        router_dispatch(http_routes(), &server->app, &call);
    else
        http_reply_error(&call, &err);
    bool keep = framed && may_keep(&ex, &call);

    if (!keep)
        mg_disable_connection_keep_alive(conn);
    account(&ex, &call, clock_mono_ms() - began);
    send_reply(&ex, &call, keep);
    if (call.reply.stream != NULL)
        call.reply.stream(&server->app, &call, &sink);
    if (framed)
        drain(&ex);
    int status = call.reply.status;

    http_call_release(&call);
    return status;
}

/* What civetweb refuses by itself never gets to on_request. */
static int
on_bad_request(struct mg_connection *conn, int status, const char *message)
{
    struct http_server *server = mg_get_user_data(mg_get_context(conn));
    struct exchange ex = {.server = server, .conn = conn, .fd = -1};
    struct err err = ERR_INIT;
    struct http_call call;

    (void)message; /* its words change with its version */
    ex.request = (struct http_request){.method = "GET", .path = ""};
    http_call_init(&call, &ex.request);
    (void)err_set(&err, ERR_INVALID,
        "this is no valid HTTP request, or its head is larger than %d bytes",
        (int)HEAD_MAX);
    http_reply_error(&call, &err);
    call.reply.status = status;
    atomic_fetch_add(&server->app.requests[HTTP_CLASS_NONE]
                                          [status / 100 % HTTP_STATUS_CLASSES],
        1);
    send_reply(&ex, &call, false);
    http_call_release(&call);
    return 0;
}

/* ---- connections ---- */

static int
on_open(const struct mg_connection *conn, void **data)
{
    struct http_server *server = mg_get_user_data(mg_get_context(conn));

    (void)data;
    (void)pthread_mutex_lock(&server->mutex);
    server->connections++;
    (void)pthread_mutex_unlock(&server->mutex);
    return 0;
}

static void
on_closed(const struct mg_connection *conn)
{
    struct http_server *server = mg_get_user_data(mg_get_context(conn));

    (void)pthread_mutex_lock(&server->mutex);
    server->connections--;
    if (server->connections == 0)
        (void)pthread_cond_signal(&server->quiet);
    (void)pthread_mutex_unlock(&server->mutex);
}

static int
on_log(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    log_debug(NULL, "http server", LOG_S("detail", message));
    return 1;
}

/* ---- start ---- */

static void
set_tuning(struct http_tuning *out, const struct http_tuning *in)
{
    static const struct http_tuning defaults = {.request_threads = 16,
        .stream_slots = 32,
        .heartbeat_ms = 15000,
        .stream_max_ms = 600000,
        .request_timeout_ms = 10000};
    const struct http_tuning *t = in == NULL ? &defaults : in;

#define PICK(member) out->member = t->member > 0 ? t->member : defaults.member
    PICK(request_threads);
    PICK(stream_slots);
    PICK(heartbeat_ms);
    PICK(stream_max_ms);
    PICK(request_timeout_ms);
#undef PICK
}

static int
set_guard(struct http_server *server, struct err *err)
{
    const struct config *config = server->config;
    struct guard *guard = &server->app.guard;
    const char *bind = config->server_bind;
    struct in_addr address;

    if (strcmp(bind, "localhost") == 0)
        bind = "127.0.0.1";
    if (inet_pton(AF_INET, bind, &address) != 1)
        return err_set(err, ERR_CONFIG,
            "server.bind: \"%.64s\" is no IPv4 address; use 127.0.0.1, "
            "0.0.0.0 or an address of this machine",
            bind);
    (void)snprintf(guard->bind, sizeof(guard->bind), "%s", bind);
    guard->allowed_hosts = config->server_allowed_hosts.items;
    guard->allowed_count = config->server_allowed_hosts.count;
    return guard_set_token(guard, config->server_write_token, err);
}

/* civetweb says only that it failed: try the same to learn why. */
static int
explain_failure(const char *bind_to, int port, struct err *err)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;

    (void)inet_pton(AF_INET, bind_to, &address.sin_addr);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return err_set(err, ERR_INTERNAL,
            "the HTTP server cannot start on %s port %d", bind_to, port);
    if (errno == EADDRINUSE)
        return err_set(err, ERR_CONFLICT,
            "port %d on %s is in use; stop the other program or choose --port",
            port, bind_to);
    if (errno == EADDRNOTAVAIL)
        return err_set(err, ERR_CONFIG,
            "server.bind: %s is no address of this machine", bind_to);
    return err_sys(err, "cannot listen on %s port %d", bind_to, port);
}

static int
start_civetweb(struct http_server *server, struct err *err)
{
    const struct http_tuning *tuning = &server->app.tuning;
    const struct mg_callbacks callbacks = {.begin_request = on_request,
        .http_error = on_bad_request,
        .init_connection = on_open,
        .connection_closed = on_closed,
        .log_message = on_log};
    char listen_on[96];
    char threads[16];
    char timeout[24];
    char head_max[16];
    const char *options[] = {"listening_ports", listen_on, "num_threads",
        threads, "request_timeout_ms", timeout, "max_request_size", head_max,
        "enable_keep_alive", "yes", "keep_alive_timeout_ms", "5000",
        "tcp_nodelay", "1", "decode_url", "no", "connection_queue", "64",
        "enable_auth_domain_check", "no", "enable_directory_listing", "no",
        "access_control_allow_origin", "", "access_control_allow_methods", "",
        "access_control_allow_headers", "", NULL};
    int port = (int)server->config->server_port;

    (void)snprintf(
        listen_on, sizeof(listen_on), "%s:%d", server->app.guard.bind, port);
    (void)snprintf(threads, sizeof(threads), "%d",
        tuning->request_threads + tuning->stream_slots);
    (void)snprintf(timeout, sizeof(timeout), "%lld",
        (long long)tuning->request_timeout_ms);
    (void)snprintf(head_max, sizeof(head_max), "%d", (int)HEAD_MAX);
    (void)mg_init_library(MG_FEATURES_DEFAULT);
    server->civetweb = mg_start(&callbacks, server, options);
    if (server->civetweb == NULL) {
        (void)mg_exit_library();
        return explain_failure(server->app.guard.bind, port, err);
    }
    return 0;
}

static void
server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    snapshot_free(server->app.state);
    snapshot_free(server->app.metrics);
    config_release(server->config);
    (void)pthread_cond_destroy(&server->quiet);
    (void)pthread_mutex_destroy(&server->mutex);
    free(server);
}

static int
open_server(struct http_server *server, struct err *err)
{
    struct mg_server_port ports[1];

    if (set_guard(server, err) != 0 || api_state_open(&server->app, err) != 0 ||
        api_metrics_open(&server->app, err) != 0 ||
        start_civetweb(server, err) != 0)
        return -1;
    if (mg_get_server_ports(server->civetweb, 1, ports) == 1)
        server->port = ports[0].port;
    server->app.guard.port = (uint16_t)server->port;
    return 0;
}

int
http_start_tuned(struct http_server **out, const struct http_deps *deps,
    const struct http_tuning *tuning, struct err *err)
{
    struct http_server *server = calloc(1, sizeof(*server));

    *out = NULL;
    if (server == NULL)
        return err_no_memory(err);
    (void)pthread_mutex_init(&server->mutex, NULL);
    clock_cond_init(&server->quiet);
    server->app.deps = *deps;
    server->app.started_at_ms = clock_wall_ms();
    set_tuning(&server->app.tuning, tuning);
    server->config = config_get(deps->config);
    if (open_server(server, err) != 0) {
        server_free(server);
        return -1;
    }
    *out = server;
    return 0;
}

int
http_start(
    struct http_server **out, const struct http_deps *deps, struct err *err)
{
    return http_start_tuned(out, deps, NULL, err);
}

int
http_port(const struct http_server *server)
{
    return server->port;
}

/* ---- stop ---- */

/* civetweb looks at its stop flag every two seconds only. Ending the reading
 * side wakes whoever waits for a request and lets answers out; whoever does
 * not take his answer in time is cut off. */
void
http_stop(struct http_server *server)
{
    int64_t deadline = clock_mono_ms() + STOP_GRACE_MS;

    if (server == NULL)
        return;
    atomic_store(&server->app.stopping, true);
    store_wake(server->app.deps.store);
    sockets_shutdown(server->port, false, SHUT_RD);
    (void)pthread_mutex_lock(&server->mutex);
    while (server->connections > 0 && clock_cond_wait_until(&server->quiet,
                                          &server->mutex, deadline) == 0) {
    }
    (void)pthread_mutex_unlock(&server->mutex);
    sockets_shutdown(server->port, true, SHUT_RDWR);
    sockets_shutdown(server->port, false, SHUT_RDWR);
    mg_stop(server->civetweb);
    (void)mg_exit_library();
    server_free(server);
}
