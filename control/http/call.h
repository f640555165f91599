/* SPDX-License-Identifier: Apache-2.0
 * One request and its reply, without a socket: what the router and the
 * handlers see. server.c makes one from what civetweb parsed. */
#ifndef CONTROL_HTTP_CALL_H
#define CONTROL_HTTP_CALL_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_BODY_MAX = 1024 * 1024,       /* of a request */
    HTTP_REPLY_MAX = 64 * 1024 * 1024, /* of a reply; a fuse, not a goal */
    HTTP_HEADERS_MAX = 48,
    HTTP_PARAMS_MAX = 2,
    HTTP_SEGMENT_MAX = 256, /* of a path, decoded, NUL included */
    HTTP_ETAG_SIZE = 40
};

struct http_header {
    const char *name;
    const char *value;
};

struct http_request {
    const char *method;
    const char *path;  /* as sent, without the query */
    const char *query; /* as sent; NULL: none */
    const struct http_header *headers;
    size_t header_count;
    bool loopback;    /* the connection's other end is this machine */
    int64_t body_len; /* 0: none */
    /* Reads exactly body_len bytes; called at most once. */
    int (*read_body)(void *arg, struct buf *out, struct err *err);
    void *arg;
};

/* Where a stream goes. */
struct http_sink {
    /* 0, or -1 when the client is gone or reads too slowly. */
    int (*write)(void *arg, const void *data, size_t len);
    /* Looks, for at most wait_ms, whether the client hung up. */
    bool (*is_gone)(void *arg, int wait_ms);
    void *arg;
};

struct http_app;
struct http_call;
struct shared_body;

struct http_reply {
    int status; /* 0: not yet answered */
    const char *content_type;
    struct buf body;
    struct shared_body *shared; /* instead of body; a reference of ours */
    char etag[HTTP_ETAG_SIZE];
    char allow[64];
    int retry_after_s; /* 0: no such header */
    bool is_page;      /* HTML: may load our own script and style */
    /* Set: called after the head was sent, in place of a body. */
    void (*stream)(struct http_app *app, const struct http_call *call,
        const struct http_sink *sink);
    int64_t stream_after; /* what the stream needs to know */
};

struct http_call {
    const struct http_request *request;
    char params[HTTP_PARAMS_MAX][HTTP_SEGMENT_MAX]; /* decoded */
    const void *input; /* the decoded body, a struct of the route's schema */
    struct http_reply reply;
    int class; /* enum http_route_class of its route */
};

void http_call_init(struct http_call *call, const struct http_request *request);
void http_call_release(struct http_call *call);

/* The header's value, or NULL; names compare without case. */
const char *http_header(const struct http_request *request, const char *name);
size_t http_header_count(const struct http_request *request, const char *name);

/* What delimits the body: *body_len, or -1 with ERR_INVALID for anything that
 * two HTTP parsers could read differently (both lengths, two lengths, ...).
 * A chunked body gives -1 with ERR_LENGTH_REQUIRED. */
int http_framing(
    const struct http_request *request, int64_t *body_len, struct err *err);

/* Decodes %XX strictly into out: ERR_INVALID on a bad escape, a control
 * character, or more than size - 1 bytes. plus: a `+` is a space. */
int http_decode(const char *text, size_t len, bool plus, char *out, size_t size,
    struct err *err);

/* The value of a query parameter: 1 found, 0 absent, -1 malformed or given
 * twice. */
int http_query(const struct http_request *request, const char *name, char *out,
    size_t size, struct err *err);
/* A whole number min..max, or the fallback when absent. */
int http_query_int(const struct http_request *request, const char *name,
    int64_t min, int64_t max, int64_t *value, struct err *err);

/* Strict decimal digits; false when text is anything else or past max. */
bool http_parse_int(const char *text, int64_t max, int64_t *out);

/* Replaces what was answered so far by {"error":{"code","message"}}. */
void http_reply_error(struct http_call *call, const struct err *err);

#endif
