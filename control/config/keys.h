/* SPDX-License-Identifier: Apache-2.0
 * keys.def as a table that code can walk. */
#ifndef CONTROL_CONFIG_KEYS_H
#define CONTROL_CONFIG_KEYS_H

#include "common/err.h"
#include "control/config/config.h"

#include <stdbool.h>

#include <stddef.h>
#include <stdint.h>

enum keys_type {
    KEYS_STR,
    KEYS_RAW,
    KEYS_INT,
    KEYS_BOOL,
    KEYS_STRS,
    KEYS_SECRET
};

enum keys_effect { KEYS_LIVE, KEYS_DISPATCH, KEYS_START };

enum {
    KEYS_PATH_MAX = 128,      /* bytes of a path, with its NUL */
    KEYS_STRS_ITEM_MAX = 1024 /* bytes of one string of a STRS */
};

/* The index of each key, named by its member: KEYS_server_port, .. */
enum keys_index {

#define KEY(path, member, ...) KEYS_##member,
#include "control/config/keys.def"
#undef KEY
    KEYS_COUNT
};

struct keys_row {
    const char *path; /* canonical: snake case, dotted */
    const char *fallback;
    const char *env;
    const char *help;
    size_t offset; /* in struct config */
    int64_t min;
    int64_t max;
    enum keys_type type;
    enum keys_effect effect;
};

const struct keys_row *keys_at(size_t index);

/* The index of a canonical path, or -1. */
int keys_find(const char *path);

/* Is path a section: a proper prefix of a key's path? */
bool keys_is_section(const char *path);

/* The nearest known key, or NULL. */
const char *keys_nearest(const char *path);

/* What to say of a key that the documents or other orchestrators name and
 * that is not ours; NULL when the key is simply unknown. */
const char *keys_foreign(const char *path);

/* The canonical spelling of one segment: camelCase becomes snake_case. false
 * when it does not fit. */
bool keys_canonical(const char *segment, char *out, size_t size);

/* Appends ".segment" (or "segment" to an empty path). false: too long. */
bool keys_join(char *path, size_t size, const char *segment);

const char *keys_type_name(enum keys_type type); /* for people */
const char *keys_effect_text(enum keys_effect effect);

#endif
