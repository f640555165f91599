/* SPDX-License-Identifier: Apache-2.0
 * The dispatcher over a table of its own: what it lets through to a handler,
 * and how it says no. And the strict decoders below it. */
#include "control/http/openapi.h"
#include "control/http/router.h"

#include "common/cleanup.h"
#include "common/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* ---- a small table ---- */

struct note_body {
    char *text;
};

static const struct schema_field note_fields[] = {
    {.name = "text",
        .kind = SCHEMA_STR,
        .required = true,
        .offset = offsetof(struct note_body, text),
        .max = 16},
};
static const struct schema note_schema = {.name = "note",
    .size = sizeof(struct note_body),
    .fields = note_fields,
    .count = 1};

static int
echo(struct http_app *app, struct http_call *call, struct err *err)
{
    const struct note_body *body = call->input;

    (void)app;
    (void)err;
    buf_printf(&call->reply.body, "echo(%s,%s,%s)", call->params[0],
        call->params[1], body == NULL ? "-" : body->text);
    return 0;
}

static int
literal(struct http_app *app, struct http_call *call, struct err *err)
{
    (void)app;
    (void)err;
    buf_puts(&call->reply.body, "literal");
    (void)snprintf(call->reply.etag, sizeof(call->reply.etag), "\"v1\"");
    return 0;
}

static int
failing(struct http_app *app, struct http_call *call, struct err *err)
{
    (void)app;
    buf_puts(&call->reply.body, "half an ans");
    return err_set(err, ERR_NOT_FOUND, "there is \"none\"");
}

static const struct route table[] = {
    {.method = "GET", .path = "/", .handler = literal, .status = 200},
    {.method = "GET", .path = "/a/list", .handler = literal, .status = 200},
    {.method = "POST",
        .path = "/a/list",
        .handler = echo,
        .guard = GUARD_WRITE,
        .body_rule = BODY_REQUIRED,
        .body = &note_schema,
        .status = 201},
    {.method = "GET", .path = "/a/fail", .handler = failing, .status = 200},
    {.method = "GET", .path = "/a/:one", .handler = echo, .status = 200},
    {.method = "GET", .path = "/a/:one/b/:two", .handler = echo, .status = 200},
};
static const struct router router = {
    .routes = table, .count = ARRAY_LEN(table)};

/* ---- one request ---- */

struct ask {
    const char *method;
    const char *path;
    const char *body;
    const char *type;
    const char *match; /* If-None-Match */
    bool remote;
};

static int
give_body(void *arg, struct buf *out, struct err *err)
{
    (void)err;
    buf_puts(out, arg);
    return 0;
}

static void
dispatch(const struct ask *ask, struct http_call *call)
{
    static struct http_header headers[3];
    static struct http_request request;
    static struct http_app app;
    static char body[64];
    size_t count = 0;

    app.guard.port = 4000;
    headers[count++] = (struct http_header){"Host", "localhost:4000"};
    if (ask->type != NULL)
        headers[count++] = (struct http_header){"Content-Type", ask->type};
    if (ask->match != NULL)
        headers[count++] = (struct http_header){"If-None-Match", ask->match};
    (void)snprintf(
        body, sizeof(body), "%s", ask->body == NULL ? "" : ask->body);
    request = (struct http_request){.method = ask->method,
        .path = ask->path,
        .headers = headers,
        .header_count = count,
        .loopback = !ask->remote,
        .body_len = (int64_t)strlen(body),
        .read_body = give_body,
        .arg = body};
    http_call_init(call, &request);
    router_dispatch(&router, &app, call);
}

static void
expect(const struct ask *ask, int status, const char *body)
{
    struct http_call call;

    dispatch(ask, &call);
    cr_expect_eq(call.reply.status, status, "%s %s: %d %s", ask->method,
        ask->path, call.reply.status, buf_str(&call.reply.body));
    if (body != NULL)
        cr_expect(strstr(buf_str(&call.reply.body), body) != NULL,
            "%s %s: %s lacks %s", ask->method, ask->path,
            buf_str(&call.reply.body), body);
    http_call_release(&call);
}

/* ---- paths ---- */

Test(router, paths_are_exact_and_case_sensitive)
{
    static const struct {
        const char *path;
        int status;
        const char *body;
    } cases[] = {
        {"/", 200, "literal"},
        {"/a/list", 200, "literal"},
        {"/a/x", 200, "echo(x,,-)"},
        {"/a/x/b/y", 200, "echo(x,y,-)"},
        {"/a/LIST", 200, "echo(LIST,,-)"},
        {"/A/list", 404, "not_found"},
        {"/a/list/", 404, "not_found"},
        {"//a/list", 404, "not_found"},
        {"/a", 404, "not_found"},
        {"/a/", 404, "not_found"},
        {"/a//b/y", 404, "not_found"},
        {"/a/x/b/y/z", 404, "not_found"},
        {"/a/x/b/y/1/2/3/4/5/6", 404, "not_found"},
        {"/a/../a/list", 404, "not_found"},
        {"", 400, "invalid_request"},
        {"a/list", 400, "invalid_request"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(&(struct ask){.method = "GET", .path = cases[i].path},
            cases[i].status, cases[i].body);
}

Test(router, segments_are_decoded_once_and_strictly)
{
    static const struct {
        const char *path;
        int status;
        const char *body;
    } cases[] = {
        {"/a/x%20y", 200, "echo(x y,,-)"},
        {"/a/x%2Fy", 200, "echo(x/y,,-)"},
        {"/a/%2541", 200, "echo(%41,,-)"},
        {"/a/l%69st", 200, "literal"},
        {"/a/x+y", 200, "echo(x+y,,-)"},
        {"/a/%", 400, "invalid_request"},
        {"/a/%4", 400, "invalid_request"},
        {"/a/%zz", 400, "invalid_request"},
        {"/a/%00", 400, "control character"},
        {"/a/%0a", 400, "control character"},
        {"/a/%7f", 400, "control character"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(&(struct ask){.method = "GET", .path = cases[i].path},
            cases[i].status, cases[i].body);
}

Test(router, a_long_segment_is_refused_not_cut)
{
    char path[HTTP_SEGMENT_MAX + 8];

    memset(path, 'x', sizeof(path));
    memcpy(path, "/a/", 3);
    path[3 + HTTP_SEGMENT_MAX - 1] = '\0';
    expect(&(struct ask){.method = "GET", .path = path}, 200, NULL);
    path[3 + HTTP_SEGMENT_MAX - 1] = 'x';
    path[3 + HTTP_SEGMENT_MAX] = '\0';
    expect(&(struct ask){.method = "GET", .path = path}, 400, "longer than");
}

/* ---- methods ---- */

Test(router, another_method_gets_405_and_allow)
{
    static const char *const methods[] = {
        "PUT", "PATCH", "DELETE", "OPTIONS", "get"};
    struct http_call call;

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        dispatch(&(struct ask){.method = methods[i], .path = "/a/list"}, &call);
        cr_expect_eq(call.reply.status, 405, "%s", methods[i]);
        cr_expect_str_eq(call.reply.allow, "GET, HEAD, POST");
        http_call_release(&call);
    }
    dispatch(&(struct ask){.method = "POST", .path = "/a/fail"}, &call);
    cr_expect_eq(call.reply.status, 405, "a literal is not taken by /a/:one");
    cr_expect_str_eq(call.reply.allow, "GET, HEAD");
    http_call_release(&call);
}

Test(router, head_works_where_get_does)
{
    expect(&(struct ask){.method = "HEAD", .path = "/a/list"}, 200, NULL);
    expect(&(struct ask){.method = "HEAD", .path = "/nowhere"}, 404, NULL);
}

Test(router, an_error_replaces_what_was_written)
{
    expect(&(struct ask){.method = "GET", .path = "/a/fail"}, 404,
        "{\"error\":{\"code\":\"not_found\",\"message\":\"there is "
        "\\\"none\\\"\"}}");
}

Test(router, a_matching_etag_gives_304)
{
    static const struct {
        const char *match;
        int status;
    } cases[] = {{"\"v1\"", 304}, {"W/\"v1\"", 304}, {"\"v0\", \"v1\"", 304},
        {"*", 304}, {"\"v2\"", 200}, {"v1", 200}, {NULL, 200}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(
            &(struct ask){
                .method = "GET", .path = "/a/list", .match = cases[i].match},
            cases[i].status, NULL);
}

/* ---- bodies ---- */

Test(router, a_body_is_checked_before_the_handler_sees_it)
{
    static const struct {
        const char *body;
        const char *type;
        int status;
        const char *text;
    } cases[] = {
        {"{\"text\":\"hi\"}", "application/json", 201, "echo(,,hi)"},
        {"{\"text\":\"hi\"}", "Application/JSON; charset=utf-8", 201, "hi"},
        {NULL, NULL, 400, "needs a JSON object"},
        {"{\"text\":\"hi\"}", NULL, 415, "unsupported_media_type"},
        {"{\"text\":\"hi\"}", "text/plain", 415, "unsupported_media_type"},
        {"{\"text\":\"hi\"}", "application/jsonx", 415, "media"},
        {"{\"text\":\"hi\"", "application/json", 400, "invalid_request"},
        {"{}", "application/json", 400, "text"},
        {"{\"text\":1}", "application/json", 400, "text"},
        {"{\"text\":\"hi\",\"more\":1}", "application/json", 400, "more"},
        {"{\"text\":\"0123456789abcdefg\"}", "application/json", 400, "text"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "application/json", 400, NULL},
        {"[]", "application/json", 400, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(&(struct ask){.method = "POST",
                   .path = "/a/list",
                   .body = cases[i].body,
                   .type = cases[i].type},
            cases[i].status, cases[i].text);
}

Test(router, a_body_where_none_belongs_is_refused)
{
    expect(&(struct ask){.method = "GET",
               .path = "/a/list",
               .body = "{}",
               .type = "application/json"},
        400, "takes no body");
}

Test(router, a_write_passes_the_guard_first)
{
    /* Not even the form of the body is told to somebody who may not write. */
    expect(&(struct ask){.method = "POST",
               .path = "/a/list",
               .body = "{",
               .type = "text/plain",
               .remote = true},
        403, "write_forbidden");
}

/* ---- framing and query ---- */

Test(http_framing, ambiguous_requests_are_refused)
{
    static const struct {
        struct http_header headers[3];
        size_t count;
        enum err_code code;
        int64_t len;
    } cases[] = {
        {{{"Host", "x"}}, 1, ERR_NONE, 0},
        {{{"Host", "x"}, {"Content-Length", "12"}}, 2, ERR_NONE, 12},
        {{{"Content-Length", "12"}}, 1, ERR_INVALID, 0},
        {{{"Host", "x"}, {"host", "y"}}, 2, ERR_INVALID, 0},
        {{{"Host", "x"}, {"Content-Length", "1"}, {"content-length", "1"}}, 3,
            ERR_INVALID, 0},
        {{{"Host", "x"}, {"Content-Length", "1"},
             {"Transfer-Encoding", "chunked"}},
            3, ERR_INVALID, 0},
        {{{"Host", "x"}, {"Transfer-Encoding", "chunked"}}, 2,
            ERR_LENGTH_REQUIRED, 0},
        {{{"Host", "x"}, {"Content-Length", "-1"}}, 2, ERR_INVALID, 0},
        {{{"Host", "x"}, {"Content-Length", "+1"}}, 2, ERR_INVALID, 0},
        {{{"Host", "x"}, {"Content-Length", "1, 1"}}, 2, ERR_INVALID, 0},
        {{{"Host", "x"}, {"Content-Length", "0x10"}}, 2, ERR_INVALID, 0},
        {{{"Host", "x"}, {"Content-Length", ""}}, 2, ERR_INVALID, 0},
        {{{"Host", "x"}, {"Content-Length", "9223372036854775808"}}, 2,
            ERR_INVALID, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_request request = {
            .headers = cases[i].headers, .header_count = cases[i].count};
        struct err err = ERR_INIT;
        int64_t len = -1;
        int rc = http_framing(&request, &len, &err);

        cr_expect_eq(rc, cases[i].code == ERR_NONE ? 0 : -1, "case %zu", i);
        cr_expect_eq(err.code, cases[i].code, "case %zu", i);
        if (rc == 0)
            cr_expect_eq(len, cases[i].len);
    }
}

Test(http_query, numbers_are_whole_and_bounded)
{
    static const struct {
        const char *query;
        int rc;
        int64_t value;
    } cases[] = {
        {NULL, 0, 7},
        {"", 0, 7},
        {"other=1", 0, 7},
        {"n=5", 0, 5},
        {"a=1&n=5&b", 0, 5},
        {"n=%35", 0, 5},
        {"n=100", 0, 100},
        {"n=101", -1, 0},
        {"n=0", -1, 0},
        {"n=", -1, 0},
        {"n", -1, 0},
        {"n=-5", -1, 0},
        {"n=5x", -1, 0},
        {"n=5&n=6", -1, 0},
        {"n=%3", -1, 0},
        {"n=99999999999999999999999999999", -1, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_request request = {.query = cases[i].query};
        struct err err = ERR_INIT;
        int64_t value = 7;
        int rc = http_query_int(&request, "n", 1, 100, &value, &err);

        cr_expect_eq(rc, cases[i].rc, "%s", cases[i].query);
        if (rc == 0)
            cr_expect_eq(value, cases[i].value, "%s", cases[i].query);
        else
            cr_expect_eq(err.code, ERR_INVALID);
    }
}

/* ---- the description ---- */

Test(openapi, describes_every_row_of_the_real_table)
{
    const struct router *real = http_routes();
    AUTO(json_free_ptr) struct json *root = NULL;
    AUTO(buf_free) struct buf text;
    struct err err = ERR_INIT;
    size_t operations = 0;

    buf_init(&text, 1048576);
    openapi_write(real, &text);
    root = json_parse(buf_str(&text), text.len, text.len, &err);
    cr_assert_not_null(root, "%s", err.message);
    json_each (path, json_get(root, "paths")) {
        cr_expect_null(strchr(json_key(path), ':'), "%s", json_key(path));
        operations += json_len(path);
    }
    cr_expect_eq(operations, real->count);
}

Test(routes, a_pattern_never_hides_a_literal)
{
    const struct router *real = http_routes();

    for (size_t i = 0; i < real->count; i++) {
        const char *pattern = strchr(real->routes[i].path, ':');

        for (size_t j = i + 1; pattern != NULL && j < real->count; j++) {
            size_t prefix = (size_t)(pattern - real->routes[i].path);
            const char *later = real->routes[j].path;

            cr_expect(strncmp(later, real->routes[i].path, prefix) != 0 ||
                          later[prefix] == ':',
                "%s stands behind %s", later, real->routes[i].path);
        }
        cr_expect_eq(strcmp(real->routes[i].method, "GET") == 0,
            real->routes[i].guard == GUARD_READ, "%s %s",
            real->routes[i].method, real->routes[i].path);
    }
}
