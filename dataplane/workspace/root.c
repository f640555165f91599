/* SPDX-License-Identifier: Apache-2.0
 * The workspace root: who owns it, what is in it, and the names in it that we
 * trust. */
#include "dataplane/workspace/root.h"

#include "common/cleanup.h"
#include "common/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { DEFAULT_UID = 1000, DEFAULT_GID = 1000 };

bool
workspace_key_is_valid(const char *key)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-";
    size_t len = strlen(key);

    return len >= 1 && len <= WORKSPACE_KEY_MAX && key[0] != '.' &&
           key[0] != '-' && strspn(key, allowed) == len;
}

int
root_key_error(struct err *err)
{
    /* The key itself is hostile: not repeated. */
    return err_set(err, ERR_INVALID,
        "workspace key must be 1 to %d of [A-Za-z0-9._-] and not start with "
        "'.' or '-'",
        WORKSPACE_KEY_MAX);
}

void
root_name(char out[ROOT_NAME_SIZE], const char *prefix, const char *suffix)
{
    snprintf(out, ROOT_NAME_SIZE, "%s%s", prefix, suffix);
}

int
root_sync(const struct workspace_root *root, struct err *err)
{
    if (fsync(root->fd) != 0)
        return err_sys(err, "fsync %s", root->path);
    return 0;
}

int
workspace_exists(const struct workspace_root *root, const char *key,
    bool *exists, struct err *err)
{
    struct stat st;

    *exists = false;
    if (!workspace_key_is_valid(key))
        return root_key_error(err);
    if (fstatat(root->fd, key, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : err_sys(err, "%s/%s", root->path, key);
    if (S_ISLNK(st.st_mode))
        return err_set(err, ERR_CONFLICT,
            "%s/%s is a symbolic link, not a workspace", root->path, key);
    if (!S_ISDIR(st.st_mode))
        return err_set(
            err, ERR_CONFLICT, "%s/%s is not a folder", root->path, key);
    if (st.st_uid != root->uid)
        return err_set(err, ERR_CONFLICT,
            "%s/%s belongs to user %u; workspaces belong to user %u",
            root->path, key, (unsigned)st.st_uid, (unsigned)root->uid);
    *exists = true;
    return 0;
}

/* ---- opening ---- */

static int
choose_owner(struct workspace_root *root, struct err *err)
{
    struct stat st;

    if (fstat(root->fd, &st) != 0)
        return err_sys(err, "%s", root->path);
    if ((st.st_mode & S_IWOTH) != 0)
        return err_set(err, ERR_CONFIG,
            "workspace root %s can be written by everybody: chmod o-w it",
            root->path);
    root->uid = st.st_uid != 0 ? st.st_uid : DEFAULT_UID;
    root->gid = st.st_uid != 0 ? st.st_gid : DEFAULT_GID;
    if (geteuid() != 0 && root->uid != geteuid())
        return err_set(err, ERR_CONFIG,
            "workspace root %s belongs to user %u, and this process, as user "
            "%u, cannot make folders for that one: chown it, or run as root",
            root->path, (unsigned)st.st_uid, (unsigned)geteuid());
    return 0;
}

static int
lock_root(const struct workspace_root *root, struct err *err)
{
    if (flock(root->fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return err_sys(err, "lock %s", root->path);
    return err_set(err, ERR_CONFLICT,
        "another data plane uses the workspace root %s: give this one its own "
        "--workspace-root",
        root->path);
}

static bool
is_leftover(const char *name)
{
    return strncmp(name, ROOT_NEW_PREFIX, strlen(ROOT_NEW_PREFIX)) == 0 ||
           strncmp(name, ROOT_TRASH_PREFIX, strlen(ROOT_TRASH_PREFIX)) == 0;
}

static void
close_dir(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

static int
sweep(const struct workspace_root *root, struct err *err)
{
    AUTO(close_dir) DIR *dir = opendir(root->path);
    struct dirent *entry;

    if (dir == NULL)
        return err_sys(err, "%s", root->path);
    while ((entry = readdir(dir)) != NULL) {
        AUTO_FREE char *path = NULL;

        if (!is_leftover(entry->d_name))
            continue;
        path = file_join(root->path, entry->d_name);
        if (path == NULL)
            return err_no_memory(err);
        if (file_remove_tree(path, err) != 0)
            return -1;
    }
    return 0;
}

static int
resolve(struct workspace_root *root, const char *path, struct err *err)
{
    /* Absolute, since Docker gets it, and free of links, so that the path in
     * the container is the one that tools print. */
    root->path = realpath(path, NULL);
    if (root->path == NULL)
        return err_sys(err, "workspace root %s", path);
    if (strcmp(root->path, "/") == 0 || strchr(root->path, '\n') != NULL)
        return err_set(err, ERR_CONFIG,
            "%s cannot be the workspace root: choose a folder of its own",
            root->path);
    root->fd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0)
        return err_sys(err, "workspace root %s", root->path);
    return 0;
}

static bool
may_enter(const struct stat *st, const struct workspace_root *root)
{
    if (st->st_uid == root->uid)
        return (st->st_mode & S_IXUSR) != 0;
    if (st->st_gid == root->gid)
        return (st->st_mode & S_IXGRP) != 0;
    return (st->st_mode & S_IXOTH) != 0;
}

/* git runs as the workspaces' user, who must get there: root's home, say, is
 * closed to everybody else. Better told at the start than by each attempt. */
static int
check_way(const struct workspace_root *root, struct err *err)
{
    AUTO_FREE char *path = strdup(root->path);
    struct stat st;

    if (path == NULL)
        return err_no_memory(err);
    for (char *end = path + strlen(path); end != path;
         end = strrchr(path, '/')) {
        *end = '\0';
        if (path[0] == '\0')
            break;
        if (stat(path, &st) != 0)
            return err_sys(err, "%s", path);
        if (root->uid != 0 && !may_enter(&st, root))
            return err_set(err, ERR_CONFIG,
                "the workspaces' user (uid %u) cannot enter %s: choose "
                "another --workspace-root (RISOLUTO_WORKSPACES), or chmod o+x "
                "that folder",
                (unsigned)root->uid, path);
    }
    return 0;
}

int
workspace_root_open(
    struct workspace_root *out, const char *path, struct err *err)
{
    *out = (struct workspace_root){.fd = -1};
    if (file_make_dirs(path, 0755, err) != 0 || resolve(out, path, err) != 0 ||
        lock_root(out, err) != 0 || choose_owner(out, err) != 0 ||
        check_way(out, err) != 0 || sweep(out, err) != 0) {
        workspace_root_close(out);
        return -1;
    }
    return 0;
}

void
workspace_root_close(struct workspace_root *root)
{
    free(root->path);
    if (root->fd >= 0)
        (void)close(root->fd);
    *root = (struct workspace_root){.fd = -1};
}

/* ---- listing ---- */

/* The most recently changed first. */
static int
by_time(const void *a, const void *b)
{
    const struct workspace_info *left = a;
    const struct workspace_info *right = b;

    if (left->modified_at_ms != right->modified_at_ms)
        return left->modified_at_ms > right->modified_at_ms ? -1 : 1;
    return strcmp(left->key, right->key);
}

static int
add_info(const struct workspace_root *root, const char *key, struct slice *list,
    struct err *err)
{
    struct workspace_info *grown;
    struct workspace_info *info;
    struct stat st;

    if (fstatat(root->fd, key, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(st.st_mode))
        return 0; /* gone meanwhile, or none of ours */
    grown = realloc(list->items, (list->len + 1) * sizeof(*grown));
    if (grown == NULL)
        return err_no_memory(err);
    list->items = grown;
    info = &grown[list->len++];
    *info = (struct workspace_info){.key = strdup(key),
        .path = file_join(root->path, key),
        .modified_at_ms =
            (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000};
    if (info->key == NULL || info->path == NULL)
        return err_no_memory(err);
    return 0;
}

static int
collect(const struct workspace_root *root, struct slice *list, struct err *err)
{
    AUTO(close_dir) DIR *dir = opendir(root->path);
    struct dirent *entry;

    if (dir == NULL)
        return err_sys(err, "%s", root->path);
    while ((entry = readdir(dir)) != NULL)
        if (workspace_key_is_valid(entry->d_name) &&
            add_info(root, entry->d_name, list, err) != 0)
            return -1;
    return 0;
}

int
workspace_list(const struct workspace_root *root, int64_t limit,
    struct workspaces_reply *out, struct err *err)
{
    struct slice *list = &out->workspaces;
    struct workspace_info *items;

    memset(out, 0, sizeof(*out));
    if (collect(root, list, err) != 0) {
        schema_release(&workspaces_reply_schema, out);
        return -1;
    }
    items = list->items;
    if (list->len > 1)
        qsort(items, list->len, sizeof(*items), by_time);
    while ((int64_t)list->len > limit) {
        list->len--;
        free(items[list->len].key);
        free(items[list->len].path);
    }
    return 0;
}
