/* SPDX-License-Identifier: Apache-2.0
 * Bounded copies of Codex's items, and the verdict in an agent's message. */
#include "dataplane/codex/items.h"

#include "common/cleanup.h"
#include "common/utf8.h"

#include <string.h>

/* One try at a copy: how long a string and how long a list may be. */
struct limits {
    size_t string;
    size_t list;
    size_t depth;
};

static const struct limits tries[] = {
    {ITEM_TEXT_MAX, 512, 16},
    {8192, 128, 8},
    {1024, 32, 6},
    {256, 16, 2},
    {128, 12, 1},
};

static void
write_string(struct jw *w, const char *key, const char *text,
    const struct limits *limits)
{
    size_t len = strlen(text);
    jw_strn(w, key, text, utf8_cut(text, len, limits->string));
}

static void write_limited(struct jw *w, const char *key,
    const struct json *node, const struct limits *limits, size_t depth);

static void
write_members(struct jw *w, const struct json *node,
    const struct limits *limits, size_t depth)
{
    size_t written = 0;
    json_each (child, node) {
        if (written++ == limits->list)
            break;
        const char *key = json_key(child);
        if (depth == 0 && key != NULL && strcmp(key, "truncated") == 0)
            continue;
        write_limited(w, key, child, limits, depth + 1);
    }
}

static void
write_limited(struct jw *w, const char *key, const struct json *node,
    const struct limits *limits, size_t depth)
{
    enum json_type type = json_type(node);
    if (type == JSON_STRING) {
        write_string(w, key, json_str(node, ""), limits);
    } else if (type != JSON_OBJECT && type != JSON_ARRAY) {
        jw_node(w, key, node);
    } else if (depth >= limits->depth) {
        jw_null(w, key);
    } else if (type == JSON_ARRAY) {
        jw_arr(w, key);
        write_members(w, node, limits, depth);
        jw_end_arr(w);
    } else {
        jw_obj(w, key);
        write_members(w, node, limits, depth);
        if (depth == 0)
            jw_bool(w, "truncated", true);
        jw_end_obj(w);
    }
}

int
item_write(struct jw *w, const char *key, const struct json *node,
    size_t max_bytes, struct err *err)
{
    if (node == NULL) {
        jw_null(w, key);
        return 0;
    }
    AUTO(buf_free) struct buf copy = {.max = max_bytes};
    struct jw inner;
    jw_init(&inner, &copy);
    jw_node(&inner, NULL, node);
    for (size_t i = 0; copy.failed && i < ARRAY_LEN(tries); i++) {
        /* Not the size but the memory: no smaller copy will help. */
        if (buf_check(&copy, err) != 0 && err->code == ERR_NO_MEMORY)
            return -1;
        err_clear(err);
        buf_clear(&copy);
        jw_init(&inner, &copy);
        write_limited(&inner, NULL, node, &tries[i], 0);
    }
    jw_raw(w, key, copy.failed ? "{\"truncated\":true}" : buf_str(&copy));
    return 0;
}

bool
item_write_text(struct jw *w, const char *key, const char *text)
{
    size_t len = strlen(text);
    size_t kept = utf8_cut(text, len, ITEM_TEXT_MAX);
    jw_strn(w, key, text, kept);
    return kept < len;
}

/* ---- the verdict ---- */

/* Models like to dress up a line that matters. */
static bool
is_dressing(char c)
{
    return strchr(" \t\r*_`>.", c) != NULL;
}

static bool
line_is(const char *line, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(line, word, len) == 0;
}

static enum item_verdict
line_verdict(const char *line, size_t len)
{
    static const char label[] = "RISOLUTO_STATUS:";
    size_t label_len = sizeof(label) - 1;
    if (len <= label_len || memcmp(line, label, label_len) != 0)
        return VERDICT_NONE;
    line += label_len;
    len -= label_len;
    while (len > 0 && is_dressing(*line)) {
        line++;
        len--;
    }
    if (line_is(line, len, "DONE"))
        return VERDICT_DONE;
    return line_is(line, len, "BLOCKED") ? VERDICT_BLOCKED : VERDICT_NONE;
}

enum item_verdict
item_verdict(const char *text, size_t *body_len)
{
    size_t end = strlen(text);
    *body_len = end;
    while (end > 0 && (is_dressing(text[end - 1]) || text[end - 1] == '\n'))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    size_t first = start;
    while (first < end && is_dressing(text[first]))
        first++;
    enum item_verdict verdict = line_verdict(text + first, end - first);
    if (verdict == VERDICT_NONE)
        return VERDICT_NONE;
    while (start > 0 && strchr(" \t\r\n", text[start - 1]) != NULL)
        start--;
    *body_len = start;
    return verdict;
}
