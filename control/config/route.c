/* SPDX-License-Identifier: Apache-2.0
 * Which repository an issue belongs to. */
#include "common/cleanup.h"
#include "control/config/config.h"
#include "control/tracker/issue.h"

#include <string.h>
#include <strings.h>

enum { REPOS_BYTES_MAX = 1024 * 1024 };

void
config_repo_release(struct config_repo *repo)
{
    free(repo->url);
    free(repo->default_branch);
    *repo = (struct config_repo){0};
}

/* "MT" fits MT-42 and mt-42, not MTX-42. */
static bool
prefix_fits(const char *prefix, const char *identifier)
{
    size_t len = strlen(prefix);
    if (strncasecmp(prefix, identifier, len) != 0)
        return false;
    return identifier[len] == '-' || (len > 0 && prefix[len - 1] == '-');
}

static bool
has_label(const struct issue *issue, const char *label)
{
    for (size_t i = 0; i < issue->label_count; i++) {
        if (strcasecmp(issue->labels[i], label) == 0)
            return true;
    }
    return false;
}

/* Every condition of the entry must hold; one without any fits all. */
static bool
fits(const struct json *repo, const struct issue *issue)
{
    const char *prefix = json_str(json_get(repo, "identifier_prefix"), NULL);
    const char *label = json_str(json_get(repo, "label"), NULL);
    return (prefix == NULL || prefix_fits(prefix, issue->identifier)) &&
           (label == NULL || has_label(issue, label));
}

static int
copy(const char *text, char **out, struct err *err)
{
    if (text == NULL)
        return 0;
    *out = strdup(text);
    return *out != NULL ? 0 : err_no_memory(err);
}

int
config_route(const struct config *config, const struct issue *issue,
    struct config_repo *out, struct err *err)
{
    *out = (struct config_repo){0};
    AUTO(json_free_ptr)
    struct json *repos =
        json_parse(config->repos, strlen(config->repos), REPOS_BYTES_MAX, err);
    if (repos == NULL)
        return err_wrap(err, "repos");
    json_each (repo, repos) {
        if (!fits(repo, issue))
            continue;
        if (copy(json_str(json_get(repo, "repo_url"), NULL), &out->url, err) ==
                0 &&
            copy(json_str(json_get(repo, "default_branch"), NULL),
                &out->default_branch, err) == 0)
            return 0;
        config_repo_release(out);
        return -1;
    }
    return 0;
}
