/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a container's log: lines stay within their limit, and a cursor
 * that was given out is taken back. */
#include "dataplane/docker/lines.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_LIMIT = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct docker_line *line)
{
    struct docker_lines *again = NULL;
    struct err err = ERR_INIT;

    if (line->len > LINE_LIMIT || strlen(line->cursor) >= DOCKER_CURSOR_SIZE)
        abort();
    if (docker_lines_new(&again, LINE_LIMIT, line->cursor, &err) != 0)
        abort();
    docker_lines_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct docker_lines *lines = NULL;
    struct docker_line line;
    struct err err = ERR_INIT;
    size_t at = 1;
    int got = 0;

    if (size < 2 || docker_lines_new(&lines, LINE_LIMIT, "", &err) != 0)
        return 0;
    while (at < size || got == 1) {
        size_t left =
            size - at < (size_t)data[0] + 1 ? size - at : (size_t)data[0] + 1;
        size_t used = 0;

        got = docker_lines_feed(
            lines, (const char *)data + at, left, &used, &line, &err);
        if (got < 0)
            break;
        if (used > left || (used == 0 && got == 0 && left > 0))
            abort();
        at += used;
        if (got == 1)
            check(&line);
    }
    while (docker_lines_end(lines, &line) == 1)
        check(&line);
    docker_lines_free(lines);
    return 0;
}
