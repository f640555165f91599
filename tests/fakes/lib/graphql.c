/* SPDX-License-Identifier: Apache-2.0
 * A reader of GraphQL operations that checks against the schema as it reads:
 * tokens, variable definitions, arguments, selections. */
#include "tests/fakes/lib/graphql.h"

#include "common/buf.h"
#include "common/cleanup.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { VARIABLES_MAX = 16, TOKEN_MAX = 1024, ARGS_MAX = 1024 * 1024 };

struct variable {
    char name[GQL_NAME_SIZE];
    char type[GQL_NAME_SIZE];
};

struct reader {
    const struct gql_schema *schema;
    const char *at;
    char token[TOKEN_MAX];
    char kind; /* 'n'ame, 's'tring, 'i'nt, '$', a punctuator, or 0: the end */
    const struct json *values;
    struct variable variables[VARIABLES_MAX];
    size_t variable_count;
    int depth;
};

/* ---- tokens ---- */

static bool
is_name_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_';
}

static int
syntax_error(const struct reader *reader, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID,
        "Syntax Error: Expected %s, found \"%.40s\".", what,
        reader->kind == '\0' ? "<EOF>" : reader->token);
}

static int
take_string(struct reader *reader, struct err *err)
{
    size_t len = 0;

    for (reader->at++; *reader->at != '"'; reader->at++) {
        if (*reader->at == '\0' || *reader->at == '\n' || *reader->at == '\\' ||
            len + 1 >= TOKEN_MAX)
            return err_set(
                err, ERR_INVALID, "Syntax Error: Unterminated string.");
        reader->token[len++] = *reader->at;
    }
    reader->at++;
    reader->token[len] = '\0';
    reader->kind = 's';
    return 0;
}

static int
advance(struct reader *reader, struct err *err)
{
    size_t len = 0;

    while (*reader->at != '\0' && strchr(" \t\r\n,", *reader->at) != NULL)
        reader->at++;
    if (*reader->at == '"')
        return take_string(reader, err);
    reader->kind = *reader->at;
    if (*reader->at == '\0')
        return 0;
    if (is_name_byte(*reader->at) || *reader->at == '-') {
        reader->kind = isalpha((unsigned char)*reader->at) ? 'n' : 'i';
        if (*reader->at == '_')
            reader->kind = 'n';
        while ((is_name_byte(*reader->at) || *reader->at == '-') &&
               len + 1 < TOKEN_MAX)
            reader->token[len++] = *reader->at++;
    } else {
        reader->token[len++] = *reader->at++;
    }
    reader->token[len] = '\0';
    return 0;
}

static int
expect(struct reader *reader, char kind, const char *what, struct err *err)
{
    if (reader->kind != kind)
        return syntax_error(reader, what, err);
    return advance(reader, err);
}

static int
take_name(struct reader *reader, char out[GQL_NAME_SIZE], struct err *err)
{
    if (reader->kind != 'n' || strlen(reader->token) >= GQL_NAME_SIZE)
        return syntax_error(reader, "Name", err);
    memcpy(out, reader->token, strlen(reader->token) + 1);
    return advance(reader, err);
}

/* ---- types ---- */

static const struct gql_type *
find_type(const struct gql_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (strcmp(schema->types[i].name, name) == 0)
            return &schema->types[i];
    }
    return NULL;
}

static const struct gql_field *
find_field(const struct gql_type *type, const char *name)
{
    for (size_t i = 0; i < GQL_FIELDS_MAX && type->fields[i].name != NULL;
         i++) {
        if (strcmp(type->fields[i].name, name) == 0)
            return &type->fields[i];
    }
    return NULL;
}

/* "[IssueLabel!]!" -> "IssueLabel" */
static void
base_type(const char *type, char out[GQL_NAME_SIZE])
{
    size_t len = 0;

    for (; *type != '\0' && len + 1 < GQL_NAME_SIZE; type++) {
        if (is_name_byte(*type))
            out[len++] = *type;
    }
    out[len] = '\0';
}

static bool
is_required(const char *type)
{
    size_t len = strlen(type);

    return len > 0 && type[len - 1] == '!';
}

/* "T!" fits "T!" and "T"; "T" fits "T" only. */
static bool
variable_fits(const char *variable, const char *position)
{
    size_t len = strlen(variable);

    if (strcmp(variable, position) == 0)
        return true;
    return is_required(variable) && strlen(position) == len - 1 &&
           strncmp(variable, position, len - 1) == 0;
}

/* ---- values ---- */

static int check_value(const struct gql_schema *schema, const char *type,
    const struct json *value, struct err *err);

static int
check_fields(const struct gql_schema *schema, const struct gql_type *type,
    const struct json *value, struct err *err)
{
    json_each (member, value) {
        const struct gql_field *field = find_field(type, json_key(member));
        if (field == NULL)
            return err_set(err, ERR_INVALID,
                "Field \"%.64s\" is not defined by type \"%s\".",
                json_key(member), type->name);
        if (check_value(schema, field->type, member, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < GQL_FIELDS_MAX && type->fields[i].name != NULL;
         i++) {
        const struct gql_field *field = &type->fields[i];
        if (is_required(field->type) && json_get(value, field->name) == NULL)
            return err_set(err, ERR_INVALID,
                "Field \"%s\" of required type \"%s\" was not provided.",
                field->name, field->type);
    }
    return 0;
}

static bool
is_scalar_of(const char *type, const struct json *value)
{
    int64_t number = 0;
    enum json_type given = json_type(value);

    if (strcmp(type, "Int") == 0)
        return json_is_int(value, &number);
    if (strcmp(type, "Float") == 0)
        return given == JSON_NUMBER;
    if (strcmp(type, "Boolean") == 0)
        return given == JSON_BOOL;
    if (strcmp(type, "ID") == 0)
        return given == JSON_STRING || json_is_int(value, &number);
    return given == JSON_STRING;
}

static int
check_list(const struct gql_schema *schema, const char *type,
    const struct json *value, struct err *err)
{
    char inner[GQL_NAME_SIZE];
    const char *end = strrchr(type, ']');

    (void)snprintf(
        inner, sizeof(inner), "%.*s", (int)(end - type - 1), type + 1);
    if (json_type(value) != JSON_ARRAY)
        return check_value(schema, inner, value, err);
    json_each (item, value) {
        if (check_value(schema, inner, item, err) < 0)
            return -1;
    }
    return 0;
}

static int
check_value(const struct gql_schema *schema, const char *type,
    const struct json *value, struct err *err)
{
    char base[GQL_NAME_SIZE];

    if (json_type(value) == JSON_NULL) {
        if (!is_required(type))
            return 0;
        return err_set(err, ERR_INVALID,
            "Expected non-nullable type \"%s\" not to be null.", type);
    }
    if (type[0] == '[')
        return check_list(schema, type, value, err);
    base_type(type, base);
    const struct gql_type *input = find_type(schema, base);
    if (input != NULL && input->is_input && json_type(value) == JSON_OBJECT)
        return check_fields(schema, input, value, err);
    if (input == NULL && is_scalar_of(base, value))
        return 0;
    return err_set(err, ERR_INVALID, "%s cannot represent a %s value.", base,
        json_type_name(json_type(value)));
}

/* ---- variables ---- */

static int
take_type(struct reader *reader, char out[GQL_NAME_SIZE], struct err *err)
{
    size_t len = 0;

    while (reader->kind == '[' || reader->kind == ']' || reader->kind == '!' ||
           reader->kind == 'n') {
        bool is_next_definition =
            reader->kind == 'n' && len > 0 && is_name_byte(out[len - 1]);
        if (is_next_definition)
            break;
        len += (size_t)snprintf(
            out + len, GQL_NAME_SIZE - len, "%s", reader->token);
        if (len >= GQL_NAME_SIZE)
            return syntax_error(reader, "a type", err);
        if (advance(reader, err) < 0)
            return -1;
    }
    return len == 0 ? syntax_error(reader, "a type", err) : 0;
}

static int
check_variable(const struct reader *reader, const struct variable *variable,
    struct err *err)
{
    const struct json *value = json_get(reader->values, variable->name);
    char base[GQL_NAME_SIZE];

    base_type(variable->type, base);
    const struct gql_type *type = find_type(reader->schema, base);
    if (type != NULL && !type->is_input)
        return err_set(err, ERR_INVALID,
            "Variable \"$%s\" cannot be non-input type \"%s\".", variable->name,
            variable->type);
    if (value == NULL) {
        if (!is_required(variable->type))
            return 0;
        return err_set(err, ERR_INVALID,
            "Variable \"$%s\" of required type \"%s\" was not provided.",
            variable->name, variable->type);
    }
    if (check_value(reader->schema, variable->type, value, err) == 0)
        return 0;
    return err_wrap(err, "Variable \"$%s\" got invalid value", variable->name);
}

static int
read_variables(struct reader *reader, struct err *err)
{
    if (reader->kind != '(')
        return 0;
    if (advance(reader, err) < 0)
        return -1;
    while (reader->kind == '$') {
        if (reader->variable_count == VARIABLES_MAX)
            return syntax_error(reader, "fewer variables", err);
        struct variable *variable =
            &reader->variables[reader->variable_count++];
        if (advance(reader, err) < 0 ||
            take_name(reader, variable->name, err) < 0 ||
            expect(reader, ':', "\":\"", err) < 0 ||
            take_type(reader, variable->type, err) < 0 ||
            check_variable(reader, variable, err) < 0)
            return -1;
    }
    return expect(reader, ')', "\")\"", err);
}

static const struct variable *
find_variable(const struct reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->variable_count; i++) {
        if (strcmp(reader->variables[i].name, name) == 0)
            return &reader->variables[i];
    }
    return NULL;
}

/* ---- arguments ---- */

static int read_value(struct reader *reader, struct jw *w, const char *key,
    const char *type, struct err *err);

static int
read_variable_use(struct reader *reader, struct jw *w, const char *key,
    const char *type, struct err *err)
{
    char name[GQL_NAME_SIZE];

    if (advance(reader, err) < 0 || take_name(reader, name, err) < 0)
        return -1;
    const struct variable *variable = find_variable(reader, name);
    if (variable == NULL)
        return err_set(
            err, ERR_INVALID, "Variable \"$%s\" is not defined.", name);
    if (!variable_fits(variable->type, type))
        return err_set(err, ERR_INVALID,
            "Variable \"$%s\" of type \"%s\" used in position expecting type "
            "\"%s\".",
            name, variable->type, type);
    const struct json *value = json_get(reader->values, name);
    if (value != NULL)
        jw_node(w, key, value);
    return 0;
}

static int
read_object(struct reader *reader, struct jw *w, const char *key,
    const char *type, struct err *err)
{
    char base[GQL_NAME_SIZE];
    char name[GQL_NAME_SIZE];

    base_type(type, base);
    const struct gql_type *input = find_type(reader->schema, base);
    if (input == NULL || !input->is_input)
        return err_set(
            err, ERR_INVALID, "%s cannot represent an object.", base);
    jw_obj(w, key);
    if (advance(reader, err) < 0)
        return -1;
    while (reader->kind == 'n') {
        if (take_name(reader, name, err) < 0 ||
            expect(reader, ':', "\":\"", err) < 0)
            return -1;
        const struct gql_field *field = find_field(input, name);
        if (field == NULL)
            return err_set(err, ERR_INVALID,
                "Field \"%s\" is not defined by type \"%s\".", name, base);
        if (read_value(reader, w, name, field->type, err) < 0)
            return -1;
    }
    jw_end_obj(w);
    return expect(reader, '}', "\"}\"", err);
}

static int
read_value(struct reader *reader, struct jw *w, const char *key,
    const char *type, struct err *err)
{
    switch (reader->kind) {
    case '$':
        return read_variable_use(reader, w, key, type, err);
    case '{':
        return read_object(reader, w, key, type, err);
    case 's':
        jw_str(w, key, reader->token);
        return advance(reader, err);
    case 'i':
        jw_int(w, key, strtoll(reader->token, NULL, 10));
        return advance(reader, err);
    case 'n':
        if (strcmp(reader->token, "true") == 0 ||
            strcmp(reader->token, "false") == 0)
            jw_bool(w, key, reader->token[0] == 't');
        else
            jw_str(w, key, reader->token); /* an enum's value */
        return advance(reader, err);
    default:
        return syntax_error(reader, "a value", err);
    }
}

static const struct gql_arg *
find_arg(const struct gql_field *field, const char *name)
{
    for (size_t i = 0; i < GQL_ARGS_MAX && field->args[i].name != NULL; i++) {
        if (strcmp(field->args[i].name, name) == 0)
            return &field->args[i];
    }
    return NULL;
}

static int
read_args(struct reader *reader, const struct gql_field *field, struct jw *w,
    struct err *err)
{
    char name[GQL_NAME_SIZE];

    if (reader->kind != '(')
        return 0;
    if (advance(reader, err) < 0)
        return -1;
    while (reader->kind == 'n') {
        if (take_name(reader, name, err) < 0 ||
            expect(reader, ':', "\":\"", err) < 0)
            return -1;
        const struct gql_arg *arg = find_arg(field, name);
        if (arg == NULL)
            return err_set(err, ERR_INVALID,
                "Unknown argument \"%s\" on field \"%s\".", name, field->name);
        if (read_value(reader, w, name, arg->type, err) < 0)
            return -1;
    }
    return expect(reader, ')', "\")\"", err);
}

static int
check_args(const struct reader *reader, const struct gql_field *field,
    const struct json *args, struct err *err)
{
    for (size_t i = 0; i < GQL_ARGS_MAX && field->args[i].name != NULL; i++) {
        const struct gql_arg *arg = &field->args[i];
        const struct json *value = json_get(args, arg->name);
        if (value == NULL && is_required(arg->type))
            return err_set(err, ERR_INVALID,
                "Field \"%s\" argument \"%s\" of type \"%s\" is required, but "
                "it was not provided.",
                field->name, arg->name, arg->type);
        if (value != NULL &&
            check_value(reader->schema, arg->type, value, err) < 0)
            return -1;
    }
    return 0;
}

static int
take_args(struct reader *reader, const struct gql_field *field,
    struct gql_selection *selection, struct err *err)
{
    AUTO(buf_free) struct buf text = {0};
    struct jw w;

    buf_init(&text, ARGS_MAX);
    jw_init(&w, &text);
    jw_obj(&w, NULL);
    if (read_args(reader, field, &w, err) < 0)
        return -1;
    jw_end_obj(&w);
    if (buf_check(&text, err) < 0)
        return -1;
    selection->args = json_parse(buf_str(&text), text.len, ARGS_MAX, err);
    if (selection->args == NULL)
        return -1;
    return check_args(reader, field, selection->args, err);
}

/* ---- selections ---- */

static int read_selections(struct reader *reader, const struct gql_type *type,
    struct gql_selection **out, struct err *err);

/* The field of a type; __typename is one of every type. */
static const struct gql_field *
field_of(const struct gql_type *type, const char *name)
{
    static const struct gql_field typename_field = {
        "__typename", "String!", {{0}}};

    return strcmp(name, "__typename") == 0 ? &typename_field
                                           : find_field(type, name);
}

static int
take_children(struct reader *reader, const struct gql_field *field,
    struct gql_selection *selection, struct err *err)
{
    const struct gql_type *type = find_type(reader->schema, selection->type);

    if (type == NULL && reader->kind == '{')
        return err_set(err, ERR_INVALID,
            "Field \"%s\" must not have a selection since type \"%s\" has no "
            "subfields.",
            field->name, field->type);
    if (type == NULL)
        return 0;
    if (reader->kind != '{')
        return err_set(err, ERR_INVALID,
            "Field \"%s\" of type \"%s\" must have a selection of subfields.",
            field->name, field->type);
    return read_selections(reader, type, &selection->children, err);
}

static int
read_selection(struct reader *reader, const struct gql_type *type,
    struct gql_selection *selection, struct err *err)
{
    if (take_name(reader, selection->key, err) < 0)
        return -1;
    (void)snprintf(selection->name, GQL_NAME_SIZE, "%s", selection->key);
    if (reader->kind == ':' && (advance(reader, err) < 0 ||
                                   take_name(reader, selection->name, err) < 0))
        return -1;
    const struct gql_field *field = field_of(type, selection->name);
    if (field == NULL)
        return err_set(err, ERR_INVALID,
            "Cannot query field \"%s\" on type \"%s\".", selection->name,
            type->name);
    base_type(field->type, selection->type);
    if (take_args(reader, field, selection, err) < 0)
        return -1;
    return take_children(reader, field, selection, err);
}

static int
read_selections(struct reader *reader, const struct gql_type *type,
    struct gql_selection **out, struct err *err)
{
    if (++reader->depth > JSON_DEPTH_MAX / 2)
        return err_set(err, ERR_INVALID, "The query is nested too deeply.");
    if (expect(reader, '{', "\"{\"", err) < 0)
        return -1;
    while (reader->kind == 'n') {
        struct gql_selection *selection = calloc(1, sizeof(*selection));
        if (selection == NULL)
            return err_no_memory(err);
        *out = selection; /* owned by the list even when it is half read */
        out = &selection->next;
        if (read_selection(reader, type, selection, err) < 0)
            return -1;
    }
    reader->depth--;
    return expect(reader, '}', "Name", err);
}

int
gql_read(const struct gql_schema *schema, const char *query,
    const struct json *variables, bool *mutation, struct gql_selection **out,
    struct err *err)
{
    struct reader reader = {.schema = schema, .at = query, .values = variables};

    *out = NULL;
    *mutation = false;
    if (advance(&reader, err) < 0)
        return -1;
    if (reader.kind == 'n') {
        *mutation = strcmp(reader.token, "mutation") == 0;
        if (!*mutation && strcmp(reader.token, "query") != 0)
            return syntax_error(&reader, "an operation", err);
        if (advance(&reader, err) < 0 ||
            (reader.kind == 'n' && advance(&reader, err) < 0) ||
            read_variables(&reader, err) < 0)
            return -1;
    }
    const struct gql_type *root =
        find_type(schema, *mutation ? "Mutation" : "Query");
    if (read_selections(&reader, root, out, err) < 0)
        return -1;
    return reader.kind == '\0' ? 0 : syntax_error(&reader, "<EOF>", err);
}

void
gql_free(struct gql_selection *selection)
{
    while (selection != NULL) {
        struct gql_selection *next = selection->next;
        json_free(selection->args);
        gql_free(selection->children);
        free(selection);
        selection = next;
    }
}

static bool
is_connection(const char *type)
{
    const char *found = strstr(type, "Connection");

    return found != NULL && strcmp(found, "Connection") == 0;
}

double
gql_complexity(const struct gql_selection *selection)
{
    double sum = 0;

    for (; selection != NULL; selection = selection->next) {
        double below = gql_complexity(selection->children);
        if (selection->children == NULL)
            sum += 0.1;
        else if (is_connection(selection->type))
            sum += 1 + below * (double)json_int(
                                   json_get(selection->args, "first"), 50);
        else
            sum += 1 + below;
    }
    return sum;
}
