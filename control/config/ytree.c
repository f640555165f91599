/* SPDX-License-Identifier: Apache-2.0
 * Turns libyaml's events into a bounded tree. Nothing of YAML that could make
 * a small file mean something large or surprising is let through. */
#include "control/config/ytree.h"

#include "common/cleanup.h"
#include "common/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    const char *file;
    int first_line;
    int nodes;
    struct err *err;
};

void
ytree_free(struct ytree *root)
{
    /* Depth is bounded by YTREE_DEPTH_MAX; siblings are walked in a loop. */
    while (root != NULL) {
        struct ytree *next = root->next;
        ytree_free(root->child);
        free(root->key);
        free(root->text);
        free(root);
        root = next;
    }
}

void
ytree_free_ptr(struct ytree **root)
{
    ytree_free(*root);
}

static int
line_of(const struct reader *reader, yaml_mark_t mark)
{
    return reader->first_line + (int)mark.line;
}

static int
refuse(const struct reader *reader, yaml_mark_t mark, const char *why)
{
    return err_set(reader->err, ERR_CONFIG, "%s:%d: %s", reader->file,
        line_of(reader, mark), why);
}

static int
next_event(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event))
        return 0;
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return err_no_memory(reader->err);
    /* An error in the bytes themselves has an offset and no mark. */
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_READER_ERROR)
        mark = parser->mark;
    return err_set(reader->err, ERR_CONFIG, "%s:%d: not valid YAML: %s",
        reader->file, line_of(reader, mark),
        parser->problem != NULL ? parser->problem : "unreadable");
}

/* The text of a scalar, free of NUL bytes; *failed tells a refusal. */
static char *
scalar_text(struct reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (memchr(value, '\0', len) != NULL) {
        (void)refuse(reader, event->start_mark, "a NUL byte in a string");
        return NULL;
    }
    char *text = strndup(value, len);
    if (text == NULL)
        (void)err_no_memory(reader->err);
    return text;
}

static bool
is_decorated(const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    return anchor != NULL || tag != NULL;
}

static struct ytree *read_node(
    struct reader *reader, const yaml_event_t *event, int depth);

static int
read_list(struct reader *reader, int depth, struct ytree *list)
{
    struct ytree **tail = &list->child;
    for (;;) {
        yaml_event_t event;
        if (next_event(reader, &event) != 0)
            return -1;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        struct ytree *child = read_node(reader, &event, depth);
        yaml_event_delete(&event);
        if (child == NULL)
            return -1;
        *tail = child;
        tail = &child->next;
    }
}

static int
check_key(struct reader *reader, const yaml_event_t *event, const char *key,
    const struct ytree *map)
{
    if (strcmp(key, "<<") == 0)
        return refuse(reader, event->start_mark,
            "merge keys are not supported; write the values out");
    int count = 0;
    for (const struct ytree *c = map->child; c != NULL; c = c->next, count++) {
        if (strcmp(c->key, key) != 0)
            continue;
        return err_set(reader->err, ERR_CONFIG,
            "%s:%d: duplicate key \"%.128s\"; it is on line %d already",
            reader->file, line_of(reader, event->start_mark), key, c->line);
    }
    if (count >= YTREE_KEYS_MAX)
        return refuse(reader, event->start_mark, "too many keys in one map");
    return 0;
}

/* The value that follows a key, with the key in it; NULL on error. */
static struct ytree *
read_member(struct reader *reader, const yaml_event_t *key_event, int depth,
    const struct ytree *map)
{
    if (key_event->type != YAML_SCALAR_EVENT || is_decorated(key_event)) {
        (void)refuse(
            reader, key_event->start_mark, "a key must be a plain string");
        return NULL;
    }
    AUTO_FREE char *key = scalar_text(reader, key_event);
    if (key == NULL || check_key(reader, key_event, key, map) != 0)
        return NULL;
    yaml_event_t event;
    if (next_event(reader, &event) != 0)
        return NULL;
    struct ytree *child = read_node(reader, &event, depth);
    yaml_event_delete(&event);
    if (child == NULL)
        return NULL;
    child->key = STEAL(key);
    child->line = line_of(reader, key_event->start_mark);
    return child;
}

static int
read_map(struct reader *reader, int depth, struct ytree *map)
{
    struct ytree **tail = &map->child;
    for (;;) {
        yaml_event_t event;
        if (next_event(reader, &event) != 0)
            return -1;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        struct ytree *child = read_member(reader, &event, depth, map);
        yaml_event_delete(&event);
        if (child == NULL)
            return -1;
        *tail = child;
        tail = &child->next;
    }
}

static int
check_node(struct reader *reader, const yaml_event_t *event, int depth)
{
    if (event->type == YAML_ALIAS_EVENT)
        return refuse(reader, event->start_mark,
            "aliases are not supported; write the value out");
    if (is_decorated(event))
        return refuse(reader, event->start_mark,
            "anchors and tags are not supported; quote a string that begins "
            "with & or !");
    if (depth >= YTREE_DEPTH_MAX)
        return refuse(reader, event->start_mark, "nested too deeply");
    if (++reader->nodes > YTREE_NODES_MAX)
        return refuse(reader, event->start_mark, "too many values");
    return 0;
}

static int
fill_node(struct reader *reader, const yaml_event_t *event, int depth,
    struct ytree *node)
{
    node->line = line_of(reader, event->start_mark);
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        node->kind = YTREE_LIST;
        return read_list(reader, depth + 1, node);
    }
    if (event->type == YAML_MAPPING_START_EVENT) {
        node->kind = YTREE_MAP;
        return read_map(reader, depth + 1, node);
    }
    node->kind = YTREE_SCALAR;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = scalar_text(reader, event);
    return node->text != NULL ? 0 : -1;
}

/* The node that begins with event; NULL on error. */
static struct ytree *
read_node(struct reader *reader, const yaml_event_t *event, int depth)
{
    if (check_node(reader, event, depth) != 0)
        return NULL;
    AUTO(ytree_free_ptr) struct ytree *node = calloc(1, sizeof(*node));
    if (node == NULL) {
        (void)err_no_memory(reader->err);
        return NULL;
    }
    if (fill_node(reader, event, depth, node) != 0)
        return NULL;
    return STEAL(node);
}

/* One document: what stands between its start and its end event. */
static int
read_stream(struct reader *reader, struct ytree **root)
{
    bool documents = false;
    for (;;) {
        yaml_event_t event;
        if (next_event(reader, &event) != 0)
            return -1;
        yaml_event_type_t type = event.type;
        int rc = 0;
        if (type == YAML_DOCUMENT_START_EVENT && documents)
            rc = refuse(reader, event.start_mark, "more than one document");
        else if (type == YAML_DOCUMENT_START_EVENT)
            documents = true;
        else if (type != YAML_STREAM_START_EVENT &&
                 type != YAML_STREAM_END_EVENT &&
                 type != YAML_DOCUMENT_END_EVENT)
            rc = (*root = read_node(reader, &event, 0)) != NULL ? 0 : -1;
        yaml_event_delete(&event);
        if (rc != 0 || type == YAML_STREAM_END_EVENT)
            return rc;
    }
}

int
ytree_read(const char *text, size_t len, const char *file, int line,
    struct ytree **out, struct err *err)
{
    *out = NULL;
    struct reader reader = {.file = file, .first_line = line, .err = err};
    if (len > YTREE_BYTES_MAX)
        return err_set(
            err, ERR_CONFIG, "%s: larger than %d bytes", file, YTREE_BYTES_MAX);
    if (memchr(text, '\0', len) != NULL)
        return err_set(err, ERR_CONFIG, "%s: contains a NUL byte", file);
    if (!yaml_parser_initialize(&reader.parser))
        return err_no_memory(err);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(
        &reader.parser, (const unsigned char *)text, len);
    AUTO(ytree_free_ptr) struct ytree *root = NULL;
    int rc = read_stream(&reader, &root);
    yaml_parser_delete(&reader.parser);
    if (rc != 0)
        return -1;
    if (root != NULL && !ytree_is_null(root))
        *out = STEAL(root);
    return 0;
}

/* ---- what a node means ---- */

bool
ytree_is_null(const struct ytree *node)
{
    if (node->kind != YTREE_SCALAR || !node->plain)
        return false;
    return node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
           strcmp(node->text, "null") == 0;
}

static bool
map_equal(const struct ytree *a, const struct ytree *b)
{
    size_t count = 0;
    for (const struct ytree *x = a->child; x != NULL; x = x->next, count++) {
        const struct ytree *y = b->child;
        while (y != NULL && strcmp(x->key, y->key) != 0)
            y = y->next;
        if (y == NULL || !ytree_equal(x, y))
            return false;
    }
    for (const struct ytree *y = b->child; y != NULL; y = y->next)
        count--;
    return count == 0;
}

bool
ytree_equal(const struct ytree *a, const struct ytree *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == YTREE_SCALAR)
        return a->plain == b->plain && strcmp(a->text, b->text) == 0;
    if (a->kind == YTREE_MAP)
        return map_equal(a, b);
    const struct ytree *x = a->child;
    const struct ytree *y = b->child;
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        if (!ytree_equal(x, y))
            return false;
    }
    return x == NULL && y == NULL;
}

/* Is text a number in JSON's own notation? YAML's other notations (octal,
 * hexadecimal, .inf) stay strings: no key of ours wants them. */
static bool
is_json_number(const char *text)
{
    const char *p = text + (*text == '-');
    if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
        return false;
    p += strspn(p, "0123456789");
    if (*p == '.') {
        size_t digits = strspn(p + 1, "0123456789");
        if (digits == 0)
            return false;
        p += 1 + digits;
    }
    if (*p == 'e' || *p == 'E') {
        p += (p[1] == '+' || p[1] == '-') ? 2 : 1;
        size_t digits = strspn(p, "0123456789");
        if (digits == 0)
            return false;
        p += digits;
    }
    return *p == '\0' && isfinite(strtod(text, NULL));
}

static void
write_node(const struct ytree *node, struct jw *w, const char *key)
{
    if (node->kind == YTREE_MAP) {
        jw_obj(w, key);
        for (const struct ytree *c = node->child; c != NULL; c = c->next)
            write_node(c, w, c->key);
        jw_end_obj(w);
    } else if (node->kind == YTREE_LIST) {
        jw_arr(w, key);
        for (const struct ytree *c = node->child; c != NULL; c = c->next)
            write_node(c, w, NULL);
        jw_end_arr(w);
    } else if (ytree_is_null(node)) {
        jw_null(w, key);
    } else if (node->plain && strcmp(node->text, "true") == 0) {
        jw_bool(w, key, true);
    } else if (node->plain && strcmp(node->text, "false") == 0) {
        jw_bool(w, key, false);
    } else if (node->plain && is_json_number(node->text)) {
        jw_raw(w, key, node->text);
    } else {
        jw_str(w, key, node->text);
    }
}

void
ytree_to_json(const struct ytree *node, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    write_node(node, &w, NULL);
}
