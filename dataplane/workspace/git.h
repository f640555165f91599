/* SPDX-License-Identifier: Apache-2.0
 * git on the host, for a folder that no agent has touched yet. Between the
 * files of workspace/ only. */
#ifndef DATAPLANE_WORKSPACE_GIT_H
#define DATAPLANE_WORKSPACE_GIT_H

#include "common/buf.h"
#include "common/err.h"

#include <stdint.h>
#include <sys/types.h>

struct git {
    const char *home; /* a temporary HOME, owned by uid; has our gitconfig */
    const char *tree; /* where it works */
    uid_t uid;
    gid_t gid;
    int64_t deadline_ms; /* monotonic */
    int cancel_fd;       /* readable: stop, ERR_CANCELLED; -1: none */
};

/* The gitconfig to put into home before the first git_run. url may be NULL. */
int git_config_text(const char *url, struct buf *out, struct err *err);

/* Runs git with argv (NULL-terminated, argv[0] is "git") in the tree.
 * *exit_code, or, when that is NULL, an error for anything but 0. */
int git_run(const struct git *git, const char *const *argv, int *exit_code,
    struct err *err);

/* ERR_INVALID for what git or we would not take as a branch's name. */
int git_check_branch(const char *name, struct err *err);

/* ERR_INVALID for anything but https, http, ssh, git, file URLs,
 * [user@]host:path and absolute paths, and for a URL that holds a password. */
int git_check_url(const char *url, struct err *err);

#endif
