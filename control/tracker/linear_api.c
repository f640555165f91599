/* SPDX-License-Identifier: Apache-2.0
 * One GraphQL exchange with Linear: the request, what its answers mean, and
 * the rate limit, which is remembered so that nobody asks in vain. */
#include "control/tracker/linear_api.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/tracker/http_client.h"

#include <pthread.h>
#include <string.h>

enum {
    TIMEOUT_MS = 30000,
    REQUEST_MAX = 1024 * 1024,
    RESPONSE_MAX = 16 * 1024 * 1024,
    LIMIT_MIN_MS = 1000,
    LIMIT_DEFAULT_MS = 60000,
    LIMIT_MAX_MS = 3600000
};

/* Below it a reset time is in seconds: as milliseconds it would be 1973. */
static const int64_t seconds_below = 100000000000;

struct linear_api {
    struct http_client *http;
    char *endpoint;
    struct secret *key;
    pthread_mutex_t mutex;
    int64_t limited_until_ms; /* monotonic */
};

static int
check_config(const struct config *config, struct err *err)
{
    if (config->tracker_api_key == NULL)
        return err_set(err, ERR_TRACKER_CONFIG,
            "the linear tracker needs a credential: set LINEAR_API_KEY, "
            "LINEAR_API_KEY_FILE or tracker.api_key");
    if (config->tracker_project_slug == NULL ||
        config->tracker_project_slug[0] == '\0')
        return err_set(err, ERR_TRACKER_CONFIG,
            "the linear tracker needs tracker.project_slug (the end of the "
            "project's address in Linear)");
    if (http_client_check_url(config->tracker_endpoint, err) < 0) {
        err->code = ERR_TRACKER_CONFIG;
        return err_wrap(err, "tracker.endpoint");
    }
    return 0;
}

int
linear_api_open(
    struct linear_api **out, const struct config *config, struct err *err)
{
    *out = NULL;
    if (check_config(config, err) < 0)
        return -1;
    struct linear_api *api = calloc(1, sizeof(*api));
    if (api == NULL)
        return err_no_memory(err);
    (void)pthread_mutex_init(&api->mutex, NULL);
    api->endpoint = strdup(config->tracker_endpoint);
    api->key = secret_dup(config->tracker_api_key);
    int result = 0;
    if (api->endpoint == NULL || api->key == NULL)
        result = err_no_memory(err);
    if (result < 0 || http_client_open(&api->http, err) < 0) {
        linear_api_close(api);
        return -1;
    }
    *out = api;
    return 0;
}

void
linear_api_close(struct linear_api *api)
{
    if (api == NULL)
        return;
    http_client_close(api->http);
    secret_free(api->key);
    free(api->endpoint);
    (void)pthread_mutex_destroy(&api->mutex);
    free(api);
}

void
linear_reply_release(struct linear_reply *reply)
{
    json_free(reply->root);
    *reply = (struct linear_reply){0};
}

/* ---- the rate limit ---- */

static int
limited(int64_t wait_ms, struct err *err)
{
    return err_set(err, ERR_TRACKER_RATE,
        "Linear's rate limit is reached; the next request goes out in %lld s",
        (long long)((wait_ms + 999) / 1000));
}

static int
check_limit(struct linear_api *api, struct err *err)
{
    (void)pthread_mutex_lock(&api->mutex);
    int64_t wait_ms = api->limited_until_ms - clock_mono_ms();
    (void)pthread_mutex_unlock(&api->mutex);
    return wait_ms > 0 ? limited(wait_ms, err) : 0;
}

/* A header that is a whole number, or -1. */
static int64_t
header_number(const struct http_response *response, const char *name)
{
    char text[32];
    char *end = NULL;

    if (!http_response_header(response, name, text, sizeof(text)))
        return -1;
    long long value = strtoll(text, &end, 10);
    return end == text || *end != '\0' || value < 0 ? -1 : value;
}

/* How long until the budget is refilled that the two headers describe: -1
 * when they are missing or the budget is not used up. */
static int64_t
budget_wait(const struct http_response *response, const char *remaining,
    const char *reset)
{
    int64_t at = header_number(response, reset);

    if (at < 0 || header_number(response, remaining) > 0)
        return -1;
    if (at < seconds_below)
        at *= 1000;
    return at - clock_wall_ms();
}

static int64_t
limit_wait(const struct http_response *response)
{
    static const char *const budgets[][2] = {
        {"x-ratelimit-requests-remaining", "x-ratelimit-requests-reset"},
        {"x-ratelimit-complexity-remaining", "x-ratelimit-complexity-reset"},
        {"x-ratelimit-endpoint-requests-remaining",
            "x-ratelimit-endpoint-requests-reset"},
    };
    int64_t wait_ms = header_number(response, "retry-after");

    if (wait_ms >= 0 && wait_ms <= LIMIT_MAX_MS)
        wait_ms *= 1000;
    for (size_t i = 0; wait_ms < 0 && i < ARRAY_LEN(budgets); i++)
        wait_ms = budget_wait(response, budgets[i][0], budgets[i][1]);
    if (wait_ms < 0)
        wait_ms = LIMIT_DEFAULT_MS;
    if (wait_ms < LIMIT_MIN_MS)
        return LIMIT_MIN_MS;
    return wait_ms > LIMIT_MAX_MS ? LIMIT_MAX_MS : wait_ms;
}

static int
note_limit(struct linear_api *api, const struct http_response *response,
    struct err *err)
{
    int64_t wait_ms = limit_wait(response);

    (void)pthread_mutex_lock(&api->mutex);
    api->limited_until_ms = clock_mono_ms() + wait_ms;
    (void)pthread_mutex_unlock(&api->mutex);
    return limited(wait_ms, err);
}

/* ---- what an answer means ---- */

static const char *
error_code(const struct linear_reply *reply)
{
    return json_str(json_path(reply->error, "extensions.code"), "");
}

/* What Linear says for people; nothing that repeats our credential. */
static const char *
error_text(const struct linear_api *api, const struct linear_reply *reply)
{
    const char *text = json_str(
        json_path(reply->error, "extensions.userPresentableMessage"), NULL);

    if (text == NULL)
        text = json_str(json_get(reply->error, "message"), "no reason given");
    return strstr(text, secret_bytes(api->key)) == NULL ? text : "(withheld)";
}

static int
graphql_error(const struct linear_api *api, const struct linear_reply *reply,
    struct err *err)
{
    const char *message = json_str(json_get(reply->error, "message"), "");
    enum err_code code = strncmp(message, "Entity not found", 16) == 0
                             ? ERR_NOT_FOUND
                             : ERR_TRACKER_PAYLOAD;

    return err_set(err, code, "Linear answered %.64s: %.300s",
        error_code(reply), error_text(api, reply));
}

static int
judge_status(const struct linear_api *api, int status,
    const struct linear_reply *reply, struct err *err)
{
    if (status == 401 || status == 403 ||
        strcmp(error_code(reply), "AUTHENTICATION_ERROR") == 0)
        return err_set(err, ERR_TRACKER_AUTH,
            "Linear refused the credential (HTTP %d); check tracker.api_key",
            status);
    if (status != 200)
        return err_set(err, ERR_TRACKER_STATUS,
            "Linear answered HTTP %d%s%.300s", status,
            reply->error == NULL ? "" : ": ",
            reply->error == NULL ? "" : error_text(api, reply));
    return reply->error == NULL ? 0 : graphql_error(api, reply, err);
}

static bool
is_limit(int status, const struct linear_reply *reply)
{
    return status == 429 || strcmp(error_code(reply), "RATELIMITED") == 0;
}

static int
read_answer(struct linear_api *api, const struct http_response *response,
    struct linear_reply *reply, struct err *err)
{
    struct err broken = ERR_INIT;

    reply->root = json_parse(
        buf_str(&response->body), response->body.len, RESPONSE_MAX, &broken);
    reply->error = json_first(json_get(reply->root, "errors"));
    if (is_limit(response->status, reply))
        return note_limit(api, response, err);
    /* An error page of a proxy is no JSON: its status says more. */
    if (judge_status(api, response->status, reply, err) < 0)
        return -1;
    if (reply->root == NULL)
        return err_set(
            err, ERR_TRACKER_PAYLOAD, "Linear's answer: %s", broken.message);
    reply->data = json_get(reply->root, "data");
    if (json_type(reply->data) != JSON_OBJECT)
        return err_set(err, ERR_TRACKER_PAYLOAD, "Linear's answer has no data");
    return 0;
}

/* ---- the exchange ---- */

static int
transport_error(struct err *err)
{
    if (err->code == ERR_TIMEOUT || err->code == ERR_UNAVAILABLE)
        err->code = ERR_TRACKER_REQUEST;
    else if (err->code == ERR_TOO_LARGE)
        err->code = ERR_TRACKER_PAYLOAD;
    else if (err->code == ERR_INVALID)
        err->code = ERR_TRACKER_CONFIG;
    return err_wrap(err, "Linear");
}

static int
post(struct linear_api *api, const struct buf *body, struct linear_reply *reply,
    struct err *err)
{
    AUTO(http_response_release) struct http_response response = {0};
    const struct http_request request = {
        .url = api->endpoint,
        .content_type = "application/json",
        .body = body->data,
        .body_len = body->len,
        .authorization = api->key,
        .timeout_ms = TIMEOUT_MS,
        .max_response = RESPONSE_MAX,
    };

    if (http_client_post(api->http, &request, &response, err) < 0)
        return transport_error(err);
    return read_answer(api, &response, reply, err);
}

int
linear_api_call(struct linear_api *api, const char *query,
    const char *variables, struct linear_reply *reply, struct err *err)
{
    AUTO(buf_free) struct buf body = {0};
    struct jw w;

    *reply = (struct linear_reply){0};
    if (check_limit(api, err) < 0)
        return -1;
    buf_init(&body, REQUEST_MAX);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "query", query);
    jw_raw(&w, "variables", variables);
    jw_end_obj(&w);
    if (buf_check(&body, err) < 0)
        return err_wrap(err, "request to Linear");
    return post(api, &body, reply, err);
}
