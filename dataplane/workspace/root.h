/* SPDX-License-Identifier: Apache-2.0
 * Between the files of workspace/ only: names inside the root. Those with a
 * leading dot are never a workspace, since no key starts with one. */
#ifndef DATAPLANE_WORKSPACE_ROOT_H
#define DATAPLANE_WORKSPACE_ROOT_H

#include "dataplane/workspace/workspace.h"

enum { ROOT_NAME_SIZE = WORKSPACE_KEY_MAX + 64 };

#define ROOT_NEW_PREFIX ".new-"       /* being prepared */
#define ROOT_TRASH_PREFIX ".trash-"   /* being removed */
#define ROOT_MAKING_PREFIX ".making-" /* mark: after_create not settled */

/* prefix + suffix. */
void root_name(
    char out[ROOT_NAME_SIZE], const char *prefix, const char *suffix);

int root_key_error(struct err *err);
int root_sync(const struct workspace_root *root, struct err *err);

#endif
