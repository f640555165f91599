/* SPDX-License-Identifier: Apache-2.0
 * The handlers that routes.c names, and the bodies that they take. */
#ifndef CONTROL_HTTP_HANDLERS_H
#define CONTROL_HTTP_HANDLERS_H

#include "common/err.h"
#include "common/schema.h"
#include "control/http/app.h"
#include "control/http/call.h"

#include <stdbool.h>

#define HANDLER(name)                                                          \
    int name(struct http_app *app, struct http_call *call, struct err *err)

/* api_state.c */
int api_state_open(struct http_app *app, struct err *err);
HANDLER(api_state_get);

/* api_system.c */
HANDLER(api_system_health);
HANDLER(api_system_runtime);
HANDLER(api_system_config);
HANDLER(api_system_transitions);
HANDLER(api_system_refresh);
HANDLER(api_system_openapi);
extern const struct schema api_system_empty_body;

/* api_metrics.c */
int api_metrics_open(struct http_app *app, struct err *err);
HANDLER(api_metrics_get);

/* api_issues.c */
bool api_issues_are_local(const struct http_app *app);
HANDLER(api_issues_list);
HANDLER(api_issues_create);
HANDLER(api_issues_get);
HANDLER(api_issues_abort);
HANDLER(api_issues_transition);
HANDLER(api_issues_comment);
extern const struct schema api_issues_create_body;
extern const struct schema api_issues_abort_body;
extern const struct schema api_issues_transition_body;
extern const struct schema api_issues_comment_body;

/* api_attempts.c */
HANDLER(api_attempts_of_issue);
HANDLER(api_attempts_get);
HANDLER(api_attempts_events);

/* api_events.c */
HANDLER(api_events_stream);

/* api_web.c */
HANDLER(api_web_page);
HANDLER(api_web_script);
HANDLER(api_web_style);

#undef HANDLER

#endif
