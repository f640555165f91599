/* SPDX-License-Identifier: Apache-2.0
 * The engine's unix socket, with deadlines. A connection serves one request:
 * connecting costs microseconds, and there is no state to get wrong. */
#include "dataplane/docker/conn.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A log frame is at most 16 KiB and its header; more only costs memory. */
enum { READ_SIZE = 16384 + 64 };

struct docker_conn {
    int fd;
    struct docker_http http;
    size_t in_pos;
    size_t in_len;
    char in[READ_SIZE];
};

static int
unreachable(const char *path, int sys, struct err *err)
{
    const char *hint = "start it (systemctl start docker, or dockerd) or set "
                       "--docker-socket";

    if (sys == EACCES || sys == EPERM)
        hint = "run as root or as a member of the socket's group (usually "
               "docker), or set --docker-socket";
    (void)err_set(err, ERR_UNAVAILABLE,
        "cannot reach the Docker Engine at %s: %s; %s", path,
        strerrordesc_np(sys), hint);
    err->sys = sys;
    return -1;
}

/* connect(2) waits as long as SO_SNDTIMEO says while the engine's backlog is
 * full; poll(2) cannot wait for that on a unix socket. */
static int
connect_within(int fd, const struct sockaddr_un *address, int64_t deadline_ms)
{
    int64_t left = deadline_ms - clock_mono_ms();
    struct timeval limit = {0};

    if (left < 1)
        left = 1;
    limit.tv_sec = (time_t)(left / 1000);
    limit.tv_usec = (suseconds_t)(left % 1000 * 1000);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        return -1;
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

int
docker_conn_open(struct docker_conn **out, const char *socket_path,
    int64_t deadline_ms, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO(docker_conn_close_ptr) struct docker_conn *conn = NULL;

    if (strlen(socket_path) >= sizeof(address.sun_path))
        return err_set(err, ERR_INVALID,
            "the Docker socket's path is longer than %zu bytes",
            sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return err_no_memory(err);
    docker_http_init(&conn->http);
    conn->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return err_sys(err, "make a socket for the Docker Engine");
    if (connect_within(conn->fd, &address, deadline_ms) != 0)
        return unreachable(socket_path, errno, err);
    *out = STEAL(conn);
    return 0;
}

void
docker_conn_close(struct docker_conn *conn)
{
    if (conn == NULL)
        return;
    if (conn->fd >= 0)
        (void)close(conn->fd);
    free(conn);
}

void
docker_conn_close_ptr(struct docker_conn **conn)
{
    docker_conn_close(*conn);
    *conn = NULL;
}

static int
time_left(int64_t deadline_ms)
{
    int64_t left = deadline_ms - clock_mono_ms();

    if (left < 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* 1: ready; 0: the deadline passed or wake_fd is readable; -1. */
static int
wait_for(const struct docker_conn *conn, short events, int wake_fd,
    int64_t deadline_ms, struct err *err)
{
    struct pollfd fds[2] = {
        {.fd = conn->fd, .events = events},
        {.fd = wake_fd, .events = POLLIN},
    };

    for (;;) {
        int n = poll(fds, 2, time_left(deadline_ms));

        if (n < 0 && errno != EINTR)
            return err_sys(err, "wait for the Docker Engine");
        if (n > 0)
            return fds[1].revents != 0 ? 0 : 1;
        if (n == 0 && clock_mono_ms() >= deadline_ms)
            return 0;
    }
}

static int
too_slow(struct err *err)
{
    return err_set(
        err, ERR_TIMEOUT, "the Docker Engine did not answer in time");
}

int
docker_conn_send(struct docker_conn *conn, const void *data, size_t len,
    int64_t deadline_ms, struct err *err)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(conn->fd, at, len, MSG_NOSIGNAL);
        int ready = 0;

        if (n >= 0) {
            at += n;
            len -= (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EPIPE || errno == ECONNRESET)
            return err_set(err, ERR_UNAVAILABLE,
                "the Docker Engine closed the connection");
        if (errno != EAGAIN)
            return err_sys(err, "send to the Docker Engine");
        ready = wait_for(conn, POLLOUT, -1, deadline_ms, err);
        if (ready < 0)
            return -1;
        if (ready == 0)
            return too_slow(err);
    }
    return 0;
}

/* Refills the empty input. 1: got some; 0: idle; 2: the peer closed; -1. */
static int
refill(
    struct docker_conn *conn, int wake_fd, int64_t deadline_ms, struct err *err)
{
    for (;;) {
        ssize_t n = 0;
        int ready = wait_for(conn, POLLIN, wake_fd, deadline_ms, err);

        if (ready <= 0)
            return ready;
        n = recv(conn->fd, conn->in, sizeof(conn->in), 0);
        if (n > 0) {
            conn->in_pos = 0;
            conn->in_len = (size_t)n;
            return 1;
        }
        if (n == 0 || errno == ECONNRESET)
            return 2;
        if (errno != EAGAIN && errno != EINTR)
            return err_sys(err, "read from the Docker Engine");
    }
}

/* Parses what is there. 1: a piece or a complete head; 0: more is needed. */
static int
advance(struct docker_conn *conn, struct docker_piece *piece, struct err *err)
{
    size_t used = 0;
    bool had_head = docker_http_has_head(&conn->http);

    if (conn->in_pos == conn->in_len)
        return 0;
    if (docker_http_feed(&conn->http, conn->in + conn->in_pos,
            conn->in_len - conn->in_pos, &used, piece, err) != 0)
        return -1;
    conn->in_pos += used;
    return piece->len > 0 || had_head != docker_http_has_head(&conn->http);
}

int
docker_conn_read(struct docker_conn *conn, int wake_fd, int64_t deadline_ms,
    struct docker_piece *piece, struct err *err)
{
    piece->len = 0;
    for (;;) {
        int got = advance(conn, piece, err);

        if (got != 0)
            return got < 0 ? -1 : DOCKER_CONN_PIECE;
        if (conn->http.state == DOCKER_HTTP_DONE)
            return DOCKER_CONN_END;
        got = refill(conn, wake_fd, deadline_ms, err);
        if (got <= 0)
            return got < 0 ? -1 : DOCKER_CONN_IDLE;
        if (got == 2 && docker_http_eof(&conn->http, err) != 0)
            return -1;
    }
}

int
docker_conn_head(
    struct docker_conn *conn, int64_t deadline_ms, int *status, struct err *err)
{
    while (!docker_http_has_head(&conn->http)) {
        struct docker_piece none = {0};
        int got = advance(conn, &none, err);

        if (got == 0 && !docker_http_has_head(&conn->http)) {
            got = refill(conn, -1, deadline_ms, err);
            if (got == 0)
                return too_slow(err);
            if (got == 2)
                return docker_http_eof(&conn->http, err);
        }
        if (got < 0)
            return -1;
    }
    *status = conn->http.status;
    return 0;
}
