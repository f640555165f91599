/* SPDX-License-Identifier: Apache-2.0
 * The hosts: greeting, pulling events, sharing out work. */
#include "control/pool/pool.h"

#include "common/borrow.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/version.h"
#include "control/config/config.h"
#include "control/pool/client.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    CALL_TIMEOUT_MS = 5000,
    POLL_WAIT_MS = 10000,
    POLL_EVENTS = 256,
    GREET_EVERY_MS = 10000,
    RETRY_PAUSE_MS = 500,
    PULLER_STACK = 256 * 1024
};

struct host {
    struct pool *pool;
    struct rpc_client *client;
    char server_name[128];
    char journal_id[80];   /* of the last greeting; the thread's own */
    int64_t greeted_at_ms; /* monotonic; 0: not since the last failure */
    pthread_t thread;
    bool thread_started;
    struct host_info info; /* under pool->lock */
};

struct pool {
    struct store *store;
    struct pool_hooks hooks;
    struct host *hosts;
    size_t count;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
};

/* ---- small things under the lock ---- */

static bool
is_stopping(struct pool *pool)
{
    bool stopping;

    pthread_mutex_lock(&pool->lock);
    stopping = pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    return stopping;
}

static void
pause_for(struct pool *pool, int64_t ms)
{
    int64_t deadline = clock_mono_ms() + ms;

    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping && clock_mono_ms() < deadline)
        (void)clock_cond_wait_until(&pool->wake, &pool->lock, deadline);
    pthread_mutex_unlock(&pool->lock);
}

/* Logs a host's failure when it is news, and keeps it for the API. */
static void
host_failed(struct host *host, const struct err *err)
{
    struct pool *pool = host->pool;
    bool news;

    host->greeted_at_ms = 0;
    pthread_mutex_lock(&pool->lock);
    news = host->info.connected || host->info.error[0] == '\0';
    host->info.connected = false;
    (void)snprintf(
        host->info.error, sizeof(host->info.error), "%s", err->message);
    pthread_mutex_unlock(&pool->lock);
    if (news && err->code != ERR_CANCELLED)
        log_warn(NULL, "data plane is not usable",
            LOG_S("host", host->info.name), LOG_S("error", err->message));
}

static void
host_add_running(struct host *host, int64_t n)
{
    pthread_mutex_lock(&host->pool->lock);
    host->info.running += n;
    if (host->info.running < 0)
        host->info.running = 0;
    pthread_mutex_unlock(&host->pool->lock);
}

/* ---- greeting ---- */

static void
host_greeted(struct host *host, const struct hello_reply *reply)
{
    struct host_info *info = &host->info;
    bool news;

    (void)snprintf(
        host->journal_id, sizeof(host->journal_id), "%s", reply->journal_id);
    host->greeted_at_ms = clock_mono_ms();
    pthread_mutex_lock(&host->pool->lock);
    news = !info->connected;
    info->connected = true;
    (void)snprintf(info->error, sizeof(info->error), "%s",
        reply->engine_version != NULL
            ? ""
            : "its Docker Engine does not answer: start it on that host, or "
              "give the data plane access to its socket (--docker-socket)");
    info->draining = reply->draining;
    info->capacity = reply->capacity;
    info->running = reply->running;
    (void)snprintf(info->version, sizeof(info->version), "%s", reply->version);
    (void)snprintf(info->engine_version, sizeof(info->engine_version), "%s",
        reply->engine_version != NULL ? reply->engine_version : "");
    pthread_mutex_unlock(&host->pool->lock);
    if (news)
        log_info(NULL, "data plane connected", LOG_S("host", info->name),
            LOG_S("version", reply->version),
            LOG_S("engine", reply->engine_version));
}

static int
host_greet(struct host *host, struct err *err)
{
    struct hello_request request = {.protocol_min = PROTO_VERSION_MIN,
        .protocol_max = PROTO_VERSION,
        .control_id = borrow_text(store_control_id(host->pool->store)),
        .version = borrow_text(RISOLUTO_VERSION)};
    struct hello_reply reply = {0};

    if (rpc_client_call(host->client, OP_HELLO, &request, &reply,
            CALL_TIMEOUT_MS, err) != 0)
        return -1;
    host_greeted(host, &reply);
    schema_release(&hello_reply_schema, &reply);
    return 0;
}

static bool
status_has(const struct status_reply *status, const char *attempt_id)
{
    const struct attempt_status *items = status->attempts.items;

    for (size_t i = 0; i < status->attempts.len; i++)
        if (strcmp(items[i].attempt_id, attempt_id) == 0)
            return true;
    return false;
}

/* Ends what we believe to run there and the host has never heard of: its
 * journal is a new one. An attempt whose end is not acknowledged yet is still
 * listed, and acknowledging is this thread's own doing: no race. */
static int
host_end_lost(struct host *host, struct err *err)
{
    struct store *store = host->pool->store;
    AUTO(attempt_list_release) struct attempt_list live = {0};
    struct status_request request = {0};
    struct status_reply status = {0};
    int result = 0;

    if (store_live_attempts(store, &live, err) != 0 ||
        rpc_client_call(host->client, OP_STATUS, &request, &status,
            CALL_TIMEOUT_MS, err) != 0)
        return -1;
    for (size_t i = 0; i < live.len && result == 0; i++) {
        const struct attempt *attempt = &live.items[i];

        if (attempt->status != ATTEMPT_RUNNING ||
            strcmp(attempt->host, host->info.name) != 0 ||
            status_has(&status, attempt->attempt_id))
            continue;
        result = store_end_attempt(store, attempt->attempt_id,
            OUTCOME_CONTAINER_LOST, "its data plane does not know it any more",
            &host->pool->hooks.policy, err);
    }
    schema_release(&status_reply_schema, &status);
    return result;
}

/* ---- pulling ---- */

static int64_t
count_ended(const struct slice *events)
{
    const struct event_message *items = events->items;
    int64_t ended = 0;

    for (size_t i = 0; i < events->len; i++)
        ended += strcmp(items[i].type, "attempt.ended") == 0;
    return ended;
}

static int
host_pull(struct host *host, struct err *err)
{
    struct pool *pool = host->pool;
    struct events_request request = {.journal_id = host->journal_id,
        .max_events = POLL_EVENTS,
        .wait_ms = POLL_WAIT_MS};
    struct events_reply reply = {0};
    int64_t ended;
    int result;

    if (store_cursor(pool->store, host->info.name, host->journal_id,
            &request.cursor, err) != 0 ||
        rpc_client_call(host->client, OP_EVENTS, &request, &reply,
            POLL_WAIT_MS + CALL_TIMEOUT_MS, err) != 0)
        return -1;
    ended = count_ended(&reply.events);
    result =
        reply.events.len == 0
            ? 0
            : store_apply_events(pool->store, host->info.name, host->journal_id,
                  &reply.events, &pool->hooks.policy, err);
    schema_release(&events_reply_schema, &reply);
    if (result == 0 && ended > 0) {
        host_add_running(host, -ended);
        pool->hooks.changed(pool->hooks.arg);
    }
    return result;
}

static int
host_round(struct host *host, struct err *err)
{
    bool first = host->greeted_at_ms == 0;

    if (!rpc_client_wait(host->client, clock_mono_ms() + CALL_TIMEOUT_MS))
        return err_set(err, ERR_UNAVAILABLE,
            "no connection to %s; is the data plane running, with a "
            "certificate of the same authority?",
            host->info.url);
    if (first || clock_mono_ms() - host->greeted_at_ms > GREET_EVERY_MS) {
        if (host_greet(host, err) != 0)
            return -1;
        if (first && host_end_lost(host, err) != 0)
            return -1;
        if (first)
            host->pool->hooks.changed(host->pool->hooks.arg);
    }
    return host_pull(host, err);
}

static void *
host_run(void *arg)
{
    struct host *host = arg;
    struct err err = ERR_INIT;

    while (!is_stopping(host->pool)) {
        if (host_round(host, &err) == 0 || is_stopping(host->pool))
            continue;
        host_failed(host, &err);
        pause_for(host->pool, RETRY_PAUSE_MS);
    }
    return NULL;
}

/* ---- starting and stopping ---- */

static bool
is_loopback(const char *name)
{
    return strncmp(name, "127.", 4) == 0 || strcmp(name, "[::1]") == 0;
}

/* "[NAME=]tls+tcp://host:port" into name, url and server_name. */
static int
host_parse(struct host *host, const char *entry, struct err *err)
{
    static const char scheme[] = "tls+tcp://";
    const char *equals = strstr(entry, "=tls+tcp://");
    const char *url = equals != NULL ? equals + 1 : entry;
    const char *address = url + strlen(scheme);
    const char *colon;
    int name_len;

    if (strncmp(url, scheme, strlen(scheme)) != 0 ||
        (colon = strrchr(address, ':')) == NULL || colon == address ||
        colon[1] == '\0' || strlen(entry) >= sizeof(host->server_name))
        return err_set(err, ERR_CONFIG,
            "pool.hosts: \"%s\" is not [NAME=]tls+tcp://host:port", entry);
    name_len = (int)(equals != NULL ? equals - entry : colon - address);
    (void)snprintf(host->info.url, sizeof(host->info.url), "%s", url);
    (void)snprintf(host->server_name, sizeof(host->server_name), "%.*s",
        name_len, equals != NULL ? entry : address);
    (void)snprintf(host->info.name, sizeof(host->info.name), "%s",
        equals != NULL ? host->server_name : address);
    /* An address cannot be checked against a certificate by the TLS library
     * in nng; every data plane's certificate carries localhost. */
    if (equals == NULL && is_loopback(host->server_name))
        (void)snprintf(
            host->server_name, sizeof(host->server_name), "localhost");
    return 0;
}

static int
host_start(
    struct host *host, const char *entry, const char *pki_dir, struct err *err)
{
    struct rpc_client_options options = {.url = host->info.url,
        .server_name = host->server_name,
        .pki_dir = pki_dir};
    pthread_attr_t attr;
    int rv;

    if (host_parse(host, entry, err) != 0 ||
        rpc_client_open(&host->client, &options, err) != 0)
        return -1;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, PULLER_STACK);
    rv = pthread_create(&host->thread, &attr, host_run, host);
    pthread_attr_destroy(&attr);
    if (rv != 0)
        return err_set(err, ERR_SYSTEM, "thread: %s", strerror(rv));
    host->thread_started = true;
    return 0;
}

static int
start_hosts(struct pool *pool, const struct config *config, struct err *err)
{
    AUTO_FREE char *fallback = file_join(config->data_dir, "pki");
    const char *pki_dir =
        config->pool_pki_dir[0] != '\0' ? config->pool_pki_dir : fallback;

    if (pki_dir == NULL)
        return err_no_memory(err);
    for (size_t i = 0; i < config->pool_hosts.count; i++) {
        struct host *host = &pool->hosts[pool->count++];

        host->pool = pool;
        if (host_start(host, config->pool_hosts.items[i], pki_dir, err) != 0)
            return -1;
    }
    return 0;
}

int
pool_start(struct pool **out, const struct config *config, struct store *store,
    const struct pool_hooks *hooks, struct err *err)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    *out = NULL;
    if (pool == NULL)
        return err_no_memory(err);
    pool->store = store;
    pool->hooks = *hooks;
    pthread_mutex_init(&pool->lock, NULL);
    clock_cond_init(&pool->wake);
    pool->hosts = calloc(config->pool_hosts.count + 1, sizeof(*pool->hosts));
    if (pool->hosts == NULL) {
        pool_free(pool);
        return err_no_memory(err);
    }
    if (start_hosts(pool, config, err) != 0) {
        pool_free(pool);
        return -1;
    }
    *out = pool;
    return 0;
}

void
pool_close(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++)
        if (pool->hosts[i].client != NULL)
            rpc_client_close(pool->hosts[i].client);
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->hosts[i].thread_started)
            pthread_join(pool->hosts[i].thread, NULL);
        pool->hosts[i].thread_started = false;
    }
}

void
pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    pool_close(pool);
    for (size_t i = 0; i < pool->count; i++)
        rpc_client_free(pool->hosts[i].client);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool->hosts);
    free(pool);
}

/* ---- use ---- */

const char *
pool_pick(struct pool *pool)
{
    const struct host *best = NULL;

    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++) {
        const struct host_info *info = &pool->hosts[i].info;

        if (info->connected && !info->draining &&
            info->engine_version[0] != '\0' && info->running < info->capacity &&
            (best == NULL || info->running < best->info.running))
            best = &pool->hosts[i];
    }
    pthread_mutex_unlock(&pool->lock);
    return best != NULL ? best->info.name : NULL;
}

static struct host *
find_host(struct pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->count; i++)
        if (strcmp(pool->hosts[i].info.name, name) == 0)
            return &pool->hosts[i];
    return NULL;
}

int
pool_call(struct pool *pool, const char *host_name, enum proto_op op,
    const void *request, void *reply, int64_t timeout_ms, struct err *err)
{
    struct host *host = find_host(pool, host_name);

    if (host == NULL)
        return err_set(err, ERR_UNAVAILABLE,
            "data plane %s is not in pool.hosts any more", host_name);
    if (rpc_client_call(host->client, op, request, reply, timeout_ms, err) != 0)
        return err_wrap(err, "data plane %s", host_name);
    if (op == OP_DISPATCH && ((struct dispatch_reply *)reply)->accepted)
        host_add_running(host, 1);
    return 0;
}

size_t
pool_hosts(struct pool *pool, struct host_info *out, size_t max)
{
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count && i < max; i++)
        out[i] = pool->hosts[i].info;
    pthread_mutex_unlock(&pool->lock);
    return pool->count;
}
