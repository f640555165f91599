/* SPDX-License-Identifier: Apache-2.0
 * What Linear, or whoever sits at its address, may send as an issue. */
#include "control/tracker/linear_api.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct json *node)
{
    static char done[] = "Done";
    static char *terminal[] = {done};
    const struct linear_scope scope = {.terminal_states = {terminal, 1}};
    struct err err = ERR_INIT;
    struct issue issue;
    struct issue copy;
    char *key = NULL;

    (void)linear_issue_is_cut(node);
    if (linear_issue_read(node, &scope, 1, &issue, &err) < 0)
        return;
    if (issue_copy(&copy, &issue, &err) < 0 ||
        strcmp(copy.identifier, issue.identifier) != 0)
        abort();
    key = issue_workspace_key(issue.identifier, &err);
    if (key == NULL || strchr(key, '/') != NULL || key[0] == '.')
        abort();
    free(key);
    issue_release(&copy);
    issue_release(&issue);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct issue issue;
    struct json *root =
        json_parse((const char *)data, size, (size_t)64 * 1024, &err);

    if (root == NULL)
        return 0;
    check(root);
    if (issue_read(root, &issue, &err) == 0)
        issue_release(&issue);
    json_free(root);
    return 0;
}
