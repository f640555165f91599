/* SPDX-License-Identifier: Apache-2.0
 * The engine's multiplexed streams: frames of 8 bytes of header (stream, 0, 0,
 * 0, length big-endian) and a payload. Pure; nothing is buffered. */
#ifndef DATAPLANE_DOCKER_MUX_H
#define DATAPLANE_DOCKER_MUX_H

#include "common/err.h"
#include "dataplane/docker/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DOCKER_MUX_STDOUT = 1,
    DOCKER_MUX_STDERR = 2,
    DOCKER_MUX_ENGINE = 3 /* the engine's own word: an error, as text */
};

/* Zero it to begin. */
struct docker_mux {
    unsigned char head[8];
    size_t head_len;
    uint32_t left; /* of the payload */
    bool fresh;    /* none of the payload was given out yet */
};

struct docker_part {
    int stream;
    bool first; /* the payload begins here */
    bool last;  /* and ends here */
    struct docker_piece piece;
};

/* 1: *part, a part of a payload (a payload of no bytes gives none); 0: all
 * bytes are used; -1: no such frame (ERR_PROTOCOL). */
int docker_mux_feed(struct docker_mux *mux, const char *data, size_t len,
    size_t *used, struct docker_part *part, struct err *err);

/* Whether the stream may end here: not inside a frame. */
bool docker_mux_at_rest(const struct docker_mux *mux);

#endif
