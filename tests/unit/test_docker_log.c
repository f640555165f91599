/* SPDX-License-Identifier: Apache-2.0
 * From the engine's log to lines: cut anywhere, taken up anywhere. */
#include "common/cleanup.h"
#include "dataplane/docker/lines.h"
#include "dataplane/docker/mux.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { OUT = 1, ERROR = 2, ENGINE = 3, LINE_LIMIT = 64 };

/* 2026-11-20T10:00:SS.000000000Z */
static void
frame(struct buf *out, int stream, int second, const char *text)
{
    char stamp[40] = "";
    size_t len = 0;

    if (stream != ENGINE)
        (void)snprintf(stamp, sizeof(stamp),
            "2026-11-20T10:%02d:%02d.000000000Z ", second / 60, second % 60);
    len = strlen(stamp) + strlen(text);
    buf_putc(out, (char)stream);
    buf_append(out, "\0\0\0\0\0", 5);
    buf_putc(out, (char)(len >> 8));
    buf_putc(out, (char)len);
    buf_puts(out, stamp);
    buf_puts(out, text);
}

struct reading {
    struct docker_lines *lines;
    struct buf text; /* "o:..." or "e:..." per line, "!" when truncated */
    char cursor[DOCKER_CURSOR_SIZE];
    struct err err;
};

static void
open_reading(struct reading *reading, const char *since)
{
    memset(reading, 0, sizeof(*reading));
    buf_init(&reading->text, 100000);
    cr_assert_eq(
        docker_lines_new(&reading->lines, LINE_LIMIT, since, &reading->err), 0,
        "%s", reading->err.message);
}

static void
close_reading(struct reading *reading)
{
    docker_lines_free(reading->lines);
    buf_free(&reading->text);
}

static void
record(struct reading *reading, const struct docker_line *line)
{
    buf_puts(&reading->text, line->is_stderr ? "e:" : "o:");
    buf_append(&reading->text, line->text, line->len);
    buf_puts(&reading->text, line->truncated ? "!\n" : "\n");
    (void)snprintf(
        reading->cursor, sizeof(reading->cursor), "%s", line->cursor);
}

static int
read_all(struct reading *reading, const struct buf *in, size_t step)
{
    struct docker_line line;
    int got = 0;

    for (size_t at = 0; at < in->len;) {
        size_t end = at + step < in->len ? at + step : in->len;

        while (at < end || got == 1) {
            size_t used = 0;

            got = docker_lines_feed(reading->lines, in->data + at, end - at,
                &used, &line, &reading->err);
            at += used;
            if (got < 0)
                return -1;
            if (got == 1)
                record(reading, &line);
        }
    }
    while (docker_lines_end(reading->lines, &line) == 1)
        record(reading, &line);
    return 0;
}

static void
expect(const struct buf *in, const char *since, const char *lines)
{
    for (size_t step = 1; step <= in->len; step++) {
        struct reading reading;

        open_reading(&reading, since);
        cr_expect_eq(read_all(&reading, in, step), 0, "step %zu: %s", step,
            reading.err.message);
        cr_expect_str_eq(
            buf_str(&reading.text), lines, "step %zu since %s", step, since);
        close_reading(&reading);
    }
}

Test(docker_log, lines_come_whole_however_the_stream_is_cut)
{
    AUTO(buf_free) struct buf in = {0};

    buf_init(&in, 10000);
    frame(&in, OUT, 1, "one\n");
    frame(&in, OUT, 2, "tw");
    frame(&in, ERROR, 3, "trouble\n");
    frame(&in, OUT, 2, "o\n");
    frame(&in, OUT, 4, "\n");
    frame(&in, OUT, 5, "last, without newline");
    expect(&in, "", "o:one\ne:trouble\no:two\no:\no:last, without newline\n");
}

Test(docker_log, a_long_line_is_cut_and_says_so)
{
    AUTO(buf_free) struct buf in = {0};
    char exact[LINE_LIMIT + 2];
    char lines[3 * LINE_LIMIT];

    buf_init(&in, 10000);
    memset(exact, 'x', LINE_LIMIT);
    exact[LINE_LIMIT] = '\0';
    frame(&in, OUT, 1, exact);
    frame(&in, OUT, 1, "\n");
    frame(&in, OUT, 2, exact);
    frame(&in, OUT, 2, "more\n");
    frame(&in, OUT, 3, "short\n");
    (void)snprintf(
        lines, sizeof(lines), "o:%s\no:%s!\no:short\n", exact, exact);
    expect(&in, "", lines);
}

Test(docker_log, taken_up_behind_any_line_nothing_is_lost_or_repeated)
{
    AUTO(buf_free) struct buf in = {0};
    struct reading all;
    struct docker_line line;
    size_t at = 0;

    /* The line of stdout was begun (second 2) before stderr's (second 3),
     * and stored after it. */
    buf_init(&in, 10000);
    frame(&in, OUT, 1, "one\n");
    frame(&in, OUT, 2, "long ");
    frame(&in, ERROR, 3, "trouble\n");
    frame(&in, OUT, 2, "line\n");
    frame(&in, ERROR, 4, "more trouble\n");
    frame(&in, OUT, 5, "end\n");
    open_reading(&all, "");
    for (;;) {
        size_t used = 0;
        int got = docker_lines_feed(
            all.lines, in.data + at, in.len - at, &used, &line, &all.err);
        struct reading rest;

        at += used;
        if (got != 1)
            break;
        record(&all, &line);
        /* What a new reader gives after this one must complete it. */
        open_reading(&rest, all.cursor);
        buf_puts(&rest.text, buf_str(&all.text));
        cr_assert_eq(read_all(&rest, &in, in.len), 0);
        cr_expect_str_eq(buf_str(&rest.text),
            "o:one\ne:trouble\no:long line\ne:more trouble\no:end\n",
            "behind %s", all.cursor);
        close_reading(&rest);
    }
    cr_assert_eq(at, in.len);
    close_reading(&all);
}

Test(docker_log, a_clock_set_back_loses_nothing)
{
    AUTO(buf_free) struct buf in = {0};

    buf_init(&in, 10000);
    frame(&in, OUT, 9, "handled\n");
    frame(&in, OUT, 10, "handled last\n");
    frame(&in, OUT, 8, "after the step\n");
    frame(&in, OUT, 10, "a stamp seen before\n");
    expect(&in, "2026-11-20T10:00:10.000000000Z/",
        "o:after the step\no:a stamp seen before\n");
}

Test(docker_log, the_handled_line_may_be_gone)
{
    AUTO(buf_free) struct buf in = {0};

    buf_init(&in, 10000);
    frame(&in, OUT, 20, "first that is left\n");
    frame(&in, ERROR, 19, "old\n");
    frame(&in, ERROR, 21, "new\n");
    expect(&in, "2026-11-20T10:00:10.000000000Z/2026-11-20T10:00:20.000000000Z",
        "o:first that is left\ne:new\n");
}

Test(docker_log, a_restart_reads_on_behind_the_last_line)
{
    AUTO(buf_free) struct buf in = {0};
    struct reading reading;

    buf_init(&in, 10000);
    frame(&in, OUT, 1, "one\n");
    frame(&in, OUT, 2, "tw");
    open_reading(&reading, "");
    struct docker_line line;
    size_t used = 0;

    cr_assert_eq(docker_lines_feed(reading.lines, in.data, in.len, &used, &line,
                     &reading.err),
        1);
    record(&reading, &line);
    cr_assert_eq(docker_lines_feed(reading.lines, in.data + used, in.len - used,
                     &used, &line, &reading.err),
        0);
    docker_lines_restart(reading.lines);
    cr_assert_str_eq(docker_lines_cursor(reading.lines), reading.cursor);
    frame(&in, OUT, 2, "o\n");
    cr_assert_eq(read_all(&reading, &in, 7), 0);
    cr_assert_str_eq(buf_str(&reading.text), "o:one\no:two\n");
    close_reading(&reading);
}

Test(docker_log, the_engines_own_error_is_reported)
{
    AUTO(buf_free) struct buf in = {0};
    struct reading reading;

    buf_init(&in, 10000);
    frame(&in, OUT, 1, "one\n");
    frame(&in, ENGINE, 0, "Error grabbing logs:\x1b[2J bad\n");
    open_reading(&reading, "");
    cr_assert_eq(read_all(&reading, &in, 5), -1);
    cr_assert_eq(reading.err.code, ERR_UPSTREAM);
    cr_assert_not_null(
        strstr(reading.err.message, "Error grabbing logs: [2J bad"));
    close_reading(&reading);
}

Test(docker_log, nonsense_is_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\x00\0\0\0\0\0\0\1x", 9},
        {"\x04\0\0\0\0\0\0\1x", 9},
        {"\x01\1\0\0\0\0\0\1x", 9},
        {"\x01\0\0\0\x7f\0\0\1x", 9},
        {"plain text from a terminal", 26},
        {"\x01\0\0\0\0\0\0\5hello", 13},
        {"\x01\0\0\0\0\0\0\x1f"
         "2026-11-20 10:00:00.000000000Z x",
            39},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(buf_free) struct buf in = {0};
        struct reading reading;

        buf_init(&in, 1000);
        buf_append(&in, bad[i].bytes, bad[i].len);
        open_reading(&reading, "");
        cr_expect_eq(read_all(&reading, &in, 3), -1, "%zu was taken", i);
        cr_expect_eq(reading.err.code, ERR_PROTOCOL);
        close_reading(&reading);
    }
}

Test(docker_log, cursors_are_checked)
{
    static const char *const bad[] = {"x", "/x", "2026-11-20T10:00:10Z/",
        "2026-11-20T10:00:10.000000000Z", "//",
        "2026-11-20T10:00:10.000000000Z/2026-11-20T10:00:10.000000000Zx"};
    struct docker_lines *lines = NULL;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = ERR_INIT;

        cr_expect_eq(docker_lines_new(&lines, 10, bad[i], &err), -1);
        cr_expect_eq(err.code, ERR_INVALID, "%s", bad[i]);
    }
}

Test(docker_log, asks_the_engine_for_a_little_more_than_is_new)
{
    char since[DOCKER_SINCE_SIZE];
    struct err err = ERR_INIT;

    cr_assert_eq(docker_lines_since("", since, &err), 0);
    cr_assert_str_eq(since, "");
    /* No line of stdout yet: one may be under way since the start. */
    cr_assert_eq(
        docker_lines_since("/2026-11-20T10:00:10.000000000Z", since, &err), 0);
    cr_assert_str_eq(since, "");
    cr_assert_eq(
        docker_lines_since("2001-09-09T01:46:45.123456789Z/", since, &err), 0);
    cr_assert_str_eq(since, "1000000000.123456789");
}

Test(docker_log, frames_are_taken_apart)
{
    static const char bytes[] = "\1\0\0\0\0\0\0\3abc\2\0\0\0\0\0\0\0"
                                "\2\0\0\0\0\0\0\2de";
    struct docker_mux mux = {0};
    struct docker_part part;
    struct err err = ERR_INIT;
    size_t used = 0;
    size_t at = 0;

    cr_assert(docker_mux_at_rest(&mux));
    cr_assert_eq(docker_mux_feed(&mux, bytes, 10, &used, &part, &err), 1);
    cr_assert_eq(part.stream, OUT);
    cr_assert(part.first);
    cr_assert_not(part.last);
    cr_assert_eq(part.piece.len, 2);
    at = used;
    cr_assert_not(docker_mux_at_rest(&mux));
    cr_assert_eq(docker_mux_feed(&mux, bytes + at, sizeof(bytes) - 1 - at,
                     &used, &part, &err),
        1);
    cr_assert_not(part.first);
    cr_assert(part.last);
    cr_assert_eq(part.piece.data[0], 'c');
    at += used;
    cr_assert_eq(docker_mux_feed(&mux, bytes + at, sizeof(bytes) - 1 - at,
                     &used, &part, &err),
        1);
    cr_assert_eq(part.stream, ERROR);
    cr_assert(part.first);
    cr_assert_eq(memcmp(part.piece.data, "de", 2), 0);
    cr_assert(docker_mux_at_rest(&mux));
}
