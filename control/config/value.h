/* SPDX-License-Identifier: Apache-2.0
 * One key's value: from YAML or text into its typed member, and back. */
#ifndef CONTROL_CONFIG_VALUE_H
#define CONTROL_CONFIG_VALUE_H

#include "common/err.h"
#include "common/json.h"
#include "control/config/config.h"
#include "control/config/env.h"
#include "control/config/keys.h"
#include "control/config/ytree.h"

/* Both replace the member of row, checked against the row's bounds. origin
 * ("WORKFLOW.md:7", "RISOLUTO_PORT") goes before the key in messages. */
int value_set_yaml(struct config *config, const struct keys_row *row,
    const struct ytree *node, struct env *env, const char *origin,
    struct err *err);

/* From an environment variable, --port or the table's default: lists are
 * comma lists, RAW is JSON. Not for secrets. */
int value_set_text(struct config *config, const struct keys_row *row,
    const char *text, const char *origin, struct err *err);

/* Takes the secret over, also on error. */
int value_set_secret(struct config *config, const struct keys_row *row,
    struct secret *secret, const char *origin, struct err *err);

void value_clear(struct config *config, const struct keys_row *row);

/* Secrets as "[REDACTED]", or null when unset. */
void value_write(const struct config *config, const struct keys_row *row,
    struct jw *w, const char *key);

#endif
