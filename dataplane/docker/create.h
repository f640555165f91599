/* SPDX-License-Identifier: Apache-2.0
 * The body of a container's creation, and the checks of what goes into it.
 * Pure. */
#ifndef DATAPLANE_DOCKER_CREATE_H
#define DATAPLANE_DOCKER_CREATE_H

#include "common/buf.h"
#include "common/err.h"
#include "dataplane/docker/docker.h"

#include <stdbool.h>
#include <stdint.h>

/* Names of containers, networks and volumes, and ids: what the engine allows
 * ([A-Za-z0-9][A-Za-z0-9_.-]*), at most 255 bytes. */
bool docker_name_is_valid(const char *name);

/* [registry[:port]/]path[:tag][@digest] as to its bytes; no empty, "." or
 * ".." part. */
bool docker_image_is_valid(const char *image);

/* "4g", "512m", "64k", "1073741824", "4gb": a whole number and a unit. */
int docker_parse_size(const char *text, int64_t *bytes, struct err *err);

/* "2", "0.5", "1.25": to billionths of a processor, more than 0. */
int docker_parse_cpus(const char *text, int64_t *nano, struct err *err);

/* The engine refuses more processors than its host has: asked for more, a
 * worker gets all of them. online <= 0: unknown, nothing is changed. */
int64_t docker_clamp_cpus(int64_t nano, long online);

/* ERR_INVALID names the member of spec that is not right. */
int docker_create_body(
    const struct docker_create *spec, struct buf *out, struct err *err);

#endif
