/* SPDX-License-Identifier: Apache-2.0
 * The RPC client: nng req0 over tls+tcp, one context per exchange. */
#include "control/pool/client.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/pki.h"
#include "proto/frame.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <string.h>

enum {
    RECONNECT_MIN_MS = 50,
    RECONNECT_MAX_MS = 2000,
    FRAME_OVERHEAD = 8 /* nng counts its own header in the limit */
};

/* A call under way, on its caller's stack. */
struct call {
    nng_aio *aio;
    struct call *next;
};

struct rpc_client {
    nng_socket socket;
    bool socket_open;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int pipes; /* established connections: 0 or 1 */
    bool closed;
    struct call *calls;
};

static int
nng_failure(struct err *err, int rv, const char *what)
{
    enum err_code code = ERR_UPSTREAM;

    switch (rv) {
    case NNG_ETIMEDOUT:
        code = ERR_TIMEOUT;
        break;
    case NNG_ECLOSED:
    case NNG_ECANCELED:
        code = ERR_CANCELLED;
        break;
    case NNG_ECONNRESET:
    case NNG_ECONNREFUSED:
    case NNG_ECONNABORTED:
    case NNG_ECONNSHUT:
        code = ERR_UNAVAILABLE;
        break;
    case NNG_ENOMEM:
        code = ERR_NO_MEMORY;
        break;
    default:
        break;
    }
    return err_set(err, code, "%s: %s", what, nng_strerror(rv));
}

static void
pipe_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct rpc_client *client = arg;

    (void)pipe;
    pthread_mutex_lock(&client->lock);
    client->pipes += event == NNG_PIPE_EV_ADD_POST ? 1 : -1;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static int
load_tls(nng_tls_config *tls, const struct rpc_client_options *options,
    struct err *err)
{
    AUTO(pki_release) struct pki pki;
    int rv;

    if (pki_load(&pki, options->pki_dir, "control", err) != 0)
        return -1;
    if ((rv = nng_tls_config_ca_chain(tls, buf_str(&pki.ca), NULL)) != 0 ||
        (rv = nng_tls_config_own_cert(
             tls, buf_str(&pki.cert), buf_str(&pki.key), NULL)) != 0 ||
        (rv = nng_tls_config_server_name(tls, options->server_name)) != 0 ||
        (rv = nng_tls_config_auth_mode(tls, NNG_TLS_AUTH_MODE_REQUIRED)) != 0)
        return err_set(err, ERR_CONFIG,
            "certificates in %s cannot be used: %s (make them with `risoluto "
            "pki %s`)",
            options->pki_dir, nng_strerror(rv), options->pki_dir);
    return 0;
}

static int
start_dialer(struct rpc_client *client, nng_tls_config *tls, const char *url,
    struct err *err)
{
    nng_dialer dialer;
    int rv = nng_dialer_create(&dialer, client->socket, url);

    if (rv != 0)
        return err_set(
            err, ERR_CONFIG, "data plane %s: %s", url, nng_strerror(rv));
    if ((rv = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls)) != 0 ||
        (rv = nng_dialer_set_ms(
             dialer, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0 ||
        (rv = nng_dialer_set_ms(
             dialer, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0 ||
        /* Blocking would fail at once when the peer is not there yet. */
        (rv = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK)) != 0)
        return nng_failure(err, rv, url);
    return 0;
}

static int
open_socket(struct rpc_client *client, const struct rpc_client_options *options,
    struct err *err)
{
    nng_tls_config *tls = NULL;
    int rv = nng_req0_open(&client->socket);
    int result;

    if (rv != 0)
        return nng_failure(err, rv, "nng");
    client->socket_open = true;
    /* A resend would run an operation twice; we repeat by idempotency key. */
    if ((rv = nng_socket_set_ms(client->socket, NNG_OPT_REQ_RESENDTIME, -1)) !=
            0 ||
        (rv = nng_socket_set_size(
             client->socket, NNG_OPT_RECVMAXSZ, PROTO_FRAME_MAX)) != 0 ||
        (rv = nng_pipe_notify(client->socket, NNG_PIPE_EV_ADD_POST,
             pipe_changed, client)) != 0 ||
        (rv = nng_pipe_notify(
             client->socket, NNG_PIPE_EV_REM_POST, pipe_changed, client)) != 0)
        return nng_failure(err, rv, "nng");
    if ((rv = nng_tls_config_alloc(&tls, NNG_TLS_MODE_CLIENT)) != 0)
        return nng_failure(err, rv, "nng TLS");
    result = load_tls(tls, options, err);
    if (result == 0)
        result = start_dialer(client, tls, options->url, err);
    nng_tls_config_free(tls); /* the dialer holds its own reference */
    return result;
}

int
rpc_client_open(struct rpc_client **out,
    const struct rpc_client_options *options, struct err *err)
{
    struct rpc_client *client = calloc(1, sizeof(*client));

    *out = NULL;
    if (client == NULL)
        return err_no_memory(err);
    pthread_mutex_init(&client->lock, NULL);
    clock_cond_init(&client->changed);
    if (open_socket(client, options, err) != 0) {
        rpc_client_close(client);
        rpc_client_free(client);
        return -1;
    }
    *out = client;
    return 0;
}

void
rpc_client_close(struct rpc_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->closed = true;
    for (struct call *call = client->calls; call != NULL; call = call->next)
        nng_aio_stop(call->aio);
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

/* The socket goes when no context is left: closing one of nng 1.5 under
 * contexts that still receive hangs now and then. */
void
rpc_client_free(struct rpc_client *client)
{
    if (client == NULL)
        return;
    if (client->socket_open)
        (void)nng_close(client->socket);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

bool
rpc_client_wait(struct rpc_client *client, int64_t mono_deadline_ms)
{
    bool connected;

    pthread_mutex_lock(&client->lock);
    while (client->pipes <= 0 && !client->closed &&
           clock_mono_ms() < mono_deadline_ms)
        (void)clock_cond_wait_until(
            &client->changed, &client->lock, mono_deadline_ms);
    connected = client->pipes > 0 && !client->closed;
    pthread_mutex_unlock(&client->lock);
    return connected;
}

/* Sends frame and gives the answer's message, which the caller frees. */
static int
exchange(nng_ctx ctx, nng_aio *aio, const struct buf *frame, nng_msg **answer,
    struct err *err)
{
    nng_msg *message = NULL;
    int rv = nng_msg_alloc(&message, frame->len);

    if (rv != 0)
        return nng_failure(err, rv, "nng");
    memcpy(nng_msg_body(message), frame->data, frame->len);
    nng_aio_set_msg(aio, message);
    nng_ctx_send(ctx, aio);
    nng_aio_wait(aio);
    rv = nng_aio_result(aio);
    if (rv != 0) {
        nng_msg_free(nng_aio_get_msg(aio));
        return nng_failure(err, rv, "send");
    }
    nng_ctx_recv(ctx, aio);
    nng_aio_wait(aio);
    rv = nng_aio_result(aio);
    if (rv != 0)
        return nng_failure(err, rv, "receive");
    *answer = nng_aio_get_msg(aio);
    return 0;
}

/* false: the client is closed, and the call must not begin. */
static bool
enter_call(struct rpc_client *client, struct call *call)
{
    bool open;

    pthread_mutex_lock(&client->lock);
    open = !client->closed;
    if (open) {
        call->next = client->calls;
        client->calls = call;
    }
    pthread_mutex_unlock(&client->lock);
    return open;
}

static void
leave_call(struct rpc_client *client, const struct call *call)
{
    struct call **link = &client->calls;

    pthread_mutex_lock(&client->lock);
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    pthread_mutex_unlock(&client->lock);
}

static int
exchange_until_closed(struct rpc_client *client, nng_aio *aio,
    const struct buf *frame, nng_msg **answer, struct err *err)
{
    struct call call = {.aio = aio};
    nng_ctx ctx;
    int result;
    int rv = nng_ctx_open(&ctx, client->socket);

    if (rv != 0)
        return nng_failure(err, rv, "nng");
    if (enter_call(client, &call)) {
        result = exchange(ctx, aio, frame, answer, err);
        leave_call(client, &call);
    } else {
        result = err_set(err, ERR_CANCELLED, "closing");
    }
    (void)nng_ctx_close(ctx);
    return result;
}

int
rpc_client_call(struct rpc_client *client, enum proto_op op,
    const void *request, void *reply, int64_t timeout_ms, struct err *err)
{
    AUTO(buf_free) struct buf frame;
    nng_aio *aio = NULL;
    nng_msg *answer = NULL;
    int result;
    int rv;

    buf_init_secret(&frame, PROTO_FRAME_MAX - FRAME_OVERHEAD);
    if (!rpc_client_wait(client, 0))
        return err_set(err, ERR_UNAVAILABLE, "not connected");
    if (proto_encode_request(op, request, &frame, err) != 0)
        return -1;
    if ((rv = nng_aio_alloc(&aio, NULL, NULL)) != 0)
        return nng_failure(err, rv, "nng");
    nng_aio_set_timeout(aio, (nng_duration)timeout_ms);
    result = exchange_until_closed(client, aio, &frame, &answer, err);
    nng_aio_free(aio);
    if (result != 0)
        return -1;
    result = proto_decode_reply(
        op, nng_msg_body(answer), nng_msg_len(answer), reply, err);
    nng_msg_free(answer);
    return result;
}
