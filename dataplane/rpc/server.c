/* SPDX-License-Identifier: Apache-2.0
 * nng contexts, each served by a thread of its own: a fixed number of requests
 * at a time, whatever the peers do. */
#include "dataplane/rpc/server.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/pki.h"
#include "common/secret.h"
#include "proto/frame.h"
#include "proto/limits.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

enum {
    WORKERS = 16,
    POLLERS_MAX = 6, /* of the workers: the others stay free for commands */
    STACK_BYTES = 256 * 1024,
    RETRY_MS = 100
};

struct worker {
    struct rpc_server *server;
    nng_ctx ctx;
    nng_aio *aio;
    pthread_t thread;
    bool has_ctx;
    bool has_thread;
};

struct rpc_server {
    struct handlers_deps handlers;
    nng_socket socket;
    nng_listener listener;
    bool socket_open;
    struct worker workers[WORKERS];
    atomic_int pollers;
    atomic_ullong requests;
    atomic_ullong failed;
    atomic_ullong malformed;
    atomic_ullong busy;
    atomic_ullong pipes;
    struct rpc_counters reported;
};

/* ---- one request ---- */

static int
call_handler(struct rpc_server *server, enum proto_op op, void *request,
    void *reply, struct err *err)
{
    int result;

    if (op != OP_EVENTS)
        return handlers_call(&server->handlers, op, request, reply, err);
    if (atomic_fetch_add(&server->pollers, 1) >= POLLERS_MAX) {
        atomic_fetch_add(&server->busy, 1);
        result = err_set(err, ERR_BUSY, "too many event polls at a time");
    } else {
        result = handlers_call(&server->handlers, op, request, reply, err);
    }
    atomic_fetch_sub(&server->pollers, 1);
    return result;
}

static int
answer(struct rpc_server *server, enum proto_op op, void *request,
    struct buf *out, struct err *err)
{
    const struct schema *schema = proto_reply_schema(op);
    AUTO_FREE void *reply = calloc(1, schema->size);
    int result;

    if (reply == NULL)
        return err_no_memory(err);
    result = call_handler(server, op, request, reply, err);
    if (result == 0)
        result = proto_encode_reply(op, reply, out, err);
    schema_release(schema, reply);
    return result;
}

/* Always leaves a frame in out. */
static void
serve_frame(
    struct rpc_server *server, const char *frame, size_t len, struct buf *out)
{
    enum proto_op op = OP_HELLO;
    struct err err = ERR_INIT;
    void *request = NULL;

    if (proto_decode_request(frame, len, &op, &request, &err) != 0) {
        atomic_fetch_add(&server->malformed, 1);
        proto_encode_error(&err, out);
        return;
    }
    atomic_fetch_add(&server->requests, 1);
    if (answer(server, op, request, out, &err) != 0) {
        atomic_fetch_add(&server->failed, 1);
        log_info(NULL, "request refused", LOG_S("op", proto_op_name(op)),
            LOG_S("code", err_name(err.code)), LOG_S("error", err.message));
        buf_clear(out);
        proto_encode_error(&err, out);
    }
    proto_free_request(op, request);
}

static nng_msg *
serve_message(struct rpc_server *server, nng_msg *in)
{
    AUTO(buf_free) struct buf out;
    nng_msg *reply = NULL;

    buf_init_secret(&out, PROTO_FRAME_MAX);
    serve_frame(server, nng_msg_body(in), nng_msg_len(in), &out);
    /* A dispatch carries a key. */
    secret_wipe(nng_msg_body(in), nng_msg_len(in));
    if (out.len > 0 && nng_msg_alloc(&reply, out.len) == 0)
        memcpy(nng_msg_body(reply), out.data, out.len);
    return reply;
}

/* ---- a worker ---- */

/* false when the socket is closed. */
static bool
serve_once(struct worker *worker)
{
    nng_msg *in;
    nng_msg *reply;
    int rv;

    nng_ctx_recv(worker->ctx, worker->aio);
    nng_aio_wait(worker->aio);
    rv = nng_aio_result(worker->aio);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
        return false;
    if (rv != 0) {
        nng_msleep(RETRY_MS); /* out of memory: not to spin */
        return true;
    }
    in = nng_aio_get_msg(worker->aio);
    reply = serve_message(worker->server, in);
    nng_msg_free(in);
    if (reply == NULL)
        return true; /* no memory for an answer: the peer's time-out tells */
    nng_aio_set_msg(worker->aio, reply);
    nng_ctx_send(worker->ctx, worker->aio);
    nng_aio_wait(worker->aio);
    if (nng_aio_result(worker->aio) != 0)
        nng_msg_free(nng_aio_get_msg(worker->aio)); /* the peer is gone */
    return true;
}

static void *
worker_main(void *arg)
{
    bool open = true;

    while (open)
        open = serve_once(arg);
    return NULL;
}

static int
nng_failure(struct err *err, int rv, const char *what)
{
    return err_set(err, rv == NNG_ENOMEM ? ERR_NO_MEMORY : ERR_SYSTEM, "%s: %s",
        what, nng_strerror(rv));
}

static int
start_worker(struct rpc_server *server, struct worker *worker, struct err *err)
{
    pthread_attr_t attr;
    int rv = nng_ctx_open(&worker->ctx, server->socket);

    if (rv != 0)
        return nng_failure(err, rv, "RPC context");
    worker->has_ctx = true;
    worker->server = server;
    if ((rv = nng_aio_alloc(&worker->aio, NULL, NULL)) != 0)
        return nng_failure(err, rv, "RPC context");
    if (pthread_attr_init(&attr) != 0)
        return err_no_memory(err);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    rv = pthread_create(&worker->thread, &attr, worker_main, worker);
    (void)pthread_attr_destroy(&attr);
    if (rv != 0)
        return err_set(
            err, ERR_SYSTEM, "cannot start a thread: %s", strerror(rv));
    worker->has_thread = true;
    return 0;
}

/* ---- certificates ---- */

static int
load_tls(nng_tls_config *tls, const char *dir, struct err *err)
{
    AUTO(pki_release) struct pki pki;
    int rv;

    if (pki_load(&pki, dir, "dataplane", err) != 0)
        return -1;
    if ((rv = nng_tls_config_ca_chain(tls, buf_str(&pki.ca), NULL)) != 0 ||
        (rv = nng_tls_config_own_cert(
             tls, buf_str(&pki.cert), buf_str(&pki.key), NULL)) != 0 ||
        (rv = nng_tls_config_auth_mode(tls, NNG_TLS_AUTH_MODE_REQUIRED)) != 0)
        return err_set(err, ERR_CONFIG,
            "certificates in %s cannot be used: %s (make them with `risoluto "
            "pki %s`)",
            dir, nng_strerror(rv), dir);
    return 0;
}

/* ---- listening ---- */

static void
pipe_added(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct rpc_server *server = arg;

    (void)pipe;
    (void)event;
    atomic_fetch_add(&server->pipes, 1);
}

static int
listen_failure(struct err *err, int rv, const char *url)
{
    if (rv == NNG_EADDRINUSE)
        return err_set(err, ERR_CONFLICT,
            "%s is in use by another process: stop it, or choose another "
            "address by --listen",
            url);
    return err_set(
        err, ERR_CONFIG, "cannot listen on %s: %s", url, nng_strerror(rv));
}

static int
start_listener(struct rpc_server *server,
    const struct rpc_server_options *options, nng_tls_config *tls,
    struct err *err)
{
    int rv =
        nng_listener_create(&server->listener, server->socket, options->url);

    if (rv == 0)
        rv = nng_listener_set_ptr(server->listener, NNG_OPT_TLS_CONFIG, tls);
    if (rv == 0)
        rv = nng_listener_start(server->listener, 0);
    return rv != 0 ? listen_failure(err, rv, options->url) : 0;
}

static int
open_socket(struct rpc_server *server, const struct rpc_server_options *options,
    struct err *err)
{
    nng_tls_config *tls = NULL;
    int result;
    int rv;

    if (strncmp(options->url, "tls+tcp://", 10) != 0)
        return err_set(err, ERR_CONFIG,
            "%s: the address to listen on must start with tls+tcp://",
            options->url);
    if ((rv = nng_rep0_open(&server->socket)) != 0)
        return nng_failure(err, rv, "nng");
    server->socket_open = true;
    if ((rv = nng_socket_set_size(
             server->socket, NNG_OPT_RECVMAXSZ, PROTO_FRAME_MAX)) != 0 ||
        (rv = nng_pipe_notify(
             server->socket, NNG_PIPE_EV_ADD_POST, pipe_added, server)) != 0)
        return nng_failure(err, rv, "nng");
    if ((rv = nng_tls_config_alloc(&tls, NNG_TLS_MODE_SERVER)) != 0)
        return nng_failure(err, rv, "nng TLS");
    result = load_tls(tls, options->pki_dir, err);
    if (result == 0)
        result = start_listener(server, options, tls, err);
    nng_tls_config_free(tls); /* the listener holds its own reference */
    return result;
}

int
rpc_server_start(struct rpc_server **out,
    const struct rpc_server_options *options, struct err *err)
{
    struct rpc_server *server = calloc(1, sizeof(*server));
    int result;

    *out = NULL;
    if (server == NULL)
        return err_no_memory(err);
    server->handlers = options->handlers;
    result = open_socket(server, options, err);
    for (size_t i = 0; i < WORKERS && result == 0; i++)
        result = start_worker(server, &server->workers[i], err);
    if (result != 0) {
        rpc_server_stop(server);
        return -1;
    }
    *out = server;
    return 0;
}

/* Contexts before the socket: closing a socket of nng 1.5 under contexts that
 * still receive hangs now and then. */
void
rpc_server_stop(struct rpc_server *server)
{
    if (server == NULL)
        return;
    for (size_t i = 0; i < WORKERS; i++)
        if (server->workers[i].aio != NULL)
            nng_aio_stop(server->workers[i].aio);
    for (size_t i = 0; i < WORKERS; i++) {
        struct worker *worker = &server->workers[i];

        if (worker->has_thread)
            (void)pthread_join(worker->thread, NULL);
        if (worker->aio != NULL)
            nng_aio_free(worker->aio);
        if (worker->has_ctx)
            (void)nng_ctx_close(worker->ctx);
    }
    if (server->socket_open)
        (void)nng_close(server->socket);
    free(server);
}

/* ---- counting ---- */

static bool
is_refusal(const char *name)
{
    static const char *const names[] = {
        "aborted", "timeout", "proto", "auth", "reject", "disconnect", "other"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Connections that our listener took and then gave up: nng tells of them by
 * its statistics only. */
static uint64_t
count_refused(struct rpc_server *server)
{
    nng_stat *all = NULL;
    nng_stat *listener;
    uint64_t refused = 0;

    if (nng_stats_get(&all) != 0)
        return 0;
    listener = nng_stat_find_listener(all, server->listener);
    if (listener != NULL)
        for (nng_stat *stat = nng_stat_child(listener); stat != NULL;
             stat = nng_stat_next(stat))
            if (is_refusal(nng_stat_name(stat)))
                refused += nng_stat_value(stat);
    nng_stats_free(all);
    return refused;
}

void
rpc_server_counters(struct rpc_server *server, struct rpc_counters *out)
{
    *out = (struct rpc_counters){.requests = atomic_load(&server->requests),
        .failed = atomic_load(&server->failed),
        .malformed = atomic_load(&server->malformed),
        .busy = atomic_load(&server->busy),
        .accepted = atomic_load(&server->pipes),
        .refused = count_refused(server)};
}

void
rpc_server_report(struct rpc_server *server)
{
    struct rpc_counters now;
    struct rpc_counters *before = &server->reported;

    rpc_server_counters(server, &now);
    if (now.refused > before->refused || now.malformed > before->malformed)
        log_warn(NULL, "peers refused",
            LOG_I("connections", (int64_t)(now.refused - before->refused)),
            LOG_I("frames", (int64_t)(now.malformed - before->malformed)),
            LOG_I("connections_total", (int64_t)now.refused),
            LOG_I("frames_total", (int64_t)now.malformed));
    *before = now;
}
