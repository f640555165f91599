/* SPDX-License-Identifier: Apache-2.0
 * Renders a prompt template: walks its tree over the variables, within bounds
 * of text, loops and work. */
#include "control/config/template.h"

#include "common/cleanup.h"
#include "common/cli.h"
#include "control/config/template_ast.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 64, WORK_UNIT = 256 };

/* The variables of a `for`: the item, and forloop. */
struct scope {
    struct span name;
    struct value item;
    struct loop loop;
    const struct scope *outer;
};

struct render {
    const struct json *root;
    const struct scope *scope; /* the innermost one; NULL outside of loops */
    struct template_arena *arena;
    struct buf *out;
    int64_t iterations;
    int64_t work;
    struct err *err;
};

static bool
span_is(struct span span, const char *text)
{
    return strlen(text) == span.len && memcmp(text, span.data, span.len) == 0;
}

static int
spend(struct render *render, const struct value *value)
{
    size_t size = value->kind == VALUE_STRING ? value->text.len
                  : value->kind == VALUE_NODE
                      ? json_len(value->node) * WORK_UNIT
                      : 0;
    render->work += 1 + (int64_t)(size / WORK_UNIT);
    if (render->work > TEMPLATE_WORK_MAX)
        return err_set(render->err, ERR_CONFIG, "does too much work");
    return 0;
}

/* ---- variables ---- */

/* The member of an object whose name is a span. */
static const struct json *
member_of(const struct json *object, struct span name)
{
    json_each (child, object) {
        if (json_key(child) != NULL && span_is(name, json_key(child)))
            return child;
    }
    return NULL;
}

static int
unknown_variable(const struct render *render, const struct operand *operand,
    const struct json *object, struct span name)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    char word[64];
    json_each (child, object) {
        if (count < NAMES_MAX && json_key(child) != NULL)
            names[count++] = json_key(child);
    }
    (void)snprintf(word, sizeof(word), "%.*s", (int)name.len, name.data);
    const char *near = cli_nearest(word, names, count);
    return err_set(render->err, ERR_CONFIG, "unknown variable \"%.*s\"%s%s%s",
        (int)(operand->text.len < 128 ? operand->text.len : 128),
        operand->text.data, near != NULL ? "; did you mean \"" : "",
        near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static bool
loop_member(const struct loop *loop, struct span name, struct value *out)
{
    if (span_is(name, "index"))
        *out = template_value_number((double)loop->index + 1);
    else if (span_is(name, "index0"))
        *out = template_value_number((double)loop->index);
    else if (span_is(name, "rindex"))
        *out = template_value_number((double)(loop->length - loop->index));
    else if (span_is(name, "rindex0"))
        *out = template_value_number((double)(loop->length - loop->index - 1));
    else if (span_is(name, "length"))
        *out = template_value_number((double)loop->length);
    else if (span_is(name, "first"))
        *out = (struct value){.kind = VALUE_BOOL, .flag = loop->index == 0};
    else if (span_is(name, "last"))
        *out = (struct value){
            .kind = VALUE_BOOL, .flag = loop->index + 1 == loop->length};
    else
        return false;
    return true;
}

/* size, first and last, which lists and strings have without a filter. */
static bool
implied_member(struct render *render, const struct value *value,
    struct span name, struct value *out)
{
    bool list =
        value->kind == VALUE_NODE && json_type(value->node) == JSON_ARRAY;
    bool size = span_is(name, "size");
    if (!size && !(list && (span_is(name, "first") || span_is(name, "last"))))
        return false;
    if (!list && value->kind != VALUE_STRING && value->kind != VALUE_NODE)
        return false;
    struct filter_input input = {
        .value = *value, .arena = render->arena, .err = render->err};
    const struct filter *filter = template_filter_find(name);
    return filter != NULL && filter->apply(&input, out) == 0;
}

static int
step_by_name(struct render *render, const struct operand *operand,
    struct span name, struct value *value)
{
    const struct json *object =
        value->kind == VALUE_NODE && json_type(value->node) == JSON_OBJECT
            ? value->node
            : NULL;
    const struct json *member = object != NULL ? member_of(object, name) : NULL;
    struct value result;
    if (member != NULL)
        result = template_value_of(member);
    else if (value->kind == VALUE_LOOP
                 ? !loop_member(value->loop, name, &result)
                 : !implied_member(render, value, name, &result))
        return unknown_variable(render, operand, object, name);
    *value = result;
    return 0;
}

/* A place in a list; beyond its ends there is nothing. */
static int
step_by_number(struct render *render, double number, struct value *value)
{
    if (value->kind != VALUE_NODE || json_type(value->node) != JSON_ARRAY)
        return err_set(render->err, ERR_CONFIG, "%s has no places by number",
            template_value_kind(value));
    double length = (double)json_len(value->node);
    double wanted = number < 0 ? number + length : number;
    const struct json *found = NULL;
    if (wanted >= 0 && wanted < length) {
        found = json_first(value->node);
        for (size_t left = (size_t)wanted; left > 0; left--)
            found = json_next(found);
    }
    *value = template_value_of(found);
    return 0;
}

static int evaluate(
    struct render *render, const struct operand *operand, struct value *out);

static int
take_step(struct render *render, const struct operand *operand,
    const struct step *step, struct value *value)
{
    struct value key = template_value_string(step->name.data, step->name.len);
    if (spend(render, value) != 0)
        return -1;
    if (step->key != NULL && evaluate(render, step->key, &key) != 0)
        return -1;
    if (key.kind == VALUE_NUMBER)
        return step_by_number(render, key.number, value);
    if (key.kind != VALUE_STRING)
        return err_set(
            render->err, ERR_CONFIG, "%s is no key", template_value_kind(&key));
    return step_by_name(render, operand, key.text, value);
}

static int
find_root(const struct render *render, const struct operand *operand,
    struct value *out)
{
    struct span name = operand->path->name;
    for (const struct scope *s = render->scope; s != NULL; s = s->outer) {
        if (s->name.len == name.len &&
            memcmp(s->name.data, name.data, name.len) == 0) {
            *out = s->item;
            return 0;
        }
    }
    if (render->scope != NULL && span_is(name, "forloop")) {
        *out = (struct value){.kind = VALUE_LOOP, .loop = &render->scope->loop};
        return 0;
    }
    const struct json *member = member_of(render->root, name);
    if (member == NULL)
        return unknown_variable(render, operand, render->root, name);
    *out = template_value_of(member);
    return 0;
}

static int
evaluate(
    struct render *render, const struct operand *operand, struct value *out)
{
    if (operand->path == NULL) {
        *out = operand->literal;
        return spend(render, out);
    }
    if (find_root(render, operand, out) != 0)
        return -1;
    for (const struct step *s = operand->path->next; s != NULL; s = s->next) {
        if (take_step(render, operand, s, out) != 0)
            return -1;
    }
    return spend(render, out);
}

/* ---- nodes ---- */

static int
apply_filter(
    struct render *render, const struct filter_call *call, struct value *value)
{
    struct filter_input input = {.value = *value,
        .count = call->count,
        .arena = render->arena,
        .err = render->err};
    for (size_t i = 0; i < call->count; i++) {
        if (evaluate(render, &call->args[i], &input.args[i]) != 0)
            return -1;
    }
    if (spend(render, value) != 0)
        return -1;
    if (call->filter->apply(&input, value) != 0)
        return err_wrap(render->err, "the filter \"%s\"", call->filter->name);
    return 0;
}

static int
render_output(struct render *render, const struct node *node)
{
    struct value value;
    struct span text;
    if (evaluate(render, &node->operand, &value) != 0)
        return -1;
    for (const struct filter_call *c = node->filters; c != NULL; c = c->next) {
        if (apply_filter(render, c, &value) != 0)
            return -1;
    }
    if (template_value_text(&value, render->arena, &text, render->err) != 0)
        return -1;
    buf_append(render->out, text.data, text.len);
    return 0;
}

/* As in Liquid, `and` and `or` bind from the right. */
static int
test(struct render *render, const struct condition *condition, bool *out)
{
    struct value left;
    struct value right = {.kind = VALUE_NIL};
    if (evaluate(render, &condition->left, &left) != 0)
        return -1;
    if (condition->comparison != COMPARE_NONE &&
        evaluate(render, &condition->right, &right) != 0)
        return -1;
    if (template_value_compare(
            condition->comparison, &left, &right, out, render->err) != 0)
        return -1;
    if (condition->next == NULL || *out == condition->is_or)
        return 0;
    return test(render, condition->next, out);
}

static int render_nodes(struct render *render, const struct node *node);

static int
render_if(struct render *render, const struct node *node, int *line)
{
    for (const struct branch *b = node->branches; b != NULL; b = b->next) {
        bool taken = true;
        *line = b->line;
        if (b->condition != NULL && test(render, b->condition, &taken) != 0)
            return -1;
        if (taken != b->negated)
            return render_nodes(render, b->body);
    }
    return 0;
}

static int
render_loop(
    struct render *render, const struct node *node, const struct json *list)
{
    struct scope *scope = template_alloc(render->arena, sizeof(*scope));
    int rc = 0;
    if (scope == NULL)
        return err_set(render->err, ERR_CONFIG, "makes too much text");
    scope->name = node->text;
    scope->loop.length = (int64_t)json_len(list);
    scope->outer = render->scope;
    render->scope = scope;
    json_each (item, list) {
        if (++render->iterations > TEMPLATE_ITERATIONS_MAX)
            rc = err_set(render->err, ERR_CONFIG, "loops too often");
        scope->item = template_value_of(item);
        if (rc == 0)
            rc = render_nodes(render, node->branches->body);
        if (rc != 0)
            break;
        scope->loop.index++;
    }
    render->scope = scope->outer;
    return rc;
}

static int
render_for(struct render *render, const struct node *node)
{
    struct value list;
    if (evaluate(render, &node->operand, &list) != 0)
        return -1;
    bool array = list.kind == VALUE_NODE && json_type(list.node) == JSON_ARRAY;
    if (!array && list.kind != VALUE_NIL)
        return err_set(render->err, ERR_CONFIG, "\"%.*s\" is %s, not a list",
            (int)(node->operand.text.len < 128 ? node->operand.text.len : 128),
            node->operand.text.data, template_value_kind(&list));
    if (array && json_len(list.node) > 0)
        return render_loop(render, node, list.node);
    const struct branch *empty = node->branches->next;
    return empty != NULL ? render_nodes(render, empty->body) : 0;
}

static bool
is_located(const struct err *err)
{
    return strncmp(err->message, "template_", strlen("template_")) == 0;
}

static int
render_node(struct render *render, const struct node *node)
{
    int line = node->line;
    int rc = 0;
    switch (node->kind) {
    case NODE_TEXT:
        buf_append(render->out, node->text.data, node->text.len);
        break;
    case NODE_OUTPUT:
        rc = render_output(render, node);
        break;
    case NODE_IF:
        rc = render_if(render, node, &line);
        break;
    case NODE_FOR:
        rc = render_for(render, node);
        break;
    }
    if (rc == 0 && render->out->failed)
        rc = err_set(render->err, ERR_CONFIG, "makes more than %zu bytes",
            render->out->max);
    /* The innermost node knows the line; the outer ones pass it on. */
    if (rc != 0 && !is_located(render->err))
        return err_wrap(render->err, "template_render_error: line %d", line);
    return rc;
}

static int
render_nodes(struct render *render, const struct node *node)
{
    for (; node != NULL; node = node->next) {
        if (++render->work > TEMPLATE_WORK_MAX)
            return err_set(render->err, ERR_CONFIG, "does too much work");
        if (render_node(render, node) != 0)
            return -1;
    }
    return 0;
}

int
template_render(
    const char *text, const struct json *root, struct buf *out, struct err *err)
{
    AUTO(template_arena_free) struct template_arena arena = {0};
    struct node *nodes = NULL;
    if (template_parse(text, strlen(text), &arena, &nodes, err) != 0)
        return -1;
    struct render render = {
        .root = root, .arena = &arena, .out = out, .err = err};
    if (render_nodes(&render, nodes) != 0)
        return -1;
    return buf_check(out, err);
}
