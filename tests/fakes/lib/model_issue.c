/* SPDX-License-Identifier: Apache-2.0
 * Reads an issue out of a prompt: its title, its description, its files. */
#include "tests/fakes/lib/model_issue.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { CONTENT_MAX = 256 * 1024 };

struct line {
    const char *text;
    size_t len;
};

/* The next line of *at, without its end; false at the end of the text. */
static bool
next_line(const char **at, struct line *out)
{
    if (**at == '\0')
        return false;
    out->text = *at;
    out->len = strcspn(*at, "\n");
    *at += out->len;
    if (**at == '\n')
        (*at)++;
    if (out->len > 0 && out->text[out->len - 1] == '\r')
        out->len--;
    return true;
}

/* What follows "label" at the start of a line, trimmed. */
static bool
labelled(const struct line *line, const char *label, struct line *out)
{
    size_t len = strlen(label);
    if (line->len < len || strncasecmp(line->text, label, len) != 0)
        return false;
    out->text = line->text + len;
    out->len = line->len - len;
    while (out->len > 0 && strchr(" \t`*", *out->text) != NULL) {
        out->text++;
        out->len--;
    }
    while (out->len > 0 && strchr(" \t`*", out->text[out->len - 1]) != NULL)
        out->len--;
    return true;
}

static bool
is_fence(const struct line *line)
{
    return line->len >= 3 && strncmp(line->text, "```", 3) == 0;
}

/* A name that stays within the folder, and that a patch can carry. */
static bool
is_safe_name(const struct line *name)
{
    if (name->len == 0 || name->len >= ISSUE_NAME_MAX || *name->text == '/' ||
        memmem(name->text, name->len, "..", 2) != NULL ||
        strncmp(name->text, ".git", 4) == 0)
        return false;
    for (size_t i = 0; i < name->len; i++)
        if ((unsigned char)name->text[i] < ' ' || name->text[i] == '\'')
            return false;
    return true;
}

static struct model_file *
add_file(struct model_issue *issue, const char *name, size_t len)
{
    if (issue->file_count == ISSUE_FILES_MAX)
        return NULL;
    struct model_file *file = &issue->files[issue->file_count++];
    memcpy(file->name, name, len);
    file->name[len] = '\0';
    buf_init(&file->content, CONTENT_MAX);
    return file;
}

/* The lines up to the closing fence. */
static void
read_block(const char **at, struct buf *out)
{
    struct line line;
    while (next_line(at, &line) && !is_fence(&line)) {
        buf_append(out, line.text, line.len);
        buf_putc(out, '\n');
    }
}

static void
read_files(struct model_issue *issue, const char *prompt)
{
    struct model_file *current = NULL;
    struct line line;
    struct line name;
    for (const char *at = prompt; next_line(&at, &line);) {
        if (labelled(&line, "file:", &name) && is_safe_name(&name)) {
            current = add_file(issue, name.text, name.len);
        } else if (is_fence(&line) && current != NULL) {
            read_block(&at, &current->content);
            current = NULL;
        } else if (is_fence(&line) && issue->file_count == 0) {
            current = add_file(issue, "REHEARSAL.txt", 13);
            read_block(&at, &current->content);
            current = NULL;
        }
    }
}

/* The prompts of ours have "Title:" and "Description:" lines; in any other
 * the first line is the title and all of it the description. */
static void
read_words(struct model_issue *issue, const char *prompt, struct line *body)
{
    struct line line;
    struct line value;
    struct line title = {"", 0};
    *body = (struct line){prompt, strlen(prompt)};
    for (const char *at = prompt; next_line(&at, &line);) {
        if (title.len == 0)
            title = line;
        if (labelled(&line, "Title:", &value) && value.len > 0)
            title = value;
        if (!labelled(&line, "Description:", &value))
            continue;
        const char *end = strstr(at, "\n\nHow to work:");
        body->text = at;
        body->len = end != NULL ? (size_t)(end - at) : strlen(at);
        break;
    }
    size_t len =
        title.len < sizeof(issue->title) ? title.len : sizeof(issue->title) - 1;
    memcpy(issue->title, title.text, len);
    issue->title[len] = '\0';
}

int
model_issue_read(struct model_issue *out, const char *prompt, struct err *err)
{
    struct line body;
    *out = (struct model_issue){.file_count = 0};
    read_words(out, prompt, &body);
    read_files(out, prompt);
    if (out->file_count == 0)
        (void)add_file(out, "REHEARSAL.md", 12);
    for (size_t i = 0; i < out->file_count; i++) {
        struct buf *content = &out->files[i].content;
        if (content->len == 0) {
            buf_printf(content, "# %s\n\n", out->title);
            buf_append(content, body.text, body.len);
            buf_putc(content, '\n');
        }
        if (buf_check(content, err) != 0) {
            model_issue_release(out);
            return -1;
        }
    }
    return 0;
}

void
model_issue_release(struct model_issue *issue)
{
    for (size_t i = 0; i < issue->file_count; i++)
        buf_free(&issue->files[i].content);
    issue->file_count = 0;
}
