/* SPDX-License-Identifier: Apache-2.0
 * Answers about the program itself: health, runtime, configuration, the
 * states it knows, the description of its API. */
#include "control/http/handlers.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/version.h"
#include "control/config/config.h"
#include "control/http/openapi.h"
#include "control/http/view.h"
#include "control/http/workflow.h"
#include "control/orchestrator/orchestrator.h"
#include "control/tracker/tracker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- GET /healthz ---- */

/* Cheap enough to be asked every second by anybody: one read of the store. A
 * tracker or a host that is away is told, but makes nobody restart us. */
int
api_system_health(struct http_app *app, struct http_call *call, struct err *err)
{
    AUTO(view_hosts_release) struct hosts hosts = {0};
    struct orchestrator_health health;
    int64_t last = 0;
    struct jw w;

    if (store_last_event_id(app->deps.store, &last, err) != 0) {
        err->code = ERR_UNAVAILABLE;
        return err_wrap(err, "the store does not answer");
    }
    if (view_hosts_load(app->deps.pool, &hosts, err) != 0)
        return -1;
    orchestrator_health(app->deps.orchestrator, &health);
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_str(&w, "status", "ok");
    jw_str(&w, "version", RISOLUTO_VERSION);
    jw_int(&w, "uptime_seconds", (clock_wall_ms() - app->started_at_ms) / 1000);
    jw_obj(&w, "tracker");
    view_time(&w, "last_poll_at", health.last_poll_at_ms);
    jw_str(&w, "error",
        health.tracker_error[0] == '\0' ? NULL : health.tracker_error);
    jw_end_obj(&w);
    jw_obj(&w, "hosts");
    jw_int(&w, "connected", (int64_t)hosts.connected);
    jw_int(&w, "total", (int64_t)hosts.len);
    jw_end_obj(&w);
    jw_end_obj(&w);
    return 0;
}

/* ---- GET /api/v1/runtime ---- */

/* The rehearsal model is a stand-in; whoever looks must be told. It is known
 * by the name of its service, or announced by whoever starts us. */
static bool
is_rehearsal(const struct config *config)
{
    const char *flag = getenv("RISOLUTO_REHEARSAL");
    const char *host = config->codex_provider_base_url;

    if (flag != NULL && strcmp(flag, "1") == 0)
        return true;
    if (host == NULL || strstr(host, "://") == NULL)
        return false;
    host = strstr(host, "://") + 3;
    return strncmp(host, "rehearsal", strlen("rehearsal")) == 0 ||
           strncmp(host, "risoluto-rehearsal", strlen("risoluto-rehearsal")) ==
               0;
}

static void
write_provider(const struct config *config, struct jw *w)
{
    char summary[256];

    (void)snprintf(summary, sizeof(summary), "Codex, %s by %s%s",
        config->codex_model, config->codex_provider_id,
        is_rehearsal(config) ? " (rehearsal)" : "");
    jw_str(w, "provider_summary", summary);
}

int
api_system_runtime(
    struct http_app *app, struct http_call *call, struct err *err)
{
    AUTO(config_release_ptr)
    struct config *config = config_get(app->deps.config);
    AUTO(view_hosts_release) struct hosts hosts = {0};
    struct jw w;

    if (view_hosts_load(app->deps.pool, &hosts, err) != 0)
        return -1;
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_str(&w, "version", RISOLUTO_VERSION);
    jw_str(&w, "data_dir", config->data_dir);
    jw_obj(&w, "feature_flags");
    jw_end_obj(&w);
    write_provider(config, &w);
    jw_bool(&w, "rehearsal", is_rehearsal(config));
    jw_obj(&w, "tracker");
    jw_str(&w, "kind", app->deps.tracker->ops->kind);
    jw_end_obj(&w);
    jw_bool(&w, "write_token_required", app->guard.has_token);
    view_time(&w, "started_at", app->started_at_ms);
    view_hosts(&hosts, &w, "hosts");
    jw_end_obj(&w);
    return 0;
}

/* ---- GET /api/v1/config, /api/v1/transitions, /api/v1/openapi.json ---- */

int
api_system_config(struct http_app *app, struct http_call *call, struct err *err)
{
    AUTO(config_release_ptr)
    struct config *config = config_get(app->deps.config);
    struct jw w;

    (void)err;
    jw_init(&w, &call->reply.body);
    config_write(config, &w, NULL);
    return 0;
}

/* A person may move an issue from any state to any other. */
int
api_system_transitions(
    struct http_app *app, struct http_call *call, struct err *err)
{
    AUTO(config_release_ptr)
    struct config *config = config_get(app->deps.config);
    AUTO_FREE struct workflow *workflow = workflow_new(config, err);
    struct jw w;

    if (workflow == NULL)
        return -1;
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_obj(&w, "transitions");
    for (size_t from = 0; from < workflow->count; from++) {
        jw_arr(&w, workflow->states[from].key);
        for (size_t to = 0; to < workflow->count; to++) {
            if (to != from)
                jw_str(&w, NULL, workflow->states[to].key);
        }
        jw_end_arr(&w);
    }
    jw_end_obj(&w);
    jw_arr(&w, "states");
    for (size_t i = 0; i < workflow->count; i++) {
        const struct workflow_state *state = &workflow->states[i];

        jw_obj(&w, NULL);
        jw_str(&w, "key", state->key);
        jw_str(&w, "label", state->label);
        jw_str(&w, "kind", state->kind);
        jw_bool(&w, "terminal", state->terminal);
        jw_end_obj(&w);
    }
    jw_end_arr(&w);
    jw_end_obj(&w);
    return 0;
}

int
api_system_openapi(
    struct http_app *app, struct http_call *call, struct err *err)
{
    (void)app;
    (void)err;
    openapi_write(http_routes(), &call->reply.body);
    return 0;
}

/* ---- POST /api/v1/refresh ---- */

struct empty_body {
    char nothing;
};

const struct schema api_system_empty_body = {
    .name = "empty", .size = sizeof(struct empty_body)};

int
api_system_refresh(
    struct http_app *app, struct http_call *call, struct err *err)
{
    struct jw w;

    (void)err;
    orchestrator_refresh(app->deps.orchestrator);
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_bool(&w, "queued", true);
    view_time(&w, "requested_at", clock_wall_ms());
    jw_end_obj(&w);
    return 0;
}
