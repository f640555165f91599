/* SPDX-License-Identifier: Apache-2.0
 * Error values and the one table of error codes. */
#include "common/err.h"

#include "common/cleanup.h"
#include "common/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http;
    bool retry;
} codes[ERR_CODE_COUNT] = {

#define X(id, name, http, retry) [id] = {name, http, retry},
    ERR_CODES(X)
#undef X
};

/* Room for text that is cut only when it is stored. */
enum { SCRATCH_SIZE = 2 * ERR_MESSAGE_MAX };

static void
store(struct err *err, const char *text)
{
    size_t len =
        utf8_cut(text, strnlen(text, SCRATCH_SIZE), ERR_MESSAGE_MAX - 1);
    memcpy(err->message, text, len);
    err->message[len] = '\0';
}

int
err_set(struct err *err, enum err_code code, const char *format, ...)
{
    /* Not straight into err->message: it may be one of the arguments. */
    char text[SCRATCH_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    store(err, text);
    err->code = code;
    err->sys = 0;
    return -1;
}

static enum err_code
code_of_errno(int number)
{
    if (number == ENOSPC || number == EDQUOT)
        return ERR_DISK_FULL;
    return number == ENOMEM ? ERR_NO_MEMORY : ERR_SYSTEM;
}

int
err_sys(struct err *err, const char *format, ...)
{
    int number = errno;
    char text[SCRATCH_SIZE];
    char reason[128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)err_set(err, code_of_errno(number), "%s: %s", text,
        strerror_r(number, reason, sizeof(reason)));
    err->sys = number;
    return -1;
}

int
err_no_memory(struct err *err)
{
    (void)err_set(err, ERR_NO_MEMORY, "out of memory");
    err->sys = ENOMEM;
    return -1;
}

int
err_wrap(struct err *err, const char *format, ...)
{
    char context[ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(context, sizeof(context), format, args);
    va_end(args);
    char text[SCRATCH_SIZE + 2];
    (void)snprintf(text, sizeof(text), "%s: %s", context, err->message);
    store(err, text);
    if (err->code == ERR_NONE)
        err->code = ERR_INTERNAL;
    return -1;
}

void
err_clear(struct err *err)
{
    err->code = ERR_NONE;
    err->sys = 0;
    err->message[0] = '\0';
}

static bool
is_code(enum err_code code)
{
    return (unsigned)code < ERR_CODE_COUNT;
}

const char *
err_name(enum err_code code)
{
    return codes[is_code(code) ? code : ERR_INTERNAL].name;
}

enum err_code
err_from_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(codes); i++) {
        if (strcmp(codes[i].name, name) == 0)
            return (enum err_code)i;
    }
    return ERR_INTERNAL;
}

int
err_http_status(enum err_code code)
{
    return codes[is_code(code) ? code : ERR_INTERNAL].http;
}

bool
err_is_retryable(enum err_code code)
{
    return is_code(code) && codes[code].retry;
}
