/* SPDX-License-Identifier: Apache-2.0
 * What an issue asks for, as far as the rehearsal model understands it. */
#ifndef TESTS_FAKES_LIB_MODEL_ISSUE_H
#define TESTS_FAKES_LIB_MODEL_ISSUE_H

#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>

enum { ISSUE_FILES_MAX = 8, ISSUE_NAME_MAX = 200 };

struct model_file {
    char name[ISSUE_NAME_MAX]; /* relative, without ".." */
    struct buf content;
};

struct model_issue {
    char title[256];
    struct model_file files[ISSUE_FILES_MAX];
    size_t file_count; /* at least 1 */
};

/* From the prompt. `file: NAME` starts a file, whose content is the fenced
 * block that follows; a name without a block gets the title and the
 * description. Without any `file:` line, a fenced block alone goes to
 * REHEARSAL.txt, and else title and description go to REHEARSAL.md. */
int model_issue_read(
    struct model_issue *out, const char *prompt, struct err *err);
void model_issue_release(struct model_issue *issue);

#endif
