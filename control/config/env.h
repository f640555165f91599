/* SPDX-License-Identifier: Apache-2.0
 * The environment as a configuration source. Secrets are taken out of the
 * process's environment when first asked for, and remembered here, so that a
 * reload finds them and no child process inherits them. */
#ifndef CONTROL_CONFIG_ENV_H
#define CONTROL_CONFIG_ENV_H

#include "common/err.h"
#include "common/secret.h"

#include <stdbool.h>

struct env;

struct env *env_new(void); /* NULL when out of memory */
void env_free(struct env *env);
void env_free_ptr(struct env **env); /* for AUTO() */

/* The secret of NAME or NAME_FILE, as a copy of the caller's own; *out is NULL
 * when neither is set, or empty. */
int env_secret(
    struct env *env, const char *name, struct secret **out, struct err *err);

/* The value of NAME, NULL when unset or empty. Not for secrets. */
const char *env_text(const char *name);

/* If text is exactly "$NAME", the name in it; else NULL. */
const char *env_reference(const char *text);

#endif
