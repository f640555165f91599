/* SPDX-License-Identifier: Apache-2.0
 * One request and its reply: header access, strict decoding, error bodies.
 * Everything here reads hostile input. */
#include "control/http/call.h"

#include "common/json.h"
#include "control/http/snapshot.h"

#include <string.h>
#include <strings.h>

void
http_call_init(struct http_call *call, const struct http_request *request)
{
    memset(call, 0, sizeof(*call));
    call->request = request;
    call->reply.content_type = "application/json; charset=utf-8";
    buf_init(&call->reply.body, HTTP_REPLY_MAX);
}

void
http_call_release(struct http_call *call)
{
    buf_free(&call->reply.body);
    shared_body_release(call->reply.shared);
    call->reply.shared = NULL;
}

const char *
http_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    }
    return NULL;
}

size_t
http_header_count(const struct http_request *request, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < request->header_count; i++)
        count += strcasecmp(request->headers[i].name, name) == 0;
    return count;
}

bool
http_parse_int(const char *text, int64_t max, int64_t *out)
{
    int64_t value = 0;

    if (*text == '\0')
        return false;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return false;
        int64_t digit = *p - '0';

        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

int
http_framing(
    const struct http_request *request, int64_t *body_len, struct err *err)
{
    const char *length = http_header(request, "Content-Length");
    const char *encoding = http_header(request, "Transfer-Encoding");

    *body_len = 0;
    if (http_header_count(request, "Host") != 1)
        return err_set(err, ERR_INVALID, "send exactly one Host header");
    if (http_header_count(request, "Content-Length") > 1)
        return err_set(err, ERR_INVALID, "more than one Content-Length");
    if (encoding != NULL && length != NULL)
        return err_set(err, ERR_INVALID,
            "Transfer-Encoding and Content-Length exclude each other");
    if (encoding != NULL)
        return err_set(err, ERR_LENGTH_REQUIRED,
            "send the body with a Content-Length, not in chunks");
    if (length != NULL && !http_parse_int(length, INT64_MAX, body_len))
        return err_set(err, ERR_INVALID, "Content-Length is not a number");
    return 0;
}

/* ---- decoding ---- */

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The next decoded byte, or -1 for a bad escape; *i moves past it. */
static int
decode_byte(const char *text, size_t len, size_t *i, bool plus)
{
    char c = text[(*i)++];

    if (plus && c == '+')
        return ' ';
    if (c != '%')
        return (unsigned char)c;
    if (len - *i < 2)
        return -1;
    int high = hex_digit(text[*i]);
    int low = hex_digit(text[*i + 1]);

    *i += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

int
http_decode(const char *text, size_t len, bool plus, char *out, size_t size,
    struct err *err)
{
    size_t used = 0;

    for (size_t i = 0; i < len;) {
        int byte = decode_byte(text, len, &i, plus);

        if (byte < 0)
            return err_set(err, ERR_INVALID,
                "the address has a %% that is not followed by two hex digits");
        if (byte < 0x20 || byte == 0x7f)
            return err_set(
                err, ERR_INVALID, "the address has a control character");
        if (used + 1 >= size)
            return err_set(err, ERR_INVALID,
                "a part of the address is longer than %zu bytes", size - 1);
        out[used++] = (char)byte;
    }
    out[used] = '\0';
    return 0;
}

/* Splits "name=value" at *pair; returns the start of the next pair. */
static const char *
next_pair(const char *pair, size_t *name_len, const char **value, size_t *len)
{
    size_t whole = strcspn(pair, "&");
    const char *equals = memchr(pair, '=', whole);

    *name_len = equals == NULL ? whole : (size_t)(equals - pair);
    *value = equals == NULL ? pair + whole : equals + 1;
    *len = (size_t)(pair + whole - *value);
    return pair[whole] == '&' ? pair + whole + 1 : NULL;
}

int
http_query(const struct http_request *request, const char *name, char *out,
    size_t size, struct err *err)
{
    int found = 0;
    size_t want = strlen(name);

    for (const char *pair = request->query; pair != NULL;) {
        size_t name_len = 0;
        const char *value = NULL;
        size_t value_len = 0;
        const char *next = next_pair(pair, &name_len, &value, &value_len);

        if (name_len == want && memcmp(pair, name, want) == 0) {
            if (found != 0)
                return err_set(err, ERR_INVALID, "%s is given twice", name);
            if (http_decode(value, value_len, true, out, size, err) != 0)
                return -1;
            found = 1;
        }
        pair = next;
    }
    return found;
}

int
http_query_int(const struct http_request *request, const char *name,
    int64_t min, int64_t max, int64_t *value, struct err *err)
{
    char text[24] = "";
    int found = http_query(request, name, text, sizeof(text), err);

    if (found <= 0)
        return found;
    if (!http_parse_int(text, max, value) || *value < min)
        return err_set(err, ERR_INVALID,
            "%s must be a whole number from %lld to %lld", name, (long long)min,
            (long long)max);
    return 0;
}

/* ---- errors ---- */

void
http_reply_error(struct http_call *call, const struct err *err)
{
    struct http_reply *reply = &call->reply;
    struct jw w;

    shared_body_release(reply->shared);
    reply->shared = NULL;
    reply->stream = NULL;
    reply->etag[0] = '\0';
    reply->is_page = false;
    reply->status = err_http_status(err->code);
    reply->content_type = "application/json; charset=utf-8";
    buf_clear(&reply->body);
    jw_init(&w, &reply->body);
    jw_obj(&w, NULL);
    jw_obj(&w, "error");
    jw_str(&w, "code", err_name(err->code));
    jw_str(&w, "message", err->message);
    jw_end_obj(&w);
    jw_end_obj(&w);
}
