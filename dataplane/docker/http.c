/* SPDX-License-Identifier: Apache-2.0
 * HTTP/1.1 as the Docker Engine speaks it: strict in what it takes, since a
 * response that can be read in two ways is worse than none. */
#include "dataplane/docker/http.h"

#include <string.h>
#include <strings.h>

int
docker_http_request(struct buf *out, const char *method, const char *target,
    const char *body, bool upgrade, struct err *err)
{
    if (target[0] != '/')
        return err_set(err, ERR_INVALID, "request target without a slash");
    for (const char *c = target; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f)
            return err_set(err, ERR_INVALID, "unescaped byte in a request");
    }
    buf_printf(out, "%s %s HTTP/1.1\r\nHost: docker\r\n", method, target);
    buf_puts(out, upgrade ? "Connection: Upgrade\r\nUpgrade: tcp\r\n"
                          : "Connection: close\r\n");
    if (body != NULL)
        buf_puts(out, "Content-Type: application/json\r\n");
    if (body != NULL || strcmp(method, "POST") == 0)
        buf_printf(out, "Content-Length: %zu\r\n",
            body != NULL ? strlen(body) : (size_t)0);
    buf_puts(out, "\r\n");
    if (body != NULL)
        buf_puts(out, body);
    return buf_check(out, err);
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void
docker_http_escape(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        char c = *text;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (letter || is_digit(c) || strchr("-._~", c) != NULL)
            buf_putc(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

void
docker_http_init(struct docker_http *http)
{
    memset(http, 0, sizeof(*http));
    http->state = DOCKER_HTTP_STATUS;
}

bool
docker_http_has_head(const struct docker_http *http)
{
    return http->state > DOCKER_HTTP_HEADERS;
}

static int
broken(const char *why, struct err *err)
{
    return err_set(err, ERR_PROTOCOL,
        "the Docker Engine's answer is not valid HTTP: %s", why);
}

static int
parse_status(struct docker_http *http, struct err *err)
{
    const char *line = http->line;

    if (http->line_len < 12 || memcmp(line, "HTTP/1.", 7) != 0 ||
        !is_digit(line[7]) || line[8] != ' ')
        return broken("no status line", err);
    for (int i = 9; i < 12; i++) {
        if (!is_digit(line[i]))
            return broken("the status is no number", err);
    }
    if (http->line_len > 12 && line[12] != ' ')
        return broken("the status is no number", err);
    http->status =
        (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    if (http->status < 100)
        return broken("the status is below 100", err);
    http->state = DOCKER_HTTP_HEADERS;
    return 0;
}

static int
parse_length(struct docker_http *http, const char *value, struct err *err)
{
    uint64_t length = 0;

    if (*value == '\0')
        return broken("an empty Content-Length", err);
    for (; *value != '\0'; value++) {
        if (!is_digit(*value) || length > UINT64_MAX / 20)
            return broken("Content-Length is no number", err);
        length = length * 10 + (uint64_t)(*value - '0');
    }
    if (http->has_length && http->left != length)
        return broken("two different Content-Length headers", err);
    http->has_length = true;
    http->left = length;
    return 0;
}

static bool
is_name_byte(char c)
{
    return c > ' ' && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

static int
parse_header(struct docker_http *http, struct err *err)
{
    char *colon = memchr(http->line, ':', http->line_len);
    char *value = NULL;
    char *end = http->line + http->line_len;

    if (colon == NULL || colon == http->line)
        return broken("a header without a name", err);
    for (const char *c = http->line; c < colon; c++) {
        if (!is_name_byte(*c))
            return broken("a bad byte in a header's name", err);
    }
    *colon = '\0';
    value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    if (strcasecmp(http->line, "Content-Length") == 0)
        return parse_length(http, value, err);
    if (strcasecmp(http->line, "Transfer-Encoding") == 0) {
        if (http->chunked || strcasecmp(value, "chunked") != 0)
            return broken("an unknown Transfer-Encoding", err);
        http->chunked = true;
    }
    return 0;
}

/* The empty line after the headers: what kind of body follows? */
static int
finish_head(struct docker_http *http, struct err *err)
{
    if (http->chunked && http->has_length)
        return broken("Content-Length with Transfer-Encoding", err);
    if (http->status < 200 && http->status != 101) {
        docker_http_init(http); /* "100 Continue": the real one follows */
        return 0;
    }
    if (http->status == 204 || http->status == 304)
        http->state = DOCKER_HTTP_DONE;
    else if (http->status == 101 || (!http->chunked && !http->has_length))
        http->state = DOCKER_HTTP_STREAM;
    else if (http->chunked)
        http->state = DOCKER_HTTP_CHUNK_SIZE;
    else
        http->state = http->left > 0 ? DOCKER_HTTP_BODY : DOCKER_HTTP_DONE;
    return 0;
}

static int
hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int
parse_chunk_size(struct docker_http *http, struct err *err)
{
    size_t i = 0;

    http->left = 0;
    for (; i < http->line_len && hex_value(http->line[i]) >= 0; i++) {
        if (http->left > UINT32_MAX)
            return broken("a chunk that is too large", err);
        http->left = http->left * 16 + (uint64_t)hex_value(http->line[i]);
    }
    if (i == 0 || (i < http->line_len && strchr("; \t", http->line[i]) == NULL))
        return broken("a chunk without a size", err);
    http->state = http->left > 0 ? DOCKER_HTTP_CHUNK : DOCKER_HTTP_TRAILERS;
    return 0;
}

/* A whole line stands in http->line, without its CR LF. */
static int
parse_line(struct docker_http *http, struct err *err)
{
    switch (http->state) {
    case DOCKER_HTTP_STATUS:
        return parse_status(http, err);
    case DOCKER_HTTP_HEADERS:
        if (http->line_len == 0)
            return finish_head(http, err);
        return parse_header(http, err);
    case DOCKER_HTTP_CHUNK_SIZE:
        return parse_chunk_size(http, err);
    case DOCKER_HTTP_CHUNK_END:
        if (http->line_len != 0)
            return broken("a chunk longer than its size", err);
        http->state = DOCKER_HTTP_CHUNK_SIZE;
        return 0;
    case DOCKER_HTTP_TRAILERS:
        if (http->line_len == 0)
            http->state = DOCKER_HTTP_DONE;
        return 0;
    case DOCKER_HTTP_BODY:
    case DOCKER_HTTP_CHUNK:
    case DOCKER_HTTP_STREAM:
    case DOCKER_HTTP_DONE:
    default:
        return broken("a line in the body", err);
    }
}

static bool
expects_line(const struct docker_http *http)
{
    return http->state != DOCKER_HTTP_BODY &&
           http->state != DOCKER_HTTP_CHUNK &&
           http->state != DOCKER_HTTP_STREAM && http->state != DOCKER_HTTP_DONE;
}

/* Collects bytes up to CR LF and parses the line. The head and all trailers
 * together are bounded; chunk sizes are bounded each. */
static int
feed_line(struct docker_http *http, const char *data, size_t len, size_t *used,
    struct err *err)
{
    const char *lf = memchr(data, '\n', len);
    size_t n = lf != NULL ? (size_t)(lf - data) + 1 : len;
    bool head = http->state <= DOCKER_HTTP_HEADERS ||
                http->state == DOCKER_HTTP_TRAILERS;
    int failed = 0;

    if (n > sizeof(http->line) - http->line_len)
        return broken("a line that is too long", err);
    if (head && n > DOCKER_HTTP_HEAD_MAX - http->head_len)
        return broken("too many headers", err);
    memcpy(http->line + http->line_len, data, n);
    http->line_len += n;
    http->head_len += head ? n : 0;
    *used = n;
    if (lf == NULL)
        return 0;
    if (http->line_len < 2 || http->line[http->line_len - 2] != '\r')
        return broken("a line that does not end in CR LF", err);
    http->line_len -= 2;
    if (memchr(http->line, '\0', http->line_len) != NULL ||
        memchr(http->line, '\r', http->line_len) != NULL)
        return broken("a control byte in a line", err);
    http->line[http->line_len] = '\0';
    failed = parse_line(http, err);
    http->line_len = 0;
    return failed;
}

static void
feed_body(struct docker_http *http, const char *data, size_t len, size_t *used,
    struct docker_piece *piece)
{
    size_t n = len;

    if (http->state != DOCKER_HTTP_STREAM) {
        if (n > http->left)
            n = (size_t)http->left;
        http->left -= n;
    }
    piece->data = data;
    piece->len = n;
    *used = n;
    if (http->state == DOCKER_HTTP_BODY && http->left == 0)
        http->state = DOCKER_HTTP_DONE;
    else if (http->state == DOCKER_HTTP_CHUNK && http->left == 0)
        http->state = DOCKER_HTTP_CHUNK_END;
}

int
docker_http_feed(struct docker_http *http, const char *data, size_t len,
    size_t *used, struct docker_piece *piece, struct err *err)
{
    *used = 0;
    piece->data = NULL;
    piece->len = 0;
    while (*used < len && http->state != DOCKER_HTTP_DONE) {
        size_t n = 0;
        bool had_head = docker_http_has_head(http);

        if (!expects_line(http)) {
            feed_body(http, data + *used, len - *used, &n, piece);
            *used += n;
            return 0;
        }
        if (feed_line(http, data + *used, len - *used, &n, err) != 0)
            return -1;
        *used += n;
        if (!had_head && docker_http_has_head(http))
            return 0;
    }
    return 0;
}

int
docker_http_eof(struct docker_http *http, struct err *err)
{
    if (http->state == DOCKER_HTTP_STREAM)
        http->state = DOCKER_HTTP_DONE;
    if (http->state == DOCKER_HTTP_DONE)
        return 0;
    return err_set(err, ERR_UNAVAILABLE,
        "the Docker Engine closed the connection in the middle of its answer; "
        "it may be restarting");
}
