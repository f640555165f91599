/* SPDX-License-Identifier: Apache-2.0
 * Identifiers that we make. */
#ifndef COMMON_ID_H
#define COMMON_ID_H

#include <stdbool.h>
#include <stddef.h>

enum { ID_SIZE = 33, ID_SHORT_LEN = 8 };

/* 32 lower-case hex digits: 48 bits of milliseconds, then 80 random bits, so
 * that ids sort by time. Aborts if the kernel gives no randomness. */
void id_new(char out[ID_SIZE]);

/* Exactly 32 lower-case hex digits? */
bool id_is_valid(const char *id);

/* The last 8 digits (random), for names that people read. */
const char *id_short(const char *id);

/* n random bytes; aborts when the kernel gives none. */
void id_random(void *out, size_t n);

#endif
