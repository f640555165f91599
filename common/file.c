/* SPDX-License-Identifier: Apache-2.0
 * Crash-safe writes, bounded reads, and removal that no symbolic link and no
 * depth can lead astray. */
#include "common/file.h"

#include "common/cleanup.h"
#include "common/id.h"
#include "common/secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { CHUNK = 8192 };

static int
read_into(int fd, struct buf *out)
{
    char chunk[CHUNK];
    ssize_t got = 1;
    while (!out->failed) {
        got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        buf_append(out, chunk, (size_t)got);
    }
    int saved = errno;
    if (out->secret)
        secret_wipe(chunk, sizeof(chunk));
    errno = saved;
    return got < 0 ? -1 : 0;
}

int
file_read(const char *path, struct buf *out, struct err *err)
{
    buf_clear(out);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
    if (fd < 0 || read_into(fd, out) != 0)
        return err_sys(err, "cannot read %s", path);
    if (buf_check(out, err) != 0)
        return err_wrap(err, "%s", path);
    return 0;
}

static int
write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        data += done;
        len -= (size_t)done;
    }
    return 0;
}

/* Makes a rename in the folder of path durable. */
static int
sync_folder(const char *path)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        if (len >= sizeof(folder)) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

static int
write_new(const char *path, const void *data, size_t len, mode_t mode)
{
    AUTO_CLOSE int fd = open(path,
        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode & 0600);
    if (fd < 0)
        return -1;
    if (fchmod(fd, mode) != 0 || write_all(fd, data, len) != 0)
        return -1;
    return fsync(fd);
}

int
file_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
    struct err *err)
{
    char id[ID_SIZE];
    id_new(id);
    AUTO_FREE char *temp = NULL;
    if (asprintf(&temp, "%s.tmp-%s", path, id) < 0) {
        temp = NULL;
        return err_no_memory(err);
    }
    if (write_new(temp, data, len, mode) != 0 || rename(temp, path) != 0) {
        int saved = errno;
        (void)unlink(temp);
        errno = saved;
        return err_sys(err, "cannot write %s", path);
    }
    if (sync_folder(path) != 0)
        return err_sys(err, "cannot make %s durable", path);
    return 0;
}

/* Makes one folder; an existing folder is fine, anything else there is not. */
static int
make_dir(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0)
        return 0;
    int saved = errno;
    struct stat st;
    if (stat(path, &st) != 0) {
        errno = saved;
        return -1;
    }
    if (S_ISDIR(st.st_mode))
        return 0;
    errno = ENOTDIR;
    return -1;
}

int
file_make_dirs(const char *path, mode_t mode, struct err *err)
{
    char copy[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(copy)) {
        errno = ENAMETOOLONG;
        return err_sys(err, "cannot make the folder %.80s...", path);
    }
    memcpy(copy, path, len + 1);
    for (char *at = copy + strspn(copy, "/"); *at != '\0';) {
        at += strcspn(at, "/");
        char end = *at;
        *at = '\0';
        if (make_dir(copy, mode) != 0)
            return err_sys(err, "cannot make the folder %s", copy);
        *at = end;
        at += strspn(at, "/");
    }
    return 0;
}

/* ---- removal ----
 * No recursion, and three descriptors at most: a folder that is not empty is
 * moved up into the root of the removal and gets its turn there. A tree of
 * any depth, made to exhaust us, is removed in constant space. */

/* Opens a folder by its last name only, never through a link, and makes sure
 * that we may empty it (one may have been made read-only on purpose). */
static int
open_folder(int parent, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(parent, name, flags);
    if (fd < 0 && errno == EACCES) {
        AUTO_CLOSE int at =
            openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        char link[64];
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
        if (at < 0 || chmod(link, 0700) != 0)
            return -1;
        fd = openat(parent, name, flags);
    }
    if (fd >= 0)
        (void)fchmod(fd, 0700);
    return fd;
}

static bool
is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Moves a folder that is not empty from `from` up to `root`. */
static int
hoist(int from, const char *name, int root)
{
    /* Moving a folder changes its "..", so it must be writable itself. */
    int fd = open_folder(from, name);
    if (fd < 0)
        return -1;
    (void)close(fd);
    char id[ID_SIZE];
    id_new(id);
    return renameat(from, name, root, id);
}

/* Removes an entry of folder; one that has content goes to root instead. */
static int
remove_entry(int folder, const char *name, int root)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return -1;
    return hoist(folder, name, root);
}

/* Empties the folder name of root (its own folders go up to root), then
 * removes it. Takes no ownership. */
static int
remove_folder(int root, const char *name)
{
    int fd = open_folder(root, name);
    if (fd < 0)
        return -1;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return -1;
    }
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        if (!is_dots(entry->d_name))
            rc = remove_entry(fd, entry->d_name, root);
    }
    int saved = errno;
    (void)closedir(dir);
    errno = saved;
    if (rc != 0)
        return -1;
    if (unlinkat(root, name, AT_REMOVEDIR) == 0 || errno == ENOENT ||
        errno == ENOTEMPTY) /* filled again: it gets another turn */
        return 0;
    return -1;
}

/* One pass over the root. How many entries were seen, or -1. */
static long
sweep(DIR *dir)
{
    int root = dirfd(dir);
    long seen = 0;
    const struct dirent *entry;
    rewinddir(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (is_dots(entry->d_name))
            continue;
        seen++;
        if (unlinkat(root, entry->d_name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR && errno != EPERM)
            return -1;
        if (remove_folder(root, entry->d_name) != 0)
            return -1;
    }
    return seen;
}

int
file_remove_tree(const char *path, struct err *err)
{
    int fd = open_folder(AT_FDCWD, path);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
        if (unlink(path) == 0 || errno == ENOENT)
            return 0;
        return err_sys(err, "cannot remove %s", path);
    }
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        (void)err_sys(err, "cannot open the folder %s", path);
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    long seen;
    do {
        seen = sweep(dir);
    } while (seen > 0);
    int saved = errno;
    (void)closedir(dir);
    errno = saved;
    if (seen < 0 || rmdir(path) != 0)
        return err_sys(err, "cannot remove the folder %s", path);
    return 0;
}

/* ---- locks, paths ---- */

static int
report_holder(int fd, const char *path, struct err *err)
{
    char pid[24] = "";
    ssize_t got = pread(fd, pid, sizeof(pid) - 1, 0);
    pid[got > 0 ? got : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return err_set(err, ERR_CONFLICT, "another process%s%s holds the lock %s",
        pid[0] != '\0' ? ", pid " : "", pid, path);
}

int
file_lock(const char *path, int *fd_out, struct err *err)
{
    AUTO_CLOSE int fd =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(err, "cannot open the lock %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return report_holder(fd, path, err);
        return err_sys(err, "cannot take the lock %s", path);
    }
    /* For people only: the lock is what holds. */
    if (ftruncate(fd, 0) != 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
        return err_sys(err, "cannot write the lock %s", path);
    *fd_out = cleanup_steal_fd(&fd);
    return 0;
}

char *
file_join(const char *dir, const char *name)
{
    char *path = NULL;
    size_t len = strlen(dir);
    const char *slash = len > 0 && dir[len - 1] == '/' ? "" : "/";
    if (asprintf(&path, "%s%s%s", dir, slash, name) < 0)
        return NULL;
    return path;
}
