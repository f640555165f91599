/* SPDX-License-Identifier: Apache-2.0
 * Attempts and their events. */
#include "control/http/handlers.h"

#include "common/cleanup.h"
#include "common/id.h"
#include "common/json.h"
#include "control/store/store.h"

#include <string.h>

enum {
    EVENTS_DEFAULT = 100,
    EVENTS_MAX = 1000,
    EVENTS_PAGE = 50,
    EVENTS_BYTES_MAX = 4 * 1024 * 1024 /* then the rest is a next page */
};

int
api_attempts_of_issue(
    struct http_app *app, struct http_call *call, struct err *err)
{
    AUTO(attempt_list_release) struct attempt_list list = {0};
    AUTO(issue_release) struct issue issue = {0};
    struct store *store = app->deps.store;
    const char *current = NULL;
    struct jw w;

    if (store_issue_attempts(store, call->params[0], &list, err) != 0)
        return -1;
    if (list.len == 0 && !api_issues_are_local(app))
        return err_set(err, ERR_NOT_FOUND,
            "no attempt of ours belongs to an issue %s", call->params[0]);
    if (list.len == 0 && store_issue(store, call->params[0], &issue, err) != 0)
        return -1;
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_arr(&w, "attempts");
    for (size_t i = 0; i < list.len; i++) {
        attempt_write(&list.items[i], &w, NULL);
        if (list.items[i].status != ATTEMPT_ENDED)
            current = list.items[i].attempt_id;
    }
    jw_end_arr(&w);
    jw_str(&w, "current_attempt_id", current);
    jw_end_obj(&w);
    return 0;
}

static int
load_attempt(struct http_app *app, const struct http_call *call,
    struct attempt *out, struct err *err)
{
    if (!id_is_valid(call->params[0]))
        return err_set(err, ERR_NOT_FOUND,
            "an attempt id has 32 hex digits; %.64s is none", call->params[0]);
    return store_attempt(app->deps.store, call->params[0], out, err);
}

int
api_attempts_get(struct http_app *app, struct http_call *call, struct err *err)
{
    AUTO(attempt_release) struct attempt attempt = {0};
    struct jw w;

    if (load_attempt(app, call, &attempt, err) != 0)
        return -1;
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    attempt_write(&attempt, &w, "attempt");
    jw_end_obj(&w);
    return 0;
}

/* Appends up to EVENTS_PAGE events; *after moves. 1: there may be more. */
static int
write_page(struct http_app *app, const char *attempt_id, int64_t limit,
    int64_t *after, struct jw *w, struct err *err)
{
    AUTO(event_list_release) struct event_list list = {0};
    int64_t page = limit < EVENTS_PAGE ? limit : EVENTS_PAGE;

    if (store_events(app->deps.store, attempt_id, *after, page, &list, err) !=
        0)
        return -1;
    for (size_t i = 0; i < list.len; i++) {
        event_write(&list.items[i], w, NULL);
        *after = list.items[i].id;
        if (w->out->len > EVENTS_BYTES_MAX)
            return 1;
    }
    return (int64_t)list.len == page;
}

int
api_attempts_events(
    struct http_app *app, struct http_call *call, struct err *err)
{
    AUTO(attempt_release) struct attempt attempt = {0};
    int64_t after = 0;
    int64_t limit = EVENTS_DEFAULT;
    int more = 1;
    struct jw w;

    if (http_query_int(call->request, "after", 0, INT64_MAX, &after, err) !=
            0 ||
        http_query_int(call->request, "limit", 1, EVENTS_MAX, &limit, err) !=
            0 ||
        load_attempt(app, call, &attempt, err) != 0)
        return -1;
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_arr(&w, "events");
    for (int64_t left = limit; left > 0 && more == 1; left -= EVENTS_PAGE) {
        if (w.out->len > EVENTS_BYTES_MAX)
            break;
        more = write_page(app, attempt.attempt_id, left, &after, &w, err);
    }
    if (more < 0)
        return -1;
    jw_end_arr(&w);
    jw_int(&w, "next_after", after);
    jw_bool(&w, "more", more == 1);
    jw_end_obj(&w);
    return 0;
}
