/* SPDX-License-Identifier: Apache-2.0
 * Requests and event streams over libcurl: bounded, no redirects, no token
 * anywhere but in its header. */
#include "control/cli/client.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/secret.h"
#include "common/version.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPLY_MAX = 32 * 1024 * 1024,
    TOKEN_MAX = 512,
    CONNECT_TIMEOUT_MS = 5000,
    CALL_TIMEOUT_MS = 60000,
    TICK_MS = 150,
    SILENCE_MAX_MS = 60000, /* four heartbeats */
    BACKOFF_MIN_MS = 250,
    BACKOFF_MAX_MS = 5000
};

struct client {
    CURL *curl;
    char *url;
    struct secret *token;
};

/* ---- opening ---- */

static int
load_token(struct client *client, const char *file, struct err *err)
{
    if (file != NULL) {
        client->token = secret_read_file(file, TOKEN_MAX, err);
        return client->token != NULL ? 0 : err_wrap(err, "write token");
    }
    return secret_from_env("RISOLUTO_WRITE_TOKEN", &client->token, err);
}

static int
check_token(const struct client *client, struct err *err)
{
    const char *text = client->token != NULL ? secret_bytes(client->token) : "";
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p <= 0x20 || *p >= 0x7f)
            return err_set(err, ERR_CONFIG,
                "the write token has characters that no token has");
    }
    return 0;
}

int
client_open(struct client **out, const struct verb_call *call, struct err *err)
{
    *out = NULL;
    size_t len = strlen(call->url);
    if (strncmp(call->url, "http://", 7) != 0 &&
        strncmp(call->url, "https://", 8) != 0)
        return err_set(err, ERR_INVALID,
            "\"%.128s\" is no address; expected http://host:port", call->url);
    while (len > 0 && call->url[len - 1] == '/')
        len--;
    AUTO(client_close_ptr) struct client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return err_no_memory(err);
    client->url = strndup(call->url, len);
    if (client->url == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return err_no_memory(err);
    client->curl = curl_easy_init();
    if (client->curl == NULL)
        return err_no_memory(err);
    if (load_token(client, call->token_file, err) != 0 ||
        check_token(client, err) != 0)
        return -1;
    *out = STEAL(client);
    return 0;
}

void
client_close(struct client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    secret_free(client->token);
    free(client->url);
    free(client);
}

void
client_close_ptr(struct client **client)
{
    client_close(*client);
}

const char *
client_url(const struct client *client)
{
    return client->url;
}

char *
client_path(const char *prefix, const char *segment, const char *suffix,
    struct err *err)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-_~";
    struct buf path;
    buf_init(&path, 4096);
    buf_puts(&path, prefix);
    for (const unsigned char *p = (const unsigned char *)segment; *p; p++) {
        /* Dots too: a segment must never become "..". */
        if (strchr(plain, *p) != NULL)
            buf_putc(&path, (char)*p);
        else
            buf_printf(&path, "%%%02X", *p);
    }
    buf_puts(&path, suffix);
    if (buf_check(&path, err) != 0) {
        buf_free(&path);
        return NULL;
    }
    return buf_steal(&path);
}

/* ---- one transfer ---- */

struct transfer {
    struct client *client;
    char *url;
    struct curl_slist *headers;
    char why[CURL_ERROR_SIZE];
};

/* curl copies header lines: the one with the token is wiped before it goes. */
static void
transfer_release(struct transfer *transfer)
{
    for (struct curl_slist *h = transfer->headers; h != NULL; h = h->next)
        secret_wipe(h->data, strlen(h->data));
    curl_slist_free_all(transfer->headers);
    free(transfer->url);
    *transfer = (struct transfer){0};
}

static int
add_header(struct transfer *transfer, const char *line, struct err *err)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    if (longer == NULL)
        return err_no_memory(err);
    transfer->headers = longer;
    return 0;
}

static int
add_token(struct transfer *transfer, struct err *err)
{
    if (transfer->client->token == NULL ||
        secret_len(transfer->client->token) == 0)
        return 0;
    AUTO(buf_free) struct buf line = {0};
    buf_init_secret(&line, TOKEN_MAX + 64);
    buf_puts(&line, "Authorization: Bearer ");
    buf_puts(&line, secret_bytes(transfer->client->token));
    if (buf_check(&line, err) != 0)
        return -1;
    return add_header(transfer, buf_str(&line), err);
}

static int
transfer_init(struct transfer *transfer, struct client *client,
    const char *path, struct err *err)
{
    CURL *curl = client->curl;
    *transfer = (struct transfer){.client = client};
    if (asprintf(&transfer->url, "%s%s", client->url, path) < 0) {
        transfer->url = NULL;
        return err_no_memory(err);
    }
    curl_easy_reset(curl);
    if (add_token(transfer, err) != 0 ||
        curl_easy_setopt(curl, CURLOPT_URL, transfer->url) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") !=
            CURLE_OK ||
        curl_easy_setopt(
            curl, CURLOPT_USERAGENT, "risoluto/" RISOLUTO_VERSION) != CURLE_OK)
        return err->code != ERR_NONE ? -1 : err_no_memory(err);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->why);
    (void)curl_easy_setopt(
        curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    return 0;
}

static int
transfer_failed(const struct transfer *transfer, CURLcode code, struct err *err)
{
    const char *why =
        transfer->why[0] != '\0' ? transfer->why : curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_TIMEOUT, "%s does not answer: %s",
            transfer->client->url, why);
    return err_set(err, ERR_UNAVAILABLE,
        "cannot reach %s: %s; is risoluto-control running there? (--url or "
        "RISOLUTO_URL say where it is)",
        transfer->client->url, why);
}

/* The error that a server's answer tells. */
static int
answer_failed(long status, const char *body, size_t len, struct err *err)
{
    struct err unreadable = ERR_INIT;
    AUTO(json_free_ptr)
    struct json *root = json_parse(body, len, REPLY_MAX, &unreadable);
    const char *code = json_str(json_path(root, "error.code"), NULL);
    const char *message = json_str(json_path(root, "error.message"), NULL);
    enum err_code known = code != NULL ? err_from_name(code) : ERR_UPSTREAM;
    /* Only our own command line is ERR_INVALID here. */
    if (known == ERR_INVALID)
        known = ERR_CONFIG;
    if (message == NULL)
        return err_set(err, known,
            "the server answered %ld, and not as risoluto-control does",
            status);
    return err_set(err, known, "%.300s%s", message,
        known == ERR_UNAUTHORIZED
            ? " (--token-file or RISOLUTO_WRITE_TOKEN_FILE name the token)"
            : "");
}

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
    struct buf *body = arg;
    buf_append(body, data, size * count);
    return body->failed ? 0 : size * count;
}

static int
set_body(struct transfer *transfer, const char *method, const char *body,
    struct err *err)
{
    CURL *curl = transfer->client->curl;
    if (curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) != CURLE_OK)
        return err_no_memory(err);
    if (body == NULL && strcmp(method, "GET") == 0)
        return 0;
    (void)curl_easy_setopt(
        curl, CURLOPT_POSTFIELDS, body != NULL ? body : "{}");
    /* No "Expect: 100-continue": it only costs a round trip. */
    if (add_header(transfer, "Content-Type: application/json", err) != 0)
        return -1;
    return add_header(transfer, "Expect:", err);
}

static int
perform(struct transfer *transfer, struct buf *body, struct err *err)
{
    CURL *curl = transfer->client->curl;
    long status = 0;
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)CALL_TIMEOUT_MS);
    CURLcode code = curl_easy_perform(curl);
    if (body->failed)
        return err_set(err, ERR_TOO_LARGE, "the answer is too large");
    if (code != CURLE_OK)
        return transfer_failed(transfer, code, err);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299)
        return answer_failed(status, buf_str(body), body->len, err);
    return 0;
}

int
client_call(struct client *client, const char *method, const char *path,
    const char *body, struct json **out, struct err *err)
{
    AUTO(transfer_release) struct transfer transfer = {0};
    AUTO(buf_free) struct buf reply = {0};
    buf_init(&reply, REPLY_MAX);
    if (out != NULL)
        *out = NULL;
    if (transfer_init(&transfer, client, path, err) != 0 ||
        set_body(&transfer, method, body, err) != 0 ||
        perform(&transfer, &reply, err) != 0)
        return -1;
    if (out == NULL)
        return 0;
    *out = json_parse(buf_str(&reply), reply.len, REPLY_MAX, err);
    if (*out != NULL)
        return 0;
    (void)err_wrap(err, "the server's answer");
    err->code = ERR_UPSTREAM; /* it is not our command line that is wrong */
    return -1;
}

int
client_get(
    struct client *client, const char *path, struct json **out, struct err *err)
{
    return client_call(client, "GET", path, NULL, out, err);
}

/* ---- following events ---- */

struct follower {
    const struct client_stream *stream;
    struct client *client;
    struct sse sse;
    struct buf refusal; /* the body of an answer that is no stream */
    struct err error;   /* of the parser */
    int64_t heard_ms;   /* when the last byte came */
    bool stopped;       /* by event() */
    bool reached;       /* the stream was there once */
};

static int
pass_event(void *arg, const struct sse_event *event)
{
    struct follower *follower = arg;
    follower->stopped =
        follower->stream->event(follower->stream->arg, event) != 0;
    return follower->stopped ? 1 : 0;
}

static size_t
take_stream(char *data, size_t size, size_t count, void *arg)
{
    struct follower *follower = arg;
    long status = 0;
    (void)curl_easy_getinfo(
        follower->client->curl, CURLINFO_RESPONSE_CODE, &status);
    follower->heard_ms = clock_mono_ms();
    if (status != 200) {
        buf_append(&follower->refusal, data, size * count);
        return size * count;
    }
    follower->reached = true;
    int rc = sse_feed(&follower->sse, data, size * count, pass_event, follower,
        &follower->error);
    return rc == 0 ? size * count : 0;
}

/* Ends a connection on which nothing comes any more, not even a heartbeat. */
static bool
is_over(const struct follower *follower)
{
    int64_t now = clock_mono_ms();
    int64_t deadline = follower->stream->deadline_ms;
    return (deadline != 0 && now >= deadline) ||
           now - follower->heard_ms > SILENCE_MAX_MS;
}

static void
tick(const struct follower *follower)
{
    if (follower->stream->tick != NULL)
        follower->stream->tick(follower->stream->arg);
}

/* Runs the transfer that is in multi to its end. */
static CURLcode
pump(struct follower *follower, CURLM *multi)
{
    int running = 1;
    while (running > 0) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            return CURLE_FAILED_INIT;
        tick(follower);
        if (running == 0)
            break;
        if (is_over(follower))
            return CURLE_OPERATION_TIMEDOUT;
        if (curl_multi_poll(multi, NULL, 0, TICK_MS, NULL) != CURLM_OK)
            return CURLE_FAILED_INIT;
    }
    int left = 0;
    const CURLMsg *message = curl_multi_info_read(multi, &left);
    return message != NULL ? message->data.result : CURLE_FAILED_INIT;
}

static int
connect_stream(
    struct follower *follower, struct transfer *transfer, struct err *err)
{
    CURL *curl = follower->client->curl;
    char line[SSE_ID_SIZE + 32];
    if (transfer_init(
            transfer, follower->client, follower->stream->path, err) != 0 ||
        add_header(transfer, "Accept: text/event-stream", err) != 0)
        return -1;
    if (follower->sse.id[0] != '\0') {
        (void)snprintf(
            line, sizeof(line), "Last-Event-ID: %s", follower->sse.id);
        if (add_header(transfer, line, err) != 0)
            return -1;
    }
    sse_restart(&follower->sse);
    buf_clear(&follower->refusal);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_stream);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, follower);
    follower->heard_ms = clock_mono_ms();
    return 0;
}

/* One connection. 0: it ended by event(), or was lost with err saying why and
 * *lost set. -1: there is no use in another one. */
static int
follow_once(struct follower *follower, bool *lost, struct err *err)
{
    AUTO(transfer_release) struct transfer transfer = {0};
    long status = 0;
    *lost = false;
    if (connect_stream(follower, &transfer, err) != 0)
        return -1;
    CURLM *multi = curl_multi_init();
    if (multi == NULL ||
        curl_multi_add_handle(multi, follower->client->curl) != CURLM_OK) {
        (void)curl_multi_cleanup(multi);
        return err_no_memory(err);
    }
    CURLcode code = pump(follower, multi);
    (void)curl_easy_getinfo(
        follower->client->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_multi_remove_handle(multi, follower->client->curl);
    (void)curl_multi_cleanup(multi);
    if (follower->stopped)
        return 0;
    if (follower->error.code != ERR_NONE) {
        *err = follower->error;
        return -1;
    }
    *lost = true;
    if (status != 0 && status != 200) {
        (void)answer_failed(
            status, buf_str(&follower->refusal), follower->refusal.len, err);
        *lost = status == 429 || status >= 500;
    } else if (code != CURLE_OK) {
        (void)transfer_failed(&transfer, code, err);
    } else {
        (void)err_set(err, ERR_UNAVAILABLE, "the server ended the stream");
    }
    return *lost ? 0 : -1;
}

/* Waits before the next connection, with ticks. false: the deadline came. */
static bool
pause_for(const struct follower *follower, int64_t ms)
{
    int64_t deadline = follower->stream->deadline_ms;
    int64_t until = clock_mono_ms() + ms;
    for (;;) {
        int64_t now = clock_mono_ms();
        if (deadline != 0 && now >= deadline)
            return false;
        if (now >= until)
            return true;
        tick(follower);
        int64_t left = until - now < TICK_MS ? until - now : TICK_MS;
        struct timespec ts = {.tv_nsec = (long)left * 1000000L};
        (void)nanosleep(&ts, NULL);
    }
}

static int
follow(struct follower *follower, struct err *err)
{
    int64_t backoff = BACKOFF_MIN_MS;
    for (;;) {
        bool lost = false;
        int64_t started = clock_mono_ms();
        if (follow_once(follower, &lost, err) != 0)
            return -1;
        if (!lost)
            return 0;
        if (!follower->reached)
            return -1;
        if (clock_mono_ms() - started > BACKOFF_MAX_MS)
            backoff = BACKOFF_MIN_MS;
        if (follower->stream->lost != NULL &&
            (follower->stream->deadline_ms == 0 ||
                clock_mono_ms() < follower->stream->deadline_ms))
            follower->stream->lost(follower->stream->arg, err->message);
        if (!pause_for(follower, backoff))
            return err_set(err, ERR_TIMEOUT, "the time is up");
        backoff = backoff * 2 < BACKOFF_MAX_MS ? backoff * 2 : BACKOFF_MAX_MS;
        err_clear(err);
    }
}

int
client_follow(
    struct client *client, const struct client_stream *stream, struct err *err)
{
    struct follower follower = {
        .stream = stream, .client = client, .error = ERR_INIT};
    sse_init(&follower.sse);
    buf_init(&follower.refusal, 65536);
    int rc = follow(&follower, err);
    sse_free(&follower.sse);
    buf_free(&follower.refusal);
    return rc;
}
