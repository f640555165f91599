/* SPDX-License-Identifier: Apache-2.0
 * The configuration: layers, validation with file and line, spellings,
 * secrets, live reload, routing. */
#include "control/config/config.h"

#include "common/cleanup.h"
#include "common/file.h"
#include "control/config/keys.h"
#include "control/config/prompts.h"
#include "control/tracker/issue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64];

static void
put(const char *name, const char *text)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = file_join(dir, name);
    cr_assert_eq(file_write_atomic(path, text, strlen(text), 0600, &err), 0,
        "%s", err.message);
}

static void
setup(void)
{
    (void)strcpy(dir, "/tmp/risoluto-config-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    AUTO_FREE char *config = file_join(dir, "config");
    cr_assert_eq(mkdir(config, 0700), 0);
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        if (keys_at(i)->env != NULL)
            (void)unsetenv(keys_at(i)->env);
    }
}

static void
teardown(void)
{
    struct err err = ERR_INIT;
    (void)file_remove_tree(dir, &err);
}

TestSuite(config, .init = setup, .fini = teardown);

static struct config *
must_load(void)
{
    struct err err = ERR_INIT;
    struct config *config = NULL;
    struct config_sources sources = {.data_dir = dir};
    int rc = config_load(&config, &sources, &err);
    cr_assert_eq(rc, 0, "%s", err.message);
    return config;
}

/* WORKFLOW.md with this front matter is refused with this message. */
static void
expect_refusal(const char *front, const char *message)
{
    struct err err = ERR_INIT;
    struct config *config = NULL;
    struct config_sources sources = {.data_dir = dir};
    char text[4096];
    (void)snprintf(text, sizeof(text), "---\n%s---\nDo it.\n", front);
    put("WORKFLOW.md", text);
    cr_expect_eq(config_load(&config, &sources, &err), -1, "loaded: %s", front);
    cr_expect_null(config);
    cr_expect_not_null(strstr(err.message, message), "\"%s\" is not in \"%s\"",
        message, err.message);
}

Test(config, defaults_need_no_file)
{
    struct config *c = must_load();
    cr_expect_eq(c->server_port, 4000);
    cr_expect_str_eq(c->server_bind, "127.0.0.1");
    cr_expect_eq(c->tracker_active_states.count, 2);
    cr_expect_str_eq(c->tracker_active_states.items[1], "In Progress");
    cr_expect_str_eq(c->codex_sandbox_cpus, "2.0");
    cr_expect_null(c->hooks_after_create);
    cr_expect_null(c->codex_auth_api_key);
    cr_expect(c->codex_sandbox_drop_capabilities);
    cr_expect_str_eq(c->prompt_template, PROMPTS_DEFAULT);
    cr_expect_str_eq(c->data_dir, dir);
    config_release(c);
}

Test(config, front_matter_and_prompt_come_from_workflow_md)
{
    put("WORKFLOW.md",
        "---\nagent:\n  max_turns: 7\nhooks:\n  after_create: |\n    set -e\n"
        "    make deps\ncodex:\n  sandbox:\n    resources:\n      cpus: 1.5\n"
        "    security: {drop_capabilities: false}\n"
        "tracker:\n  active_states: [Todo, 'Rework']\n---\n\n  Fix {{ "
        "issue.title }}.  \n\n");
    struct config *c = must_load();
    cr_expect_eq(c->agent_max_turns, 7);
    cr_expect_str_eq(c->hooks_after_create, "set -e\nmake deps\n");
    cr_expect_str_eq(c->codex_sandbox_cpus, "1.5");
    cr_expect_not(c->codex_sandbox_drop_capabilities);
    cr_expect_str_eq(c->tracker_active_states.items[1], "Rework");
    cr_expect_str_eq(c->prompt_template, "Fix {{ issue.title }}.");
    config_release(c);
}

Test(config, a_workflow_without_front_matter_is_all_prompt)
{
    put("WORKFLOW.md", "Just do it.\n---\nnot: config\n");
    struct config *c = must_load();
    cr_expect_str_eq(c->prompt_template, "Just do it.\n---\nnot: config");
    config_release(c);
}

Test(config, line_ends_and_byte_order_marks_of_other_systems_are_fine)
{
    put("WORKFLOW.md",
        "\xef\xbb\xbf---\r\nagent:\r\n  max_turns: 3\r\n---\r\nGo\r\n");
    struct config *c = must_load();
    cr_expect_eq(c->agent_max_turns, 3);
    cr_expect_str_eq(c->prompt_template, "Go");
    config_release(c);
}

Test(config, later_layers_win)
{
    put("WORKFLOW.md", "---\nserver:\n  port: 4001\nagent:\n  max_turns: 2\n"
                       "codex:\n  model: a\n---\n");
    put("config/overlay.yaml", "server: {port: 4002}\ncodex: {model: b}\n");
    struct config *c = must_load();
    cr_expect_eq(c->server_port, 4002);
    cr_expect_eq(c->agent_max_turns, 2);
    cr_expect_str_eq(c->codex_model, "b");
    config_release(c);

    (void)setenv("RISOLUTO_PORT", "4003", 1);
    (void)setenv("RISOLUTO_CODEX_MODEL", "c", 1);
    (void)setenv(
        "RISOLUTO_DATAPLANES", "tls+tcp://a:9100, b1=tls+tcp://b:9101", 1);
    c = must_load();
    cr_expect_eq(c->server_port, 4003);
    cr_expect_str_eq(c->codex_model, "c");
    cr_assert_eq(c->pool_hosts.count, 2);
    cr_expect_str_eq(c->pool_hosts.items[1], "b1=tls+tcp://b:9101");
    config_release(c);

    struct err err = ERR_INIT;
    struct config_sources sources = {.data_dir = dir, .port = "4004"};
    cr_assert_eq(config_load(&c, &sources, &err), 0, "%s", err.message);
    cr_expect_eq(c->server_port, 4004);
    config_release(c);
}

Test(config, an_empty_environment_variable_counts_as_unset)
{
    (void)setenv("RISOLUTO_CODEX_MODEL", "", 1);
    (void)setenv("OPENAI_API_KEY", "", 1);
    struct config *c = must_load();
    cr_expect_str_eq(c->codex_model, "gpt-5.5");
    cr_expect_null(c->codex_auth_api_key);
    config_release(c);
}

Test(config, an_unknown_key_is_named_with_line_and_near_match)
{
    static const struct {
        const char *front;
        const char *message;
    } cases[] = {
        {"tracker:\n  kind: local\n\n\nagent:\n  max_turn: 3\n",
            "WORKFLOW.md:7: unknown key \"agent.max_turn\"; did you mean "
            "\"agent.max_turns\"?"},
        {"agnt:\n  max_turns: 3\n",
            "WORKFLOW.md:2: unknown key \"agnt\"; did you mean \"agent\"?"},
        {"codex:\n  sandbox:\n    resources:\n      memry: 1g\n",
            "WORKFLOW.md:5: unknown key \"codex.sandbox.resources.memry\"; did "
            "you mean \"codex.sandbox.resources.memory\"?"},
        {"zzz: 1\n", "WORKFLOW.md:2: unknown key \"zzz\"; docs/configuration"},
        {"codex:\n  command: codex app-server\n",
            "WORKFLOW.md:3: unknown key \"codex.command\": Codex is started "
            "inside the worker image"},
        {"codex:\n  personality: friendly\n",
            "WORKFLOW.md:3: unknown key \"codex.personality\": this version"},
        {"codex:\n  sandbox:\n    egressAllowlist: [a]\n",
            "WORKFLOW.md:4: unknown key \"codex.sandbox.egressAllowlist\": "
            "this version does not enforce"},
        {"codex:\n  sandbox:\n    network:\n      egressAllowlist: [a]\n",
            "WORKFLOW.md:5: unknown key "
            "\"codex.sandbox.network.egressAllowlist\": this version does not "
            "enforce"},
        {"codex: {sandbox: {security: {gvisor: true}}}\n",
            "unknown key \"codex.sandbox.security.gvisor\": this version"},
        {"notifications: {channels: []}\n",
            "WORKFLOW.md:2: unknown key \"notifications\": this version"},
        {"workspace: {root: /x}\n", "risoluto-dataplane --workspace-root"},
        {"agent.max_turns: 3\n", "write sections as nested maps"},
        {"server: {port: {x: 1}}\n", "unknown key \"server.port.x\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_refusal(cases[i].front, cases[i].message);
}

Test(config, values_are_held_to_type_bounds_and_choices)
{
    static const struct {
        const char *front;
        const char *message;
    } cases[] = {
        {"server: {port: -1}\n",
            "WORKFLOW.md:2: server.port: -1 is not within 0..65535"},
        {"server: {port: 70000}\n", "70000 is not within"},
        {"server: {port: 99999999999999999999}\n", "expected a whole number"},
        {"server: {port: four}\n", "expected a whole number, not \"four\""},
        {"server: {port: '4000'}\n", "without quotes"},
        {"server: {port: 4e3}\n", "expected a whole number"},
        {"server: {port: [1]}\n", "expected a whole number"},
        {"server: {bind: ''}\n", "server.bind: must not be empty"},
        {"server: {bind: [a]}\n", "server.bind: expected a string"},
        {"codex: {model: \"a\\nb\"}\n", "codex.model: contains a control"},
        {"codex:\n  sandbox:\n    security: {drop_capabilities: yes}\n",
            "expected true or false, not \"yes\""},
        {"tracker: {active_states: []}\n", "needs at least 1"},
        {"tracker: {active_states: [[a]]}\n", "expected a list of strings"},
        {"tracker: {active_states: ['']}\n", "an entry is empty"},
        {"tracker: {kind: jira}\n",
            "tracker.kind: expected one of \"local\", \"linear\", not "
            "\"jira\""},
        {"tracker: {kind: linear}\n", "the linear tracker needs one"},
        {"workspace: {strategy: worktree}\n", "workspace.strategy: expected"},
        {"workspace: {branch_prefix: 'a b'}\n", "git would refuse"},
        {"workspace: {commit_author: nobody}\n", "expected a name and"},
        {"codex: {thread_sandbox: none}\n", "codex.thread_sandbox: expected"},
        {"codex: {approval_policy: always}\n",
            "codex.approval_policy: expected one of"},
        {"codex: {approval_policy: 3}\n", "expected a string or a map"},
        {"codex: {turn_sandbox_policy: workspaceWrite}\n",
            "expected a map with a type"},
        {"codex: {sandbox: {resources: {memory: lots}}}\n",
            "expected a size such as"},
        {"codex: {sandbox: {resources: {cpus: '0.0'}}}\n",
            "expected a number of processors"},
        {"codex: {sandbox: {security: {seccomp_profile: x.json}}}\n",
            "seccomp_profile: expected"},
        {"codex: {provider: {base_url: 'ftp://x'}}\n", "expected an http"},
        {"pool: {hosts: ['tcp://h:1']}\n", "expected addresses as tls+tcp"},
        {"pool: {hosts: ['tls+tcp://h']}\n", "expected addresses as tls+tcp"},
        {"agent: {max_concurrent_agents_by_state: [1]}\n", "expected a map"},
        {"agent: 3\n", "\"agent\" is a section: expected a map"},
        {"repos: {}\n", "repos: expected a list of maps"},
        {"repos: [{default_branch: x}]\n", "repos[0]: repo_url is missing"},
        {"repos: [{repo_url: 'https://h/r', brnch: x}]\n",
            "repos[0]: unknown key \"brnch\""},
        {"repos: [{repo_url: 'https://h/r', repoUrl: 'https://h/s'}]\n",
            "repos[0]: \"repo_url\" is there in both spellings"},
        {"repos: [{repo_url: '--upload-pack=x'}]\n", "repo_url: expected"},
        {"repos: [{repo_url: 'ext::sh -c x'}]\n", "repo_url: expected"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_refusal(cases[i].front, cases[i].message);
}

Test(config, both_spellings_are_read)
{
    put("WORKFLOW.md",
        "---\nagent: {maxTurns: 4}\ncodex:\n  turnTimeoutMs: 5000\n  sandbox:\n"
        "    resources: {memorySwap: 3g, memory_swap: 3g}\n"
        "repos:\n  - repoUrl: https://h/r\n    identifierPrefix: MT\n---\n");
    struct config *c = must_load();
    cr_expect_eq(c->agent_max_turns, 4);
    cr_expect_eq(c->codex_turn_timeout_ms, 5000);
    cr_expect_str_eq(c->codex_sandbox_memory_swap, "3g");
    cr_expect_str_eq(c->repos,
        "[{\"repo_url\":\"https://h/r\",\"identifier_prefix\":\"MT\"}]");
    config_release(c);
}

Test(config, both_spellings_with_different_values_are_refused)
{
    expect_refusal("agent:\n  max_turns: 4\n  maxTurns: 5\n",
        "WORKFLOW.md:4: \"agent.maxTurns\" is also written \"max_turns\" on "
        "line 3, with another value");
}

Test(config, accepted_aliases_become_canonical)
{
    put("WORKFLOW.md",
        "---\ncodex: {thread_sandbox: workspace-read}\nagent:\n"
        "  max_concurrent_agents_by_state:\n    ' In Progress ': 2\n"
        "    Todo: 0\n    Rework: many\n    Merging: 1\n---\n");
    struct config *c = must_load();
    cr_expect_str_eq(c->codex_thread_sandbox, "read-only");
    cr_expect_str_eq(c->agent_max_concurrent_agents_by_state,
        "{\"in progress\":2,\"merging\":1}");
    config_release(c);
}

Test(config, structured_codex_values_are_kept_as_json)
{
    put("WORKFLOW.md",
        "---\ncodex:\n  approval_policy:\n    granular: {rules: true}\n"
        "  turn_sandbox_policy:\n    type: workspaceWrite\n"
        "    networkAccess: false\n---\n");
    struct config *c = must_load();
    cr_expect_str_eq(
        c->codex_approval_policy, "{\"granular\":{\"rules\":true}}");
    cr_expect_str_eq(c->codex_turn_sandbox_policy,
        "{\"type\":\"workspaceWrite\",\"networkAccess\":false}");
    config_release(c);
}

Test(config, dollar_names_come_from_the_environment)
{
    (void)setenv("RISOLUTO_TEST_MODEL", "from-env", 1);
    (void)setenv("RISOLUTO_TEST_KEY", "sk-1234", 1);
    put("WORKFLOW.md", "---\ncodex:\n  model: $RISOLUTO_TEST_MODEL\n"
                       "  auth: {api_key: $RISOLUTO_TEST_KEY}\n"
                       "hooks: {before_run: echo $HOME}\n---\n");
    struct config *c = must_load();
    cr_expect_str_eq(c->codex_model, "from-env");
    cr_assert_not_null(c->codex_auth_api_key);
    cr_expect_str_eq(secret_bytes(c->codex_auth_api_key), "sk-1234");
    cr_expect_str_eq(c->hooks_before_run, "echo $HOME");
    cr_expect_null(getenv("RISOLUTO_TEST_KEY"), "the secret stayed behind");
    config_release(c);
}

Test(config, a_missing_variable_is_named_with_its_key)
{
    (void)unsetenv("RISOLUTO_TEST_GONE");
    expect_refusal("codex:\n  model: $RISOLUTO_TEST_GONE\n",
        "WORKFLOW.md:3: codex.model: the environment variable "
        "RISOLUTO_TEST_GONE is not set or empty");
    (void)setenv("RISOLUTO_TEST_GONE", "", 1);
    expect_refusal("codex: {auth: {api_key: $RISOLUTO_TEST_GONE}}\n",
        "codex.auth.api_key: the environment variable RISOLUTO_TEST_GONE");
}

Test(config, a_secret_in_a_file_is_refused_and_not_repeated)
{
    expect_refusal("codex: {auth: {api_key: sk-very-secret}}\n",
        "codex.auth.api_key: a secret does not belong in this file");
    struct err err = ERR_INIT;
    struct config *config = NULL;
    struct config_sources sources = {.data_dir = dir};
    cr_assert_eq(config_load(&config, &sources, &err), -1);
    cr_expect_null(strstr(err.message, "sk-very-secret"));
}

Test(config, a_secret_comes_from_a_file_too)
{
    put("key", "sk-from-file\n");
    AUTO_FREE char *path = file_join(dir, "key");
    (void)setenv("OPENAI_API_KEY_FILE", path, 1);
    struct config *c = must_load();
    cr_assert_not_null(c->codex_auth_api_key);
    cr_expect_str_eq(secret_bytes(c->codex_auth_api_key), "sk-from-file");
    config_release(c);
    (void)unsetenv("OPENAI_API_KEY_FILE");
}

Test(config, a_short_write_token_is_refused)
{
    (void)setenv("RISOLUTO_WRITE_TOKEN", "short", 1);
    struct err err = ERR_INIT;
    struct config *config = NULL;
    struct config_sources sources = {.data_dir = dir};
    cr_expect_eq(config_load(&config, &sources, &err), -1);
    cr_expect_not_null(strstr(err.message, "RISOLUTO_WRITE_TOKEN: "
                                           "server.write_token: must have"));
    cr_expect_null(strstr(err.message, "short"));
}

Test(config, errors_of_other_layers_name_their_source)
{
    struct err err = ERR_INIT;
    struct config *config = NULL;
    struct config_sources sources = {.data_dir = dir, .port = "x"};
    cr_expect_eq(config_load(&config, &sources, &err), -1);
    cr_expect_not_null(strstr(err.message, "--port: server.port: expected"));
    sources.port = NULL;
    put("config/overlay.yaml", "agent:\n  max_turns: 0\n");
    cr_expect_eq(config_load(&config, &sources, &err), -1);
    cr_expect_not_null(strstr(err.message, "overlay.yaml:2: agent.max_turns"));
    put("config/overlay.yaml", "- a\n");
    cr_expect_eq(config_load(&config, &sources, &err), -1);
    cr_expect_not_null(strstr(err.message, "the overlay must be a map"));
}

Test(config, workflow_errors_carry_their_class)
{
    expect_refusal("a: [\n", "workflow_parse_error: ");
    expect_refusal("- a\n", "workflow_front_matter_not_a_map: ");
    put("WORKFLOW.md", "---\nagent: {}\n");
    struct err err = ERR_INIT;
    struct config *config = NULL;
    struct config_sources sources = {.data_dir = dir};
    cr_expect_eq(config_load(&config, &sources, &err), -1);
    cr_expect_not_null(strstr(err.message, "has no closing --- line"));
    sources.workflow_path = "/nonexistent/WORKFLOW.md";
    cr_expect_eq(config_load(&config, &sources, &err), -1);
    cr_expect_not_null(strstr(err.message, "missing_workflow_file: /nonexist"));
}

/* ---- live ---- */

static struct config_live *
must_open(void)
{
    struct err err = ERR_INIT;
    struct config_live *live = NULL;
    struct config_sources sources = {.data_dir = dir};
    cr_assert_eq(config_live_open(&live, &sources, &err), 0, "%s", err.message);
    return live;
}

static int64_t
live_turns(struct config_live *live)
{
    struct config *c = config_get(live);
    int64_t turns = c->agent_max_turns;
    config_release(c);
    return turns;
}

Test(config, a_reload_follows_the_files)
{
    struct err err = ERR_INIT;
    put("WORKFLOW.md", "---\nagent: {max_turns: 1}\n---\n");
    struct config_live *live = must_open();
    struct config *held = config_get(live);
    cr_expect_eq(live_turns(live), 1);
    put("WORKFLOW.md", "---\nagent: {max_turns: 2}\n---\n");
    cr_expect_eq(live_turns(live), 1, "changed before it was asked to");
    cr_expect_eq(config_reload(live, &err), 0);
    cr_expect_eq(live_turns(live), 2);
    put("config/overlay.yaml", "agent: {max_turns: 3}\n");
    cr_expect_eq(config_reload(live, &err), 0);
    cr_expect_eq(live_turns(live), 3);
    cr_expect_eq(held->agent_max_turns, 1, "a held version changed");
    config_release(held);
    config_live_close(live);
}

Test(config, a_bad_edit_keeps_the_last_good_version)
{
    struct err err = ERR_INIT;
    put("WORKFLOW.md", "---\nagent: {max_turns: 1}\n---\n");
    struct config_live *live = must_open();
    put("WORKFLOW.md", "---\nagent: {max_turn: 2}\n---\n");
    for (int i = 0; i < 3; i++) {
        err_clear(&err);
        cr_expect_eq(config_reload(live, &err), -1);
        cr_expect_not_null(strstr(err.message, "unknown key"));
        cr_expect_eq(live_turns(live), 1);
    }
    put("WORKFLOW.md", "---\nagent: {max_turns: 5}\n---\n");
    cr_expect_eq(config_reload(live, &err), 0);
    cr_expect_eq(live_turns(live), 5);
    config_live_close(live);
}

Test(config, a_vanished_workflow_keeps_the_last_good_version)
{
    struct err err = ERR_INIT;
    put("WORKFLOW.md", "---\nagent: {max_turns: 1}\n---\n");
    struct config_live *live = must_open();
    AUTO_FREE char *path = file_join(dir, "WORKFLOW.md");
    cr_assert_eq(remove(path), 0);
    cr_expect_eq(config_reload(live, &err), -1);
    cr_expect_not_null(strstr(err.message, "missing_workflow_file"));
    cr_expect_eq(live_turns(live), 1);
    put("WORKFLOW.md", "---\nagent: {max_turns: 6}\n---\n");
    cr_expect_eq(config_reload(live, &err), 0);
    cr_expect_eq(live_turns(live), 6);
    config_live_close(live);
}

Test(config, a_reload_keeps_the_secrets_of_the_start)
{
    struct err err = ERR_INIT;
    (void)setenv("OPENAI_API_KEY", "sk-kept", 1);
    struct config_live *live = must_open();
    cr_expect_null(getenv("OPENAI_API_KEY"));
    put("config/overlay.yaml", "agent: {max_turns: 3}\n");
    cr_expect_eq(config_reload(live, &err), 0, "%s", err.message);
    struct config *c = config_get(live);
    cr_assert_not_null(c->codex_auth_api_key);
    cr_expect_str_eq(secret_bytes(c->codex_auth_api_key), "sk-kept");
    config_release(c);
    config_live_close(live);
}

/* ---- as JSON ---- */

Test(config, is_written_as_valid_json_with_secrets_redacted)
{
    (void)setenv("OPENAI_API_KEY", "sk-hidden", 1);
    struct config *c = must_load();
    struct buf out;
    buf_init(&out, 65536);
    struct jw w;
    jw_init(&w, &out);
    config_write(c, &w, NULL);
    struct err err = ERR_INIT;
    struct json *root = json_parse(buf_str(&out), out.len, 65536, &err);
    cr_assert_not_null(root, "%s: %s", err.message, buf_str(&out));
    for (size_t i = 0; i < KEYS_COUNT; i++)
        cr_expect_not_null(json_path(root, keys_at(i)->path), "%s is missing",
            keys_at(i)->path);
    cr_expect_eq(json_int(json_path(root, "server.port"), 0), 4000);
    cr_expect_str_eq(
        json_str(json_path(root, "codex.auth.api_key"), ""), "[REDACTED]");
    cr_expect_eq(json_type(json_path(root, "server.write_token")), JSON_NULL);
    cr_expect_eq(json_type(json_path(root, "repos")), JSON_ARRAY);
    cr_expect_null(strstr(buf_str(&out), "sk-hidden"));
    json_free(root);
    buf_free(&out);
    config_release(c);
}

/* ---- routing ---- */

static void
expect_route(const struct config *c, const char *identifier, char *label,
    const char *url, const char *branch)
{
    struct err err = ERR_INIT;
    char name[32];
    (void)snprintf(name, sizeof(name), "%s", identifier);
    struct issue issue = {.identifier = name,
        .labels = &label,
        .label_count = label != NULL ? 1 : 0};
    struct config_repo repo;
    cr_assert_eq(config_route(c, &issue, &repo, &err), 0);
    if (url == NULL) {
        cr_expect_null(repo.url, "%s went to %s", identifier, repo.url);
    } else {
        cr_assert_not_null(repo.url, "%s went nowhere", identifier);
        cr_expect_str_eq(repo.url, url);
    }
    if (branch == NULL)
        cr_expect_null(repo.default_branch);
    else
        cr_expect_str_eq(repo.default_branch, branch);
    config_repo_release(&repo);
}

Test(config, the_first_repository_that_fits_is_the_issues)
{
    put("WORKFLOW.md",
        "---\nrepos:\n"
        "  - {repo_url: 'https://h/a', identifier_prefix: MT, label: api}\n"
        "  - {repo_url: 'git@h:b.git', identifier_prefix: MT, "
        "default_branch: trunk}\n"
        "  - {repo_url: '/srv/c', label: Docs}\n---\n");
    struct config *c = must_load();
    char api[] = "api";
    char docs[] = "docs";
    expect_route(c, "MT-1", api, "https://h/a", NULL);
    expect_route(c, "mt-1", NULL, "git@h:b.git", "trunk");
    expect_route(c, "MTX-1", NULL, NULL, NULL);
    expect_route(c, "RIS-1", docs, "/srv/c", NULL);
    expect_route(c, "RIS-1", NULL, NULL, NULL);
    config_release(c);
}

/* ---- the table ---- */

Test(config, the_table_is_in_order)
{
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        const struct keys_row *row = keys_at(i);
        cr_expect_eq(keys_find(row->path), (int)i, "%s twice", row->path);
        cr_expect_not(keys_is_section(row->path), "%s", row->path);
        cr_expect_null(keys_foreign(row->path), "%s", row->path);
        cr_expect_leq(row->min, row->max, "%s", row->path);
    }
    cr_expect_null(keys_at(KEYS_COUNT));
}
