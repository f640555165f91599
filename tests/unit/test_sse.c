/* SPDX-License-Identifier: Apache-2.0
 * Server-sent events, in whatever pieces they come. */
#include "control/cli/sse.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

enum { JUNK_BYTES = 1024 * 1024 };

/* Writes each event as "id|type|data;". */
static int
collect(void *arg, const struct sse_event *event)
{
    buf_printf(arg, "%s|%s|%s;", event->id, event->type, event->data);
    return strcmp(event->data, "stop") == 0;
}

static void
expect(const char *stream, size_t piece, const char *wanted)
{
    struct err err = ERR_INIT;
    struct sse sse;
    struct buf got;
    buf_init(&got, 65536);
    sse_init(&sse);
    size_t len = strlen(stream);
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        cr_expect_eq(sse_feed(&sse, stream + at, n, collect, &got, &err), 0);
    }
    cr_expect_str_eq(
        buf_str(&got), wanted, "pieces of %zu: \"%s\"", piece, buf_str(&got));
    sse_free(&sse);
    buf_free(&got);
}

Test(sse, reads_events_in_any_pieces)
{
    static const struct {
        const char *stream;
        const char *wanted;
    } cases[] = {
        {"id: 1\nevent: a\ndata: x\n\n", "1|a|x;"},
        {"retry: 2000\n\n: heartbeat\n\nid:7\ndata:y\n\n", "7|message|y;"},
        {"id: 1\r\ndata: x\r\n\r\nid: 2\r\ndata: y\r\n\r\n",
            "1|message|x;2|message|y;"},
        {"data: x\rdata: y\r\r", "|message|x\ny;"},
        {"id: 3\n\ndata: x\n\n", "3|message|x;"},
        {"event: a\n\ndata: x\n\n", "|message|x;"},
        {"data\n\n", "|message|;"},
        {"data:  two\n\nother: z\n\n", "|message| two;"},
        {"data: unfinished\n", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece < 8; piece++)
            expect(cases[i].stream, piece, cases[i].wanted);
    }
}

Test(sse, stops_when_told)
{
    static const char stream[] = "data: a\n\ndata: stop\n\ndata: b\n\n";
    struct err err = ERR_INIT;
    struct sse sse;
    struct buf got;
    buf_init(&got, 65536);
    sse_init(&sse);
    cr_expect_eq(
        sse_feed(&sse, stream, strlen(stream), collect, &got, &err), 1);
    cr_expect_str_eq(buf_str(&got), "|message|a;|message|stop;");
    sse_free(&sse);
    buf_free(&got);
}

Test(sse, a_restart_forgets_an_event_that_was_cut_off)
{
    struct err err = ERR_INIT;
    struct sse sse;
    struct buf got;
    buf_init(&got, 65536);
    sse_init(&sse);
    static const char first[] = "id: 5\ndata: a\n\nid: 6\nevent: x\ndata: b\n";
    static const char second[] = "data: c\n\n";
    cr_expect_eq(sse_feed(&sse, first, strlen(first), collect, &got, &err), 0);
    sse_restart(&sse);
    cr_expect_str_eq(sse.id, "5", "the cut event would be lost");
    cr_expect_eq(
        sse_feed(&sse, second, strlen(second), collect, &got, &err), 0);
    cr_expect_str_eq(buf_str(&got), "5|message|a;5|message|c;");
    sse_free(&sse);
    buf_free(&got);
}

Test(sse, an_endless_line_is_refused)
{
    struct err err = ERR_INIT;
    struct sse sse;
    sse_init(&sse);
    AUTO_FREE char *junk = malloc(JUNK_BYTES);
    cr_assert_not_null(junk);
    memset(junk, 'x', JUNK_BYTES);
    int rc = 0;
    for (int i = 0; i < 9 && rc == 0; i++)
        rc = sse_feed(&sse, junk, JUNK_BYTES, collect, NULL, &err);
    cr_expect_eq(rc, -1);
    cr_expect_eq(err.code, ERR_TOO_LARGE);
    sse_free(&sse);
}
