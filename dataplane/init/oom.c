/* SPDX-License-Identifier: Apache-2.0
 * Reads "oom_kill N" from the memory controller's file, whose name depends on
 * the cgroup version. */
#include "dataplane/init/oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 1024, PATH_SIZE = 256 };

static long
read_count(const char *path)
{
    static const char word[] = "oom_kill ";
    char text[TEXT_MAX + 1];
    const char *at = text;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    got = read(fd, text, TEXT_MAX);
    (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    /* At a line's start only: "oom_kill_disable" and others stand before. */
    while (at != NULL && strncmp(at, word, strlen(word)) != 0) {
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    return at != NULL ? strtol(at + strlen(word), NULL, 10) : 0;
}

bool
oom_happened(const char *root)
{
    static const char *const names[] = {
        "memory.events", "memory/memory.oom_control"};
    char path[PATH_SIZE];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", root, names[i]);
        if (read_count(path) > 0)
            return true;
    }
    return false;
}
