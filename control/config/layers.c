/* SPDX-License-Identifier: Apache-2.0
 * Walks a file's map against the table of keys, and applies the other layers.
 * A layer is checked whole even where a later one overrides it. */
#include "control/config/layers.h"

#include "common/cleanup.h"
#include "control/config/value.h"

#include <stdio.h>
#include <string.h>

static int
set_origin(
    struct layers *layers, size_t index, const char *origin, struct err *err)
{
    char *copy = strdup(origin);
    if (copy == NULL)
        return err_no_memory(err);
    free(layers->origins[index]);
    layers->origins[index] = copy;
    return 0;
}

static int
set_text(struct layers *layers, size_t index, const char *text,
    const char *origin, struct err *err)
{
    if (value_set_text(layers->config, keys_at(index), text, origin, err) != 0)
        return -1;
    return set_origin(layers, index, origin, err);
}

int
layers_defaults(struct layers *layers, struct err *err)
{
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        const char *fallback = keys_at(i)->fallback;
        if (fallback != NULL &&
            set_text(layers, i, fallback, "default", err) != 0)
            return -1;
    }
    return 0;
}

/* ---- files ---- */

struct walk {
    struct layers *layers;
    const char *file;
    struct err *err;
};

/* Where in the map a key stands: as it was written, and as we spell it. */
struct place {
    char written[KEYS_PATH_MAX];
    char path[KEYS_PATH_MAX];
};

static int
unknown_key(const struct walk *walk, const struct ytree *node,
    const struct place *place)
{
    const char *foreign = keys_foreign(place->path);
    const char *near = keys_nearest(place->path);
    if (foreign != NULL)
        return err_set(walk->err, ERR_CONFIG, "%s:%d: unknown key \"%s\": %s",
            walk->file, node->line, place->written, foreign);
    if (near != NULL)
        return err_set(walk->err, ERR_CONFIG,
            "%s:%d: unknown key \"%s\"; did you mean \"%s\"?", walk->file,
            node->line, place->written, near);
    return err_set(walk->err, ERR_CONFIG,
        "%s:%d: unknown key \"%s\"; docs/configuration.md lists the keys",
        walk->file, node->line, place->written);
}

static int
enter(const struct walk *walk, const struct ytree *node,
    const struct place *parent, struct place *out)
{
    char segment[KEYS_PATH_MAX];
    *out = *parent;
    bool fits = keys_canonical(node->key, segment, sizeof(segment)) &&
                keys_join(out->written, sizeof(out->written), node->key) &&
                keys_join(out->path, sizeof(out->path), segment);
    if (!fits || node->key[0] == '\0')
        return err_set(walk->err, ERR_CONFIG, "%s:%d: unknown key \"%.64s\"",
            walk->file, node->line, node->key);
    if (strchr(node->key, '.') != NULL)
        return err_set(walk->err, ERR_CONFIG,
            "%s:%d: unknown key \"%s\": write sections as nested maps, not "
            "with dots",
            walk->file, node->line, out->written);
    return 0;
}

/* Both spellings of one key in the same map: harmless only when they agree.
 * *repeated tells that an earlier sibling said the same. */
static int
check_spellings(const struct walk *walk, const struct ytree *map,
    const struct ytree *node, const struct place *place, bool *repeated)
{
    char mine[KEYS_PATH_MAX];
    char other[KEYS_PATH_MAX];
    *repeated = false;
    if (!keys_canonical(node->key, mine, sizeof(mine)))
        return 0;
    for (const struct ytree *c = map->child; c != node; c = c->next) {
        if (!keys_canonical(c->key, other, sizeof(other)) ||
            strcmp(mine, other) != 0)
            continue;
        if (!ytree_equal(c, node))
            return err_set(walk->err, ERR_CONFIG,
                "%s:%d: \"%s\" is also written \"%s\" on line %d, with "
                "another value; keep one",
                walk->file, node->line, place->written, c->key, c->line);
        *repeated = true;
    }
    return 0;
}

/* A map where a plain value belongs may hold a key that we can name. */
static int
check_no_map(const struct walk *walk, const struct ytree *node,
    const struct place *place, const struct keys_row *row)
{
    if (node->kind != YTREE_MAP || row->type == KEYS_RAW || node->child == NULL)
        return 0;
    struct place inner;
    if (enter(walk, node->child, place, &inner) != 0)
        return -1;
    return unknown_key(walk, node->child, &inner);
}

static int
apply_key(const struct walk *walk, const struct ytree *node,
    const struct place *place, size_t index)
{
    const struct keys_row *row = keys_at(index);
    char origin[ERR_MESSAGE_MAX / 2];
    (void)snprintf(origin, sizeof(origin), "%s:%d", walk->file, node->line);
    if (ytree_is_null(node))
        return 0; /* as if it were not there */
    if (check_no_map(walk, node, place, row) != 0 ||
        value_set_yaml(walk->layers->config, row, node, walk->layers->env,
            origin, walk->err) != 0)
        return -1;
    return set_origin(walk->layers, index, origin, walk->err);
}

static int
apply_map(const struct walk *walk, const struct ytree *map,
    const struct place *parent)
{
    for (const struct ytree *c = map->child; c != NULL; c = c->next) {
        struct place place;
        bool repeated = false;
        if (enter(walk, c, parent, &place) != 0 ||
            check_spellings(walk, map, c, &place, &repeated) != 0)
            return -1;
        if (repeated)
            continue;
        int index = keys_find(place.path);
        if (index >= 0) {
            if (apply_key(walk, c, &place, (size_t)index) != 0)
                return -1;
            continue;
        }
        if (!keys_is_section(place.path))
            return unknown_key(walk, c, &place);
        if (ytree_is_null(c))
            continue;
        if (c->kind != YTREE_MAP)
            return err_set(walk->err, ERR_CONFIG,
                "%s:%d: \"%s\" is a section: expected a map", walk->file,
                c->line, place.written);
        if (apply_map(walk, c, &place) != 0)
            return -1;
    }
    return 0;
}

int
layers_file(struct layers *layers, const char *file, const struct ytree *root,
    struct err *err)
{
    struct walk walk = {.layers = layers, .file = file, .err = err};
    struct place top = {.path = "", .written = ""};
    return root == NULL ? 0 : apply_map(&walk, root, &top);
}

/* ---- environment and command line ---- */

static int
apply_secret(struct layers *layers, size_t index, struct err *err)
{
    const struct keys_row *row = keys_at(index);
    struct secret *secret = NULL;
    if (env_secret(layers->env, row->env, &secret, err) != 0)
        return err_wrap(err, "%s", row->path);
    if (secret == NULL)
        return 0;
    if (value_set_secret(layers->config, row, secret, row->env, err) != 0)
        return -1;
    return set_origin(layers, index, row->env, err);
}

int
layers_environment(struct layers *layers, struct err *err)
{
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        const struct keys_row *row = keys_at(i);
        if (row->env == NULL)
            continue;
        if (row->type == KEYS_SECRET) {
            if (apply_secret(layers, i, err) != 0)
                return -1;
            continue;
        }
        const char *text = env_text(row->env);
        if (text != NULL && set_text(layers, i, text, row->env, err) != 0)
            return -1;
    }
    return 0;
}

int
layers_option(struct layers *layers, const char *path, const char *text,
    const char *origin, struct err *err)
{
    int index = keys_find(path);
    if (index < 0)
        return err_set(err, ERR_INTERNAL, "no key is named %s", path);
    return set_text(layers, (size_t)index, text, origin, err);
}

const char *
layers_origin(const struct layers *layers, const char *path)
{
    int index = keys_find(path);
    if (index < 0 || layers->origins[index] == NULL)
        return "default";
    return layers->origins[index];
}

void
layers_release(struct layers *layers)
{
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        free(layers->origins[i]);
        layers->origins[i] = NULL;
    }
}
