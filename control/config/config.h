/* SPDX-License-Identifier: Apache-2.0
 * The configuration: layers (defaults, WORKFLOW.md, overlay, environment)
 * merged, validated against keys.def, and published as immutable versions. */
#ifndef CONTROL_CONFIG_CONFIG_H
#define CONTROL_CONFIG_CONFIG_H

#include "common/err.h"
#include "common/json.h"
#include "common/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_strings {
    char **items;
    size_t count;
};

/* One immutable version; reference-counted. Members are named in keys.def. */
struct config {
#define CONFIG_T_STR char *
#define CONFIG_T_RAW char *
#define CONFIG_T_INT int64_t
#define CONFIG_T_BOOL bool
#define CONFIG_T_STRS struct config_strings
#define CONFIG_T_SECRET struct secret *
#define KEY(path, member, TYPE, ...) CONFIG_T_##TYPE member;
#include "control/config/keys.def"
#undef KEY
    char *prompt_template; /* WORKFLOW.md's body, or the built-in one */
    char *data_dir;
};

struct config_sources {
    const char *data_dir;      /* overlay: data_dir/config/overlay.yaml */
    const char *workflow_path; /* NULL: data_dir/WORKFLOW.md if it exists */
    const char *port;          /* --port, or NULL */
};

/* Loads all layers. ERR_CONFIG names file, line, key and a near match; camel
 * case spellings are accepted; both spellings with different values are an
 * error. *out is NULL on error. Secrets are taken out of the process's
 * environment: load once, or use the live configuration, which keeps them. */
int config_load(
    struct config **out, const struct config_sources *sources, struct err *err);
void config_release(struct config *config); /* drops a reference */

static inline void
config_release_ptr(struct config **config) /* for AUTO() */
{
    config_release(*config);
}

/* ---- the live configuration ---- */

struct config_live;

int config_live_open(struct config_live **out,
    const struct config_sources *sources, struct err *err);
void config_live_close(struct config_live *live);

/* The current version, with a reference of the caller's own. */
struct config *config_get(struct config_live *live);

/* Re-reads the files if they changed (mtime, size, inode). A bad edit keeps
 * the last good version: -1 with what is wrong, every time until mended. */
int config_reload(struct config_live *live, struct err *err);

/* The effective values as JSON; secrets are "[REDACTED]". */
void config_write(const struct config *config, struct jw *w, const char *key);

/* The repository of an issue: the first entry of `repos` whose conditions all
 * hold (identifier_prefix, label). Both members are NULL when none fits;
 * default_branch is NULL when the entry names none. */
struct issue;

struct config_repo {
    char *url;
    char *default_branch;
};

int config_route(const struct config *config, const struct issue *issue,
    struct config_repo *out, struct err *err);
void config_repo_release(struct config_repo *repo);

#endif
