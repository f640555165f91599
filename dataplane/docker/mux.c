/* SPDX-License-Identifier: Apache-2.0
 * Takes the engine's multiplexed streams apart. */
#include "dataplane/docker/mux.h"

#include <string.h>

/* The engine writes 16 KiB at a time; this only keeps nonsense out. */
enum { PAYLOAD_MAX = 16 * 1024 * 1024 };

static int
parse_head(struct docker_mux *mux, struct err *err)
{
    const unsigned char *h = mux->head;

    if (h[0] < DOCKER_MUX_STDOUT || h[0] > DOCKER_MUX_ENGINE || h[1] != 0 ||
        h[2] != 0 || h[3] != 0)
        return err_set(err, ERR_PROTOCOL,
            "the Docker Engine's stream is not multiplexed as expected (has "
            "the container a terminal?)");
    mux->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 |
                (uint32_t)h[6] << 8 | h[7];
    if (mux->left > PAYLOAD_MAX)
        return err_set(err, ERR_PROTOCOL,
            "the Docker Engine announced a frame of %u bytes", mux->left);
    if (mux->left == 0)
        mux->head_len = 0;
    mux->fresh = true;
    return 0;
}

int
docker_mux_feed(struct docker_mux *mux, const char *data, size_t len,
    size_t *used, struct docker_part *part, struct err *err)
{
    *used = 0;
    while (*used < len) {
        size_t n = len - *used;

        if (mux->head_len < sizeof(mux->head)) {
            mux->head[mux->head_len++] = (unsigned char)data[(*used)++];
            if (mux->head_len == sizeof(mux->head) && parse_head(mux, err) != 0)
                return -1;
            continue;
        }
        if (n > mux->left)
            n = mux->left;
        mux->left -= (uint32_t)n;
        part->stream = mux->head[0];
        part->first = mux->fresh;
        part->last = mux->left == 0;
        mux->fresh = false;
        part->piece = (struct docker_piece){data + *used, n};
        *used += n;
        if (mux->left == 0)
            mux->head_len = 0;
        return 1;
    }
    return 0;
}

bool
docker_mux_at_rest(const struct docker_mux *mux)
{
    return mux->head_len == 0;
}
