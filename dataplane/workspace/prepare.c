/* SPDX-License-Identifier: Apache-2.0
 * A new workspace: made under a temporary name beside the others and moved
 * into place when it is whole, so that nothing half-made is ever found. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/id.h"
#include "dataplane/workspace/git.h"
#include "dataplane/workspace/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_MAX = 16 * 1024, DIR_MODE = 0700 };

/* ROOT/.new-ID with tree/ (to become the workspace) and home/ (git's). */
struct nursery {
    char name[ROOT_NAME_SIZE];
    char tree_name[ROOT_NAME_SIZE + 8];
    char *path;
    char *tree;
    char *home;
};

static void
nursery_release(struct nursery *nursery)
{
    struct err ignored = ERR_INIT;

    /* What cannot be removed now is swept when the root is opened again. */
    if (nursery->path != NULL)
        (void)file_remove_tree(nursery->path, &ignored);
    free(nursery->path);
    free(nursery->tree);
    free(nursery->home);
}

static int
make_owned_dir(
    const struct workspace_root *root, const char *path, struct err *err)
{
    if (mkdir(path, DIR_MODE) != 0)
        return err_sys(err, "mkdir %s", path);
    if (root->uid != geteuid() && chown(path, root->uid, root->gid) != 0)
        return err_sys(err, "chown %s", path);
    return 0;
}

static int
nursery_make(
    struct nursery *nursery, const struct workspace_root *root, struct err *err)
{
    char id[ID_SIZE];

    id_new(id);
    root_name(nursery->name, ROOT_NEW_PREFIX, id);
    snprintf(nursery->tree_name, sizeof(nursery->tree_name), "%s/tree",
        nursery->name);
    nursery->path = file_join(root->path, nursery->name);
    nursery->tree = file_join(root->path, nursery->tree_name);
    if (nursery->path == NULL || nursery->tree == NULL)
        return err_no_memory(err);
    nursery->home = file_join(nursery->path, "home");
    if (nursery->home == NULL)
        return err_no_memory(err);
    if (make_owned_dir(root, nursery->path, err) != 0 ||
        make_owned_dir(root, nursery->tree, err) != 0)
        return -1;
    return make_owned_dir(root, nursery->home, err);
}

static int
write_gitconfig(const struct nursery *nursery, const char *url, struct err *err)
{
    AUTO(buf_free) struct buf text;
    AUTO_FREE char *path = file_join(nursery->home, "gitconfig");

    buf_init(&text, CONFIG_MAX);
    if (path == NULL)
        return err_no_memory(err);
    if (git_config_text(url, &text, err) != 0)
        return -1;
    return file_write_atomic(path, text.data, text.len, 0644, err);
}

/* ---- what git has to do ---- */

static int
clone_repository(
    const struct git *git, const struct workspace_spec *spec, struct err *err)
{
    char branch[300];
    const char *argv[12] = {"git", "clone", "--quiet",
        "--template=", "--no-recurse-submodules", "--no-hardlinks"};
    size_t n = 6;

    if (spec->base_branch != NULL && spec->base_branch[0] != '\0') {
        snprintf(branch, sizeof(branch), "--branch=%s", spec->base_branch);
        argv[n++] = branch;
    }
    argv[n++] = "--";
    argv[n++] = spec->repo_url;
    argv[n] = ".";
    return git_run(git, argv, NULL, err);
}

static int
make_repository(
    const struct git *git, const struct workspace_spec *spec, struct err *err)
{
    char branch[300];
    const char *const init[] = {
        "git", "init", "--quiet", "--template=", branch, NULL};
    const char *const commit[] = {"git", "commit", "--quiet", "--allow-empty",
        "--message=Start with an empty repository", NULL};

    snprintf(branch, sizeof(branch), "--initial-branch=%s",
        spec->base_branch != NULL && spec->base_branch[0] != '\0'
            ? spec->base_branch
            : "main");
    if (git_run(git, init, NULL, err) != 0)
        return -1;
    return git_run(git, commit, NULL, err);
}

/* The branch, and where it started. */
static int
start_branch(const struct git *git, const char *branch, struct err *err)
{
    char ref[300];
    int exit_code = -1;
    const char *const has_commit[] = {
        "git", "rev-parse", "--quiet", "--verify", "HEAD^{commit}", NULL};
    const char *const base[] = {
        "git", "update-ref", "refs/risoluto/base", "HEAD", NULL};
    const char *const checkout[] = {
        "git", "checkout", "--quiet", "--no-track", "-b", branch, NULL};
    const char *const unborn[] = {"git", "symbolic-ref", "HEAD", ref, NULL};

    snprintf(ref, sizeof(ref), "refs/heads/%s", branch);
    if (git_run(git, has_commit, &exit_code, err) != 0)
        return -1;
    if (exit_code != 0) /* a clone of a repository without any commit */
        return git_run(git, unborn, NULL, err);
    if (git_run(git, base, NULL, err) != 0)
        return -1;
    return git_run(git, checkout, NULL, err);
}

static int
populate(const struct workspace_root *root, const struct nursery *nursery,
    const struct workspace_spec *spec, const struct workspace_limits *limits,
    struct err *err)
{
    const struct git git = {.home = nursery->home,
        .tree = nursery->tree,
        .uid = root->uid,
        .gid = root->gid,
        .deadline_ms = clock_mono_ms() + limits->timeout_ms,
        .cancel_fd = limits->cancel_fd};
    bool cloned = spec->repo_url != NULL && spec->repo_url[0] != '\0';

    if (write_gitconfig(nursery, cloned ? spec->repo_url : NULL, err) != 0)
        return -1;
    if (cloned ? clone_repository(&git, spec, err) != 0
               : make_repository(&git, spec, err) != 0)
        return -1;
    return start_branch(&git, spec->branch, err);
}

/* ---- moving it into place ---- */

static int
mark_unsettled(
    const struct workspace_root *root, const char *key, struct err *err)
{
    char mark[ROOT_NAME_SIZE];
    int fd;

    root_name(mark, ROOT_MAKING_PREFIX, key);
    fd = openat(
        root->fd, mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, "%s/%s", root->path, mark);
    (void)close(fd);
    return root_sync(root, err);
}

static int
move_into_place(const struct workspace_root *root,
    const struct nursery *nursery, const char *key, struct err *err)
{
    if (mark_unsettled(root, key, err) != 0)
        return -1;
    if (renameat2(
            root->fd, nursery->tree_name, root->fd, key, RENAME_NOREPLACE) != 0)
        return err_sys(err, "%s/%s", root->path, key);
    return root_sync(root, err);
}

static int
create(const struct workspace_root *root, const struct workspace_spec *spec,
    const struct workspace_limits *limits, struct err *err)
{
    AUTO(nursery_release) struct nursery nursery = {.path = NULL};

    if (nursery_make(&nursery, root, err) != 0 ||
        populate(root, &nursery, spec, limits, err) != 0)
        return -1;
    return move_into_place(root, &nursery, spec->key, err);
}

/* ---- the whole ---- */

static int
check_spec(const struct workspace_spec *spec, struct err *err)
{
    if (!workspace_key_is_valid(spec->key))
        return root_key_error(err);
    if (git_check_branch(spec->branch, err) != 0)
        return -1;
    if (spec->base_branch != NULL && spec->base_branch[0] != '\0' &&
        git_check_branch(spec->base_branch, err) != 0)
        return -1;
    if (spec->repo_url != NULL && spec->repo_url[0] != '\0')
        return git_check_url(spec->repo_url, err);
    return 0;
}

static bool
is_unsettled(const struct workspace_root *root, const char *key)
{
    char mark[ROOT_NAME_SIZE];

    root_name(mark, ROOT_MAKING_PREFIX, key);
    return faccessat(root->fd, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int
workspace_prepare(const struct workspace_root *root,
    const struct workspace_spec *spec, const struct workspace_limits *limits,
    struct workspace *out, struct err *err)
{
    bool exists;

    *out = (struct workspace){.path = NULL};
    if (check_spec(spec, err) != 0 ||
        workspace_exists(root, spec->key, &exists, err) != 0)
        return -1;
    if (exists && is_unsettled(root, spec->key) &&
        workspace_remove(root, spec->key, &exists, err) != 0)
        return -1;
    if (workspace_exists(root, spec->key, &exists, err) != 0)
        return -1;
    if (!exists && create(root, spec, limits, err) != 0)
        return err_wrap(err, "workspace %s", spec->key);
    out->created = !exists;
    out->path = file_join(root->path, spec->key);
    return out->path != NULL ? 0 : err_no_memory(err);
}

void
workspace_release(struct workspace *workspace)
{
    free(workspace->path);
    *workspace = (struct workspace){.path = NULL};
}
