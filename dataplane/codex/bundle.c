/* SPDX-License-Identifier: Apache-2.0
 * The CODEX_HOME of an attempt: one strict, quiet config.toml, and the
 * commands that risoluto-init runs with it. */
#include "dataplane/codex/codex.h"

#include "common/cleanup.h"
#include "common/utf8.h"
#include "dataplane/codex/policy.h"
#include "dataplane/init/bundle.h"

#include <string.h>

#define OPENAI_BASE_URL "https://api.openai.com/v1"

/* ---- TOML ---- */

/* A basic string. The input is valid UTF-8 without NUL. */
static void
toml_string(struct buf *out, const char *text)
{
    buf_putc(out, '"');
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char byte = (unsigned char)*p;
        if (byte == '"' || byte == '\\') {
            buf_putc(out, '\\');
            buf_putc(out, *p);
        } else if (byte < 0x20 || byte == 0x7f) {
            buf_printf(out, "\\u%04X", byte);
        } else {
            buf_putc(out, *p);
        }
    }
    buf_putc(out, '"');
}

static void
toml_pair(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "%s = ", key);
    toml_string(out, value);
    buf_putc(out, '\n');
}

/* What never changes: nothing phones home, nothing updates itself, nothing
 * waits without end, no secret is written or handed to the agent's commands.
 * The provider's own web search and sub-agents are off: the first would go
 * around the egress policy, the second is not in the token counts. */
static const char fixed_config[] =
    "cli_auth_credentials_store = \"ephemeral\"\n"
    "check_for_update_on_startup = false\n"
    "web_search = \"disabled\"\n"
    "\n[features]\n"
    "plugins = false\n"
    "apps = false\n"
    "unbounded_connection_retries = false\n"
    "\n[agents]\nenabled = false\n"
    "\n[analytics]\nenabled = false\n"
    "\n[feedback]\nenabled = false\n"
    "\n[history]\npersistence = \"none\"\n"
    "\n[otel]\n"
    "exporter = \"none\"\n"
    "trace_exporter = \"none\"\n"
    "metrics_exporter = \"none\"\n"
    "log_user_prompt = false\n"
    "\n[shell_environment_policy]\ninherit = \"core\"\n";

/* A custom provider even for OpenAI itself: the built-in one first tries a
 * WebSocket, seven times over. The approval policy is not here but goes by
 * RPC: Codex accepts its strictest value only there. */
static void
write_config(struct buf *out, const struct codex_spec *spec,
    const struct codex_policy *policy, const char *base_url,
    const char *workspace_path)
{
    toml_pair(out, "model", spec->model);
    toml_pair(out, "model_provider", CODEX_PROVIDER);
    toml_pair(out, "sandbox_mode", policy->thread_sandbox);
    buf_puts(out, fixed_config);
    buf_puts(out, "\n[model_providers." CODEX_PROVIDER "]\n");
    toml_pair(out, "name", spec->provider.id);
    toml_pair(out, "base_url", base_url);
    toml_pair(out, "wire_api", "responses");
    buf_puts(out, "requires_openai_auth = true\n");
    /* Else Codex trusts the folder by itself and then obeys the repository's
     * own configuration and rules. */
    buf_puts(out, "\n[projects.");
    toml_string(out, workspace_path);
    buf_puts(out, "]\n");
    toml_pair(out, "trust_level", "untrusted");
}

/* ---- the frame ---- */

static void
frame_file(
    struct buf *out, unsigned mode, const char *path, const struct buf *data)
{
    buf_printf(out, "F %o %zu %s\n", mode, data->len, path);
    buf_append(out, buf_str(data), data->len);
    buf_putc(out, '\n');
}

static void
frame_arguments(struct buf *out, const char *const *argv, size_t argc)
{
    for (size_t i = 0; i < argc; i++)
        buf_printf(out, "%zu\n%s\n", strlen(argv[i]), argv[i]);
}

static void
frame_commands(struct buf *out, const struct codex_spec *spec,
    const struct codex_policy *policy)
{
    static const char *const preflight[] = {
        "codex", "sandbox", "-P", ":workspace", "--", "true"};
    static const char *const command[] = {
        "codex", "app-server", "--strict-config"};
    if (policy->inner_sandbox) {
        buf_printf(out, "P %zu %lld\n", ARRAY_LEN(preflight),
            (long long)spec->startup_timeout_ms);
        frame_arguments(out, preflight, ARRAY_LEN(preflight));
    }
    buf_printf(out, "X %zu\n", ARRAY_LEN(command));
    frame_arguments(out, command, ARRAY_LEN(command));
}

static int
check_text(const char *what, const char *text, struct err *err)
{
    if (utf8_is_valid(text, strlen(text)))
        return 0;
    return err_set(err, ERR_CONFIG, "%s is not valid UTF-8", what);
}

static int
write_bundle(const struct codex_spec *spec, const struct codex_policy *policy,
    const char *workspace_path, struct buf *out, struct err *err)
{
    const char *base_url = spec->provider.base_url;
    if (base_url == NULL || *base_url == '\0')
        base_url = OPENAI_BASE_URL;
    AUTO_FREE char *url = codex_worker_url(base_url, err);
    if (url == NULL)
        return -1;
    AUTO(buf_free) struct buf config;
    AUTO(buf_free) struct buf rest;
    buf_init(&config, BUNDLE_BYTES_MAX / 2);
    buf_init(&rest, BUNDLE_BYTES_MAX);
    write_config(&config, spec, policy, url, workspace_path);
    if (buf_check(&config, err) != 0)
        return -1;
    frame_file(&rest, 0600, "config.toml", &config);
    frame_commands(&rest, spec, policy);
    if (buf_check(&rest, err) != 0)
        return -1;
    buf_printf(out, "%s%zu\n", BUNDLE_MAGIC, rest.len);
    buf_append(out, rest.data, rest.len);
    return buf_check(out, err);
}

int
codex_bundle(const struct dispatch_request *request, const char *workspace_path,
    struct buf *out, struct err *err)
{
    const struct codex_spec *spec = &request->codex;
    if (workspace_path[0] != '/')
        return err_set(err, ERR_CONFIG, "the workspace's path is not absolute");
    if (check_text("codex.model", spec->model, err) != 0 ||
        check_text("codex.provider.id", spec->provider.id, err) != 0 ||
        check_text("the workspace's path", workspace_path, err) != 0)
        return -1;
    struct codex_policy policy;
    if (codex_policy_init(&policy, spec, err) != 0)
        return -1;
    int rc = write_bundle(spec, &policy, workspace_path, out, err);
    codex_policy_release(&policy);
    return rc;
}
