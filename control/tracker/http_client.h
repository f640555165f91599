/* SPDX-License-Identifier: Apache-2.0
 * HTTP requests with a bounded answer in bounded time. TLS is verified,
 * redirects are not followed. Only http_client.c knows libcurl. */
#ifndef CONTROL_TRACKER_HTTP_CLIENT_H
#define CONTROL_TRACKER_HTTP_CLIENT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client;

/* One client serves any number of threads; connections are used again. */
int http_client_open(struct http_client **out, struct err *err);
void http_client_close(struct http_client *client); /* NULL is legal */

/* Is url https, or http to the loopback interface (where a credential may
 * travel in clear), without user information? ERR_CONFIG says what is not. */
int http_client_check_url(const char *url, struct err *err);

struct http_request {
    const char *url;
    const char *content_type;
    const char *body; /* posted */
    size_t body_len;
    const struct secret *authorization; /* the header's value; NULL: none */
    int64_t timeout_ms;                 /* of the whole exchange */
    size_t max_response;                /* bytes of the body */
};

enum { HTTP_HEADER_BYTES_MAX = 16 * 1024 }; /* what does not fit is dropped */

struct http_response {
    int status;
    struct buf body;
    struct buf headers; /* "name:value\n", names in lower case */
};

void http_response_release(struct http_response *response);

/* The value of a header in out (cut to size); false when it was not sent.
 * name in lower case. */
bool http_response_header(const struct http_response *response,
    const char *name, char *out, size_t size);

/* POST. 0 with any status; -1: ERR_TIMEOUT, ERR_TOO_LARGE, ERR_UNAVAILABLE
 * (no answer), ERR_INVALID (the request cannot be sent). No message holds the
 * credential. *response is released by the caller in any case. */
int http_client_post(struct http_client *client,
    const struct http_request *request, struct http_response *response,
    struct err *err);

#endif
