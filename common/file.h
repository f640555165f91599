/* SPDX-License-Identifier: Apache-2.0
 * Files and folders, crash-safe and bounded. */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>
#include <sys/types.h>

/* Replaces out's content by the file's; ERR_TOO_LARGE past out->max,
 * ERR_NOT_FOUND when it does not exist. */
int file_read(const char *path, struct buf *out, struct err *err);

/* Temp file in the same folder, fsync, rename, fsync of the folder. */
int file_write_atomic(const char *path, const void *data, size_t len,
    mode_t mode, struct err *err);

/* Makes a folder and its parents; an existing one is fine. */
int file_make_dirs(const char *path, mode_t mode, struct err *err);

/* Removes a tree without following symbolic links (openat); missing is fine. */
int file_remove_tree(const char *path, struct err *err);

/* Takes an exclusive lock on path (made 0600 if missing) for the life of the
 * process; *fd_out keeps it. ERR_CONFLICT when another process holds it. */
int file_lock(const char *path, int *fd_out, struct err *err);

/* "dir/name"; NULL when out of memory. Free it. */
char *file_join(const char *dir, const char *name);

#endif
