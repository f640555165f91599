/* SPDX-License-Identifier: Apache-2.0
 * A Linear for tests: its GraphQL endpoint on loopback, control endpoints
 * under /fake/ to seed issues and to inject faults. */
#include "common/cleanup.h"
#include "common/cli.h"
#include "common/clock.h"
#include "tests/fakes/lib/linear_model.h"

#include <civetweb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 4 * 1024 * 1024, ANSWER_MAX = 64 * 1024 * 1024 };

/* What the next requests to /graphql get instead of an answer. */
struct fault {
    char kind[32];
    int64_t count;
    int64_t reset_ms; /* of rate_limit */
    char header[16];  /* of rate_limit: requests, complexity, retry_after */
};

static struct fake_linear linear;
static struct fault fault;
static int64_t requests;
static int64_t followed; /* requests that followed our redirect */
static const char *api_key = "lin_api_fake";
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- HTTP ---- */

static void
answer(struct mg_connection *conn, int status, const char *headers,
    const char *body)
{
    (void)mg_printf(conn,
        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n%s"
        "Content-Length: %zu\r\nConnection: close\r\n\r\n",
        status, mg_get_response_code_text(conn, status), headers, strlen(body));
    (void)mg_write(conn, body, strlen(body));
}

static int
read_body(struct mg_connection *conn, struct buf *out, struct err *err)
{
    char chunk[8192];
    int n = 0;

    while ((n = mg_read(conn, chunk, sizeof(chunk))) > 0)
        buf_append(out, chunk, (size_t)n);
    return buf_check(out, err);
}

static void
answer_error(struct mg_connection *conn, int status, const char *headers,
    const struct fake_error *error)
{
    AUTO(buf_free) struct buf body = {0};
    struct jw w;

    buf_init(&body, BODY_MAX);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_arr(&w, "errors");
    jw_obj(&w, NULL);
    jw_str(&w, "message", error->message);
    jw_obj(&w, "extensions");
    jw_str(&w, "type", error->type);
    jw_str(&w, "code", error->code);
    jw_int(&w, "statusCode", status == 200 ? 400 : status);
    jw_bool(&w, "userError", true);
    if (error->for_people[0] != '\0')
        jw_str(&w, "userPresentableMessage", error->for_people);
    jw_end_obj(&w);
    jw_end_obj(&w);
    jw_end_arr(&w);
    jw_null(&w, "data");
    jw_end_obj(&w);
    answer(conn, status, headers, buf_str(&body));
}

/* ---- faults ---- */

static void
answer_rate_limit(struct mg_connection *conn)
{
    static const struct fake_error error = {
        .message = "Rate limit exceeded. Only 5000 requests are allowed per 1 "
                   "hour.",
        .code = "RATELIMITED",
        .type = "ratelimited",
        .for_people = "Rate limit exceeded.",
    };
    long long reset = clock_wall_ms() + fault.reset_ms;
    char headers[512];

    if (strcmp(fault.header, "complexity") == 0)
        (void)snprintf(headers, sizeof(headers),
            "X-RateLimit-Requests-Remaining: 12\r\n"
            "X-RateLimit-Requests-Reset: %lld\r\n"
            "X-RateLimit-Complexity-Remaining: 0\r\n"
            "X-RateLimit-Complexity-Reset: %lld\r\n",
            reset + 3000000, reset);
    else if (strcmp(fault.header, "retry_after") == 0)
        (void)snprintf(headers, sizeof(headers), "Retry-After: %lld\r\n",
            (long long)(fault.reset_ms / 1000));
    else
        (void)snprintf(headers, sizeof(headers),
            "X-RateLimit-Requests-Limit: 5000\r\n"
            "X-RateLimit-Requests-Remaining: 0\r\n"
            "X-RateLimit-Requests-Reset: %lld\r\n",
            reset);
    answer_error(conn, strcmp(fault.kind, "status_429") == 0 ? 429 : 400,
        headers, &error);
}

static void
answer_huge(struct mg_connection *conn)
{
    static char filler[8192];

    memset(filler, ' ', sizeof(filler));
    (void)mg_printf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for (size_t sent = 0; sent < ANSWER_MAX; sent += sizeof(filler)) {
        if (mg_write(conn, filler, sizeof(filler)) <= 0)
            return;
    }
}

static void
answer_unauthorized(struct mg_connection *conn)
{
    static const struct fake_error error = {
        .message = "Authentication required, not authenticated",
        .code = "AUTHENTICATION_ERROR",
        .type = "authentication error",
        .for_people = "You need to authenticate to access this operation.",
    };

    answer_error(conn, 401, "", &error);
}

/* An error that repeats the credential, which nobody should do. */
static void
answer_echo(struct mg_connection *conn)
{
    struct fake_error error = {.code = "INTERNAL", .type = "internal error"};

    (void)snprintf(
        error.message, sizeof(error.message), "bad header %s", api_key);
    answer_error(conn, 200, "", &error);
}

static void
serve_fault(struct mg_connection *conn)
{
    const char *kind = fault.kind;

    if (strcmp(kind, "unauthorized") == 0)
        answer_unauthorized(conn);
    else if (strcmp(kind, "rate_limit") == 0 || strcmp(kind, "status_429") == 0)
        answer_rate_limit(conn);
    else if (strcmp(kind, "server_error") == 0)
        answer(conn, 500, "", "<html>Internal Server Error</html>");
    else if (strcmp(kind, "malformed") == 0)
        answer(conn, 200, "", "{\"data\": {\"issues\":");
    else if (strcmp(kind, "no_data") == 0)
        answer(conn, 200, "", "{\"data\": null}");
    else if (strcmp(kind, "no_nodes") == 0)
        answer(conn, 200, "", "{\"data\": {\"issues\": {}}}");
    else if (strcmp(kind, "redirect") == 0)
        answer(conn, 302, "Location: /fake/followed\r\n", "{}");
    else if (strcmp(kind, "huge") == 0)
        answer_huge(conn);
    else if (strcmp(kind, "echo") == 0)
        answer_echo(conn);
    /* hang_up: nothing is written, and the connection is closed. */
}

/* ---- /graphql ---- */

static bool
is_authorized(struct mg_connection *conn)
{
    static const struct fake_error bearer = {
        .message = "It looks like you're trying to use an API key as a Bearer "
                   "token. Remove the Bearer prefix from the Authorization "
                   "header.",
        .code = "AUTHENTICATION_ERROR",
        .type = "authentication error",
    };
    const char *given = mg_get_header(conn, "Authorization");

    if (given != NULL && strcmp(given, api_key) == 0)
        return true;
    if (given != NULL && strncmp(given, "Bearer ", 7) == 0)
        answer_error(conn, 400, "", &bearer);
    else
        answer_unauthorized(conn);
    return false;
}

static void
answer_invalid(struct mg_connection *conn, const struct err *problem)
{
    struct fake_error error = {
        .code = "GRAPHQL_VALIDATION_FAILED", .type = "graphql error"};

    (void)snprintf(
        error.message, sizeof(error.message), "%.255s", problem->message);
    answer_error(conn, 400, "", &error);
}

static void
run_query(struct mg_connection *conn, const struct gql_selection *root)
{
    AUTO(buf_free) struct buf body = {0};
    struct fake_error error = {0};
    struct jw w;

    buf_init(&body, ANSWER_MAX);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_obj(&w, "data");
    fake_linear_run(&linear, root, &w, &error);
    jw_end_obj(&w);
    jw_end_obj(&w);
    if (strcmp(fault.kind, "hang_up_after") == 0 && fault.count > 0) {
        fault.count--;
        return; /* done, but nobody hears of it */
    }
    if (error.set)
        answer_error(conn, 200, "", &error);
    else
        answer(conn, 200,
            "X-RateLimit-Requests-Remaining: 4999\r\n"
            "X-RateLimit-Complexity-Remaining: 249000\r\n",
            buf_str(&body));
}

static int
serve_query(
    struct mg_connection *conn, const struct json *request, struct err *err)
{
    struct gql_selection *root = NULL;
    bool mutation = false;
    const char *query = json_str(json_get(request, "query"), NULL);

    if (query == NULL)
        return err_set(err, ERR_INVALID, "Must provide query string.");
    int result = gql_read(&fake_linear_schema, query,
        json_get(request, "variables"), &mutation, &root, err);
    if (result == 0 && gql_complexity(root) > FAKE_COMPLEXITY_MAX)
        result = err_set(err, ERR_INVALID, "Query too complex");
    if (result == 0)
        run_query(conn, root);
    gql_free(root);
    return result;
}

static int
on_graphql(struct mg_connection *conn, void *arg)
{
    (void)arg;
    AUTO(buf_free) struct buf body = {0};
    struct err err = ERR_INIT;
    AUTO(json_free_ptr) struct json *request = NULL;

    buf_init(&body, BODY_MAX);
    (void)pthread_mutex_lock(&mutex);
    requests++;
    bool at_once = strcmp(fault.kind, "hang_up_after") != 0;
    if (read_body(conn, &body, &err) < 0) {
        answer_invalid(conn, &err);
    } else if (at_once && fault.count > 0) {
        fault.count--;
        serve_fault(conn);
    } else if (is_authorized(conn)) {
        request = json_parse(buf_str(&body), body.len, BODY_MAX, &err);
        if (request == NULL || serve_query(conn, request, &err) < 0)
            answer_invalid(conn, &err);
    }
    (void)pthread_mutex_unlock(&mutex);
    return 1;
}

/* ---- /fake/ ---- */

static int
fake_add_issue(const struct json *spec, struct jw *w, struct err *err)
{
    int64_t count = json_int(json_get(spec, "count"), 1);
    const struct fake_issue *issue = NULL;

    for (int64_t i = 0; i < count; i++) {
        issue = fake_issue_add(&linear, spec, err);
        if (issue == NULL)
            return -1;
    }
    if (issue == NULL)
        return err_set(err, ERR_INVALID, "count must be positive");
    jw_str(w, "id", issue->id);
    jw_str(w, "identifier", issue->identifier);
    return 0;
}

/* A person's hand on an issue. */
static int
fake_edit_issue(const struct json *spec, struct jw *w, struct err *err)
{
    struct fake_issue *issue =
        fake_issue_find(&linear, json_str(json_get(spec, "issue"), ""));
    const char *name = json_str(json_get(spec, "state"), NULL);

    if (issue == NULL)
        return err_set(err, ERR_NOT_FOUND, "no such issue");
    if (name != NULL && fake_state_by_name(name) == NULL)
        return err_set(err, ERR_INVALID, "no such state");
    if (name != NULL)
        issue->state = fake_state_by_name(name);
    fake_issue_touch(issue);
    jw_str(w, "state", issue->state->name);
    return 0;
}

static int
fake_set_fault(const struct json *spec, struct jw *w, struct err *err)
{
    (void)err;
    const char *kind = json_str(json_get(spec, "kind"), "");

    (void)snprintf(fault.kind, sizeof(fault.kind), "%s", kind);
    (void)snprintf(fault.header, sizeof(fault.header), "%s",
        json_str(json_get(spec, "header"), "requests"));
    fault.count = json_int(json_get(spec, "count"), 1);
    fault.reset_ms = json_int(json_get(spec, "reset_ms"), 2000);
    linear.drop_end_cursor = strcmp(kind, "no_end_cursor") == 0;
    linear.repeat_end_cursor = strcmp(kind, "same_end_cursor") == 0;
    if (linear.drop_end_cursor || linear.repeat_end_cursor)
        fault.count = 0;
    jw_str(w, "kind", kind);
    return 0;
}

static void
write_comments(struct jw *w)
{
    jw_arr(w, "comments");
    for (size_t i = 0; i < linear.comment_count; i++) {
        jw_obj(w, NULL);
        jw_str(w, "id", linear.comments[i].id);
        jw_str(w, "issue", linear.issues[linear.comments[i].issue]->identifier);
        jw_str(w, "body", linear.comments[i].body);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

static int
fake_show(const struct json *spec, struct jw *w, struct err *err)
{
    (void)spec;
    (void)err;
    jw_int(w, "requests", requests);
    jw_int(w, "followed", followed);
    jw_int(w, "mutations", linear.mutations);
    write_comments(w);
    jw_arr(w, "issues");
    for (size_t i = 0; i < linear.issue_count; i++) {
        jw_obj(w, NULL);
        jw_str(w, "identifier", linear.issues[i]->identifier);
        jw_str(w, "state", linear.issues[i]->state->name);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    return 0;
}

static int
fake_reset(const struct json *spec, struct jw *w, struct err *err)
{
    (void)spec;
    (void)w;
    (void)err;
    fake_linear_clear(&linear);
    memset(&fault, 0, sizeof(fault));
    requests = 0;
    return 0;
}

static int
fake_followed(const struct json *spec, struct jw *w, struct err *err)
{
    (void)spec;
    (void)w;
    (void)err;
    followed++;
    return 0;
}

static struct control {
    const char *path;
    int (*serve)(const struct json *spec, struct jw *w, struct err *err);
} controls[] = {
    {"/fake/issues", fake_add_issue},
    {"/fake/edit", fake_edit_issue},
    {"/fake/faults", fake_set_fault},
    {"/fake/show", fake_show},
    {"/fake/reset", fake_reset},
    {"/fake/followed", fake_followed},
};

static int
on_control(struct mg_connection *conn, void *arg)
{
    const struct control *control = arg;
    AUTO(buf_free) struct buf body = {0};
    AUTO(buf_free) struct buf out = {0};
    struct err err = ERR_INIT;
    struct jw w;

    buf_init(&body, BODY_MAX);
    buf_init(&out, BODY_MAX);
    jw_init(&w, &out);
    jw_obj(&w, NULL);
    int result = read_body(conn, &body, &err);
    AUTO(json_free_ptr)
    struct json *spec = json_parse(body.len == 0 ? "{}" : buf_str(&body),
        body.len == 0 ? 2 : body.len, BODY_MAX, &err);
    (void)pthread_mutex_lock(&mutex);
    if (result == 0 && spec != NULL)
        result = control->serve(spec, &w, &err);
    else
        result = -1;
    (void)pthread_mutex_unlock(&mutex);
    jw_end_obj(&w);
    answer(conn, result < 0 ? 400 : 200, "",
        result < 0 ? err.message : buf_str(&out));
    return 1;
}

/* ---- main ---- */

static int
serve(const char *port)
{
    char address[64];
    struct mg_server_port bound = {0};
    sigset_t signals;
    int caught = 0;

    /* Blocked before the threads exist, so that sigwait gets them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%s", port);
    const char *options[] = {
        "listening_ports", address, "num_threads", "4", NULL};
    struct mg_context *context = mg_start(NULL, NULL, options);
    if (context == NULL) {
        (void)fprintf(stderr, "fake_linear: cannot listen on %s\n", address);
        return 1;
    }
    mg_set_request_handler(context, "/graphql$", on_graphql, NULL);
    for (size_t i = 0; i < ARRAY_LEN(controls); i++)
        mg_set_request_handler(
            context, controls[i].path, on_control, &controls[i]);
    (void)mg_get_server_ports(context, 1, &bound);
    (void)printf("fake_linear serves on 127.0.0.1:%d\n", bound.port);
    (void)fflush(stdout);
    (void)sigwait(&signals, &caught);
    _exit(
        0); /* mg_stop takes up to two seconds, and there is nothing to keep */
}

int
main(int argc, char **argv)
{
    const char *port = "0";
    const struct cli_option options[] = {
        {"port", "N", "port on 127.0.0.1; 0 (default): any free one", &port},
        {"key", "KEY", "the API key that it accepts", &api_key},
    };
    const struct cli cli = {
        .program = "fake_linear",
        .summary = "a Linear for tests",
        .usage = "[--port N] [--key KEY]",
        .options = options,
        .count = ARRAY_LEN(options),
    };
    struct err err = ERR_INIT;
    int rest = 0;

    if (cli_parse(&cli, argc, argv, &rest, &err) < 0) {
        (void)fprintf(stderr, "fake_linear: %s\n", err.message);
        return 2;
    }
    return serve(port);
}
