/* SPDX-License-Identifier: Apache-2.0
 * The one file of the control plane that knows libcurl. */
#include "control/tracker/http_client.h"

#include "common/cleanup.h"
#include "common/version.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { IDLE_MAX = 4, CONNECT_TIMEOUT_MS = 10000, HEADER_LINE_MAX = 4096 };

/* Handles keep their connection while they wait for the next request. */
struct http_client {
    pthread_mutex_t mutex;
    CURL *idle[IDLE_MAX];
    size_t idle_count;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void
global_init(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int
http_client_open(struct http_client **out, struct err *err)
{
    *out = NULL;
    (void)pthread_once(&global_once, global_init);
    if (global_result != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "libcurl cannot be initialised: %s",
            curl_easy_strerror(global_result));
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return err_no_memory(err);
    (void)pthread_mutex_init(&client->mutex, NULL);
    *out = client;
    return 0;
}

void
http_client_close(struct http_client *client)
{
    if (client == NULL)
        return;
    for (size_t i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    (void)pthread_mutex_destroy(&client->mutex);
    free(client);
}

static CURL *
take_handle(struct http_client *client)
{
    CURL *curl = NULL;

    (void)pthread_mutex_lock(&client->mutex);
    if (client->idle_count > 0)
        curl = client->idle[--client->idle_count];
    (void)pthread_mutex_unlock(&client->mutex);
    return curl != NULL ? curl : curl_easy_init();
}

static void
give_handle(struct http_client *client, CURL *curl)
{
    curl_easy_reset(curl); /* forgets the header with the credential */
    (void)pthread_mutex_lock(&client->mutex);
    if (client->idle_count < IDLE_MAX) {
        client->idle[client->idle_count++] = curl;
        curl = NULL;
    }
    (void)pthread_mutex_unlock(&client->mutex);
    curl_easy_cleanup(curl);
}

/* ---- addresses ---- */

static bool
is_loopback(const char *host)
{
    struct in_addr address;

    /* As a number: 127.example.org is somebody else. */
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 &&
               ntohl(address.s_addr) >> 24 == 127);
}

struct url_parts {
    CURLU *url;
    char *scheme;
    char *host;
    char *user;
};

static void
release_parts(struct url_parts *parts)
{
    curl_free(parts->scheme);
    curl_free(parts->host);
    curl_free(parts->user);
    curl_url_cleanup(parts->url);
}

static int
check_parts(const struct url_parts *parts, struct err *err)
{
    if (parts->user != NULL)
        return err_set(err, ERR_CONFIG,
            "the address carries a user name or password; give credentials "
            "by their own key");
    if (strcmp(parts->scheme, "https") == 0)
        return 0;
    if (strcmp(parts->scheme, "http") == 0 && is_loopback(parts->host))
        return 0;
    return err_set(err, ERR_CONFIG,
        "the address must begin with https:// (http:// only for a loopback "
        "host), or the credential would travel in clear");
}

int
http_client_check_url(const char *url, struct err *err)
{
    AUTO(release_parts) struct url_parts parts = {.url = curl_url()};

    if (parts.url == NULL)
        return err_no_memory(err);
    if (curl_url_set(parts.url, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts.url, CURLUPART_SCHEME, &parts.scheme, 0) !=
            CURLUE_OK ||
        curl_url_get(parts.url, CURLUPART_HOST, &parts.host, 0) != CURLUE_OK)
        return err_set(err, ERR_CONFIG, "\"%.200s\" is no http address", url);
    (void)curl_url_get(parts.url, CURLUPART_USER, &parts.user, 0);
    return check_parts(&parts, err);
}

/* ---- the answer ---- */

void
http_response_release(struct http_response *response)
{
    buf_free(&response->body);
    buf_free(&response->headers);
    memset(response, 0, sizeof(*response));
}

bool
http_response_header(const struct http_response *response, const char *name,
    char *out, size_t size)
{
    size_t name_len = strlen(name);
    const char *line = buf_str(&response->headers);

    while (*line != '\0') {
        size_t len = strcspn(line, "\n");
        if (len > name_len && strncmp(line, name, name_len) == 0 &&
            line[name_len] == ':') {
            const char *value = line + name_len + 1;
            (void)snprintf(out, size, "%.*s", (int)(len - name_len - 1), value);
            return true;
        }
        line += len + (line[len] == '\n');
    }
    return false;
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_response *response = arg;

    buf_append(&response->body, data, size * count);
    return response->body.failed ? 0 : size * count; /* 0 ends the transfer */
}

static void
append_lower(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char byte = text[i];
        if (byte >= 'A' && byte <= 'Z')
            byte = (char)(byte - 'A' + 'a');
        buf_putc(out, byte);
    }
}

static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_response *response = arg;
    size_t len = size * count;
    const char *colon = memchr(data, ':', len);

    /* A status line: what came before belonged to an interim answer. */
    if (len > 5 && memcmp(data, "HTTP/", 5) == 0)
        buf_clear(&response->headers);
    if (colon == NULL || len > HEADER_LINE_MAX)
        return len;
    const char *value = colon + 1;
    const char *end = data + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\n' || end[-1] == '\r'))
        end--;
    append_lower(&response->headers, data, (size_t)(colon - data));
    buf_putc(&response->headers, ':');
    buf_append(&response->headers, value, (size_t)(end - value));
    buf_putc(&response->headers, '\n');
    return len; /* headers that do not fit are dropped, the answer counts */
}

/* ---- the request ---- */

/* Our copy of the credential is wiped before libcurl frees the list. */
static void
release_headers(struct curl_slist **list)
{
    for (struct curl_slist *item = *list; item != NULL; item = item->next)
        secret_wipe(item->data, strlen(item->data));
    curl_slist_free_all(*list);
    *list = NULL;
}

static int
add_header(struct curl_slist **list, const char *line, struct err *err)
{
    struct curl_slist *grown = curl_slist_append(*list, line);

    if (grown == NULL)
        return err_no_memory(err);
    *list = grown;
    return 0;
}

static int
add_authorization(struct curl_slist **list, const struct secret *authorization,
    struct err *err)
{
    AUTO(buf_free) struct buf line = {0};
    const char *value = secret_bytes(authorization);

    /* A line break would let a credential smuggle headers in. */
    for (size_t i = 0; i < secret_len(authorization); i++) {
        unsigned char byte = (unsigned char)value[i];
        if (byte < 0x20 || byte > 0x7e)
            return err_set(err, ERR_INVALID,
                "the credential contains a byte that no header may carry");
    }
    buf_init_secret(&line, HEADER_LINE_MAX);
    buf_puts(&line, "Authorization: ");
    buf_append(&line, value, secret_len(authorization));
    if (buf_check(&line, err) < 0)
        return -1;
    return add_header(list, buf_str(&line), err);
}

static int
make_headers(struct curl_slist **list, const struct http_request *request,
    struct err *err)
{
    char line[256];

    (void)snprintf(
        line, sizeof(line), "Content-Type: %s", request->content_type);
    if (add_header(list, line, err) < 0 ||
        add_header(list, "Accept: application/json", err) < 0 ||
        add_header(list, "Expect:", err) < 0) /* no 100-continue wait */
        return -1;
    if (request->authorization == NULL)
        return 0;
    return add_authorization(list, request->authorization, err);
}

static int
set_up(CURL *curl, const struct http_request *request,
    struct http_response *response, struct curl_slist *headers, struct err *err)
{
    long connect_ms = request->timeout_ms < CONNECT_TIMEOUT_MS
                          ? (long)request->timeout_ms
                          : CONNECT_TIMEOUT_MS;
    bool failed = false;
#define SET(option, value)                                                     \
    (failed = failed || curl_easy_setopt(curl, option, value) != CURLE_OK)
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    SET(CURLOPT_USERAGENT, "risoluto/" RISOLUTO_VERSION);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, request->body);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, response);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, response);
    /* check_url lets http pass for loopback alone, which no proxy serves. */
    if (strncmp(request->url, "http://", 7) == 0)
        SET(CURLOPT_PROXY, "");
#undef SET
    return failed ? err_no_memory(err) : 0;
}

static int
transfer_error(CURLcode code, const struct http_response *response,
    const struct http_request *request, struct err *err)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_TIMEOUT, "no complete answer within %lld ms",
            (long long)request->timeout_ms);
    if (code == CURLE_WRITE_ERROR && buf_check(&response->body, err) < 0)
        return -1;
    if (code == CURLE_OUT_OF_MEMORY)
        return err_no_memory(err);
    return err_set(err, ERR_UNAVAILABLE, "%s", curl_easy_strerror(code));
}

int
http_client_post(struct http_client *client, const struct http_request *request,
    struct http_response *response, struct err *err)
{
    AUTO(release_headers) struct curl_slist *headers = NULL;

    memset(response, 0, sizeof(*response));
    buf_init(&response->body, request->max_response);
    buf_init(&response->headers, HTTP_HEADER_BYTES_MAX);
    if (make_headers(&headers, request, err) < 0)
        return -1;
    CURL *curl = take_handle(client);
    if (curl == NULL)
        return err_no_memory(err);
    int result = set_up(curl, request, response, headers, err);
    if (result == 0) {
        CURLcode code = curl_easy_perform(curl);
        long status = 0;
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        response->status = (int)status;
        if (code != CURLE_OK)
            result = transfer_error(code, response, request, err);
    }
    give_handle(client, curl);
    return result;
}
