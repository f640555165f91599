/* SPDX-License-Identifier: Apache-2.0
 * HTTP as the Docker Engine speaks it: what is taken, and what is refused. */
#include "common/cleanup.h"
#include "dataplane/docker/http.h"

#include <criterion/criterion.h>
#include <string.h>

/* Feeds text in steps of `step` bytes, collecting the body. */
static int
feed(struct docker_http *http, const char *text, size_t len, size_t step,
    struct buf *body, struct err *err)
{
    docker_http_init(http);
    for (size_t at = 0; at < len;) {
        size_t n = len - at < step ? len - at : step;
        size_t end = at + n;

        while (at < end && http->state != DOCKER_HTTP_DONE) {
            struct docker_piece piece;
            size_t used = 0;

            if (docker_http_feed(
                    http, text + at, end - at, &used, &piece, err) != 0)
                return -1;
            at += used;
            buf_append(body, piece.data, piece.len);
        }
        if (http->state == DOCKER_HTTP_DONE)
            break;
    }
    return 0;
}

static const struct {
    const char *text;
    const char *body;
    int status;
    bool done; /* before the peer closes */
} good[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, true},
    {"HTTP/1.1 200 OK\r\ncontent-length:5 \r\n\r\nhelloEXTRA", "hello", 200,
        true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
        "abc0123456789", 200, true},
    {"HTTP/1.0 500 \r\n\r\nuntil the end", "until the end", 500, false},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", "", 204, true},
    {"HTTP/1.1 304\r\n\r\n", "", 304, true},
    {"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", "", 201, true},
    {"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw\r\nbytes",
        "raw\r\nbytes", 101, false},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
     "2\r\n\r\nok",
        "ok", 200, true},
};

Test(docker_http, takes_answers_however_they_are_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        size_t len = strlen(good[i].text);

        for (size_t step = 1; step <= len; step++) {
            AUTO(buf_free) struct buf body = {0};
            struct docker_http http;
            struct err err = ERR_INIT;

            buf_init(&body, 1000);
            cr_assert_eq(feed(&http, good[i].text, len, step, &body, &err), 0,
                "%zu: %s", i, err.message);
            cr_expect_eq(http.status, good[i].status);
            cr_expect_str_eq(buf_str(&body), good[i].body);
            cr_expect_eq(http.state == DOCKER_HTTP_DONE, good[i].done);
            cr_expect_eq(docker_http_eof(&http, &err), 0);
            cr_expect_eq(http.state, DOCKER_HTTP_DONE);
        }
    }
}

static const char *const bad[] = {
    "hello\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.1 20x OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1 200 OK\n\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
    "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nspace : x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "HTTP/1.1 200 \r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3x\r\nabc\r\n",
    "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "HTTP/1.1 200 O\rK\r\n\r\n",
};

Test(docker_http, refuses_what_can_be_read_in_two_ways)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        for (size_t step = 1; step < 200; step += 198) {
            AUTO(buf_free) struct buf body = {0};
            struct docker_http http;
            struct err err = ERR_INIT;

            buf_init(&body, 1000);
            cr_expect_eq(feed(&http, bad[i], strlen(bad[i]), step, &body, &err),
                -1, "%zu was taken", i);
            cr_expect_eq(err.code, ERR_PROTOCOL);
        }
    }
}

Test(docker_http, refuses_a_nul_in_a_header)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nA: \0b\r\n\r\n";
    AUTO(buf_free) struct buf body = {0};
    struct docker_http http;
    struct err err = ERR_INIT;

    buf_init(&body, 10);
    cr_assert_eq(feed(&http, text, sizeof(text) - 1, 100, &body, &err), -1);
}

Test(docker_http, bounds_lines_and_heads)
{
    AUTO(buf_free) struct buf text = {0};
    AUTO(buf_free) struct buf body = {0};
    struct docker_http http;
    struct err err = ERR_INIT;

    buf_init(&text, 100000);
    buf_init(&body, 10);
    buf_puts(&text, "HTTP/1.1 200 OK\r\nA: ");
    for (int i = 0; i < DOCKER_HTTP_LINE_MAX; i++)
        buf_putc(&text, 'a');
    cr_expect_eq(feed(&http, text.data, text.len, 64, &body, &err), -1);

    buf_clear(&text);
    buf_puts(&text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < DOCKER_HTTP_HEAD_MAX / 8; i++)
        buf_puts(&text, "A: bcd\r\n");
    cr_expect_eq(feed(&http, text.data, text.len, 64, &body, &err), -1);
}

Test(docker_http, a_cut_answer_is_no_answer)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell";

    for (size_t len = 0; len < sizeof(text); len++) {
        AUTO(buf_free) struct buf body = {0};
        struct docker_http http;
        struct err err = ERR_INIT;

        buf_init(&body, 10);
        cr_assert_eq(feed(&http, text, len, 100, &body, &err), 0);
        if (len == sizeof(text) - 1)
            cr_assert_str_eq(buf_str(&body), "hell");
        cr_assert_eq(docker_http_eof(&http, &err), -1);
        cr_assert_eq(err.code, ERR_UNAVAILABLE);
    }
}

Test(docker_http, writes_requests)
{
    AUTO(buf_free) struct buf out = {0};
    struct err err = ERR_INIT;

    buf_init(&out, 1000);
    cr_assert_eq(
        docker_http_request(&out, "POST", "/x?y=1", "{}", false, &err), 0);
    cr_assert_str_eq(buf_str(&out),
        "POST /x?y=1 HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    buf_clear(&out);
    cr_assert_eq(
        docker_http_request(&out, "POST", "/attach", NULL, true, &err), 0);
    cr_assert_str_eq(buf_str(&out),
        "POST /attach HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n"
        "Upgrade: tcp\r\nContent-Length: 0\r\n\r\n");
}

Test(docker_http, a_target_cannot_smuggle_a_request)
{
    static const char *const targets[] = {
        "/a b", "/a\r\nX: y", "/\x80", "relative", "", "/\x7f"};

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        AUTO(buf_free) struct buf out = {0};
        struct err err = ERR_INIT;

        buf_init(&out, 1000);
        cr_expect_eq(
            docker_http_request(&out, "GET", targets[i], NULL, false, &err), -1,
            "%zu", i);
        cr_expect_eq(err.code, ERR_INVALID);
    }
}

Test(docker_http, escapes_everything_that_means_something)
{
    AUTO(buf_free) struct buf out = {0};

    buf_init(&out, 1000);
    docker_http_escape(&out, "aZ09-._~/?#%&+ \"\r\n\xc3");
    cr_assert_str_eq(
        buf_str(&out), "aZ09-._~%2F%3F%23%25%26%2B%20%22%0D%0A%C3");
}
