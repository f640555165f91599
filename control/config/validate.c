/* SPDX-License-Identifier: Apache-2.0
 * Checks over the merged configuration, and its normal form. */
#include "control/config/validate.h"

#include "common/cleanup.h"
#include "common/cli.h"
#include "common/json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int
refuse(const struct layers *layers, const char *path, const char *why,
    struct err *err)
{
    return err_set(
        err, ERR_CONFIG, "%s: %s: %s", layers_origin(layers, path), path, why);
}

static int
replace(char **member, const char *text, struct err *err)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return err_no_memory(err);
    free(*member);
    *member = copy;
    return 0;
}

/* ---- choices ---- */

static int
check_choice(const struct layers *layers, const char *path, const char *value,
    const char *const *choices, struct err *err)
{
    struct buf list;
    buf_init(&list, ERR_MESSAGE_MAX);
    size_t count = 0;
    for (; choices[count] != NULL; count++) {
        if (strcmp(choices[count], value) == 0) {
            buf_free(&list);
            return 0;
        }
        buf_printf(&list, "%s\"%s\"", count > 0 ? ", " : "", choices[count]);
    }
    (void)err_set(err, ERR_CONFIG, "%s: %s: expected %s%s, not \"%.64s\"",
        layers_origin(layers, path), path, count > 1 ? "one of " : "",
        buf_str(&list), value);
    buf_free(&list);
    return -1;
}

static int
check_choices(struct layers *layers, struct err *err)
{
    static const char *const strategies[] = {"directory", NULL};
    static const char *const modes[] = {"api_key", NULL};
    static const char *const drivers[] = {"json-file", "local", NULL};
    static const char *const sandboxes[] = {
        "read-only", "workspace-write", "danger-full-access", NULL};
    struct config *c = layers->config;
    if (strcmp(c->codex_thread_sandbox, "workspace-read") == 0 &&
        replace(&c->codex_thread_sandbox, "read-only", err) != 0)
        return -1;

    const struct {
        const char *path;
        const char *value;
        const char *const *choices;
    } rules[] = {
        {"workspace.strategy", c->workspace_strategy, strategies},
        {"codex.auth.mode", c->codex_auth_mode, modes},
        {"codex.sandbox.logs.driver", c->codex_sandbox_log_driver, drivers},
        {"codex.thread_sandbox", c->codex_thread_sandbox, sandboxes},
    };

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (check_choice(layers, rules[i].path, rules[i].value,
                rules[i].choices, err) != 0)
            return -1;
    }
    return 0;
}

static int
check_tracker(const struct layers *layers, struct err *err)
{
    static const char *const kinds[] = {"local", "linear", NULL};
    const struct config *c = layers->config;
    if (check_choice(layers, "tracker.kind", c->tracker_kind, kinds, err) != 0)
        return -1;
    if (strcmp(c->tracker_kind, "linear") != 0)
        return 0;
    if (c->tracker_api_key == NULL)
        return refuse(layers, "tracker.api_key",
            "the linear tracker needs one; set LINEAR_API_KEY or "
            "LINEAR_API_KEY_FILE",
            err);
    if (c->tracker_project_slug[0] == '\0')
        return refuse(layers, "tracker.project_slug",
            "the linear tracker needs the slug id of a project", err);
    return 0;
}

/* ---- formats ---- */

/* "512m", "1.5g", "0": a number with an optional unit, as Docker reads it. */
static bool
is_size(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    const char *p = text + digits;
    if (*p == '.') {
        size_t more = strspn(p + 1, "0123456789");
        p += 1 + more;
        digits = more;
    }
    if (digits == 0)
        return false;
    if (*p != '\0' && strchr("bkmgtBKMGT", *p) != NULL)
        p++;
    return *p == '\0';
}

static bool
is_positive_number(const char *text)
{
    size_t len = strspn(text, "0123456789");
    const char *p = text + len;
    if (len > 0 && *p == '.')
        p += 1 + strspn(p + 1, "0123456789");
    return len > 0 && *p == '\0' && strpbrk(text, "123456789") != NULL;
}

/* "[name=]tls+tcp://host:port" */
static bool
is_host_url(const char *entry)
{
    static const char scheme[] = "tls+tcp://";
    static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t named = strspn(entry, name);
    const char *url =
        named > 0 && entry[named] == '=' ? entry + named + 1 : entry;
    if (strncmp(url, scheme, strlen(scheme)) != 0)
        return false;
    const char *host = url + strlen(scheme);
    const char *colon = strrchr(host, ':');
    if (colon == NULL || colon == host)
        return false;
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
        return false;
    long port = strtol(colon + 1, NULL, 10);
    return port > 0 && port <= 65535 && strpbrk(host, " /?#@") == NULL;
}

/* The rules of git check-ref-format that a prefix can break. */
static bool
is_ref_prefix(const char *text)
{
    return text[0] != '/' && text[0] != '-' && text[0] != '.' &&
           strpbrk(text, " ~^:?*[\\") == NULL && strstr(text, "..") == NULL &&
           strstr(text, "//") == NULL && strstr(text, "@{") == NULL &&
           strstr(text, "/.") == NULL && strstr(text, ".lock/") == NULL;
}

static bool
is_author(const char *text)
{
    const char *open = strchr(text, '<');
    size_t len = strlen(text);
    return open != NULL && open > text + 1 && open[-1] == ' ' &&
           text[len - 1] == '>' && strchr(open, '>') == text + len - 1 &&
           strchr(open + 1, '<') == NULL && open[1] != '>';
}

static bool
is_http_url(const char *text)
{
    bool https = strncasecmp(text, "https://", 8) == 0;
    bool http = strncasecmp(text, "http://", 7) == 0;
    return (https || http) && text[https ? 8 : 7] != '\0' &&
           strpbrk(text, " \"<>") == NULL;
}

static bool
is_optional_http_url(const char *text)
{
    return text[0] == '\0' || is_http_url(text);
}

static bool
is_seccomp(const char *text)
{
    return text[0] == '\0' || text[0] == '/' ||
           strcmp(text, "docker-default") == 0;
}

static bool
is_identifier_prefix(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p))
            return false;
    }
    return isalpha((unsigned char)text[0]) != 0;
}

static int
check_formats(const struct layers *layers, struct err *err)
{
    static const char size_text[] = "expected a size such as 512m or 4g";
    const struct config *c = layers->config;

    const struct {
        const char *path;
        const char *value;
        bool (*fits)(const char *text);
        const char *why;
    } rules[] = {
        {"codex.sandbox.resources.memory", c->codex_sandbox_memory, is_size,
            size_text},
        {"codex.sandbox.resources.memory_reservation",
            c->codex_sandbox_memory_reservation, is_size, size_text},
        {"codex.sandbox.resources.memory_swap", c->codex_sandbox_memory_swap,
            is_size, size_text},
        {"codex.sandbox.resources.tmpfs_size", c->codex_sandbox_tmpfs_size,
            is_size, size_text},
        {"codex.sandbox.logs.max_size", c->codex_sandbox_log_max_size, is_size,
            size_text},
        {"codex.sandbox.resources.cpus", c->codex_sandbox_cpus,
            is_positive_number, "expected a number of processors, as 2.0"},
        {"codex.sandbox.security.seccomp_profile",
            c->codex_sandbox_seccomp_profile, is_seccomp,
            "expected \"\", \"docker-default\" or an absolute path"},
        {"codex.provider.base_url", c->codex_provider_base_url,
            is_optional_http_url, "expected an http:// or https:// address"},
        {"tracker.endpoint", c->tracker_endpoint, is_http_url,
            "expected an http:// or https:// address"},
        {"tracker.identifier_prefix", c->tracker_identifier_prefix,
            is_identifier_prefix, "expected letters and digits, as RIS"},
        {"workspace.branch_prefix", c->workspace_branch_prefix, is_ref_prefix,
            "git would refuse branches of that name"},
        {"workspace.commit_author", c->workspace_commit_author, is_author,
            "expected a name and an address, as Risoluto <risoluto@localhost>"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (!rules[i].fits(rules[i].value))
            return refuse(layers, rules[i].path, rules[i].why, err);
    }
    for (size_t i = 0; i < c->pool_hosts.count; i++) {
        if (!is_host_url(c->pool_hosts.items[i]))
            return refuse(layers, "pool.hosts",
                "expected addresses as tls+tcp://host:9100, or "
                "name=tls+tcp://host:9100",
                err);
    }
    return 0;
}

/* ---- structured values ---- */

static struct json *
parse_raw(const struct layers *layers, const char *path, const char *text,
    struct err *err)
{
    struct json *root = json_parse(text, strlen(text), YTREE_BYTES_MAX, err);
    if (root == NULL)
        (void)err_wrap(err, "%s: %s", layers_origin(layers, path), path);
    return root;
}

static int
check_approval_policy(const struct layers *layers, struct err *err)
{
    static const char path[] = "codex.approval_policy";
    static const char *const policies[] = {
        "never", "on-request", "untrusted", NULL};
    AUTO(json_free_ptr)
    struct json *root =
        parse_raw(layers, path, layers->config->codex_approval_policy, err);
    if (root == NULL)
        return -1;
    if (json_type(root) == JSON_OBJECT)
        return 0; /* the granular form is Codex's own; it checks it */
    if (json_type(root) != JSON_STRING)
        return refuse(layers, path, "expected a string or a map", err);
    return check_choice(layers, path, json_str(root, ""), policies, err);
}

static int
check_turn_policy(const struct layers *layers, struct err *err)
{
    static const char path[] = "codex.turn_sandbox_policy";
    AUTO(json_free_ptr)
    struct json *root =
        parse_raw(layers, path, layers->config->codex_turn_sandbox_policy, err);
    if (root == NULL)
        return -1;
    if (json_type(root) == JSON_NULL)
        return 0;
    if (json_type(root) != JSON_OBJECT ||
        json_str(json_get(root, "type"), NULL) == NULL)
        return refuse(layers, path,
            "expected a map with a type, as {type: workspaceWrite}", err);
    return 0;
}

/* Symphony's rule: states are compared trimmed and in lower case, and entries
 * that are not positive whole numbers are ignored. */
static int
normalize_limits(struct layers *layers, struct err *err)
{
    static const char path[] = "agent.max_concurrent_agents_by_state";
    char **member = &layers->config->agent_max_concurrent_agents_by_state;
    AUTO(json_free_ptr)
    struct json *root = parse_raw(layers, path, *member, err);
    if (root == NULL)
        return -1;
    if (json_type(root) != JSON_OBJECT)
        return refuse(layers, path, "expected a map from state to limit", err);
    AUTO(buf_free) struct buf out = {0};
    buf_init(&out, YTREE_BYTES_MAX);
    struct jw w;
    jw_init(&w, &out);
    jw_obj(&w, NULL);
    json_each (child, root) {
        int64_t limit = 0;
        if (!json_is_int(child, &limit) || limit < 1)
            continue;
        const char *key = json_key(child);
        key += strspn(key, " \t");
        AUTO_FREE char *state = strdup(key);
        if (state == NULL)
            return err_no_memory(err);
        size_t len = strlen(state);
        while (len > 0 && (state[len - 1] == ' ' || state[len - 1] == '\t'))
            state[--len] = '\0';
        for (char *p = state; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        jw_int(&w, state, limit);
    }
    jw_end_obj(&w);
    if (buf_check(&out, err) != 0)
        return -1;
    return replace(member, buf_str(&out), err);
}

/* ---- repos ---- */

bool
validate_is_repo_url(const char *url)
{
    static const char *const schemes[] = {
        "https://", "http://", "ssh://", "git://", "file:///"};
    if (url[0] == '-' || strlen(url) > KEYS_STRS_ITEM_MAX)
        return false;
    for (const unsigned char *p = (const unsigned char *)url; *p; p++) {
        if (*p <= 0x20 || *p == 0x7f)
            return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(url, schemes[i], len) == 0)
            return url[len] != '\0' && url[len] != '-';
    }
    if (url[0] == '/')
        return true;
    /* user@host:path; a second colon would name a transport helper (ext::) */
    const char *at = strchr(url, '@');
    const char *colon = strchr(url, ':');
    return at != NULL && at != url && colon != NULL && colon > at + 1 &&
           colon[1] != ':' && colon[1] != '\0' && at[1] != '-';
}

static int
check_repo_member(const struct layers *layers, int index, const char *name,
    const struct json *member, struct err *err)
{
    static const char *const names[] = {
        "repo_url", "default_branch", "identifier_prefix", "label"};
    const char *origin = layers_origin(layers, "repos");
    size_t i = 0;
    while (i < ARRAY_LEN(names) && strcmp(names[i], name) != 0)
        i++;
    if (i == ARRAY_LEN(names)) {
        const char *near = cli_nearest(name, names, ARRAY_LEN(names));
        return err_set(err, ERR_CONFIG,
            "%s: repos[%d]: unknown key \"%.64s\"%s%s%s", origin, index, name,
            near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
            near != NULL ? "\"?" : "");
    }
    const char *text = json_str(member, NULL);
    if (text == NULL || text[0] == '\0')
        return err_set(err, ERR_CONFIG, "%s: repos[%d]: %s: expected a string",
            origin, index, name);
    if (strcmp(name, "repo_url") == 0 && !validate_is_repo_url(text))
        return err_set(err, ERR_CONFIG,
            "%s: repos[%d]: repo_url: expected https://, ssh://, file:// or "
            "user@host:path",
            origin, index);
    if (strcmp(name, "default_branch") == 0 && !is_ref_prefix(text))
        return err_set(err, ERR_CONFIG,
            "%s: repos[%d]: default_branch: git has no such branch names",
            origin, index);
    return 0;
}

static int
normalize_repo(const struct layers *layers, int index, const struct json *repo,
    struct jw *w, struct err *err)
{
    const char *origin = layers_origin(layers, "repos");
    if (json_type(repo) != JSON_OBJECT)
        return err_set(
            err, ERR_CONFIG, "%s: repos[%d]: expected a map", origin, index);
    bool has_url = false;
    jw_obj(w, NULL);
    json_each (member, repo) {
        char name[KEYS_PATH_MAX];
        if (json_type(member) == JSON_NULL)
            continue;
        if (!keys_canonical(json_key(member), name, sizeof(name)))
            name[0] = '\0';
        if (strcmp(name, json_key(member)) != 0 && json_get(repo, name) != NULL)
            return err_set(err, ERR_CONFIG,
                "%s: repos[%d]: \"%s\" is there in both spellings", origin,
                index, name);
        if (check_repo_member(layers, index, name, member, err) != 0)
            return -1;
        has_url = has_url || strcmp(name, "repo_url") == 0;
        jw_node(w, name, member);
    }
    jw_end_obj(w);
    if (!has_url)
        return err_set(err, ERR_CONFIG, "%s: repos[%d]: repo_url is missing",
            origin, index);
    return 0;
}

static int
normalize_repos(struct layers *layers, struct err *err)
{
    char **member = &layers->config->repos;
    AUTO(json_free_ptr)
    struct json *root = parse_raw(layers, "repos", *member, err);
    if (root == NULL)
        return -1;
    if (json_type(root) != JSON_ARRAY)
        return refuse(layers, "repos", "expected a list of maps", err);
    AUTO(buf_free) struct buf out = {0};
    buf_init(&out, YTREE_BYTES_MAX);
    struct jw w;
    jw_init(&w, &out);
    jw_arr(&w, NULL);
    int index = 0;
    json_each (repo, root) {
        if (normalize_repo(layers, index++, repo, &w, err) != 0)
            return -1;
    }
    jw_end_arr(&w);
    if (buf_check(&out, err) != 0)
        return -1;
    return replace(member, buf_str(&out), err);
}

int
validate(struct layers *layers, struct err *err)
{
    if (check_choices(layers, err) != 0 || check_tracker(layers, err) != 0 ||
        check_formats(layers, err) != 0 ||
        check_approval_policy(layers, err) != 0 ||
        check_turn_policy(layers, err) != 0 ||
        normalize_limits(layers, err) != 0 || normalize_repos(layers, err) != 0)
        return -1;
    return 0;
}
