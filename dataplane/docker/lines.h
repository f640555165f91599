/* SPDX-License-Identifier: Apache-2.0
 * From the engine's log (multiplexed, each frame a time stamp and a piece of
 * a line) to whole lines, leaving out those handled before. Pure. */
#ifndef DATAPLANE_DOCKER_LINES_H
#define DATAPLANE_DOCKER_LINES_H

#include "common/err.h"
#include "dataplane/docker/docker.h"

#include <stddef.h>

struct docker_lines;

/* line_max: longer lines are cut. since: a cursor, or "". */
int docker_lines_new(struct docker_lines **out, size_t line_max,
    const char *since, struct err *err);
void docker_lines_free(struct docker_lines *lines); /* NULL is legal */

/* 1: *line (valid until the next call), more of data may be left; 0: all
 * bytes are used; -1. */
int docker_lines_feed(struct docker_lines *lines, const char *data, size_t len,
    size_t *used, struct docker_line *line, struct err *err);

/* Begins again behind the last line given out: the engine will send again what
 * came after it. */
void docker_lines_restart(struct docker_lines *lines);

/* The cursor of the last line given out, or what it was begun with. */
const char *docker_lines_cursor(const struct docker_lines *lines);

/* After the last byte: what is left without a newline. 1: *line, 0: none. */
int docker_lines_end(struct docker_lines *lines, struct docker_line *line);

/* Where to ask the engine to begin ("SECONDS.NANOS"; "" for the start), so
 * that nothing unhandled is left out. */
enum { DOCKER_SINCE_SIZE = 32 };

int docker_lines_since(
    const char *cursor, char out[DOCKER_SINCE_SIZE], struct err *err);

#endif
