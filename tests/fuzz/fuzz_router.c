/* SPDX-License-Identifier: Apache-2.0
 * What a client controls before a handler runs: path, query, header lines,
 * the dispatch through the real table's patterns. Input: method, path, query
 * and headers, a line each ("Name: value"). */
#include "control/http/router.h"

#include "common/cleanup.h"
#include "control/http/reply.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
answer(struct http_app *app, struct http_call *call, struct err *err)
{
    char text[64];
    int64_t number = 0;

    (void)app;
    if (http_query_int(call->request, "after", 0, 1000, &number, err) != 0 ||
        http_query(call->request, "state", text, sizeof(text), err) < 0)
        return -1;
    buf_printf(&call->reply.body, "%s %s", call->params[0], call->params[1]);
    return 0;
}

/* The real rows, with a handler that needs no store. */
static const struct router *
quiet_router(void)
{
    static struct route rows[64];
    static struct router router;
    const struct router *real = http_routes();

    if (router.count == 0) {
        for (size_t i = 0; i < real->count && i < ARRAY_LEN(rows); i++) {
            rows[i] = real->routes[i];
            rows[i].handler = answer;
            rows[i].body_rule = BODY_NONE;
        }
        router = (struct router){.routes = rows, .count = real->count};
    }
    return &router;
}

static char *
next_line(char **rest)
{
    char *line = *rest;
    char *end = strchr(line, '\n');

    *rest = end == NULL ? line + strlen(line) : end + 1;
    if (end != NULL)
        *end = '\0';
    return line;
}

static size_t
split_headers(char *rest, struct http_header *headers, size_t max)
{
    size_t count = 0;

    while (*rest != '\0' && count < max) {
        char *line = next_line(&rest);
        char *colon = strchr(line, ':');

        if (colon == NULL)
            continue;
        *colon = '\0';
        headers[count].name = line;
        headers[count].value = colon + 1 + (colon[1] == ' ');
        count++;
    }
    return count;
}

static void
run(char *text)
{
    static struct http_app app;
    struct http_header headers[16];
    struct http_request request = {.headers = headers, .loopback = true};
    struct http_call call;
    struct err err = ERR_INIT;
    AUTO(buf_free) struct buf head;

    app.guard.port = 4000;
    request.method = next_line(&text);
    request.path = next_line(&text);
    request.query = next_line(&text);
    request.header_count = split_headers(text, headers, ARRAY_LEN(headers));
    (void)http_framing(&request, &request.body_len, &err);
    request.body_len = 0;
    http_call_init(&call, &request);
    router_dispatch(quiet_router(), &app, &call);
    if (call.reply.status < 200 || call.reply.status > 507)
        abort();
    buf_init(&head, 65536);
    reply_head(&call, false, &head);
    if (head.failed)
        abort();
    http_call_release(&call);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    run(text);
    free(text);
    return 0;
}
