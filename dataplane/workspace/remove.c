/* SPDX-License-Identifier: Apache-2.0
 * Removal: out of sight by one rename, then piece by piece. */
#include "common/cleanup.h"
#include "common/file.h"
#include "common/id.h"
#include "dataplane/workspace/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int
workspace_settle(
    const struct workspace_root *root, const char *key, struct err *err)
{
    char mark[ROOT_NAME_SIZE];

    if (!workspace_key_is_valid(key))
        return root_key_error(err);
    root_name(mark, ROOT_MAKING_PREFIX, key);
    if (unlinkat(root->fd, mark, 0) != 0 && errno != ENOENT)
        return err_sys(err, "%s/%s", root->path, mark);
    return root_sync(root, err);
}

int
workspace_remove(const struct workspace_root *root, const char *key,
    bool *removed, struct err *err)
{
    char id[ID_SIZE];
    char trash[ROOT_NAME_SIZE];
    AUTO_FREE char *path = NULL;

    *removed = false;
    if (!workspace_key_is_valid(key))
        return root_key_error(err);
    if (workspace_exists(root, key, removed, err) != 0)
        return -1;
    if (!*removed)
        return workspace_settle(root, key, err);
    id_new(id);
    root_name(trash, ROOT_TRASH_PREFIX, id);
    path = file_join(root->path, trash);
    if (path == NULL)
        return err_no_memory(err);
    if (renameat(root->fd, key, root->fd, trash) != 0)
        return err_sys(err, "remove %s/%s", root->path, key);
    if (workspace_settle(root, key, err) != 0)
        return -1;
    return file_remove_tree(path, err);
}
