/* SPDX-License-Identifier: Apache-2.0
 * codex_bundle, read back as risoluto-init reads it. */
#include "dataplane/codex/codex.h"
#include "tests/support/codex_harness.h"

#include "common/cleanup.h"
#include "dataplane/init/bundle.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct codex_harness h;
static struct buf bytes;
static struct bundle bundle;

static void
setup(void)
{
    codex_harness_init(&h);
    buf_init(&bytes, BUNDLE_BYTES_MAX + 64);
}

static void
teardown(void)
{
    codex_harness_free(&h);
    buf_free(&bytes);
}

TestSuite(codex_bundle, .init = setup, .fini = teardown);

/* Parses what follows the first line, whose length must be exact. */
static void
parse(const char *workspace)
{
    struct err err = ERR_INIT;
    const char *why = NULL;
    int rc = codex_bundle(&h.request, workspace, &bytes, &err);
    cr_assert_eq(rc, 0, "%s", err.message);
    cr_assert_eq(strncmp(bytes.data, BUNDLE_MAGIC, strlen(BUNDLE_MAGIC)), 0);
    char *rest = NULL;
    unsigned long len = strtoul(bytes.data + strlen(BUNDLE_MAGIC), &rest, 10);
    cr_assert_eq(*rest, '\n');
    rest++;
    cr_assert_eq(len, bytes.len - (size_t)(rest - bytes.data));
    cr_assert_eq(bundle_parse(rest, len, &bundle, &why), 0, "%s", why);
}

static bool
config_has(const char *text)
{
    return memmem(bundle.files[0].data, bundle.files[0].len, text,
               strlen(text)) != NULL;
}

static enum err_code
refused(void)
{
    struct err err = ERR_INIT;
    cr_expect_eq(codex_bundle(&h.request, HARNESS_WORKSPACE, &bytes, &err), -1);
    return err.code;
}

Test(codex_bundle, is_one_private_config_and_two_commands)
{
    static const char *const lines[] = {
        "model = \"gpt-5.5\"\n",
        "model_provider = \"risoluto\"\n",
        "sandbox_mode = \"workspace-write\"\n",
        "cli_auth_credentials_store = \"ephemeral\"\n",
        "unbounded_connection_retries = false\n",
        "inherit = \"core\"\n",
        "base_url = \"https://api.openai.com/v1\"\n",
        "wire_api = \"responses\"\n",
        "requires_openai_auth = true\n",
        "[projects.\"/srv/work/MT-42\"]\ntrust_level = \"untrusted\"\n",
    };
    parse(HARNESS_WORKSPACE);
    cr_assert_eq(bundle.file_count, 1);
    cr_expect_str_eq(bundle.files[0].path, "config.toml");
    cr_expect_eq(bundle.files[0].mode, 0600);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        cr_expect(config_has(lines[i]), "no %s", lines[i]);
    cr_expect_eq(bundle.preflight.argc, 6);
    cr_expect_str_eq(bundle.preflight.argv[1], "sandbox");
    cr_expect_str_eq(bundle.preflight.argv[3], ":workspace");
    cr_expect_eq(bundle.preflight.timeout_ms, 30000);
    cr_assert_eq(bundle.command.argc, 3);
    cr_expect_str_eq(bundle.command.argv[1], "app-server");
    cr_expect_str_eq(bundle.command.argv[2], "--strict-config");
}

Test(codex_bundle, holds_no_key_and_no_approval_policy)
{
    parse(HARNESS_WORKSPACE);
    cr_expect_not(config_has("sk-test"));
    cr_expect_not(config_has("approval_policy"));
}

Test(codex_bundle, a_loopback_provider_becomes_the_host)
{
    char url[] = "http://127.0.0.1:8080/v1";
    h.request.codex.provider.base_url = url;
    parse(HARNESS_WORKSPACE);
    cr_expect(config_has("\"http://host.docker.internal:8080/v1\""));
}

Test(codex_bundle, needs_no_preflight_without_an_inner_sandbox)
{
    char sandbox[] = "danger-full-access";
    h.request.codex.thread_sandbox = sandbox;
    parse(HARNESS_WORKSPACE);
    cr_expect_eq(bundle.preflight.argc, 0);
    cr_expect(config_has("sandbox_mode = \"danger-full-access\"\n"));
}

Test(codex_bundle, a_sandboxed_turn_in_an_open_thread_needs_the_preflight)
{
    char sandbox[] = "danger-full-access";
    char turn[] = "{\"type\":\"workspaceWrite\"}";
    h.request.codex.thread_sandbox = sandbox;
    h.request.codex.turn_sandbox_policy = turn;
    parse(HARNESS_WORKSPACE);
    cr_expect_eq(bundle.preflight.argc, 6);
}

Test(codex_bundle, resolves_the_alias_of_read_only)
{
    char sandbox[] = "workspace-read";
    h.request.codex.thread_sandbox = sandbox;
    parse(HARNESS_WORKSPACE);
    cr_expect(config_has("sandbox_mode = \"read-only\"\n"));
}

Test(codex_bundle, escapes_what_toml_would_take_for_syntax)
{
    char model[] = "a\"b\\c\nd\x01\x7f\xc3\xa9";
    h.request.codex.model = model;
    parse("/srv/\"]\n[features]\nx=\"");
    cr_expect(
        config_has("model = \"a\\\"b\\\\c\\u000Ad\\u0001\\u007F\xc3\xa9\"\n"));
    cr_expect(config_has(
        "[projects.\"/srv/\\\"]\\u000A[features]\\u000Ax=\\\"\"]\n"));
}

Test(codex_bundle, refuses_what_codex_does_not_know)
{
    static char bad_utf8[] = "gpt\xff";
    static char bad_url[] = "nonsense";
    static char bad_mode[] = "workspace";
    static char bad_policy[] = "\"always\"";
    static char bad_turn[] = "{\"type\":\"workspaceWrite\",\"net\":true}";
    struct codex_spec good = h.request.codex;
    struct codex_spec *spec = &h.request.codex;
    spec->model = bad_utf8;
    cr_expect_eq(refused(), ERR_CONFIG);
    *spec = good;
    spec->provider.base_url = bad_url;
    cr_expect_eq(refused(), ERR_CONFIG);
    *spec = good;
    spec->thread_sandbox = bad_mode;
    cr_expect_eq(refused(), ERR_CONFIG);
    *spec = good;
    spec->approval_policy = bad_policy;
    cr_expect_eq(refused(), ERR_CONFIG);
    *spec = good;
    spec->turn_sandbox_policy = bad_turn;
    cr_expect_eq(refused(), ERR_CONFIG);
    *spec = good;
    struct err err = ERR_INIT;
    cr_expect_eq(codex_bundle(&h.request, "work", &bytes, &err), -1);
}
