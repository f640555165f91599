/* SPDX-License-Identifier: Apache-2.0
 * Just enough GraphQL for a fake server: one operation, read and checked
 * against a schema in one pass. What is unknown is refused, as servers do. */
#ifndef TESTS_FAKES_LIB_GRAPHQL_H
#define TESTS_FAKES_LIB_GRAPHQL_H

#include "common/err.h"
#include "common/json.h"

#include <stdbool.h>

enum { GQL_FIELDS_MAX = 24, GQL_ARGS_MAX = 4, GQL_NAME_SIZE = 64 };

struct gql_arg {
    const char *name;
    const char *type; /* "String!", "[ID!]" */
};

struct gql_field {
    const char *name;
    const char *type;
    struct gql_arg args[GQL_ARGS_MAX]; /* of an object's field */
};

/* A type that is not in the schema is a scalar. */
struct gql_type {
    const char *name;
    bool is_input;
    struct gql_field fields[GQL_FIELDS_MAX];
};

struct gql_schema {
    const struct gql_type *types;
    size_t count;
};

struct gql_selection {
    char key[GQL_NAME_SIZE]; /* its alias, or its name */
    char name[GQL_NAME_SIZE];
    char type[GQL_NAME_SIZE]; /* that it gives, without [ ] and ! */
    struct json *args;        /* an object; variables are filled in */
    struct gql_selection *children;
    struct gql_selection *next;
};

/* Reads the operation; *out is the list of its root fields (of type Query or
 * Mutation, see *mutation). ERR_INVALID with the message a server answers. */
int gql_read(const struct gql_schema *schema, const char *query,
    const struct json *variables, bool *mutation, struct gql_selection **out,
    struct err *err);

void gql_free(struct gql_selection *selection);

/* The price of a selection: 0.1 a property, 1 an object; what lies below a
 * connection is multiplied by its `first` (50 when absent). */
double gql_complexity(const struct gql_selection *selection);

#endif
