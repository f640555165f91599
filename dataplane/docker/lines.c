/* SPDX-License-Identifier: Apache-2.0
 * Lines out of the engine's log. Each stream has its own place to resume:
 * within one stream the engine keeps the order, between the two it does not
 * (a line is stamped when its first piece comes and stored when complete). */
#include "dataplane/docker/lines.h"

#include "common/buf.h"
#include "dataplane/docker/mux.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    STAMP_LEN = 30, /* 2026-11-20T23:33:43.211123456Z */
    /* How much earlier than the cursor to read again, for lines of the other
     * stream that were stored late and for small steps of the clock. */
    OVERLAP_S = 5,
    KEEP_BYTES = 64 * 1024 /* of memory of a stream between lines */
};

static const char stamp_form[] = "dddd-dd-ddTdd:dd:dd.dddddddddZ";

struct stream {
    struct buf text; /* of the line under way */
    bool open;       /* a line is under way, perhaps an empty one */
    bool truncated;
    bool met;                    /* the last line handled was seen again */
    bool passing;                /* and is behind us */
    char handled[STAMP_LEN + 1]; /* its stamp; "" when there is none */
    char stamp[STAMP_LEN + 1];   /* of the line under way */
};

struct docker_lines {
    struct docker_mux mux;
    struct stream streams[2];  /* stdout, stderr */
    struct stream *given;      /* its text was given out by the last call */
    struct docker_part part;   /* not used up when it ends a line */
    char stamp[STAMP_LEN + 1]; /* of the current frame; then a space */
    size_t stamp_len;
    bool skip; /* the current frame was handled before */
    size_t line_max;
    char cursor[DOCKER_CURSOR_SIZE];
    char engine[200]; /* the engine's error text */
};

static bool
is_stamp(const char *text)
{
    for (size_t i = 0; i < STAMP_LEN; i++) {
        if (stamp_form[i] == 'd' ? (text[i] < '0' || text[i] > '9')
                                 : text[i] != stamp_form[i])
            return false;
    }
    return true;
}

/* "STDOUT/STDERR", either may be empty. */
static int
split_cursor(const char *cursor, char out[2][STAMP_LEN + 1], struct err *err)
{
    const char *slash = strchr(cursor, '/');
    const char *parts[2] = {cursor, slash != NULL ? slash + 1 : ""};
    size_t lens[2] = {0, 0};

    out[0][0] = '\0';
    out[1][0] = '\0';
    if (*cursor == '\0')
        return 0;
    lens[0] = slash != NULL ? (size_t)(slash - cursor) : 0;
    lens[1] = strlen(parts[1]);
    for (int i = 0; i < 2; i++) {
        if (slash == NULL || (lens[i] != 0 && lens[i] != STAMP_LEN) ||
            (lens[i] != 0 && !is_stamp(parts[i])))
            return err_set(
                err, ERR_INVALID, "\"%.80s\" is no log cursor", cursor);
        memcpy(out[i], parts[i], lens[i]);
        out[i][lens[i]] = '\0';
    }
    return 0;
}

int
docker_lines_since(
    const char *cursor, char out[DOCKER_SINCE_SIZE], struct err *err)
{
    char stamps[2][STAMP_LEN + 1];
    struct tm tm = {0};

    out[0] = '\0';
    if (split_cursor(cursor, stamps, err) != 0)
        return -1;
    /* A line of stdout under way may be older than any line of stderr. */
    if (stamps[0][0] == '\0')
        return 0;
    if (strptime(stamps[0], "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
        return err_set(err, ERR_INVALID, "\"%s\" is no time", stamps[0]);
    (void)snprintf(out, DOCKER_SINCE_SIZE, "%" PRId64 ".%.9s",
        (int64_t)timegm(&tm) - OVERLAP_S, stamps[0] + 20);
    return 0;
}

int
docker_lines_new(struct docker_lines **out, size_t line_max, const char *since,
    struct err *err)
{
    struct docker_lines *lines = NULL;
    char stamps[2][STAMP_LEN + 1];

    if (split_cursor(since, stamps, err) != 0)
        return -1;
    lines = calloc(1, sizeof(*lines));
    if (lines == NULL)
        return err_no_memory(err);
    lines->line_max = line_max;
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &lines->streams[i];

        buf_init(&stream->text, line_max);
        memcpy(stream->handled, stamps[i], sizeof(stamps[i]));
    }
    (void)snprintf(lines->cursor, sizeof(lines->cursor), "%s", since);
    docker_lines_restart(lines);
    *out = lines;
    return 0;
}

void
docker_lines_free(struct docker_lines *lines)
{
    if (lines == NULL)
        return;
    buf_free(&lines->streams[0].text);
    buf_free(&lines->streams[1].text);
    free(lines);
}

const char *
docker_lines_cursor(const struct docker_lines *lines)
{
    return lines->cursor;
}

/* Forgets the line under way; a large one's memory is given back. */
static void
forget(struct docker_lines *lines, struct stream *stream)
{
    if (stream->text.cap > KEEP_BYTES) {
        buf_free(&stream->text);
        buf_init(&stream->text, lines->line_max);
    }
    buf_clear(&stream->text);
    stream->open = false;
    stream->truncated = false;
}

/* The text that the last call gave out is not needed any more. */
static void
take_back(struct docker_lines *lines)
{
    if (lines->given != NULL)
        forget(lines, lines->given);
    lines->given = NULL;
}

void
docker_lines_restart(struct docker_lines *lines)
{
    lines->given = NULL;
    lines->mux = (struct docker_mux){0};
    lines->part = (struct docker_part){0};
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &lines->streams[i];

        forget(lines, stream);
        stream->met = false;
        stream->passing = stream->handled[0] == '\0';
    }
}

static void
give_out(
    struct docker_lines *lines, struct stream *stream, struct docker_line *line)
{
    memcpy(stream->handled, stream->stamp, sizeof(stream->handled));
    (void)snprintf(lines->cursor, sizeof(lines->cursor), "%s/%s",
        lines->streams[0].handled, lines->streams[1].handled);
    line->is_stderr = stream == &lines->streams[1];
    line->text = buf_str(&stream->text);
    line->len = stream->text.len;
    line->truncated = stream->truncated;
    line->cursor = lines->cursor;
    lines->given = stream;
}

static int
append(struct docker_lines *lines, struct stream *stream, const char *text,
    size_t len, struct err *err)
{
    size_t room = lines->line_max - stream->text.len;

    stream->open = true;
    memcpy(stream->stamp, lines->stamp, sizeof(stream->stamp));
    if (len > room) {
        stream->truncated = true;
        len = room;
    }
    buf_append(&stream->text, text, len);
    return buf_check(&stream->text, err);
}

/* Was the frame with this stamp handled before? From the handled line on
 * everything is new, even with an earlier stamp (the clock was set back). */
static bool
handled_before(struct stream *stream, const char *stamp)
{
    int order = 0;

    if (stream->passing)
        return false;
    order = strcmp(stamp, stream->handled);
    if (order == 0)
        stream->met = true;
    else if (order > 0 || stream->met)
        stream->passing = true;
    return !stream->passing;
}

/* Moves the frame's time stamp out of the part. */
static int
take_stamp(struct docker_lines *lines, struct err *err)
{
    struct docker_piece *piece = &lines->part.piece;
    size_t n = STAMP_LEN + 1 - lines->stamp_len;

    if (n > piece->len)
        n = piece->len;
    memcpy(lines->stamp + lines->stamp_len, piece->data, n);
    lines->stamp_len += n;
    piece->data += n;
    piece->len -= n;
    if (lines->stamp_len <= STAMP_LEN && !lines->part.last)
        return 0;
    if (lines->stamp_len <= STAMP_LEN || lines->stamp[STAMP_LEN] != ' ' ||
        !is_stamp(lines->stamp))
        return err_set(err, ERR_PROTOCOL,
            "the Docker Engine sent a log line without its time stamp");
    lines->stamp[STAMP_LEN] = '\0';
    lines->skip =
        handled_before(&lines->streams[lines->part.stream - 1], lines->stamp);
    return 0;
}

static int
engine_error(struct docker_lines *lines, struct err *err)
{
    struct docker_part *part = &lines->part;
    size_t len = part->first ? 0 : strlen(lines->engine);

    for (size_t i = 0; i < part->piece.len; i++) {
        char c = part->piece.data[i];

        if (c < ' ' || c >= 0x7f)
            c = ' ';
        if (len < sizeof(lines->engine) - 1)
            lines->engine[len++] = c;
    }
    lines->engine[len] = '\0';
    part->piece.len = 0;
    if (!part->last)
        return 0;
    return err_set(err, ERR_UPSTREAM,
        "the Docker Engine cannot read the container's log: %s", lines->engine);
}

/* Takes text out of the part up to the end of a line. 1: *line; 0: the part
 * is used up. */
static int
take_text(struct docker_lines *lines, struct docker_line *line, struct err *err)
{
    struct docker_piece *piece = &lines->part.piece;
    struct stream *stream = &lines->streams[lines->part.stream - 1];
    const char *lf = NULL;
    size_t n = 0;

    if (lines->skip) {
        piece->len = 0;
        return 0;
    }
    if (piece->len == 0)
        return 0;
    lf = memchr(piece->data, '\n', piece->len);
    n = lf != NULL ? (size_t)(lf - piece->data) : piece->len;
    if (append(lines, stream, piece->data, n, err) != 0)
        return -1;
    n += lf != NULL ? 1 : 0;
    piece->data += n;
    piece->len -= n;
    if (lf == NULL)
        return 0;
    give_out(lines, stream, line);
    return 1;
}

static int
take_part(struct docker_lines *lines, struct docker_line *line, struct err *err)
{
    if (lines->part.stream == DOCKER_MUX_ENGINE)
        return engine_error(lines, err);
    if (lines->stamp_len <= STAMP_LEN && take_stamp(lines, err) != 0)
        return -1;
    return take_text(lines, line, err);
}

int
docker_lines_feed(struct docker_lines *lines, const char *data, size_t len,
    size_t *used, struct docker_line *line, struct err *err)
{
    *used = 0;
    take_back(lines);
    for (;;) {
        size_t n = 0;
        int got = 0;

        while (lines->part.piece.len > 0) {
            got = take_part(lines, line, err);
            if (got != 0)
                return got;
        }
        got = docker_mux_feed(
            &lines->mux, data + *used, len - *used, &n, &lines->part, err);
        *used += n;
        if (got <= 0)
            return got;
        if (lines->part.first)
            lines->stamp_len = 0;
    }
}

int
docker_lines_end(struct docker_lines *lines, struct docker_line *line)
{
    take_back(lines);
    for (int i = 0; i < 2; i++) {
        if (lines->streams[i].open) {
            give_out(lines, &lines->streams[i], line);
            return 1;
        }
    }
    return 0;
}
