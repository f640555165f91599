/* SPDX-License-Identifier: Apache-2.0
 * Writes the bundle's files, one path component at a time. */
#include "dataplane/init/home.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static bool
is_memory(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 &&
           (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static int
write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Opens the folder that the file goes into, making what is missing. *name is
 * the file's own name. The result is to close. */
static int
open_parent(int home, const char *path, const char **name)
{
    int at = dup(home);
    const char *slash = NULL;

    while (at >= 0 && (slash = strchr(path, '/')) != NULL) {
        char part[BUNDLE_PATH_MAX + 1];
        size_t len = (size_t)(slash - path);
        int next = -1;

        memcpy(part, path, len);
        part[len] = '\0';
        if (mkdirat(at, part, 0700) == 0 || errno == EEXIST)
            next = openat(at, part, DIR_FLAGS);
        (void)close(at);
        at = next;
        path = slash + 1;
    }
    *name = path;
    return at;
}

static int
write_file(int home, const struct bundle_file *file)
{
    const char *name = NULL;
    int dir = open_parent(home, file->path, &name);
    int fd = -1;
    int result = -1;

    if (dir < 0)
        return -1;
    fd = openat(
        dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    (void)close(dir);
    if (fd < 0)
        return -1;
    if (write_all(fd, file->data, file->len) == 0 &&
        fchmod(fd, file->mode) == 0)
        result = 0;
    return close(fd) == 0 ? result : -1;
}

int
home_write(const char *home, bool any_filesystem, const struct bundle *bundle,
    const char **why)
{
    int fd = open(home, DIR_FLAGS);
    int result = 0;

    if (fd < 0) {
        *why = strerror(errno);
        return -1;
    }
    if (!any_filesystem && !is_memory(fd)) {
        *why = "it is not a tmpfs; mount one there, secrets must not reach a "
               "disk";
        result = -1;
    }
    for (size_t i = 0; result == 0 && i < bundle->file_count; i++) {
        result = write_file(fd, &bundle->files[i]);
        if (result != 0)
            *why = strerror(errno);
    }
    (void)close(fd);
    return result;
}
