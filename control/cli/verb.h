/* SPDX-License-Identifier: Apache-2.0
 * What a verb of the operator's command is: one row gives its parsing, its
 * help and its function. */
#ifndef CONTROL_CLI_VERB_H
#define CONTROL_CLI_VERB_H

#include "common/cli.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { VERB_OPERANDS_MAX = 64 };

/* Exit codes of the command. */
enum { VERB_DONE = 0, VERB_FAILED = 1, VERB_USAGE = 2 };

/* What the command line said, besides the options' own variables. */
struct verb_call {
    const char *operands[VERB_OPERANDS_MAX];
    size_t count;
    const char *repeated[VERB_OPERANDS_MAX]; /* values of verb->repeatable */
    size_t repeated_count;
    const char *url; /* where the API is; never NULL */
    const char *token_file;
};

struct verb {
    const char *name;    /* "issue create" */
    const char *usage;   /* what follows the name */
    const char *summary; /* one line */
    const struct cli_option *options;
    size_t option_count;
    const char *repeatable; /* the option that may come several times */
    size_t min_operands;
    size_t max_operands;
    bool remote; /* talks to the API: --url, --token-file */
    const char *epilog;

    /* Does it; VERB_DONE, VERB_FAILED (it said why on stdout), or -1 with
     * err set. */
    int (*run)(const struct verb_call *call, struct err *err);
};

#define VERBS(X)                                                               \
    X(demo)                                                                    \
    X(status)                                                                  \
    X(issues)                                                                  \
    X(issue_create)                                                            \
    X(issue_show)                                                              \
    X(issue_move)                                                              \
    X(issue_comment)                                                           \
    X(attempts)                                                                \
    X(attempt)                                                                 \
    X(events)                                                                  \
    X(abort)                                                                   \
    X(refresh)                                                                 \
    X(wait)                                                                    \
    X(pki)                                                                     \
    X(token)

#define X(name) extern const struct verb verb_##name;
VERBS(X)
#undef X

/* Understands argv[from..] as the verb's options and operands, in any order.
 * ERR_INVALID says what is wrong with it. --help prints and exits. */
int verb_parse(const struct verb *verb, int argc, char **argv, int from,
    struct verb_call *call, struct err *err);

/* Runs the command line: the whole of main. */
int verb_main(int argc, char **argv);

#endif
