/* SPDX-License-Identifier: Apache-2.0
 * common/file: atomic writes, bounded reads, hostile trees, locks. */
#include "common/cleanup.h"
#include "common/file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[64];

static void
setup(void)
{
    (void)snprintf(root, sizeof(root), "/tmp/risoluto-file-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    cr_assert_eq(chdir(root), 0);
}

static void
teardown(void)
{
    struct err err = ERR_INIT;
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(file_remove_tree(root, &err), 0, "%s", err.message);
}

TestSuite(file, .init = setup, .fini = teardown);

static void
put(const char *path, const char *text)
{
    struct err err = ERR_INIT;
    cr_assert_eq(file_write_atomic(path, text, strlen(text), 0600, &err), 0,
        "%s", err.message);
}

static bool
is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

Test(file, what_is_written_is_read_back_with_its_mode)
{
    struct err err = ERR_INIT;
    struct stat st;
    struct buf buf;
    buf_init(&buf, 100);
    put("a", "one");
    put("a", "two!");
    cr_assert_eq(file_read("a", &buf, &err), 0);
    cr_assert_str_eq(buf_str(&buf), "two!");
    cr_assert_eq(stat("a", &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(file_write_atomic("b", "", 0, 0644, &err), 0);
    cr_assert_eq(stat("b", &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0644);
    buf_free(&buf);
}

Test(file, reading_is_bounded)
{
    struct err err = ERR_INIT;
    struct buf buf;
    buf_init(&buf, 3);
    put("a", "four");
    cr_assert_eq(file_read("a", &buf, &err), -1);
    cr_assert_eq(err.code, ERR_TOO_LARGE);
    put("a", "abc");
    cr_assert_eq(file_read("a", &buf, &err), 0);
    buf_free(&buf);
}

Test(file, what_is_missing_is_not_found)
{
    struct err err = ERR_INIT;
    struct buf buf;
    buf_init(&buf, 3);
    cr_assert_eq(file_read("nothing", &buf, &err), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_eq(file_read(".", &buf, &err), -1);
    cr_assert_eq(err.code, ERR_SYSTEM);
}

Test(file, a_failed_write_leaves_the_old_file_and_no_rubbish)
{
    struct err err = ERR_INIT;
    cr_assert_eq(mkdir("a", 0700), 0); /* a rename onto a folder fails */
    cr_assert_eq(file_write_atomic("a", "x", 1, 0600, &err), -1);
    cr_assert_eq(err.code, ERR_SYSTEM);
    cr_assert_eq(rmdir("a"), 0);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(rmdir(root), 0, "a temporary file was left behind");
    cr_assert_eq(mkdir(root, 0700), 0);
}

Test(file, a_write_replaces_a_link_and_not_its_target)
{
    put("target", "keep");
    cr_assert_eq(symlink("target", "link"), 0);
    put("link", "new");
    struct err err = ERR_INIT;
    struct buf buf;
    buf_init(&buf, 100);
    cr_assert_eq(file_read("target", &buf, &err), 0);
    cr_assert_str_eq(buf_str(&buf), "keep");
    buf_free(&buf);
}

Test(file, folders_are_made_with_their_parents)
{
    struct err err = ERR_INIT;
    struct stat st;
    cr_assert_eq(file_make_dirs("a/b//c/", 0700, &err), 0);
    cr_assert_eq(file_make_dirs("a/b/c", 0700, &err), 0);
    cr_assert_eq(stat("a/b/c", &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0700);
    put("f", "x");
    cr_assert_eq(file_make_dirs("f/x", 0700, &err), -1);
    cr_assert_eq(err.sys, ENOTDIR);
}

Test(file, removing_a_tree_never_follows_links)
{
    struct err err = ERR_INIT;
    cr_assert_eq(file_make_dirs("outside/in", 0700, &err), 0);
    put("outside/keep", "x");
    cr_assert_eq(file_make_dirs("tree/a/b", 0700, &err), 0);
    put("tree/a/b/f", "x");
    cr_assert_eq(symlink("../outside", "tree/to-folder"), 0);
    cr_assert_eq(symlink("../../../outside/keep", "tree/a/b/to-file"), 0);
    cr_assert_eq(symlink("nowhere", "tree/a/broken"), 0);
    cr_assert_eq(symlink(".", "tree/a/loop"), 0);
    cr_assert_eq(file_remove_tree("tree", &err), 0, "%s", err.message);
    cr_assert_not(is_there("tree"));
    cr_assert(is_there("outside/keep"));
    cr_assert(is_there("outside/in"));
}

Test(file, removing_a_link_removes_the_link)
{
    struct err err = ERR_INIT;
    cr_assert_eq(mkdir("folder", 0700), 0);
    put("folder/keep", "x");
    cr_assert_eq(symlink("folder", "link"), 0);
    cr_assert_eq(file_remove_tree("link", &err), 0);
    cr_assert_not(is_there("link"));
    cr_assert(is_there("folder/keep"));
    cr_assert_eq(file_remove_tree("folder/keep", &err), 0);
    cr_assert_not(is_there("folder/keep"));
    cr_assert_eq(file_remove_tree("nothing", &err), 0);
}

Test(file, a_very_deep_tree_is_removed)
{
    struct err err = ERR_INIT;
    cr_assert_eq(mkdir("tree", 0700), 0);
    int fd = open("tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 5000; i++) { /* far beyond PATH_MAX and our fds */
        cr_assert_eq(mkdirat(fd, "deeper-and-deeper", 0700), 0);
        int next = openat(fd, "deeper-and-deeper", O_RDONLY | O_CLOEXEC);
        (void)close(fd);
        fd = next;
    }
    (void)close(fd);
    cr_assert_eq(file_remove_tree("tree", &err), 0, "%s", err.message);
    cr_assert_not(is_there("tree"));
}

Test(file, a_wide_tree_of_trees_is_removed)
{
    struct err err = ERR_INIT;
    for (int i = 0; i < 40; i++) {
        for (int j = 0; j < 10; j++) {
            char path[64];
            (void)snprintf(path, sizeof(path), "tree/%d/%d/x/y", i, j);
            cr_assert_eq(file_make_dirs(path, 0700, &err), 0);
        }
    }
    cr_assert_eq(chmod("tree/3", 0), 0);
    cr_assert_eq(chmod("tree/4/1", 0555), 0);
    cr_assert_eq(file_remove_tree("tree", &err), 0, "%s", err.message);
    cr_assert_not(is_there("tree"));
}

/* Root may do everything, so an ordinary user tries it. */
static int
remove_as_nobody(void)
{
    struct err err = ERR_INIT;
    if (geteuid() == 0 && (chown(root, 65534, 65534) != 0 ||
                              setgid(65534) != 0 || setuid(65534) != 0))
        return 1;
    if (file_make_dirs("tree/a/b/c", 0700, &err) != 0 ||
        file_make_dirs("tree/closed/x", 0700, &err) != 0 ||
        chmod("tree/a/b", 0555) != 0 || chmod("tree/a", 0555) != 0 ||
        chmod("tree/closed", 0) != 0 || chmod("tree", 0555) != 0)
        return 2;
    return file_remove_tree("tree", &err) == 0 ? 0 : 3;
}

Test(file, folders_made_read_only_do_not_resist)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(remove_as_nobody());
    int status = -1;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0, "status %x", status);
    cr_assert_not(is_there("tree"));
}

Test(file, a_lock_is_held_once)
{
    struct err err = ERR_INIT;
    int first = -1;
    int second = -1;
    cr_assert_eq(file_lock("lock", &first, &err), 0);
    cr_assert_eq(file_lock("lock", &second, &err), -1);
    cr_assert_eq(err.code, ERR_CONFLICT);
    char pid[32];
    (void)snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
    cr_assert_not_null(strstr(err.message, pid), "%s", err.message);
    (void)close(first);
    cr_assert_eq(file_lock("lock", &second, &err), 0);
    (void)close(second);
}

Test(file, a_lock_is_not_taken_through_a_link)
{
    struct err err = ERR_INIT;
    int fd = -1;
    put("precious", "x");
    cr_assert_eq(symlink("precious", "lock"), 0);
    cr_assert_eq(file_lock("lock", &fd, &err), -1);
    cr_assert_eq(err.sys, ELOOP);
}

Test(file, joining_puts_one_slash)
{
    AUTO_FREE char *plain = file_join("/a", "b");
    AUTO_FREE char *slash = file_join("/a/", "b");
    cr_assert_str_eq(plain, "/a/b");
    cr_assert_str_eq(slash, "/a/b");
}
