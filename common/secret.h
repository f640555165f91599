/* SPDX-License-Identifier: Apache-2.0
 * Secret bytes in memory that is locked where possible and wiped when freed.
 * There is no function that prints one. */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

struct secret;

/* A copy of len bytes. NULL when out of memory. */
struct secret *secret_new(const void *data, size_t len);
struct secret *secret_dup(const struct secret *secret); /* NULL gives NULL */

/* The bytes, NUL-terminated; valid until secret_free. */
const char *secret_bytes(const struct secret *secret);
size_t secret_len(const struct secret *secret);

/* Constant-time in the content (not in the length). */
bool secret_equal(const struct secret *secret, const void *data, size_t len);

/* Reads a file of at most max bytes, without one trailing newline. */
struct secret *secret_read_file(const char *path, size_t max, struct err *err);

/* Value of NAME, or content of the file named by NAME_FILE; NAME is removed
 * from the environment. *out is NULL when neither is set. 0 or -1. */
int secret_from_env(const char *name, struct secret **out, struct err *err);

void secret_free(struct secret *secret); /* NULL is legal */
void secret_free_ptr(struct secret **secret);

/* Overwrites memory in a way the compiler keeps. */
void secret_wipe(void *data, size_t len);

#endif
