/* SPDX-License-Identifier: Apache-2.0
 * What a type and its bounds cannot say: choices, formats, and keys that
 * depend on each other. */
#ifndef CONTROL_CONFIG_VALIDATE_H
#define CONTROL_CONFIG_VALIDATE_H

#include "common/err.h"
#include "control/config/layers.h"

/* Checks the merged values, and rewrites accepted aliases into the canonical
 * form (a sandbox mode; the members of `repos`; states in lower case). */
int validate(struct layers *layers, struct err *err);

/* Is this a git remote that we hand to a data plane: https, http, ssh, git,
 * file, user@host:path, or an absolute path? */
bool validate_is_repo_url(const char *url);

#endif
