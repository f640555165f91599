/* SPDX-License-Identifier: Apache-2.0
 * The description of the API: every row of the table, with the schema that
 * its body is really decoded by. */
#include "control/http/openapi.h"

#include "common/json.h"
#include "common/version.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- schemas ---- */

static void write_schema(
    const struct schema *schema, struct jw *w, const char *key);

static void
write_string(struct jw *w, int64_t max)
{
    jw_str(w, "type", "string");
    if (max > 0)
        jw_int(w, "maxLength", max);
}

static void
write_field(const struct schema_field *field, struct jw *w)
{
    if (field->kind == SCHEMA_OBJ) {
        write_schema(field->sub, w, field->name);
        return;
    }
    jw_obj(w, field->name);
    switch (field->kind) {
    case SCHEMA_STR:
    case SCHEMA_NAME:
    case SCHEMA_SECRET:
        write_string(w, field->max);
        break;
    case SCHEMA_INT:
        jw_str(w, "type", "integer");
        jw_int(w, "minimum", field->min);
        jw_int(w, "maximum", field->max);
        break;
    case SCHEMA_BOOL:
        jw_str(w, "type", "boolean");
        break;
    case SCHEMA_ARR:
        jw_str(w, "type", "array");
        jw_int(w, "maxItems", field->max);
        write_schema(field->sub, w, "items");
        break;
    case SCHEMA_STRS:
        jw_str(w, "type", "array");
        jw_int(w, "maxItems", field->max);
        jw_obj(w, "items");
        write_string(w, SCHEMA_STRS_ITEM_MAX);
        jw_end_obj(w);
        break;
    case SCHEMA_RAW: /* any value */
    case SCHEMA_OBJ:
        break;
    }
    jw_end_obj(w);
}

static void
write_schema(const struct schema *schema, struct jw *w, const char *key)
{
    jw_obj(w, key);
    jw_str(w, "type", "object");
    jw_bool(w, "additionalProperties", false);
    jw_obj(w, "properties");
    for (size_t i = 0; i < schema->count; i++)
        write_field(&schema->fields[i], w);
    jw_end_obj(w);
    jw_arr(w, "required");
    for (size_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].required)
            jw_str(w, NULL, schema->fields[i].name);
    }
    jw_end_arr(w);
    jw_end_obj(w);
}

/* ---- operations ---- */

/* "/a/:b" is "/a/{b}" here. */
static void
openapi_path(const char *path, char *out, size_t size)
{
    size_t used = 0;

    while (*path != '\0' && used + 3 < size) {
        size_t len = 0;

        if (*path != ':') {
            out[used++] = *path++;
            continue;
        }
        len = strcspn(++path, "/");
        used +=
            (size_t)snprintf(out + used, size - used, "{%.*s}", (int)len, path);
        if (used >= size)
            used = size - 1;
        path += len;
    }
    out[used] = '\0';
}

static void
write_parameters(const char *path, struct jw *w)
{
    jw_arr(w, "parameters");
    for (const char *p = strchr(path, ':'); p != NULL; p = strchr(p, ':')) {
        size_t len = strcspn(++p, "/");

        jw_obj(w, NULL);
        jw_strn(w, "name", p, len);
        jw_str(w, "in", "path");
        jw_bool(w, "required", true);
        jw_obj(w, "schema");
        write_string(w, HTTP_SEGMENT_MAX - 1);
        jw_end_obj(w);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

static void
write_body(const struct route *route, struct jw *w)
{
    jw_obj(w, "requestBody");
    jw_bool(w, "required", route->body_rule == BODY_REQUIRED);
    jw_obj(w, "content");
    jw_obj(w, "application/json");
    write_schema(route->body, w, "schema");
    jw_end_obj(w);
    jw_end_obj(w);
    jw_end_obj(w);
}

static void
write_responses(const struct route *route, struct jw *w)
{
    char status[16];

    (void)snprintf(status, sizeof(status), "%d", route->status);
    jw_obj(w, "responses");
    jw_obj(w, status);
    jw_str(w, "description", "success");
    jw_end_obj(w);
    jw_obj(w, "default");
    jw_str(w, "description", "failure");
    jw_obj(w, "content");
    jw_obj(w, "application/json");
    jw_obj(w, "schema");
    jw_str(w, "$ref", "#/components/schemas/Error");
    jw_end_obj(w);
    jw_end_obj(w);
    jw_end_obj(w);
    jw_end_obj(w);
    jw_end_obj(w);
}

static void
write_operation(const struct route *route, struct jw *w)
{
    char method[16];
    size_t i = 0;

    for (; route->method[i] != '\0' && i + 1 < sizeof(method); i++)
        method[i] = (char)(route->method[i] - 'A' + 'a');
    method[i] = '\0';
    jw_obj(w, method);
    jw_str(w, "summary", route->summary);
    write_parameters(route->path, w);
    if (route->guard == GUARD_WRITE) {
        jw_arr(w, "security");
        jw_obj(w, NULL);
        jw_arr(w, "writeToken");
        jw_end_arr(w);
        jw_end_obj(w);
        jw_end_arr(w);
    }
    if (route->body_rule != BODY_NONE)
        write_body(route, w);
    write_responses(route, w);
    jw_end_obj(w);
}

/* The rows of one path stand under one key, which the first of them opens. */
static bool
is_first_of_path(const struct router *router, size_t row)
{
    for (size_t i = 0; i < row; i++) {
        if (strcmp(router->routes[i].path, router->routes[row].path) == 0)
            return false;
    }
    return true;
}

static void
write_paths(const struct router *router, struct jw *w)
{
    jw_obj(w, "paths");
    for (size_t i = 0; i < router->count; i++) {
        char path[128];

        if (!is_first_of_path(router, i))
            continue;
        openapi_path(router->routes[i].path, path, sizeof(path));
        jw_obj(w, path);
        for (size_t j = i; j < router->count; j++) {
            if (strcmp(router->routes[i].path, router->routes[j].path) == 0)
                write_operation(&router->routes[j], w);
        }
        jw_end_obj(w);
    }
    jw_end_obj(w);
}

static const struct schema_field error_detail_fields[] = {
    {.name = "code", .kind = SCHEMA_STR, .required = true},
    {.name = "message", .kind = SCHEMA_STR, .required = true},
};
static const struct schema error_detail_schema = {
    .name = "error", .fields = error_detail_fields, .count = 2};
static const struct schema_field error_fields[] = {
    {.name = "error",
        .kind = SCHEMA_OBJ,
        .required = true,
        .sub = &error_detail_schema},
};
static const struct schema error_schema = {
    .name = "Error", .fields = error_fields, .count = 1};

void
openapi_write(const struct router *router, struct buf *out)
{
    struct jw w;

    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_str(&w, "openapi", "3.1.0");
    jw_obj(&w, "info");
    jw_str(&w, "title", "Risoluto operator API");
    jw_str(&w, "version", RISOLUTO_VERSION);
    jw_end_obj(&w);
    write_paths(router, &w);
    jw_obj(&w, "components");
    jw_obj(&w, "schemas");
    write_schema(&error_schema, &w, "Error");
    jw_end_obj(&w);
    jw_obj(&w, "securitySchemes");
    jw_obj(&w, "writeToken");
    jw_str(&w, "type", "http");
    jw_str(&w, "scheme", "bearer");
    jw_end_obj(&w);
    jw_end_obj(&w);
    jw_end_obj(&w);
    jw_end_obj(&w);
}
