/* SPDX-License-Identifier: Apache-2.0
 * Follows a container's log. The log, not an attached stream, is what we
 * read: it loses nothing while nobody reads, and a slow reader does not hold
 * the worker up. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/docker/engine.h"
#include "dataplane/docker/lines.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    /* How often the engine may end the log of a running container at once. */
    FALSE_ENDS_MAX = 5
};

struct docker_log {
    struct docker *docker;
    char id[256];
    struct docker_conn *conn;
    struct docker_lines *lines;
    struct docker_piece piece; /* of the response, not used up yet */
    bool final;                /* the container ended before this pass */
    bool ended;
    int false_ends;
};

static void
log_close_ptr(struct docker_log **log)
{
    docker_log_close(*log);
}

/* Asks for the log from behind the last line given out. */
static int
begin_pass(struct docker_log *log, struct err *err)
{
    AUTO(buf_free) struct buf target = {0};
    char from[DOCKER_SINCE_SIZE];
    struct docker_request request = {
        .method = "GET", .deadline_ms = clock_mono_ms() + DOCKER_CALL_MS};

    docker_conn_close(log->conn);
    log->conn = NULL;
    log->piece = (struct docker_piece){"", 0};
    if (docker_lines_since(docker_lines_cursor(log->lines), from, err) != 0 ||
        docker_container_target(
            &target, log->id, "/logs?stdout=1&stderr=1&timestamps=1", err) != 0)
        return -1;
    if (!log->final)
        buf_puts(&target, "&follow=1");
    if (from[0] != '\0')
        buf_printf(&target, "&since=%s", from);
    if (buf_check(&target, err) != 0)
        return -1;
    request.target = buf_str(&target);
    return docker_stream(
        log->docker, &request, 200, "read a container's log", &log->conn, err);
}

int
docker_log_open(struct docker *docker, const char *id, const char *since,
    size_t line_max, struct docker_log **out, struct err *err)
{
    AUTO(log_close_ptr) struct docker_log *log = calloc(1, sizeof(*log));

    if (log == NULL)
        return err_no_memory(err);
    log->docker = docker;
    (void)snprintf(log->id, sizeof(log->id), "%s", id);
    if (docker_lines_new(&log->lines, line_max, since, err) != 0 ||
        begin_pass(log, err) != 0)
        return -1;
    *out = STEAL(log);
    return 0;
}

void
docker_log_close(struct docker_log *log)
{
    if (log == NULL)
        return;
    docker_conn_close(log->conn);
    docker_lines_free(log->lines);
    free(log);
}

/* The engine's followed log may end without the container's last lines: what
 * is stored by then is read once more. */
static int
end_pass(struct docker_log *log, struct err *err)
{
    struct docker_state state = {0};

    if (log->final) {
        log->ended = true;
        return 0;
    }
    if (docker_inspect(log->docker, log->id, &state, err) != 0) {
        if (err->code != ERR_NOT_FOUND)
            return -1;
        err_clear(err); /* removed, and its log with it */
        log->ended = true;
        return 0;
    }
    if (state.running && log->false_ends++ == FALSE_ENDS_MAX)
        return err_set(err, ERR_UPSTREAM,
            "the Docker Engine does not follow the log of a container that "
            "runs (can its log driver be read?)");
    log->final = !state.running;
    docker_lines_restart(log->lines);
    return begin_pass(log, err);
}

int
docker_log_next(struct docker_log *log, int wake_fd, int64_t timeout_ms,
    struct docker_line *line, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;

    while (!log->ended) {
        size_t used = 0;
        int got = docker_lines_feed(
            log->lines, log->piece.data, log->piece.len, &used, line, err);

        log->piece.data += used;
        log->piece.len -= used;
        if (got != 0) {
            log->false_ends = 0;
            return got;
        }
        if (log->conn == NULL)
            return err_set(err, ERR_STATE,
                "the log failed before and must be opened again");
        got =
            docker_conn_read(log->conn, wake_fd, deadline_ms, &log->piece, err);
        if (got < 0)
            return err_wrap(err, "read a container's log");
        if (got == DOCKER_CONN_IDLE)
            return 0;
        if (got == DOCKER_CONN_END && end_pass(log, err) != 0)
            return -1;
    }
    return docker_lines_end(log->lines, line) == 1 ? 1 : 2;
}
