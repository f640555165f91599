/* SPDX-License-Identifier: Apache-2.0
 * A growable, bounded byte buffer with a sticky failure flag. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

/* After a failed append (memory or `max`) the buffer keeps its old content,
 * further appends do nothing, and `failed` stays set: append freely, check
 * once at the end with buf_check.
 * data is NUL-terminated whenever it is not NULL; the NUL is not in len. */
struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
    bool no_memory; /* why it failed; false: max */
    bool secret;    /* wiped whenever memory is given back */
};

/* An empty buffer that never grows past max bytes. */
void buf_init(struct buf *buf, size_t max);

/* The same for secret content: its memory is wiped when moved or freed. */
void buf_init_secret(struct buf *buf, size_t max);

void buf_append(struct buf *buf, const void *data, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char byte);
void buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Drops the first n bytes (n <= len). */
void buf_consume(struct buf *buf, size_t n);

/* Empties it and forgets a failure; the memory stays. */
void buf_clear(struct buf *buf);

/* 0, or -1 with ERR_TOO_LARGE or ERR_NO_MEMORY when an append failed. */
int buf_check(const struct buf *buf, struct err *err);

/* The content as a string, "" when empty; valid until the next change. */
const char *buf_str(const struct buf *buf);

/* Hands the memory to the caller (free it); NULL when failed. Never NULL for
 * an empty buffer that did not fail. The buffer is empty afterwards. */
char *buf_steal(struct buf *buf);

/* Frees; legal on a zeroed and on an already freed buffer. */
void buf_free(struct buf *buf);

#endif
