/* SPDX-License-Identifier: Apache-2.0
 * The growable, bounded buffer. */
#include "common/buf.h"

#include "common/secret.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

void
buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max < SIZE_MAX ? max : SIZE_MAX - 1};
}

void
buf_init_secret(struct buf *buf, size_t max)
{
    buf_init(buf, max);
    buf->secret = true;
}

/* Gives memory back; cap bytes of it may hold secrets. */
static void
release(const struct buf *buf)
{
    if (buf->secret && buf->data != NULL)
        secret_wipe(buf->data, buf->cap);
    free(buf->data);
}

static bool
fail(struct buf *buf, bool no_memory)
{
    buf->failed = true;
    buf->no_memory = no_memory;
    return false;
}

/* Room for extra more bytes and the NUL, or false and `failed`. */
static bool
reserve(struct buf *buf, size_t extra)
{
    if (buf->failed)
        return false;
    if (extra > buf->max - buf->len)
        return fail(buf, false);
    size_t need = buf->len + extra + 1;
    if (need <= buf->cap)
        return true;
    size_t cap = buf->cap < FIRST_CAP ? FIRST_CAP : buf->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > buf->max + 1)
        cap = buf->max + 1;
    /* No realloc for secrets: it would leave the old copy unwiped. */
    char *data = buf->secret ? malloc(cap) : realloc(buf->data, cap);
    if (data == NULL)
        return fail(buf, true);
    if (buf->secret) {
        if (buf->len > 0)
            memcpy(data, buf->data, buf->len);
        release(buf);
    }
    buf->data = data;
    buf->cap = cap;
    buf->data[buf->len] = '\0';
    return true;
}

void
buf_append(struct buf *buf, const void *data, size_t len)
{
    if (len == 0 || !reserve(buf, len))
        return;
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void
buf_puts(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void
buf_putc(struct buf *buf, char byte)
{
    buf_append(buf, &byte, 1);
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) {
        (void)fail(buf, true);
        return;
    }
    if (len == 0 || !reserve(buf, (size_t)len))
        return;
    va_start(args, format);
    (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
}

void
buf_consume(struct buf *buf, size_t n)
{
    if (n == 0 || buf->data == NULL)
        return;
    size_t rest = buf->len - n;
    memmove(buf->data, buf->data + n, rest);
    if (buf->secret)
        secret_wipe(buf->data + rest, n);
    buf->len = rest;
    buf->data[rest] = '\0';
}

void
buf_clear(struct buf *buf)
{
    if (buf->secret && buf->data != NULL)
        secret_wipe(buf->data, buf->cap);
    buf->len = 0;
    buf->failed = false;
    buf->no_memory = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

int
buf_check(const struct buf *buf, struct err *err)
{
    if (!buf->failed)
        return 0;
    if (buf->no_memory)
        return err_no_memory(err);
    return err_set(
        err, ERR_TOO_LARGE, "larger than the limit of %zu bytes", buf->max);
}

const char *
buf_str(const struct buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

char *
buf_steal(struct buf *buf)
{
    char *data = NULL;
    if (!buf->failed)
        data = buf->data != NULL ? buf->data : calloc(1, 1);
    if (data != buf->data)
        release(buf);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
    return data;
}

void
buf_free(struct buf *buf)
{
    release(buf);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
    buf->failed = false;
    buf->no_memory = false;
}
