/* SPDX-License-Identifier: Apache-2.0
 * Command lines: one table gives parsing and --help. */
#ifndef COMMON_CLI_H
#define COMMON_CLI_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct cli_option {
    const char *name;    /* "port" for --port */
    const char *argname; /* "N"; NULL for a flag */
    const char *help;
    const char **value; /* set to the argument ("1" for a flag) */
};

struct cli {
    const char *program;
    const char *summary; /* one line */
    const char *usage;   /* what follows the program's name */
    const struct cli_option *options;
    size_t count;
    const char *epilog; /* environment, files, exit codes; may be NULL */
};

/* Understands --name value, --name=value, --help, --version (both print and
 * exit 0) and --. *rest is the index of the first operand. Unknown options
 * are ERR_INVALID with the nearest known one. */
int cli_parse(
    const struct cli *cli, int argc, char **argv, int *rest, struct err *err);

void cli_help(const struct cli *cli, FILE *out);

/* The closest of n names by edit distance, or NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *names, size_t n);

#endif
