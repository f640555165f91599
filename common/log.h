/* SPDX-License-Identifier: Apache-2.0
 * Structured log lines on stderr: logfmt, or JSON with
 * RISOLUTO_LOG_FORMAT=json. Libraries return errors; main, the dispatchers
 * and the HTTP layer log them, once. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/err.h"

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* What a line concerns; any member may be NULL. Written on every line. */
struct log_ctx {
    const char *issue_id;
    const char *issue_identifier;
    const char *attempt_id;
    const char *session_id;
};

struct log_kv {
    const char *key; /* NULL ends the list */
    const char *text;
    int64_t number;
    int is_number;
};

#define LOG_S(key_, text_)                                                     \
    (struct log_kv)                                                            \
    {                                                                          \
        .key = (key_), .text = (text_)                                         \
    }
#define LOG_I(key_, number_)                                                   \
    (struct log_kv)                                                            \
    {                                                                          \
        .key = (key_), .number = (number_), .is_number = 1                     \
    }
#define LOG_END_                                                               \
    (struct log_kv)                                                            \
    {                                                                          \
        .key = NULL                                                            \
    }

/* Reads RISOLUTO_LOG_FORMAT (logfmt|json) and LOG_LEVEL (error|warn|info|
 * debug); an unknown value is an error. process names the program. */
int log_init(const char *process, struct err *err);

/* The level below which nothing is written. */
enum log_level log_threshold(void);

void log_write(enum log_level level, const struct log_ctx *ctx,
    const char *message, const struct log_kv *pairs);

/* log_info(ctx or NULL, "message", LOG_S("k", v), LOG_I("n", 3)); a line is
 * one write(2), at most 8 KiB, longer values are cut and marked. */
#define log_at_(level, ctx, ...) log_at2_(level, ctx, __VA_ARGS__, LOG_END_)
#define log_at2_(level, ctx, message, ...)                                     \
    log_write(level, ctx, message, (const struct log_kv[]){__VA_ARGS__})
#define log_error(ctx, ...) log_at_(LOG_ERROR, ctx, __VA_ARGS__)
#define log_warn(ctx, ...) log_at_(LOG_WARN, ctx, __VA_ARGS__)
#define log_info(ctx, ...) log_at_(LOG_INFO, ctx, __VA_ARGS__)
#define log_debug(ctx, ...) log_at_(LOG_DEBUG, ctx, __VA_ARGS__)

/* Logs an err with its code: log_failure(ctx, "poll failed", &err). */
void log_failure(
    const struct log_ctx *ctx, const char *message, const struct err *err);

#endif
