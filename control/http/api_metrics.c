/* SPDX-License-Identifier: Apache-2.0
 * GET /metrics in the Prometheus text format. */
#include "control/http/handlers.h"

#include "common/cleanup.h"
#include "common/version.h"
#include "control/http/view.h"
#include "control/orchestrator/orchestrator.h"
#include "control/store/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
describe(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
put(struct buf *out, const char *name, int64_t value)
{
    buf_printf(out, "%s %" PRId64 "\n", name, value);
}

static void
put_one(struct buf *out, const char *name, const char *type, const char *help,
    int64_t value)
{
    describe(out, name, type, help);
    put(out, name, value);
}

/* A label's value, escaped as the format wants it. */
static void
put_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            buf_puts(out, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *value);
    }
    buf_putc(out, '"');
}

/* ---- groups ---- */

static int
put_attempts(struct store *store, struct buf *out, struct err *err)
{
    struct attempt_counts counts;
    struct totals totals;

    if (store_attempt_counts(store, &counts, err) != 0 ||
        store_totals(store, &totals, err) != 0)
        return -1;
    describe(out, "risoluto_attempts_total", "counter",
        "Attempts that ended, by outcome.");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        buf_printf(out, "risoluto_attempts_total{outcome=\"%s\"} %" PRId64 "\n",
            outcome_name((enum outcome)i), counts.ended[i]);
    put_one(out, "risoluto_attempts_claimed", "gauge",
        "Attempts claimed and not yet accepted by a data plane.",
        counts.claimed);
    put_one(out, "risoluto_attempts_running", "gauge",
        "Attempts that a data plane works on.", counts.running);
    describe(out, "risoluto_tokens_total", "counter",
        "Tokens that the model provider counted.");
    put(out, "risoluto_tokens_total{kind=\"input\"}", totals.input_tokens);
    put(out, "risoluto_tokens_total{kind=\"output\"}", totals.output_tokens);
    return 0;
}

static int
put_store(struct store *store, struct buf *out, struct err *err)
{
    int64_t events = 0;
    int64_t outbox = 0;

    if (store_last_event_id(store, &events, err) != 0 ||
        store_outbox_depth(store, &outbox, err) != 0)
        return -1;
    put_one(out, "risoluto_events_total", "counter", "Events stored.", events);
    put_one(out, "risoluto_outbox_depth", "gauge",
        "Comments and transitions not yet delivered to the tracker.", outbox);
    return 0;
}

/* Counting reads every attempt: once per change, not once per request. */
static int
render_store(void *arg, struct buf *out, struct err *err)
{
    const struct http_app *app = arg;

    return put_attempts(app->deps.store, out, err) != 0 ||
                   put_store(app->deps.store, out, err) != 0
               ? -1
               : 0;
}

static int64_t
store_state(void *arg)
{
    const struct http_app *app = arg;

    return store_version(app->deps.store);
}

int
api_metrics_open(struct http_app *app, struct err *err)
{
    const struct snapshot_source source = {.render = render_store,
        .version = store_state,
        .arg = app,
        .max_age_ms = INT64_MAX};

    return snapshot_new(&app->metrics, &source, err);
}

static int
put_from_store(struct http_app *app, struct buf *out, struct err *err)
{
    struct shared_body *body = NULL;
    size_t len = 0;

    if (snapshot_get(app->metrics, &body, err) != 0)
        return -1;
    const char *data = shared_body_data(body, &len);

    buf_append(out, data, len);
    shared_body_release(body);
    return 0;
}

static void
put_orchestrator(struct orchestrator *orchestrator, struct buf *out)
{
    struct orchestrator_health health;

    orchestrator_health(orchestrator, &health);
    put_one(out, "risoluto_tracker_polls_total", "counter",
        "Looks at the tracker.", health.polls_total);
    put_one(out, "risoluto_tracker_poll_failures", "gauge",
        "Looks at the tracker that failed in a row.", health.poll_failures);
    put_one(out, "risoluto_dispatches_total", "counter",
        "Attempts handed to a data plane.", health.dispatches_total);
}

static int
put_hosts(struct pool *pool, struct buf *out, struct err *err)
{
    AUTO(view_hosts_release) struct hosts hosts = {0};

    if (view_hosts_load(pool, &hosts, err) != 0)
        return -1;
    put_one(out, "risoluto_hosts_connected", "gauge", "Data planes connected.",
        (int64_t)hosts.connected);
    describe(out, "risoluto_host_running", "gauge",
        "Attempts running on a data plane.");
    for (size_t i = 0; i < hosts.len; i++) {
        buf_puts(out, "risoluto_host_running{");
        put_label(out, "host", hosts.items[i].name);
        buf_printf(out, "} %" PRId64 "\n", hosts.items[i].running);
    }
    return 0;
}

static void
put_requests(struct http_app *app, struct buf *out)
{
    static const char *const names[] = {
#define X(id, name) name,
        HTTP_ROUTE_CLASSES(X)
#undef X
    };

    describe(out, "risoluto_http_requests_total", "counter",
        "Requests answered, by class of route and of status.");
    for (int c = 0; c < HTTP_CLASS_COUNT; c++) {
        for (int s = 2; s < HTTP_STATUS_CLASSES; s++)
            buf_printf(out,
                "risoluto_http_requests_total{class=\"%s\",status=\"%dxx\"} "
                "%lld\n",
                names[c], s, atomic_load(&app->requests[c][s]));
    }
    put_one(out, "risoluto_sse_clients", "gauge", "Open event streams.",
        atomic_load(&app->streams));
}

/* The second field of /proc/self/statm counts pages. */
static int64_t
resident_bytes(void)
{
    AUTO_CLOSE int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[128];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    const char *field = NULL;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    field = strchr(text, ' ');
    return field == NULL
               ? 0
               : strtoll(field, NULL, 10) * (int64_t)sysconf(_SC_PAGESIZE);
}

static void
put_process(const struct http_app *app, struct buf *out)
{
    put_one(out, "process_resident_memory_bytes", "gauge",
        "Resident memory of the control plane.", resident_bytes());
    put_one(out, "process_start_time_seconds", "gauge",
        "When the control plane started.", app->started_at_ms / 1000);
    describe(out, "risoluto_build_info", "gauge", "The version that runs.");
    put(out, "risoluto_build_info{version=\"" RISOLUTO_VERSION "\"}", 1);
}

int
api_metrics_get(struct http_app *app, struct http_call *call, struct err *err)
{
    struct buf *out = &call->reply.body;

    call->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (put_from_store(app, out, err) != 0)
        return -1;
    put_orchestrator(app->deps.orchestrator, out);
    if (put_hosts(app->deps.pool, out, err) != 0)
        return -1;
    put_requests(app, out);
    put_process(app, out);
    return 0;
}
