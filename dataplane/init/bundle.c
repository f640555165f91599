/* SPDX-License-Identifier: Apache-2.0
 * The bundle's parser: strict, in place, without allocation. */
#include "dataplane/init/bundle.h"

#include <stdbool.h>
#include <string.h>

struct cursor {
    char *at;
    char *end;
    const char *why;
};

static int
fail(struct cursor *in, const char *why)
{
    in->why = why;
    return -1;
}

/* A number of at most 8 digits without leading zeros, and the byte after it. */
static int
take_number(struct cursor *in, unsigned base, char after, size_t *out)
{
    char *start = in->at;
    size_t value = 0;

    while (in->at < in->end && *in->at >= '0' && *in->at < '0' + (int)base &&
           in->at - start < 8)
        value = value * base + (size_t)(*in->at++ - '0');
    if (in->at == start || (*start == '0' && in->at - start > 1 && base == 10))
        return fail(in, "a number is missing or malformed");
    if (in->at == in->end || *in->at != after)
        return fail(in, "a number is not followed as it should be");
    in->at++;
    *out = value;
    return 0;
}

/* len bytes and a newline. */
static int
take_bytes(struct cursor *in, size_t len, char **out)
{
    if (len >= (size_t)(in->end - in->at))
        return fail(in, "a length goes beyond the bundle");
    if (in->at[len] != '\n')
        return fail(in, "no newline after content");
    *out = in->at;
    in->at += len + 1;
    return 0;
}

static bool
is_path(const char *path, size_t len)
{
    size_t part = 0; /* where the current part starts */

    if (len == 0 || len > BUNDLE_PATH_MAX)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && path[i] != '/') {
            if ((unsigned char)path[i] < ' ' || path[i] == 0x7f)
                return false;
            continue;
        }
        if (i == part || (i - part == 1 && path[part] == '.') ||
            (i - part == 2 && path[part] == '.' && path[part + 1] == '.'))
            return false;
        part = i + 1;
    }
    return true;
}

static int
take_file(struct cursor *in, struct bundle *out)
{
    struct bundle_file *file = &out->files[out->file_count];
    size_t mode = 0;
    size_t path_len = 0;
    char *lf = NULL;
    char *data = NULL;

    if (out->file_count == BUNDLE_FILES_MAX)
        return fail(in, "too many files");
    if (take_number(in, 8, ' ', &mode) != 0 ||
        take_number(in, 10, ' ', &file->len) != 0)
        return -1;
    if (mode > 0777)
        return fail(in, "a file's mode is above 0777");
    lf = memchr(in->at, '\n', (size_t)(in->end - in->at));
    if (lf == NULL)
        return fail(in, "a file's path does not end");
    path_len = (size_t)(lf - in->at);
    if (!is_path(in->at, path_len))
        return fail(in, "a file's path is not a plain relative path");
    memcpy(file->path, in->at, path_len);
    file->path[path_len] = '\0';
    file->mode = (unsigned)mode;
    in->at = lf + 1;
    if (take_bytes(in, file->len, &data) != 0)
        return -1;
    file->data = data;
    out->file_count++;
    return 0;
}

/* argc arguments, each made a string by a NUL in the newline's place. */
static int
take_arguments(struct cursor *in, size_t argc, struct bundle_command *out)
{
    if (argc == 0 || argc > BUNDLE_ARGS_MAX)
        return fail(in, "a command with no or too many arguments");
    for (size_t i = 0; i < argc; i++) {
        size_t len = 0;
        char *text = NULL;

        if (take_number(in, 10, '\n', &len) != 0 ||
            take_bytes(in, len, &text) != 0)
            return -1;
        if (memchr(text, '\0', len) != NULL)
            return fail(in, "a NUL in an argument");
        text[len] = '\0';
        out->argv[i] = text;
    }
    if (out->argv[0][0] == '\0')
        return fail(in, "a command without a name");
    out->argc = argc;
    return 0;
}

static int
take_preflight(struct cursor *in, struct bundle *out)
{
    size_t argc = 0;
    size_t timeout_ms = 0;

    if (out->preflight.argc != 0)
        return fail(in, "two preflight commands");
    if (take_number(in, 10, ' ', &argc) != 0 ||
        take_number(in, 10, '\n', &timeout_ms) != 0)
        return -1;
    if (timeout_ms == 0)
        return fail(in, "a preflight without a time-out");
    out->preflight.timeout_ms = (long)timeout_ms;
    return take_arguments(in, argc, &out->preflight);
}

static int
take_command(struct cursor *in, struct bundle *out)
{
    size_t argc = 0;

    if (take_number(in, 10, '\n', &argc) != 0 ||
        take_arguments(in, argc, &out->command) != 0)
        return -1;
    if (in->at != in->end)
        return fail(in, "something after the command");
    return 0;
}

static int
take_section(struct cursor *in, struct bundle *out)
{
    char *kind = in->at;

    if (in->end - in->at < 2 || in->at[1] != ' ')
        return fail(in, "no section where one should begin");
    in->at += 2;
    if (*kind == 'F' && out->preflight.argc == 0)
        return take_file(in, out);
    if (*kind == 'P')
        return take_preflight(in, out);
    if (*kind == 'X')
        return take_command(in, out);
    return fail(in, "a section that is unknown or out of order");
}

int
bundle_parse(char *bytes, size_t len, struct bundle *out, const char **why)
{
    struct cursor in = {.at = bytes, .end = bytes + len};

    memset(out, 0, sizeof(*out));
    while (out->command.argc == 0) {
        if (take_section(&in, out) != 0) {
            *why = in.why;
            return -1;
        }
    }
    return 0;
}
