/* SPDX-License-Identifier: Apache-2.0
 * The head of a reply. Every answer carries the headers that keep a browser
 * from doing more with it than we mean. */
#include "control/http/reply.h"

#include "common/cleanup.h"
#include "control/http/snapshot.h"

#include <string.h>
#include <time.h>

static const char security_headers[] =
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n";

/* The page may load our own script and style and talk to us; an answer of the
 * API that is opened as a page may do nothing. */
static const char page_policy[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\r\n";
static const char data_policy[] =
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n";

static const char *
status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"},
        {304, "Not Modified"}, {400, "Bad Request"}, {401, "Unauthorized"},
        {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
        {409, "Conflict"}, {411, "Length Required"}, {413, "Content Too Large"},
        {415, "Unsupported Media Type"}, {422, "Unprocessable Content"},
        {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"}, {502, "Bad Gateway"},
        {503, "Service Unavailable"}, {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"}, {507, "Insufficient Storage"}};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].status == status)
            return texts[i].text;
    }
    return "Other";
}

static void
put_date(struct buf *out)
{
    char text[64];
    time_t now = time(NULL);
    struct tm utc;

    if (gmtime_r(&now, &utc) != NULL &&
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc) > 0)
        buf_printf(out, "Date: %s\r\n", text);
}

static size_t
full_body(const struct http_reply *reply, const char **data)
{
    size_t len = reply->body.len;

    *data = buf_str(&reply->body);
    if (reply->shared != NULL)
        *data = shared_body_data(reply->shared, &len);
    return len;
}

static void
put_conditional(const struct http_reply *reply, struct buf *out)
{
    if (reply->etag[0] != '\0')
        buf_printf(out, "ETag: %s\r\n", reply->etag);
    if (reply->allow[0] != '\0')
        buf_printf(out, "Allow: %s\r\n", reply->allow);
    if (reply->retry_after_s > 0)
        buf_printf(out, "Retry-After: %d\r\n", reply->retry_after_s);
    if (reply->status == 401)
        buf_puts(out, "WWW-Authenticate: Bearer realm=\"risoluto\"\r\n");
    if (reply->stream != NULL)
        buf_puts(out, "X-Accel-Buffering: no\r\n");
}

void
reply_head(const struct http_call *call, bool keep, struct buf *out)
{
    const struct http_reply *reply = &call->reply;
    const char *data = NULL;
    size_t len = full_body(reply, &data);

    buf_printf(
        out, "HTTP/1.1 %d %s\r\n", reply->status, status_text(reply->status));
    put_date(out);
    if (reply->status != 304) {
        buf_printf(out, "Content-Type: %s\r\n", reply->content_type);
        if (reply->stream == NULL)
            buf_printf(out, "Content-Length: %zu\r\n", len);
    }
    buf_printf(out, "Cache-Control: %s\r\n",
        reply->etag[0] != '\0' ? "no-cache" : "no-store");
    put_conditional(reply, out);
    buf_puts(out, security_headers);
    buf_puts(out, reply->is_page ? page_policy : data_policy);
    buf_printf(out, "Connection: %s\r\n\r\n", keep ? "keep-alive" : "close");
}

const char *
reply_body(const struct http_call *call, size_t *len)
{
    const char *data = NULL;

    *len = full_body(&call->reply, &data);
    if (call->reply.status == 304 || call->reply.stream != NULL ||
        strcmp(call->request->method, "HEAD") == 0)
        *len = 0;
    return data;
}
