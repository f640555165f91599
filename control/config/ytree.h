/* SPDX-License-Identifier: Apache-2.0
 * The YAML that we accept: maps, lists and scalars, bounded, with the line of
 * every node. ytree.c is the only file that knows libyaml, whose
 * own symbols begin with yaml_: hence this name. */
#ifndef CONTROL_CONFIG_YTREE_H
#define CONTROL_CONFIG_YTREE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    YTREE_BYTES_MAX = 1024 * 1024,
    YTREE_DEPTH_MAX = 32,
    YTREE_NODES_MAX = 16384,
    YTREE_KEYS_MAX = 1024 /* in one map */
};

enum ytree_kind { YTREE_SCALAR, YTREE_LIST, YTREE_MAP };

/* A node owns its children; they hang on `child`, linked by `next`. */
struct ytree {
    enum ytree_kind kind;
    bool plain; /* a scalar without quotes, not a block: `4000`, `true` */
    int line;   /* in the file, from 1 */
    char *key;  /* in a map; NULL elsewhere */
    char *text; /* of a scalar */
    struct ytree *child;
    struct ytree *next;
};

/* Reads one document. file names it in messages, line is the number of its
 * first line. Refused with "file:line: why" (ERR_CONFIG): anchors, aliases,
 * tags, merge keys, duplicate keys, keys that are no plain strings, NUL bytes,
 * a second document, anything beyond the limits above. An empty document gives
 * *out = NULL and 0. The tree is released with ytree_free. */
int ytree_read(const char *text, size_t len, const char *file, int line,
    struct ytree **out, struct err *err);

void ytree_free(struct ytree *root);
void ytree_free_ptr(struct ytree **root); /* for AUTO() */

/* A plain `null`, `~` or nothing at all. */
bool ytree_is_null(const struct ytree *node);

/* The same kinds, keys (in any order) and scalars? */
bool ytree_equal(const struct ytree *a, const struct ytree *b);

/* The node as JSON text, plain scalars typed by YAML's core schema. Failures
 * are the buf's. */
void ytree_to_json(const struct ytree *node, struct buf *out);

#endif
