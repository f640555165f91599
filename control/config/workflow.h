/* SPDX-License-Identifier: Apache-2.0
 * WORKFLOW.md: YAML front matter between two `---` lines, then the prompt. */
#ifndef CONTROL_CONFIG_WORKFLOW_H
#define CONTROL_CONFIG_WORKFLOW_H

#include "common/err.h"
#include "control/config/ytree.h"

#include <stddef.h>

struct workflow {
    struct ytree *config; /* a map; NULL: no front matter, or an empty one */
    char *prompt;         /* trimmed; "" when there is none */
};

/* file names it in messages. ERR_CONFIG: "workflow_parse_error: ..", or
 * "workflow_front_matter_not_a_map: ..". */
int workflow_parse(const char *text, size_t len, const char *file,
    struct workflow *out, struct err *err);

/* The same from a file; "missing_workflow_file: .." when there is none. */
int workflow_read(const char *path, struct workflow *out, struct err *err);

void workflow_release(struct workflow *workflow);

#endif
