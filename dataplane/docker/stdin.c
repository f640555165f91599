/* SPDX-License-Identifier: Apache-2.0
 * A container's stdin: an attached stream that carries nothing else, so that
 * nothing we fail to read can hold the worker up. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/docker/engine.h"

#include <stdlib.h>

struct docker_stdin {
    struct docker_conn *conn;
    bool broken; /* a write failed: the worker may have seen half a line */
};

static void
stdin_close_ptr(struct docker_stdin **in)
{
    docker_stdin_close(*in);
}

int
docker_stdin_open(struct docker *docker, const char *id,
    struct docker_stdin **out, struct err *err)
{
    AUTO(buf_free) struct buf target = {0};
    AUTO(stdin_close_ptr) struct docker_stdin *in = NULL;
    struct docker_state state = {0};
    struct docker_request request = {.method = "POST",
        .upgrade = true,
        .deadline_ms = clock_mono_ms() + DOCKER_CALL_MS};

    if (docker_container_target(&target, id, "/attach?stream=1&stdin=1", err) !=
        0)
        return -1;
    request.target = buf_str(&target);
    in = calloc(1, sizeof(*in));
    if (in == NULL)
        return err_no_memory(err);
    if (docker_stream(docker, &request, 101, "attach to a container's stdin",
            &in->conn, err) != 0)
        return -1;
    /* The engine attaches to a container that has ended, too. */
    if (docker_inspect(docker, id, &state, err) != 0)
        return -1;
    if (!state.running)
        return err_set(err, ERR_STATE,
            "attach to a container's stdin: the container is not running");
    *out = STEAL(in);
    return 0;
}

int
docker_stdin_write(struct docker_stdin *in, const void *data, size_t len,
    int64_t timeout_ms, struct err *err)
{
    struct docker_piece ignored = {0};
    int got = 0;

    if (in == NULL || in->broken)
        return err_set(err, ERR_STATE, "the container's stdin is not open");
    /* The engine closes its side when the container ends; a write would
     * still succeed and go nowhere. */
    do
        got = docker_conn_read(in->conn, -1, 0, &ignored, err);
    while (got == DOCKER_CONN_PIECE);
    if (got == DOCKER_CONN_END)
        got = err_set(err, ERR_UNAVAILABLE, "the container has ended");
    if (got == 0)
        got = docker_conn_send(
            in->conn, data, len, clock_mono_ms() + timeout_ms, err);
    if (got == 0)
        return 0;
    in->broken = true;
    return err_wrap(err, "write to the container's stdin");
}

void
docker_stdin_close(struct docker_stdin *in)
{
    if (in == NULL)
        return;
    docker_conn_close(in->conn);
    free(in);
}
