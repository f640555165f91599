/* SPDX-License-Identifier: Apache-2.0
 * Log lines: built in one fixed buffer, written with one write(2). */
#include "common/log.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 8192,
    VALUE_MAX = 3072,
    TAIL = 32 /* room kept for the truncation mark and the end of the line */
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static struct {
    const char *process;
    enum log_level threshold;
    bool json;
} settings = {.process = "risoluto", .threshold = LOG_INFO};

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
    bool truncated;
};

static int
read_level(struct err *err)
{
    const char *text = getenv("LOG_LEVEL");
    if (text == NULL || text[0] == '\0')
        return LOG_INFO;
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0)
            return (int)i;
    }
    return err_set(err, ERR_CONFIG,
        "LOG_LEVEL is \"%s\": use error, warn, info or debug", text);
}

int
log_init(const char *process, struct err *err)
{
    const char *format = getenv("RISOLUTO_LOG_FORMAT");
    bool json = format != NULL && strcmp(format, "json") == 0;
    if (!json && format != NULL && format[0] != '\0' &&
        strcmp(format, "logfmt") != 0)
        return err_set(err, ERR_CONFIG,
            "RISOLUTO_LOG_FORMAT is \"%s\": use logfmt or json", format);
    int level = read_level(err);
    if (level < 0)
        return -1;
    settings.process = process;
    settings.threshold = (enum log_level)level;
    settings.json = json;
    return 0;
}

enum log_level
log_threshold(void)
{
    return settings.threshold;
}

static void
put(struct line *line, const char *text, size_t len)
{
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

/* How one character is written inside quotes. Returns the input bytes used.
 * Both formats escape alike, so a value cannot forge a line or a field. */
static size_t
escape(const char *text, size_t left, char out[8])
{
    static const char *const digits = "0123456789abcdef";
    unsigned char byte = (unsigned char)text[0];
    if (byte == '"' || byte == '\\') {
        (void)snprintf(out, 8, "\\%c", byte);
    } else if (byte == '\n') {
        memcpy(out, "\\n", 3);
    } else if (byte == '\t') {
        memcpy(out, "\\t", 3);
    } else if (byte < 0x20 || byte == 0x7F) {
        memcpy(out, "\\u00", 4);
        out[4] = digits[byte >> 4];
        out[5] = digits[byte & 15];
        out[6] = '\0';
    } else {
        size_t step = utf8_char_len(text, left);
        if (step == 0) {
            memcpy(out, UTF8_REPLACEMENT, 4);
            return 1;
        }
        memcpy(out, text, step);
        out[step] = '\0';
        return step;
    }
    return 1;
}

static bool
needs_quotes(const char *text)
{
    if (text[0] == '\0')
        return true;
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte <= ' ' || byte == '=' || byte == '"' || byte == '\\' ||
            byte >= 0x7F)
            return true;
    }
    return false;
}

/* The value, cut and marked with an ellipsis when it is too long. */
static void
put_value(struct line *line, const char *text)
{
    bool quoted = settings.json || needs_quotes(text);
    if (quoted)
        put(line, "\"", 1);
    size_t end = line->len + VALUE_MAX;
    if (end > LINE_MAX_BYTES - TAIL)
        end = LINE_MAX_BYTES - TAIL;
    size_t left = strlen(text);
    while (left > 0) {
        char piece[8];
        size_t used = escape(text, left, piece);
        if (line->len + strlen(piece) + 4 > end) {
            put(line, "\xE2\x80\xA6", 3);
            break;
        }
        put(line, piece, strlen(piece));
        text += used;
        left -= used;
    }
    if (quoted)
        put(line, "\"", 1);
}

/* The separator and `key=` or `"key":`; false when the line is full. */
static bool
put_key(struct line *line, const char *key)
{
    size_t len = strlen(key);
    /* Beyond this there is no room for a value worth reading. */
    if (len > 128 || line->len + len + 64 > LINE_MAX_BYTES - TAIL) {
        line->truncated = true;
        return false;
    }
    if (line->len > (settings.json ? 1U : 0U))
        put(line, settings.json ? "," : " ", 1);
    if (settings.json)
        put(line, "\"", 1);
    put(line, key, len);
    put(line, settings.json ? "\":" : "=", settings.json ? 2 : 1);
    return true;
}

static void
put_text(struct line *line, const char *key, const char *text)
{
    if (text != NULL && put_key(line, key))
        put_value(line, text);
}

static void
put_pair(struct line *line, const struct log_kv *pair)
{
    if (!pair->is_number) {
        put_text(line, pair->key, pair->text);
        return;
    }
    char number[24];
    int len = snprintf(number, sizeof(number), "%" PRId64, pair->number);
    if (put_key(line, pair->key))
        put(line, number, (size_t)len);
}

static void
put_context(struct line *line, const struct log_ctx *ctx)
{
    put_text(line, "issue_id", ctx->issue_id);
    put_text(line, "issue_identifier", ctx->issue_identifier);
    put_text(line, "attempt_id", ctx->attempt_id);
    put_text(line, "session_id", ctx->session_id);
}

static void
put_end(struct line *line)
{
    if (line->truncated && settings.json)
        put(line, ",\"truncated\":true", 17);
    else if (line->truncated)
        put(line, " truncated=true", 15);
    if (settings.json)
        put(line, "}", 1);
    put(line, "\n", 1);
}

void
log_write(enum log_level level, const struct log_ctx *ctx, const char *message,
    const struct log_kv *pairs)
{
    if (level > settings.threshold)
        return;
    int saved_errno = errno;
    char stamp[CLOCK_ISO_SIZE];
    struct line line;
    line.len = 0;
    line.truncated = false;
    if (settings.json)
        put(&line, "{", 1);
    put_text(&line, "ts", clock_iso(clock_wall_ms(), stamp));
    put_text(&line, "level", level_names[level]);
    put_text(&line, "process", settings.process);
    put_text(&line, "msg", message);
    if (ctx != NULL)
        put_context(&line, ctx);
    for (; pairs != NULL && pairs->key != NULL; pairs++)
        put_pair(&line, pairs);
    put_end(&line);
    ssize_t done;
    do {
        done = write(STDERR_FILENO, line.text, line.len);
    } while (done < 0 && errno == EINTR);
    errno = saved_errno;
}

void
log_failure(
    const struct log_ctx *ctx, const char *message, const struct err *err)
{
    log_error(ctx, message, LOG_S("code", err_name(err->code)),
        LOG_S("error", err->message));
}
