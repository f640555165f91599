/* SPDX-License-Identifier: Apache-2.0
 * A container run to its end. Its output is read from an attached stream: the
 * log would replace bytes that are not UTF-8. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/docker/engine.h"
#include "dataplane/docker/mux.h"

struct job {
    struct docker *docker;
    const char *id;
    int64_t deadline_ms;
    int cancel_fd;
    struct buf *out;
};

/* Keeps what fits; out->failed says that there was more. */
static void
keep(struct buf *out, const struct docker_piece *piece)
{
    size_t room = out->max - out->len;

    if (out->failed)
        return;
    buf_append(out, piece->data, piece->len < room ? piece->len : room);
    if (piece->len > room)
        buf_append(out, piece->data + room, piece->len - room);
}

static int
collect_piece(struct docker_mux *mux, struct docker_piece piece,
    struct buf *out, struct err *err)
{
    for (;;) {
        struct docker_part part;
        size_t used = 0;
        int got =
            docker_mux_feed(mux, piece.data, piece.len, &used, &part, err);

        if (got <= 0)
            return got;
        piece.data += used;
        piece.len -= used;
        keep(out, &part.piece);
    }
}

/* Reads until the container closes its output. 0, or -1 with ERR_TIMEOUT or
 * ERR_CANCELLED when that was not reached. */
static int
collect(const struct job *job, struct docker_conn *conn, struct err *err)
{
    struct docker_mux mux = {0};
    struct docker_piece piece = {0};
    int got = 0;

    while ((got = docker_conn_read(conn, job->cancel_fd, job->deadline_ms,
                &piece, err)) == DOCKER_CONN_PIECE) {
        if (collect_piece(&mux, piece, job->out, err) != 0)
            return -1;
    }
    if (got < 0)
        return -1;
    if (got == DOCKER_CONN_END)
        return 0;
    return clock_mono_ms() >= job->deadline_ms
               ? err_set(err, ERR_TIMEOUT, "the container runs too long")
               : err_set(err, ERR_CANCELLED, "stopped on request");
}

static int
attach(const struct job *job, struct docker_conn **conn, struct err *err)
{
    AUTO(buf_free) struct buf target = {0};
    struct docker_request request = {.method = "POST",
        .upgrade = true,
        .deadline_ms = clock_mono_ms() + DOCKER_CALL_MS};

    if (docker_container_target(
            &target, job->id, "/attach?stream=1&stdout=1&stderr=1", err) != 0)
        return -1;
    request.target = buf_str(&target);
    return docker_stream(job->docker, &request, 101,
        "attach to a container's output", conn, err);
}

/* Attached before the start, so that the first byte is not missed. */
static int
run(const struct job *job, struct docker_job_result *result, struct err *err)
{
    AUTO(docker_conn_close_ptr) struct docker_conn *conn = NULL;
    struct docker_state state = {0};

    if (attach(job, &conn, err) != 0 ||
        docker_start(job->docker, job->id, err) != 0 ||
        collect(job, conn, err) != 0 ||
        docker_wait(job->docker, job->id, job->cancel_fd, job->deadline_ms,
            &result->exit_code, err) != 0 ||
        docker_inspect(job->docker, job->id, &state, err) != 0)
        return -1;
    result->oom_killed = state.oom_killed;
    return 0;
}

int
docker_job(struct docker *docker, const struct docker_create *spec,
    int64_t timeout_ms, int cancel_fd, struct buf *out,
    struct docker_job_result *result, struct err *err)
{
    char id[DOCKER_ID_SIZE];
    struct job job = {
        .docker = docker,
        .id = id,
        .deadline_ms = clock_mono_ms() + timeout_ms,
        .cancel_fd = cancel_fd,
        .out = out,
    };
    struct err removal = ERR_INIT;
    int failed = 0;

    *result = (struct docker_job_result){.exit_code = -1};
    if (docker_create(docker, spec, id, err) != 0)
        return -1;
    failed = run(&job, result, err);
    if (failed != 0 && err->code == ERR_TIMEOUT &&
        clock_mono_ms() >= job.deadline_ms) {
        err_clear(err);
        result->timed_out = true;
        failed = 0;
    }
    /* Kills it too. */
    if (docker_remove(docker, id, &removal) != 0 && failed == 0) {
        *err = removal;
        return -1;
    }
    return failed;
}
