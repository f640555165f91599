/* SPDX-License-Identifier: Apache-2.0
 * CODEX_HOME, filled from a bundle. */
#ifndef DATAPLANE_INIT_HOME_H
#define DATAPLANE_INIT_HOME_H

#include "dataplane/init/bundle.h"

#include <stdbool.h>

/* Writes the bundle's files below home, which must exist and, unless
 * any_filesystem, be a tmpfs (ramfs too). Nothing is overwritten, no symbolic
 * link followed. 0, or -1 with *why. */
int home_write(const char *home, bool any_filesystem,
    const struct bundle *bundle, const char **why);

#endif
