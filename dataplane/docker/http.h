/* SPDX-License-Identifier: Apache-2.0
 * The part of HTTP/1.1 that the Docker Engine speaks, as a request writer and
 * a push parser of responses. No I/O, no allocation by the parser. */
#ifndef DATAPLANE_DOCKER_HTTP_H
#define DATAPLANE_DOCKER_HTTP_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends a request. target is the path and query, escaped already; body is
 * JSON or NULL. upgrade asks for the raw stream of an attach. */
int docker_http_request(struct buf *out, const char *method, const char *target,
    const char *body, bool upgrade, struct err *err);

/* Appends text, percent-encoded except for RFC 3986's unreserved bytes. */
void docker_http_escape(struct buf *out, const char *text);

enum { DOCKER_HTTP_LINE_MAX = 2048, DOCKER_HTTP_HEAD_MAX = 16384 };

enum docker_http_state {
    DOCKER_HTTP_STATUS,
    DOCKER_HTTP_HEADERS,
    DOCKER_HTTP_BODY, /* of known length */
    DOCKER_HTTP_CHUNK_SIZE,
    DOCKER_HTTP_CHUNK,
    DOCKER_HTTP_CHUNK_END,
    DOCKER_HTTP_TRAILERS,
    DOCKER_HTTP_STREAM, /* until the peer closes; also after 101 */
    DOCKER_HTTP_DONE
};

/* Read state and status; the rest is the parser's own. */
struct docker_http {
    enum docker_http_state state;
    int status;
    bool chunked;
    bool has_length;
    uint64_t left; /* of the body or of this chunk */
    size_t head_len;
    size_t line_len;
    char line[DOCKER_HTTP_LINE_MAX];
};

struct docker_piece {
    const char *data;
    size_t len;
};

void docker_http_init(struct docker_http *http);

/* Whether status and headers are complete. */
bool docker_http_has_head(const struct docker_http *http);

/* Takes up to len bytes; *used says how many. Stops early at the end of the
 * head, after a piece of the body (*piece, inside data; len 0: none), and at
 * the response's end, so call it until all is used or the state is DONE.
 * Refused (ERR_PROTOCOL): anything that is not HTTP/1.x as the engine writes
 * it, a head that is too long, lengths that disagree. */
int docker_http_feed(struct docker_http *http, const char *data, size_t len,
    size_t *used, struct docker_piece *piece, struct err *err);

/* The peer closed: 0 when that is a proper end, -1 (ERR_UNAVAILABLE) when the
 * response was cut. */
int docker_http_eof(struct docker_http *http, struct err *err);

#endif
