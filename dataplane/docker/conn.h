/* SPDX-License-Identifier: Apache-2.0
 * One connection to the Docker Engine: one request, one response or stream.
 * Non-blocking socket; every wait has a deadline on the monotonic clock. */
#ifndef DATAPLANE_DOCKER_CONN_H
#define DATAPLANE_DOCKER_CONN_H

#include "common/err.h"
#include "dataplane/docker/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct docker_conn;

/* ERR_UNAVAILABLE with what to do when the engine cannot be reached. */
int docker_conn_open(struct docker_conn **out, const char *socket_path,
    int64_t deadline_ms, struct err *err);
void docker_conn_close(struct docker_conn *conn); /* NULL is legal */
void docker_conn_close_ptr(struct docker_conn **conn);

/* All of it, or ERR_TIMEOUT, or ERR_UNAVAILABLE when the engine closed. */
int docker_conn_send(struct docker_conn *conn, const void *data, size_t len,
    int64_t deadline_ms, struct err *err);

/* Reads until status and headers are there. */
int docker_conn_head(struct docker_conn *conn, int64_t deadline_ms, int *status,
    struct err *err);

enum docker_conn_event {
    DOCKER_CONN_IDLE = 0,  /* deadline, or wake_fd is readable */
    DOCKER_CONN_PIECE = 1, /* of the body */
    DOCKER_CONN_END = 2    /* the body is complete */
};

/* The body's next event, or -1. wake_fd: -1 for none. A piece is valid until
 * the next call. */
int docker_conn_read(struct docker_conn *conn, int wake_fd, int64_t deadline_ms,
    struct docker_piece *piece, struct err *err);

#endif
