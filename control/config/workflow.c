/* SPDX-License-Identifier: Apache-2.0
 * Splits WORKFLOW.md into its configuration and its prompt (Symphony
 * specification 5.2). */
#include "control/config/workflow.h"

#include "common/cleanup.h"
#include "common/file.h"

#include <string.h>

struct span {
    const char *data;
    size_t len;
};

/* Takes the next line off text; *out has no line end. false at the end. */
static bool
next_line(struct span *text, struct span *out)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->len);
    size_t used = end != NULL ? (size_t)(end - text->data) + 1 : text->len;
    *out = (struct span){text->data, end != NULL ? used - 1 : used};
    if (out->len > 0 && out->data[out->len - 1] == '\r')
        out->len--;
    text->data += used;
    text->len -= used;
    return true;
}

/* "---", with blanks behind it at most. */
static bool
is_fence(struct span line)
{
    while (line.len > 0 &&
           (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\t'))
        line.len--;
    return line.len == 3 && memcmp(line.data, "---", 3) == 0;
}

/* Moves the front matter out of *text. 1: there is one; 0: none; -1: error. */
static int
split(struct span *text, struct span *front, const char *file, struct err *err)
{
    struct span rest = *text;
    struct span line;
    if (!next_line(&rest, &line) || !is_fence(line))
        return 0;
    front->data = rest.data;
    for (;;) {
        const char *start = rest.data;
        if (!next_line(&rest, &line))
            return err_set(err, ERR_CONFIG,
                "workflow_parse_error: %s:1: the front matter that begins "
                "here has no closing --- line",
                file);
        if (!is_fence(line))
            continue;
        front->len = (size_t)(start - front->data);
        *text = rest;
        return 1;
    }
}

static char *
trimmed(struct span text)
{
    static const char blanks[] = " \t\r\n";
    while (text.len > 0 && strchr(blanks, text.data[0]) != NULL) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && strchr(blanks, text.data[text.len - 1]) != NULL)
        text.len--;
    return strndup(text.data, text.len);
}

static int
read_front(
    struct span front, const char *file, struct workflow *out, struct err *err)
{
    if (ytree_read(front.data, front.len, file, 2, &out->config, err) != 0)
        return err_wrap(err, "workflow_parse_error");
    if (out->config != NULL && out->config->kind != YTREE_MAP)
        return err_set(err, ERR_CONFIG,
            "workflow_front_matter_not_a_map: %s:%d: the front matter must be "
            "a map of keys and values",
            file, out->config->line);
    return 0;
}

int
workflow_parse(const char *text, size_t len, const char *file,
    struct workflow *out, struct err *err)
{
    *out = (struct workflow){0};
    struct span body = {text, len};
    struct span front = {text, 0};
    if (len > YTREE_BYTES_MAX)
        return err_set(err, ERR_CONFIG,
            "workflow_parse_error: %s: larger than %d bytes", file,
            YTREE_BYTES_MAX);
    if (memchr(text, '\0', len) != NULL)
        return err_set(err, ERR_CONFIG,
            "workflow_parse_error: %s: contains a NUL byte", file);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        body.data += 3;
        body.len -= 3;
    }
    int found = split(&body, &front, file, err);
    if (found < 0 || (found && read_front(front, file, out, err) != 0)) {
        workflow_release(out);
        return -1;
    }
    out->prompt = trimmed(body);
    if (out->prompt == NULL) {
        workflow_release(out);
        return err_no_memory(err);
    }
    return 0;
}

int
workflow_read(const char *path, struct workflow *out, struct err *err)
{
    *out = (struct workflow){0};
    AUTO(buf_free) struct buf text = {0};
    buf_init(&text, YTREE_BYTES_MAX);
    if (file_read(path, &text, err) != 0) {
        if (err->code == ERR_NOT_FOUND)
            return err_set(err, ERR_CONFIG,
                "missing_workflow_file: %s does not exist", path);
        if (err->code == ERR_TOO_LARGE)
            return err_set(err, ERR_CONFIG,
                "workflow_parse_error: %s: larger than %d bytes", path,
                YTREE_BYTES_MAX);
        return err_wrap(err, "workflow_parse_error");
    }
    return workflow_parse(buf_str(&text), text.len, path, out, err);
}

void
workflow_release(struct workflow *workflow)
{
    ytree_free(workflow->config);
    free(workflow->prompt);
    *workflow = (struct workflow){0};
}
