/* SPDX-License-Identifier: Apache-2.0
 * The layers of the configuration, applied one over the other. */
#ifndef CONTROL_CONFIG_LAYERS_H
#define CONTROL_CONFIG_LAYERS_H

#include "common/err.h"
#include "control/config/config.h"
#include "control/config/env.h"
#include "control/config/keys.h"
#include "control/config/ytree.h"

/* The configuration that is being made, and where each value came from. */
struct layers {
    struct config *config;
    struct env *env;
    char *origins[KEYS_COUNT]; /* "WORKFLOW.md:7", "RISOLUTO_PORT", "default" */
};

int layers_defaults(struct layers *layers, struct err *err);

/* The map of a file; root may be NULL (an empty file). */
int layers_file(struct layers *layers, const char *file,
    const struct ytree *root, struct err *err);

int layers_environment(struct layers *layers, struct err *err);

/* One key by its path, from the command line. */
int layers_option(struct layers *layers, const char *path, const char *text,
    const char *origin, struct err *err);

/* Where the value of a key came from; "default" when unknown. */
const char *layers_origin(const struct layers *layers, const char *path);

void layers_release(struct layers *layers); /* the origins only */

#endif
