/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as the engine's answer, fed in pieces that the input chooses. */
#include "dataplane/docker/http.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct docker_http http;
    struct err err = ERR_INIT;
    size_t step = 0;
    size_t at = 1;

    if (size < 2)
        return 0;
    step = (size_t)data[0] + 1;
    docker_http_init(&http);
    while (at < size && http.state != DOCKER_HTTP_DONE) {
        struct docker_piece piece;
        size_t left = size - at < step ? size - at : step;
        size_t used = 0;

        if (docker_http_feed(
                &http, (const char *)data + at, left, &used, &piece, &err) != 0)
            return 0;
        if (used == 0 || used > left || piece.len > used)
            abort();
        at += used;
    }
    (void)docker_http_eof(&http, &err);
    return 0;
}
