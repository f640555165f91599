/* SPDX-License-Identifier: Apache-2.0
 * The command line and environment of risoluto-dataplane. */
#ifndef DATAPLANE_OPTIONS_H
#define DATAPLANE_OPTIONS_H

#include "common/err.h"

#include <stdint.h>

enum { OPTIONS_PATH_SIZE = 4096, OPTIONS_HOST_SIZE = 256 };

struct options {
    const char *data_dir;
    const char *listen;
    const char *workspace_root;
    const char *docker_socket;
    const char *network;
    char pki_dir[OPTIONS_PATH_SIZE];
    char host_name[OPTIONS_HOST_SIZE];
    int64_t capacity;
    int64_t journal_max_bytes;
};

/* Option, else environment, else default. Prints and exits for --help and
 * --version. The strings are argv's and the environment's. */
int options_parse(struct options *out, int argc, char **argv, struct err *err);

#endif
