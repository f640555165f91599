/* SPDX-License-Identifier: Apache-2.0
 * Takes a request through the table. Paths are exact and case-sensitive: a
 * guard that reads a path in another way than its router guards nothing. */
#include "control/http/router.h"

#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SEGMENTS_MAX = 8 };

/* ---- matching ---- */

struct path {
    struct {
        const char *text;
        size_t len;
    } segments[SEGMENTS_MAX];

    size_t count;
};

/* "/a/b" gives two segments, "/" one empty one. */
static int
split_path(const char *text, struct path *out, struct err *err)
{
    out->count = 0;
    if (*text != '/')
        return err_set(err, ERR_INVALID, "the path must begin with /");
    while (*text == '/') {
        size_t len = strcspn(++text, "/");

        if (out->count == SEGMENTS_MAX)
            return err_set(err, ERR_NOT_FOUND, "no such path");
        out->segments[out->count].text = text;
        out->segments[out->count].len = len;
        out->count++;
        text += len;
    }
    return 0;
}

/* Does the pattern take the path? Fills the call's parameters. */
static bool
match_path(const char *pattern, const struct path *path,
    const char decoded[SEGMENTS_MAX][HTTP_SEGMENT_MAX], struct http_call *call)
{
    size_t i = 0;
    size_t params = 0;

    while (*pattern == '/') {
        size_t len = strcspn(++pattern, "/");

        if (i == path->count)
            return false;
        if (*pattern == ':') {
            if (decoded[i][0] == '\0' || params == HTTP_PARAMS_MAX)
                return false;
            memcpy(call->params[params++], decoded[i], HTTP_SEGMENT_MAX);
        } else if (strlen(decoded[i]) != len ||
                   memcmp(decoded[i], pattern, len) != 0) {
            return false;
        }
        pattern += len;
        i++;
    }
    return i == path->count;
}

/* The first row whose path fits; the other methods of that path follow by
 * their equal pattern. NULL: err says why. */
static const struct route *
find_path(const struct router *router, struct http_call *call, struct err *err)
{
    struct path path;
    char decoded[SEGMENTS_MAX][HTTP_SEGMENT_MAX];

    if (split_path(call->request->path, &path, err) != 0)
        return NULL;
    for (size_t i = 0; i < path.count; i++) {
        if (http_decode(path.segments[i].text, path.segments[i].len, false,
                decoded[i], HTTP_SEGMENT_MAX, err) != 0)
            return NULL;
    }
    for (size_t i = 0; i < router->count; i++) {
        if (match_path(router->routes[i].path, &path,
                (const char(*)[HTTP_SEGMENT_MAX])decoded, call))
            return &router->routes[i];
    }
    (void)err_set(err, ERR_NOT_FOUND, "no such path");
    return NULL;
}

static void
allow_method(struct http_call *call, const char *method)
{
    char *allow = call->reply.allow;
    size_t used = strlen(allow);
    const char *more = strcmp(method, "GET") == 0 ? "GET, HEAD" : method;

    (void)snprintf(allow + used, sizeof(call->reply.allow) - used, "%s%s",
        used == 0 ? "" : ", ", more);
}

static const struct route *
find_route(const struct router *router, struct http_call *call, struct err *err)
{
    const struct route *first = find_path(router, call, err);
    const struct route *end = router->routes + router->count;
    const char *method = call->request->method;

    if (first == NULL)
        return NULL;
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (const struct route *r = first; r < end; r++) {
        if (strcmp(r->path, first->path) != 0)
            continue;
        if (strcmp(r->method, method) == 0) {
            call->reply.allow[0] = '\0';
            return r;
        }
        allow_method(call, r->method);
    }
    (void)err_set(err, ERR_METHOD, "this path takes %s", call->reply.allow);
    return NULL;
}

/* ---- the body ---- */

static bool
is_json_type(const char *type)
{
    size_t len = 0;

    if (type == NULL)
        return false;
    len = strcspn(type, "; \t");
    return len == strlen("application/json") &&
           strncasecmp(type, "application/json", len) == 0;
}

static int
check_body_head(const struct route *route, const struct http_request *request,
    struct err *err)
{
    if (request->body_len == 0)
        return route->body_rule == BODY_REQUIRED
                   ? err_set(err, ERR_INVALID,
                         "this needs a JSON object as its body")
                   : 0;
    if (http_header_count(request, "Content-Type") > 1 ||
        !is_json_type(http_header(request, "Content-Type")))
        return err_set(
            err, ERR_MEDIA_TYPE, "send the body as application/json");
    if (http_header(request, "Content-Encoding") != NULL)
        return err_set(
            err, ERR_MEDIA_TYPE, "send the body without Content-Encoding");
    if (request->body_len > HTTP_BODY_MAX)
        return err_set(err, ERR_TOO_LARGE, "the body is larger than %d bytes",
            HTTP_BODY_MAX);
    return 0;
}

static int
read_input(const struct route *route, const struct http_request *request,
    void *input, struct err *err)
{
    AUTO(buf_free) struct buf body;
    AUTO(json_free_ptr) struct json *root = NULL;

    buf_init(&body, HTTP_BODY_MAX);
    if (request->body_len == 0)
        return 0;
    if (request->read_body(request->arg, &body, err) != 0)
        return -1;
    root = json_parse(buf_str(&body), body.len, HTTP_BODY_MAX, err);
    if (root == NULL)
        return -1;
    return schema_decode(route->body, root, input, err);
}

static int
run_with_body(const struct route *route, struct http_app *app,
    struct http_call *call, struct err *err)
{
    void *input = calloc(1, route->body->size);
    int rc = -1;

    if (input == NULL)
        return err_no_memory(err);
    if (read_input(route, call->request, input, err) == 0) {
        call->input = input;
        rc = route->handler(app, call, err);
        call->input = NULL;
        schema_release(route->body, input);
    }
    free(input);
    return rc;
}

/* ---- dispatch ---- */

static int
run(const struct router *router, struct http_app *app, struct http_call *call,
    struct err *err)
{
    const struct route *route = NULL;

    if (guard_check_site(&app->guard, call->request, err) != 0)
        return -1;
    route = find_route(router, call, err);
    if (route == NULL)
        return -1;
    call->class = (int)route->class;
    if (route->guard == GUARD_WRITE &&
        guard_check_write(&app->guard, call->request, err) != 0)
        return -1;
    call->reply.status = route->status;
    if (route->body_rule == BODY_NONE)
        return call->request->body_len == 0
                   ? route->handler(app, call, err)
                   : err_set(err, ERR_INVALID, "this takes no body");
    if (check_body_head(route, call->request, err) != 0)
        return -1;
    return run_with_body(route, app, call, err);
}

/* If-None-Match may hold a list; weak comparison. */
static bool
is_unchanged(const struct http_call *call)
{
    const char *match = http_header(call->request, "If-None-Match");

    return call->reply.etag[0] != '\0' && match != NULL &&
           (strcmp(match, "*") == 0 || strstr(match, call->reply.etag) != NULL);
}

static bool
is_our_fault(const struct err *err)
{
    int status = err_http_status(err->code);

    return status == 500 || status == 507 || err->code == ERR_UNAVAILABLE;
}

void
router_dispatch(
    const struct router *router, struct http_app *app, struct http_call *call)
{
    struct err err = ERR_INIT;

    if (run(router, app, call, &err) != 0 ||
        (call->reply.shared == NULL &&
            buf_check(&call->reply.body, &err) != 0)) {
        if (is_our_fault(&err))
            log_failure(NULL, "a request failed", &err);
        http_reply_error(call, &err);
    } else if (is_unchanged(call)) {
        call->reply.status = 304;
    }
}
