/* SPDX-License-Identifier: Apache-2.0
 * Builds dispatch requests: the prompt, the repository, the limits. */
#include "control/orchestrator/dispatch.h"

#include "common/borrow.h"
#include "common/cleanup.h"
#include "common/utf8.h"
#include "control/config/prompts.h"
#include "control/config/template.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

enum { PROMPT_MAX = 1024 * 1024, COMMIT_TITLE_MAX = 200 };

/* An empty setting is an absent member. */
static char *
borrow(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : borrow_text(text);
}

/* What the template sees (Symphony specification 12.1). */
static int
render_prompt(struct dispatch *out, const struct config *config,
    const struct issue *issue, const struct attempt *attempt, struct err *err)
{
    AUTO(buf_free) struct buf variables;
    AUTO(buf_free) struct buf prompt;
    AUTO(json_free_ptr) struct json *root = NULL;
    struct jw w;

    buf_init(&variables, PROMPT_MAX);
    buf_init(&prompt, PROMPT_MAX);
    jw_init(&w, &variables);
    jw_obj(&w, NULL);
    issue_write(issue, &w, "issue");
    if (attempt->number > 1)
        jw_int(&w, "attempt", attempt->number - 1);
    else
        jw_null(&w, "attempt");
    jw_obj(&w, "workspace");
    jw_str(&w, "key", out->key);
    jw_str(&w, "branch", out->branch);
    jw_end_obj(&w);
    jw_end_obj(&w);
    if (buf_check(&variables, err) != 0)
        return -1;
    root = json_parse(variables.data, variables.len, PROMPT_MAX, err);
    if (root == NULL ||
        template_render(config->prompt_template, root, &prompt, err) != 0 ||
        buf_check(&prompt, err) != 0)
        return -1;
    out->prompt = buf_steal(&prompt);
    return 0;
}

/* A workspace key as the last part of a branch name: git refuses "..", a dot
 * at either end, and ".lock" (git-check-ref-format). */
static void
make_ref_safe(char *name)
{
    size_t len = strlen(name);
    bool bad = strstr(name, "..") != NULL || name[0] == '.' ||
               name[len - 1] == '.' ||
               (len > 5 && strcmp(name + len - 5, ".lock") == 0);

    for (char *p = name; bad && *p != '\0'; p++)
        if (*p == '.')
            *p = '_';
}

static int
name_things(struct dispatch *out, const struct config *config,
    const struct issue *issue, struct err *err)
{
    AUTO_FREE char *ref = NULL;
    size_t len;

    out->key = issue_workspace_key(issue->identifier, err);
    if (out->key == NULL)
        return -1;
    ref = strdup(out->key);
    if (ref == NULL)
        return err_no_memory(err);
    make_ref_safe(ref);
    if (asprintf(&out->branch, "%s%s", config->workspace_branch_prefix, ref) <
        0) {
        out->branch = NULL;
        return err_no_memory(err);
    }
    len = utf8_cut(issue->title, strlen(issue->title), COMMIT_TITLE_MAX);
    if (asprintf(&out->message, "%s: %.*s\n", issue->identifier, (int)len,
            issue->title) < 0) {
        out->message = NULL;
        return err_no_memory(err);
    }
    len = utf8_cut(issue->title, strlen(issue->title), PROTO_TITLE_MAX);
    out->title = strndup(issue->title, len);
    if (out->title == NULL)
        return err_no_memory(err);
    for (char *p = out->message; *p != '\0' && p[1] != '\0'; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' '; /* one subject line, whatever the title holds */
    return 0;
}

static void
fill_workspace(struct workspace_spec *out, const struct dispatch *dispatch,
    const struct config *config)
{
    out->key = dispatch->key;
    out->repo_url = dispatch->repo.url;
    out->base_branch = dispatch->repo.default_branch;
    out->branch = dispatch->branch;
    out->commit_author = borrow(config->workspace_commit_author);
    out->commit_message = dispatch->message;
    out->hooks.after_create = borrow(config->hooks_after_create);
    out->hooks.before_run = borrow(config->hooks_before_run);
    out->hooks.after_run = borrow(config->hooks_after_run);
    out->hooks.before_remove = borrow(config->hooks_before_remove);
    out->hooks.timeout_ms = config->hooks_timeout_ms;
}

static void
fill_codex(struct codex_spec *out, const struct config *config)
{
    bool has_policy = strcmp(config->codex_turn_sandbox_policy, "null") != 0;

    out->model = borrow(config->codex_model);
    out->reasoning_effort = borrow(config->codex_reasoning_effort);
    out->provider.id = borrow(config->codex_provider_id);
    out->provider.base_url = borrow(config->codex_provider_base_url);
    out->api_key = config->codex_auth_api_key;
    out->approval_policy = borrow(config->codex_approval_policy);
    out->thread_sandbox = borrow(config->codex_thread_sandbox);
    out->turn_sandbox_policy =
        has_policy ? borrow(config->codex_turn_sandbox_policy) : NULL;
    out->startup_timeout_ms = config->codex_startup_timeout_ms;
    out->read_timeout_ms = config->codex_read_timeout_ms;
    out->turn_timeout_ms = config->codex_turn_timeout_ms;
    out->stall_timeout_ms = config->codex_stall_timeout_ms;
    out->drain_timeout_ms = config->codex_drain_timeout_ms;
    out->approval_timeout_ms = config->codex_approval_timeout_ms;
}

static void
fill_sandbox(struct sandbox_spec *out, const struct config *config)
{
    out->image = borrow(config->codex_sandbox_image);
    out->network = borrow(config->codex_sandbox_network);
    out->memory = borrow(config->codex_sandbox_memory);
    out->memory_reservation = borrow(config->codex_sandbox_memory_reservation);
    out->memory_swap = borrow(config->codex_sandbox_memory_swap);
    out->cpus = borrow(config->codex_sandbox_cpus);
    out->tmpfs_size = borrow(config->codex_sandbox_tmpfs_size);
    out->pids_limit = config->codex_sandbox_pids_limit;
    out->no_new_privileges = config->codex_sandbox_no_new_privileges;
    out->drop_capabilities = config->codex_sandbox_drop_capabilities;
    out->seccomp_profile = borrow(config->codex_sandbox_seccomp_profile);
    out->log_driver = borrow(config->codex_sandbox_log_driver);
    out->log_max_size = borrow(config->codex_sandbox_log_max_size);
    out->log_max_file = config->codex_sandbox_log_max_file;
}

int
dispatch_build(struct dispatch *out, const struct config *config,
    const struct issue *issue, const struct attempt *attempt, struct err *err)
{
    struct dispatch_request *request = &out->request;

    memset(out, 0, sizeof(*out));
    if (name_things(out, config, issue, err) != 0 ||
        config_route(config, issue, &out->repo, err) != 0 ||
        render_prompt(out, config, issue, attempt, err) != 0) {
        dispatch_release(out);
        return -1;
    }
    request->attempt_id = attempt->attempt_id;
    request->fence = attempt->fence;
    request->attempt_number = attempt->number;
    request->lease_ms = config->agent_lease_ms;
    request->max_turns = config->agent_max_turns;
    request->issue.id = issue->id;
    request->issue.identifier = issue->identifier;
    request->issue.title = out->title;
    request->prompt = out->prompt;
    request->continuation_prompt = borrow(PROMPTS_CONTINUATION);
    fill_workspace(&request->workspace, out, config);
    fill_codex(&request->codex, config);
    fill_sandbox(&request->sandbox, config);
    return 0;
}

void
dispatch_release(struct dispatch *dispatch)
{
    free(dispatch->prompt);
    free(dispatch->key);
    free(dispatch->branch);
    free(dispatch->message);
    free(dispatch->title);
    config_repo_release(&dispatch->repo);
    memset(dispatch, 0, sizeof(*dispatch));
}
