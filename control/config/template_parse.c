/* SPDX-License-Identifier: Apache-2.0
 * From the text of a prompt template to its tree. */
#include "control/config/template_ast.h"

#include "common/cleanup.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum token { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_NUMBER, TOKEN_SYMBOL };

/* The words of one {{ }} or {% %}; `token` and `word` are the present one. */
struct lexer {
    struct span rest;
    enum token token;
    struct span word; /* of a string: without its quotes */
};

/* The text, and how far we are in it. */
struct parser {
    struct span rest;
    int line;
    bool trim; /* the last tag ended with -}} or -%} */
    struct template_arena *arena;
    struct err *err;
};

/* One {{ .. }} or {% .. %}. */
struct markup {
    bool is_tag;
    int line;
    struct span name; /* of a tag */
    struct lexer lexer;
};

static int __attribute__((format(printf, 3, 4)))
fail(const struct parser *parser, int line, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    return err_set(parser->err, ERR_CONFIG, "template_parse_error: line %d: %s",
        line, why);
}

static void *
allocate(const struct parser *parser, size_t size)
{
    void *memory = template_alloc(parser->arena, size);
    if (memory == NULL)
        (void)fail(parser, parser->line, "the template is too large");
    return memory;
}

static bool
span_is(struct span span, const char *text)
{
    return strlen(text) == span.len && memcmp(text, span.data, span.len) == 0;
}

/* For messages: at most 64 bytes of it. */
static int
shown(struct span span)
{
    return (int)(span.len < 64 ? span.len : 64);
}

/* ---- words ---- */

static bool
is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t
name_len(struct span rest)
{
    size_t len = 1;
    while (len < rest.len && (is_name_char(rest.data[len]) ||
                                 (rest.data[len] == '-' && len + 1 < rest.len &&
                                     is_name_char(rest.data[len + 1]))))
        len++;
    return len;
}

static size_t
number_len(struct span rest)
{
    size_t len = rest.data[0] == '-' ? 1 : 0;
    while (len < rest.len && isdigit((unsigned char)rest.data[len]))
        len++;
    if (len + 1 < rest.len && rest.data[len] == '.' &&
        isdigit((unsigned char)rest.data[len + 1])) {
        len++;
        while (len < rest.len && isdigit((unsigned char)rest.data[len]))
            len++;
    }
    return len;
}

static size_t
symbol_len(struct span rest)
{
    static const char *const pairs[] = {"==", "!=", "<>", "<=", ">="};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (rest.len >= 2 && memcmp(rest.data, pairs[i], 2) == 0)
            return 2;
    }
    return 1;
}

static void
take(struct lexer *lexer, enum token token, size_t len)
{
    lexer->token = token;
    lexer->word = (struct span){lexer->rest.data, len};
    lexer->rest.data += len;
    lexer->rest.len -= len;
}

/* An unclosed quote gives a symbol, which no rule expects. */
static void
advance(struct lexer *lexer)
{
    while (lexer->rest.len > 0 && isspace((unsigned char)lexer->rest.data[0])) {
        lexer->rest.data++;
        lexer->rest.len--;
    }
    if (lexer->rest.len == 0) {
        take(lexer, TOKEN_END, 0);
        return;
    }
    char c = lexer->rest.data[0];
    const char *quote = c == '"' || c == '\'' ? memchr(lexer->rest.data + 1, c,
                                                    lexer->rest.len - 1)
                                              : NULL;
    bool minus = c == '-' && lexer->rest.len > 1 &&
                 isdigit((unsigned char)lexer->rest.data[1]);
    if (quote != NULL) {
        take(lexer, TOKEN_STRING, (size_t)(quote - lexer->rest.data) + 1);
        lexer->word.data++;
        lexer->word.len -= 2;
    } else if (isdigit((unsigned char)c) || minus) {
        take(lexer, TOKEN_NUMBER, number_len(lexer->rest));
    } else if (isalpha((unsigned char)c) || c == '_') {
        take(lexer, TOKEN_NAME, name_len(lexer->rest));
    } else {
        take(lexer, TOKEN_SYMBOL, symbol_len(lexer->rest));
    }
}

static bool
at_symbol(const struct lexer *lexer, const char *symbol)
{
    return lexer->token == TOKEN_SYMBOL && span_is(lexer->word, symbol);
}

static bool
at_name(const struct lexer *lexer, const char *name)
{
    return lexer->token == TOKEN_NAME && span_is(lexer->word, name);
}

static int
unexpected(const struct parser *parser, const struct markup *markup)
{
    const struct lexer *lexer = &markup->lexer;
    if (lexer->token == TOKEN_END)
        return fail(parser, markup->line,
            "something is missing at the end of "
            "this tag");
    return fail(parser, markup->line, "unexpected \"%.*s\"", shown(lexer->word),
        lexer->word.data);
}

/* ---- operands ---- */

static int parse_operand(const struct parser *parser, struct markup *markup,
    int depth, struct operand *out);

/* [key], with the bracket as the present word. */
static int
parse_index(const struct parser *parser, struct markup *markup, int depth,
    struct step *step)
{
    if (depth >= TEMPLATE_TERMS_MAX)
        return fail(parser, markup->line, "nested too deeply");
    step->key = allocate(parser, sizeof(*step->key));
    if (step->key == NULL)
        return -1;
    advance(&markup->lexer);
    if (parse_operand(parser, markup, depth + 1, step->key) != 0)
        return -1;
    if (!at_symbol(&markup->lexer, "]"))
        return unexpected(parser, markup);
    advance(&markup->lexer);
    return 0;
}

static int
parse_member(
    const struct parser *parser, struct markup *markup, struct step *step)
{
    advance(&markup->lexer);
    if (markup->lexer.token != TOKEN_NAME)
        return unexpected(parser, markup);
    step->name = markup->lexer.word;
    advance(&markup->lexer);
    return 0;
}

/* name{.member|[key]}, with the name as the present word. */
static int
parse_path(const struct parser *parser, struct markup *markup, int depth,
    struct operand *out)
{
    struct step *step = allocate(parser, sizeof(*step));
    if (step == NULL)
        return -1;
    step->name = markup->lexer.word;
    out->path = step;
    advance(&markup->lexer);
    for (int steps = 0;; steps++) {
        bool member = at_symbol(&markup->lexer, ".");
        if (!member && !at_symbol(&markup->lexer, "["))
            return 0;
        if (steps >= TEMPLATE_TERMS_MAX)
            return fail(parser, markup->line, "a path of too many steps");
        step->next = allocate(parser, sizeof(*step));
        if (step->next == NULL)
            return -1;
        step = step->next;
        int rc = member ? parse_member(parser, markup, step)
                        : parse_index(parser, markup, depth, step);
        if (rc != 0)
            return -1;
    }
}

static bool
literal_of(struct span word, struct value *out)
{
    *out = (struct value){.kind = VALUE_BOOL};
    if (span_is(word, "nil") || span_is(word, "null"))
        out->kind = VALUE_NIL;
    else if (span_is(word, "true"))
        out->flag = true;
    else if (!span_is(word, "false"))
        return false;
    return true;
}

static int
parse_number(
    const struct parser *parser, const struct markup *markup, struct value *out)
{
    char digits[32];
    struct span word = markup->lexer.word;
    if (word.len >= sizeof(digits))
        return fail(parser, markup->line, "a number of too many digits");
    memcpy(digits, word.data, word.len);
    digits[word.len] = '\0';
    *out = template_value_number(strtod(digits, NULL));
    return 0;
}

static int
parse_operand(const struct parser *parser, struct markup *markup, int depth,
    struct operand *out)
{
    struct lexer *lexer = &markup->lexer;
    const char *start = lexer->word.data;
    int rc = 0;
    *out = (struct operand){.kind = VALUE_NIL};
    if (lexer->token == TOKEN_STRING) {
        out->literal = template_value_string(lexer->word.data, lexer->word.len);
        advance(lexer);
    } else if (lexer->token == TOKEN_NUMBER) {
        rc = parse_number(parser, markup, &out->literal);
        advance(lexer);
    } else if (lexer->token != TOKEN_NAME) {
        return unexpected(parser, markup);
    } else if (literal_of(lexer->word, &out->literal)) {
        advance(lexer);
    } else {
        rc = parse_path(parser, markup, depth, out);
    }
    out->text = (struct span){start, (size_t)(lexer->word.data - start)};
    while (
        out->text.len > 0 && isspace((unsigned char)start[out->text.len - 1]))
        out->text.len--;
    return rc;
}

/* ---- {{ }} ---- */

static int
parse_arguments(const struct parser *parser, struct markup *markup,
    struct filter_call *call)
{
    do {
        advance(&markup->lexer);
        if (call->count == TEMPLATE_ARGS_MAX)
            return fail(parser, markup->line, "too many arguments for \"%s\"",
                call->filter->name);
        if (parse_operand(parser, markup, 0, &call->args[call->count++]) != 0)
            return -1;
    } while (at_symbol(&markup->lexer, ","));
    return 0;
}

/* | name: args, with the name as the present word. */
static struct filter_call *
parse_filter(const struct parser *parser, struct markup *markup)
{
    struct filter_call *call = allocate(parser, sizeof(*call));
    struct span name = markup->lexer.word;
    if (call == NULL)
        return NULL;
    if (markup->lexer.token != TOKEN_NAME) {
        (void)unexpected(parser, markup);
        return NULL;
    }
    call->filter = template_filter_find(name);
    if (call->filter == NULL) {
        /* By the specification an unknown filter fails the rendering. */
        const char *near = template_filter_nearest(name);
        (void)err_set(parser->err, ERR_CONFIG,
            "template_render_error: line %d: unknown filter \"%.*s\"%s%s%s",
            markup->line, shown(name), name.data,
            near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
            near != NULL ? "\"?" : "");
        return NULL;
    }
    advance(&markup->lexer);
    if (at_symbol(&markup->lexer, ":") &&
        parse_arguments(parser, markup, call) != 0)
        return NULL;
    if (call->count < call->filter->min_args ||
        call->count > call->filter->max_args) {
        (void)fail(parser, markup->line, "the filter \"%s\" has %zu arguments",
            call->filter->name, call->count);
        return NULL;
    }
    return call;
}

static int
parse_output(
    const struct parser *parser, struct markup *markup, struct node *node)
{
    struct filter_call **tail = &node->filters;
    node->kind = NODE_OUTPUT;
    if (parse_operand(parser, markup, 0, &node->operand) != 0)
        return -1;
    for (int count = 0; at_symbol(&markup->lexer, "|"); count++) {
        if (count >= TEMPLATE_TERMS_MAX)
            return fail(parser, markup->line, "too many filters");
        advance(&markup->lexer);
        struct filter_call *call = parse_filter(parser, markup);
        if (call == NULL)
            return -1;
        *tail = call;
        tail = &call->next;
    }
    return markup->lexer.token == TOKEN_END ? 0 : unexpected(parser, markup);
}

/* ---- conditions ---- */

static enum comparison
comparison_of(const struct lexer *lexer)
{
    static const struct {
        const char *symbol;
        enum comparison comparison;
    } symbols[] = {
        {"==", COMPARE_EQUAL},
        {"!=", COMPARE_UNEQUAL},
        {"<>", COMPARE_UNEQUAL},
        {"<", COMPARE_LESS},
        {">", COMPARE_GREATER},
        {"<=", COMPARE_LESS_EQUAL},
        {">=", COMPARE_GREATER_EQUAL},
    };

    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        if (at_symbol(lexer, symbols[i].symbol))
            return symbols[i].comparison;
    }
    return at_name(lexer, "contains") ? COMPARE_CONTAINS : COMPARE_NONE;
}

static struct condition *
parse_term(const struct parser *parser, struct markup *markup)
{
    struct condition *term = allocate(parser, sizeof(*term));
    if (term == NULL || parse_operand(parser, markup, 0, &term->left) != 0)
        return NULL;
    term->comparison = comparison_of(&markup->lexer);
    if (term->comparison == COMPARE_NONE)
        return term;
    advance(&markup->lexer);
    if (parse_operand(parser, markup, 0, &term->right) != 0)
        return NULL;
    return term;
}

static int
parse_condition(
    const struct parser *parser, struct markup *markup, struct condition **out)
{
    struct condition **tail = out;
    for (int count = 0; count < TEMPLATE_TERMS_MAX; count++) {
        struct condition *term = parse_term(parser, markup);
        if (term == NULL)
            return -1;
        *tail = term;
        tail = &term->next;
        if (markup->lexer.token == TOKEN_END)
            return 0;
        term->is_or = at_name(&markup->lexer, "or");
        if (!term->is_or && !at_name(&markup->lexer, "and"))
            return unexpected(parser, markup);
        advance(&markup->lexer);
    }
    return fail(parser, markup->line, "too many conditions");
}

/* ---- text and markup ---- */

static void
consume(struct parser *parser, size_t len)
{
    for (size_t i = 0; i < len; i++)
        parser->line += parser->rest.data[i] == '\n';
    parser->rest.data += len;
    parser->rest.len -= len;
}

/* The place of the next {{ or {%, or the end. */
static size_t
text_len(struct span rest)
{
    for (size_t i = 0; i + 1 < rest.len; i++) {
        if (rest.data[i] == '{' &&
            (rest.data[i + 1] == '{' || rest.data[i + 1] == '%'))
            return i;
    }
    return rest.len;
}

/* Blanks go where the markup beside them says so. */
static struct span
trimmed(struct span text, bool before, bool after)
{
    while (before && text.len > 0 && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.len--;
    }
    while (after && text.len > 0 &&
           isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    return text;
}

/* Appends a text of len bytes; trim_end: the markup behind it begins {{-. */
static int
add_text(struct parser *parser, size_t len, bool trim_end, struct node ***tail)
{
    struct span text =
        trimmed((struct span){parser->rest.data, len}, parser->trim, trim_end);
    int line = parser->line;
    consume(parser, len);
    if (text.len == 0)
        return 0;
    struct node *node = allocate(parser, sizeof(*node));
    if (node == NULL)
        return -1;
    node->kind = NODE_TEXT;
    node->line = line;
    node->text = text;
    **tail = node;
    *tail = &node->next;
    return 0;
}

/* Reads the markup that stands here, which begins with {{ or {%. */
static int
read_markup(struct parser *parser, struct markup *out)
{
    struct span rest = parser->rest;
    bool tag = rest.data[1] == '%';
    const char *close =
        memmem(rest.data + 2, rest.len - 2, tag ? "%}" : "}}", 2);
    *out = (struct markup){.is_tag = tag, .line = parser->line};
    if (close == NULL)
        return fail(parser, parser->line, "%s is never closed by %s",
            tag ? "{%" : "{{", tag ? "%}" : "}}");
    const char *start = rest.data + 2;
    const char *end = close;
    if (start < end && *start == '-')
        start++;
    bool trim = end > start && end[-1] == '-';
    out->lexer.rest = (struct span){start, (size_t)(end - start) - trim};
    advance(&out->lexer);
    if (tag) {
        if (out->lexer.token != TOKEN_NAME)
            return fail(parser, parser->line, "a tag has no name");
        out->name = out->lexer.word;
        advance(&out->lexer);
    }
    consume(parser, (size_t)(close - rest.data) + 2);
    parser->trim = trim;
    return 0;
}

static bool
is_blank(char c)
{
    return isspace((unsigned char)c) != 0;
}

/* Is the word at `at` alone in a tag? Then *start is where the tag begins. */
static bool
is_whole_tag(struct span rest, size_t at, size_t word_len, size_t *start)
{
    size_t before = at;
    size_t after = at + word_len;
    while (before > 0 && is_blank(rest.data[before - 1]))
        before--;
    if (before > 0 && rest.data[before - 1] == '-')
        before--;
    while (after < rest.len && is_blank(rest.data[after]))
        after++;
    if (after < rest.len && rest.data[after] == '-')
        after++;
    if (before < 2 || memcmp(rest.data + before - 2, "{%", 2) != 0 ||
        after + 2 > rest.len || memcmp(rest.data + after, "%}", 2) != 0)
        return false;
    *start = before - 2;
    return true;
}

/* The length of the text before {% name %}; what is in it is not looked at. */
static int
find_end_tag(struct parser *parser, const char *name, int line, size_t *len,
    bool *trim_end)
{
    struct span rest = parser->rest;
    size_t word_len = strlen(name);
    for (size_t from = 0; from < rest.len;) {
        const char *hit =
            memmem(rest.data + from, rest.len - from, name, word_len);
        if (hit == NULL)
            break;
        size_t at = (size_t)(hit - rest.data);
        if (is_whole_tag(rest, at, word_len, len)) {
            *trim_end = rest.data[*len + 2] == '-';
            return 0;
        }
        from = at + word_len;
    }
    return fail(parser, line, "there is no {%% %s %%}", name);
}

static int
skip_end_tag(struct parser *parser)
{
    struct markup markup;
    return read_markup(parser, &markup);
}

static int
parse_raw(struct parser *parser, int line, struct node ***tail)
{
    size_t len = 0;
    bool trim_end = false;
    if (find_end_tag(parser, "endraw", line, &len, &trim_end) != 0 ||
        add_text(parser, len, trim_end, tail) != 0)
        return -1;
    return skip_end_tag(parser);
}

static int
parse_comment(struct parser *parser, int line)
{
    size_t len = 0;
    bool trim_end = false;
    if (find_end_tag(parser, "endcomment", line, &len, &trim_end) != 0)
        return -1;
    consume(parser, len);
    return skip_end_tag(parser);
}

/* ---- blocks ---- */

static int parse_nodes(
    struct parser *parser, int depth, struct node **out, struct markup *end);

static struct branch *
add_branch(const struct parser *parser, int line, struct branch ***tail)
{
    struct branch *branch = allocate(parser, sizeof(*branch));
    if (branch == NULL)
        return NULL;
    branch->line = line;
    **tail = branch;
    *tail = &branch->next;
    return branch;
}

static int
expect_end(const struct parser *parser, const struct markup *markup)
{
    return markup->lexer.token == TOKEN_END
               ? 0
               : fail(parser, markup->line,
                     "unexpected \"%.*s\" in {%% %.*s %%}",
                     shown(markup->lexer.word), markup->lexer.word.data,
                     shown(markup->name), markup->name.data);
}

static int
wrong_end(const struct parser *parser, const struct markup *end,
    const char *wanted, int line)
{
    if (end->name.len == 0)
        return fail(
            parser, line, "there is no {%% %s %%} for the tag here", wanted);
    return fail(parser, end->line,
        "unexpected {%% %.*s %%}; the tag on line %d ends with {%% %s %%}",
        shown(end->name), end->name.data, line, wanted);
}

/* if, unless: the branches up to the end tag. */
static int
parse_if(struct parser *parser, struct markup *markup, int depth, bool negated,
    struct node *node)
{
    const char *end_name = negated ? "endunless" : "endif";
    struct branch **tail = &node->branches;
    struct branch *branch = add_branch(parser, markup->line, &tail);
    struct markup end = *markup;
    node->kind = NODE_IF;
    if (branch == NULL ||
        parse_condition(parser, markup, &branch->condition) != 0)
        return -1;
    branch->negated = negated;
    for (;;) {
        bool was_else = branch->condition == NULL;
        if (parse_nodes(parser, depth + 1, &branch->body, &end) != 0)
            return -1;
        if (span_is(end.name, end_name))
            return expect_end(parser, &end);
        bool is_else = span_is(end.name, "else");
        if (was_else || (!is_else && !span_is(end.name, "elsif")))
            return wrong_end(parser, &end, end_name, node->line);
        branch = add_branch(parser, end.line, &tail);
        if (branch == NULL)
            return -1;
        int rc = is_else ? expect_end(parser, &end)
                         : parse_condition(parser, &end, &branch->condition);
        if (rc != 0)
            return -1;
    }
}

/* for x in list: the body, and what an empty list gives. */
static int
parse_for(
    struct parser *parser, struct markup *markup, int depth, struct node *node)
{
    struct branch **tail = &node->branches;
    struct branch *body = add_branch(parser, markup->line, &tail);
    struct markup end = *markup;
    node->kind = NODE_FOR;
    node->text = markup->lexer.word;
    if (body == NULL)
        return -1;
    if (markup->lexer.token != TOKEN_NAME)
        return unexpected(parser, markup);
    advance(&markup->lexer);
    if (!at_name(&markup->lexer, "in"))
        return fail(parser, markup->line, "expected {%% for x in list %%}");
    advance(&markup->lexer);
    if (parse_operand(parser, markup, 0, &node->operand) != 0 ||
        expect_end(parser, markup) != 0 ||
        parse_nodes(parser, depth + 1, &body->body, &end) != 0)
        return -1;
    if (span_is(end.name, "else")) {
        struct branch *empty = add_branch(parser, end.line, &tail);
        if (empty == NULL || expect_end(parser, &end) != 0 ||
            parse_nodes(parser, depth + 1, &empty->body, &end) != 0)
            return -1;
    }
    return span_is(end.name, "endfor")
               ? expect_end(parser, &end)
               : wrong_end(parser, &end, "endfor", node->line);
}

static bool
is_end_tag(struct span name)
{
    static const char *const names[] = {
        "endif", "endunless", "endfor", "else", "elsif"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (span_is(name, names[i]))
            return true;
    }
    return false;
}

/* A tag that gives a node. */
static int
parse_tag(
    struct parser *parser, struct markup *markup, int depth, struct node *node)
{
    if (depth >= TEMPLATE_DEPTH_MAX)
        return fail(parser, markup->line, "tags are nested too deeply");
    if (span_is(markup->name, "if"))
        return parse_if(parser, markup, depth, false, node);
    if (span_is(markup->name, "unless"))
        return parse_if(parser, markup, depth, true, node);
    if (span_is(markup->name, "for"))
        return parse_for(parser, markup, depth, node);
    return fail(parser, markup->line,
        "unknown tag \"%.*s\"; there are if, unless, for, comment and raw",
        shown(markup->name), markup->name.data);
}

/* 1: *end is a tag that ends the block; 0: taken; -1: error. */
static int
parse_item(
    struct parser *parser, int depth, struct node ***tail, struct markup *end)
{
    struct markup markup;
    if (read_markup(parser, &markup) != 0)
        return -1;
    if (markup.is_tag && is_end_tag(markup.name)) {
        *end = markup;
        return 1;
    }
    if (markup.is_tag && span_is(markup.name, "comment"))
        return parse_comment(parser, markup.line);
    if (markup.is_tag && span_is(markup.name, "raw"))
        return parse_raw(parser, markup.line, tail);
    struct node *node = allocate(parser, sizeof(*node));
    if (node == NULL)
        return -1;
    node->line = markup.line;
    **tail = node;
    *tail = &node->next;
    return markup.is_tag ? parse_tag(parser, &markup, depth, node)
                         : parse_output(parser, &markup, node);
}

/* Nodes until a tag that ends a block (in *end), or the end of the text (then
 * its name is empty). */
static int
parse_nodes(
    struct parser *parser, int depth, struct node **out, struct markup *end)
{
    struct node **tail = out;
    for (;;) {
        size_t len = text_len(parser->rest);
        bool trim_end =
            len + 2 < parser->rest.len && parser->rest.data[len + 2] == '-';
        if (add_text(parser, len, trim_end, &tail) != 0)
            return -1;
        parser->trim = false;
        if (parser->rest.len == 0) {
            end->name = (struct span){"", 0};
            return 0;
        }
        int rc = parse_item(parser, depth, &tail, end);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
    }
}

int
template_parse(const char *text, size_t len, struct template_arena *arena,
    struct node **out, struct err *err)
{
    struct parser parser = {
        .rest = {text, len}, .line = 1, .arena = arena, .err = err};
    struct markup end = {.line = 1};
    *out = NULL;
    if (len > TEMPLATE_BYTES_MAX)
        return fail(&parser, 1, "the template is too large");
    if (parse_nodes(&parser, 0, out, &end) != 0)
        return -1;
    if (end.name.len != 0)
        return fail(&parser, end.line, "{%% %.*s %%} ends nothing",
            shown(end.name), end.name.data);
    return 0;
}
