/* SPDX-License-Identifier: Apache-2.0
 * The operator API, one row each. Literal paths stand before patterns that
 * would take them too; rows of one path have the same text. */
#include "control/http/handlers.h"
#include "control/http/router.h"

#include "common/cleanup.h"

/* Reads and writes differ in guard and class alone. */
#define GET(path_, handler_, class_, summary_)                                 \
    {                                                                          \
        .method = "GET", .path = (path_), .handler = (handler_),               \
        .guard = GUARD_READ, .class = (class_), .body_rule = BODY_NONE,        \
        .status = 200, .summary = (summary_)                                   \
    }
#define POST(path_, handler_, rule_, body_, status_, summary_)                 \
    {                                                                          \
        .method = "POST", .path = (path_), .handler = (handler_),              \
        .guard = GUARD_WRITE, .class = HTTP_CLASS_WRITE, .body_rule = (rule_), \
        .body = &(body_), .status = (status_), .summary = (summary_)           \
    }

static const struct route table[] = {
    GET("/", api_web_page, HTTP_CLASS_WEB, "The dashboard"),
    GET("/app.js", api_web_script, HTTP_CLASS_WEB, "The dashboard's script"),
    GET("/app.css", api_web_style, HTTP_CLASS_WEB, "The dashboard's style"),
    GET("/healthz", api_system_health, HTTP_CLASS_HEALTH,
        "Whether the control plane works; 503 when its store does not"),
    GET("/metrics", api_metrics_get, HTTP_CLASS_METRICS,
        "Counters in the Prometheus text format"),

    GET("/api/v1/openapi.json", api_system_openapi, HTTP_CLASS_API,
        "This description"),
    GET("/api/v1/state", api_state_get, HTTP_CLASS_API,
        "The board: what runs, what waits, what happened last"),
    GET("/api/v1/runtime", api_system_runtime, HTTP_CLASS_API,
        "Version, data folder, model provider, tracker, hosts"),
    GET("/api/v1/config", api_system_config, HTTP_CLASS_API,
        "The effective configuration; secrets are redacted"),
    GET("/api/v1/transitions", api_system_transitions, HTTP_CLASS_API,
        "The states, and which may follow which"),
    GET("/api/v1/events", api_events_stream, HTTP_CLASS_STREAM,
        "Events as they happen (text/event-stream); begins behind "
        "Last-Event-ID or ?after, of one attempt with ?attempt_id"),
    POST("/api/v1/refresh", api_system_refresh, BODY_OPTIONAL,
        api_system_empty_body, 202, "Look at the tracker now"),

    GET("/api/v1/issues", api_issues_list, HTTP_CLASS_API,
        "Issues of the embedded tracker, newest first; ?state, ?limit"),
    POST("/api/v1/issues", api_issues_create, BODY_REQUIRED,
        api_issues_create_body, 201, "File an issue in the embedded tracker"),

    GET("/api/v1/attempts/:attempt_id", api_attempts_get, HTTP_CLASS_API,
        "One attempt"),
    GET("/api/v1/attempts/:attempt_id/events", api_attempts_events,
        HTTP_CLASS_API, "Its events, oldest first; ?after, ?limit"),

    GET("/api/v1/:issue_identifier", api_issues_get, HTTP_CLASS_API,
        "An issue with its comments and attempts"),
    GET("/api/v1/:issue_identifier/attempts", api_attempts_of_issue,
        HTTP_CLASS_API, "The attempts of an issue, newest first"),
    POST("/api/v1/:issue_identifier/abort", api_issues_abort, BODY_OPTIONAL,
        api_issues_abort_body, 202, "Stop the running attempt of an issue"),
    POST("/api/v1/:issue_identifier/transition", api_issues_transition,
        BODY_REQUIRED, api_issues_transition_body, 200,
        "Move an issue to another state"),
    POST("/api/v1/:issue_identifier/comments", api_issues_comment,
        BODY_REQUIRED, api_issues_comment_body, 201, "Comment on an issue"),
};

const struct router *
http_routes(void)
{
    static const struct router router = {
        .routes = table, .count = ARRAY_LEN(table)};

    return &router;
}
