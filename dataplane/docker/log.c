/* SPDX-License-Identifier: Apache-2.0
 * Follows a container's log. The log, not an attached stream, is what we
 * read: it loses nothing while nobody reads, and a slow reader does not hold
 * the worker up. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/docker/engine.h"
#include "dataplane/docker/lines.h"

#include <stdlib.h>
#include <string.h>

struct docker_log {
    struct docker_conn *conn;
    struct docker_lines *lines;
    struct docker_piece piece; /* of the response, not used up yet */
    bool ended;
};

static void
log_close_ptr(struct docker_log **log)
{
    docker_log_close(*log);
}

int
docker_log_open(struct docker *docker, const char *id, const char *since,
    size_t line_max, struct docker_log **out, struct err *err)
{
    AUTO(log_close_ptr) struct docker_log *log = NULL;
    AUTO(buf_free) struct buf target = {0};
    char from[DOCKER_SINCE_SIZE];
    struct docker_request request = {
        .method = "GET", .deadline_ms = clock_mono_ms() + DOCKER_CALL_MS};

    if (docker_lines_since(since, from, err) != 0 ||
        docker_container_target(&target, id,
            "/logs?follow=1&stdout=1&stderr=1&timestamps=1", err) != 0)
        return -1;
    if (from[0] != '\0')
        buf_printf(&target, "&since=%s", from);
    if (buf_check(&target, err) != 0)
        return -1;
    log = calloc(1, sizeof(*log));
    if (log == NULL)
        return err_no_memory(err);
    log->piece.data = "";
    request.target = buf_str(&target);
    if (docker_lines_new(&log->lines, line_max, since, err) != 0 ||
        docker_stream(docker, &request, 200, "read a container's log",
            &log->conn, err) != 0)
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
        if (got != 0)
            return got;
        got =
            docker_conn_read(log->conn, wake_fd, deadline_ms, &log->piece, err);
        if (got <= 0)
            return got < 0 ? err_wrap(err, "read a container's log") : 0;
        log->ended = got == DOCKER_CONN_END;
    }
    return docker_lines_end(log->lines, line) == 1 ? 1 : 2;
}
