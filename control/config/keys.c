/* SPDX-License-Identifier: Apache-2.0
 * The table of keys, finding one by its path, and what to say of those that
 * are not in it. */
#include "control/config/keys.h"

#include "common/cleanup.h"
#include "common/cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct keys_row rows[KEYS_COUNT] = {
#define KEY(path_, member_, type_, default_, min_, max_, env_, effect_, help_) \
    {.path = (path_),                                                          \
        .type = KEYS_##type_,                                                  \
        .offset = offsetof(struct config, member_),                            \
        .fallback = (default_),                                                \
        .min = (min_),                                                         \
        .max = (max_),                                                         \
        .env = (env_),                                                         \
        .effect = KEYS_##effect_,                                              \
        .help = (help_)},
#include "control/config/keys.def"
#undef KEY
};

/* Keys and sections that a reader of the documents, or somebody who comes from
 * another implementation, may write. None is accepted silently: a policy that
 * is written down and not enforced is worse than none. */
static const struct foreign {
    const char *path;
    const char *why;
} foreign_keys[] = {
    {"codex.command",
        "Codex is started inside the worker image; choose it with "
        "codex.sandbox.image"},
    {"codex.personality", "this version does not support it"},
    {"codex.self_review", "this version does not support it"},
    {"codex.structured_output", "this version does not support it"},
    {"codex.sandbox.egress_allowlist",
        "this version does not enforce an egress allow-list"},
    {"codex.sandbox.network.egress_allowlist",
        "this version does not enforce an egress allow-list"},
    {"codex.sandbox.network.name",
        "write the network's name as codex.sandbox.network itself"},
    {"codex.sandbox.security.gvisor",
        "this version does not run workers under gVisor"},
    {"codex.sandbox.extra_mounts", "this version does not support it"},
    {"codex.sandbox.env_passthrough", "this version does not support it"},
    {"codex.auth.source_home",
        "credentials are not read from a home folder; set codex.auth.api_key"},
    {"agent.stall_timeout_ms", "write codex.stall_timeout_ms"},
    {"workspace.root",
        "each data plane has its own: risoluto-dataplane --workspace-root"},
    {"tracker.provider",
        "write tracker.endpoint, tracker.project_slug and tracker.api_key"},
    {"tracker.assignee", "this version does not support it"},
    {"notifications", "this version does not support it"},
    {"triggers", "this version does not support it"},
    {"automations", "this version does not support it"},
    {"alerts", "this version does not support it"},
    {"github", "this version does not support it"},
    {"webhook", "this version does not support it"},
    {"state_machine", "this version does not support it"},
    {"system", "this version does not support it"},
    {"worker", "data planes are listed in pool.hosts"},
    {"observability", "this version does not support it"},
};

const struct keys_row *
keys_at(size_t index)
{
    return index < KEYS_COUNT ? &rows[index] : NULL;
}

int
keys_find(const char *path)
{
    for (int i = 0; i < KEYS_COUNT; i++) {
        if (strcmp(rows[i].path, path) == 0)
            return i;
    }
    return -1;
}

/* Is inner equal to outer or below it? */
static bool
is_within(const char *inner, const char *outer)
{
    size_t len = strlen(outer);
    return strncmp(inner, outer, len) == 0 &&
           (inner[len] == '.' || inner[len] == '\0');
}

bool
keys_is_section(const char *path)
{
    for (int i = 0; i < KEYS_COUNT; i++) {
        if (is_within(rows[i].path, path) && strcmp(rows[i].path, path) != 0)
            return true;
    }
    return false;
}

const char *
keys_nearest(const char *path)
{
    /* Every section is a candidate too, for a mistyped section. */
    const char *names[2 * KEYS_COUNT];
    static const char *const sections[] = {"server", "polling", "tracker",
        "agent", "pool", "workspace", "hooks", "codex", "codex.auth",
        "codex.provider", "codex.sandbox", "codex.sandbox.resources",
        "codex.sandbox.security", "codex.sandbox.logs"};
    _Static_assert(ARRAY_LEN(sections) <= KEYS_COUNT, "names is too small");
    size_t count = 0;
    for (size_t i = 0; i < KEYS_COUNT; i++)
        names[count++] = rows[i].path;
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        names[count++] = sections[i];
    return cli_nearest(path, names, count);
}

const char *
keys_foreign(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(foreign_keys); i++) {
        if (is_within(path, foreign_keys[i].path))
            return foreign_keys[i].why;
    }
    return NULL;
}

bool
keys_canonical(const char *segment, char *out, size_t size)
{
    size_t len = 0;
    for (const char *p = segment; *p != '\0'; p++) {
        bool upper = *p >= 'A' && *p <= 'Z';
        if (len + 3 > size)
            return false;
        if (upper && p != segment)
            out[len++] = '_';
        out[len++] = (char)tolower((unsigned char)*p);
    }
    out[len] = '\0';
    return true;
}

bool
keys_join(char *path, size_t size, const char *segment)
{
    size_t len = strlen(path);
    int n =
        snprintf(path + len, size - len, "%s%s", len == 0 ? "" : ".", segment);
    return n >= 0 && (size_t)n < size - len;
}

const char *
keys_type_name(enum keys_type type)
{
    static const char *const names[] = {
        [KEYS_STR] = "string",
        [KEYS_RAW] = "any",
        [KEYS_INT] = "integer",
        [KEYS_BOOL] = "boolean",
        [KEYS_STRS] = "list of strings",
        [KEYS_SECRET] = "secret",
    };
    return names[type];
}

const char *
keys_effect_text(enum keys_effect effect)
{
    static const char *const texts[] = {
        [KEYS_LIVE] = "at once",
        [KEYS_DISPATCH] = "next attempt",
        [KEYS_START] = "restart",
    };
    return texts[effect];
}
