/* SPDX-License-Identifier: Apache-2.0
 * Policies: aliases, defaults, the two spellings of a sandbox, and the strict
 * comparison of what was asked with what is in effect. */
#include "dataplane/codex/policy.h"

#include "common/buf.h"
#include "common/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POLICY_BYTES_MAX = 32 * 1024,
    CANONICAL_BYTES_MAX = 2 * POLICY_BYTES_MAX,
    ROOT_BYTES_MAX = 4096
};

struct alias {
    const char *from;
    const char *to;
};

/* Each table holds every accepted name, so that one look-up both validates
 * and normalises. */
static const struct alias approvals[] = {
    {"untrusted", "untrusted"},
    {"unless-allow-listed", "untrusted"},
    {"unless-trusted", "untrusted"},
    {"on-request", "on-request"},
    {"on-failure", "on-request"},
    {"never", "never"},
};
static const struct alias reviewers[] = {
    {"user", "user"},
    {"auto_review", "auto_review"},
    {"guardian_subagent", "auto_review"},
};
static const struct alias modes[] = {
    {"read-only", "read-only"},
    {"workspace-read", "read-only"},
    {"workspace-write", "workspace-write"},
    {"danger-full-access", "danger-full-access"},
};
static const struct alias sandbox_types[] = {
    {"readOnly", "readOnly"},
    {"read-only", "readOnly"},
    {"workspace-read", "readOnly"},
    {"workspaceWrite", "workspaceWrite"},
    {"workspace-write", "workspaceWrite"},
    {"dangerFullAccess", "dangerFullAccess"},
    {"danger-full-access", "dangerFullAccess"},
    {"externalSandbox", "externalSandbox"},
    {"external-sandbox", "externalSandbox"},
};
static const struct alias sandbox_keys[] = {
    {"type", "type"},
    {"writableRoots", "writableRoots"},
    {"writable_roots", "writableRoots"},
    {"networkAccess", "networkAccess"},
    {"network_access", "networkAccess"},
    {"excludeTmpdirEnvVar", "excludeTmpdirEnvVar"},
    {"exclude_tmpdir_env_var", "excludeTmpdirEnvVar"},
    {"excludeSlashTmp", "excludeSlashTmp"},
    {"exclude_slash_tmp", "excludeSlashTmp"},
};
static const char *const granular_keys[] = {"sandbox_approval", "rules",
    "skill_approval", "request_permissions", "mcp_elicitations"};

static const char *
resolve(const struct alias *table, size_t count, const char *name)
{
    for (size_t i = 0; name != NULL && i < count; i++)
        if (strcmp(table[i].from, name) == 0)
            return table[i].to;
    return NULL;
}

#define RESOLVE(table, name) resolve((table), ARRAY_LEN(table), (name))

/* ---- what is asked for ---- */

static bool
is_granular_key(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(granular_keys); i++)
        if (strcmp(granular_keys[i], key) == 0)
            return true;
    return false;
}

/* {"granular":{..}}, or only the inner object; Codex wants all five members,
 * so one that is left out means that nobody is asked. */
static int
write_granular(struct jw *w, const struct json *node, struct err *err)
{
    const struct json *inner = json_get(node, "granular");
    if (inner == NULL)
        inner = node;
    else if (json_len(node) != 1)
        return err_set(err, ERR_CONFIG,
            "codex.approval_policy: \"granular\" must be the only member");
    if (json_type(inner) != JSON_OBJECT)
        return err_set(err, ERR_CONFIG,
            "codex.approval_policy: \"granular\" must be an object");
    json_each (member, inner) {
        if (!is_granular_key(json_key(member)) ||
            json_type(member) != JSON_BOOL)
            return err_set(err, ERR_CONFIG,
                "codex.approval_policy: \"%.64s\" is not one of the five "
                "true/false members of the granular policy",
                json_key(member));
    }
    jw_obj(w, NULL);
    jw_obj(w, "granular");
    for (size_t i = 0; i < ARRAY_LEN(granular_keys); i++)
        jw_bool(w, granular_keys[i],
            json_bool(json_get(inner, granular_keys[i]), false));
    jw_end_obj(w);
    jw_end_obj(w);
    return 0;
}

static int
write_approval(struct jw *w, const struct json *node, struct err *err)
{
    if (json_type(node) == JSON_OBJECT)
        return write_granular(w, node, err);
    const char *name = RESOLVE(approvals, json_str(node, NULL));
    if (name == NULL)
        return err_set(err, ERR_CONFIG,
            "codex.approval_policy must be untrusted, on-request, never or a "
            "granular object, not \"%.64s\"",
            json_str(node, json_type_name(json_type(node))));
    jw_str(w, NULL, name);
    return 0;
}

static int
write_roots(struct jw *w, const struct json *roots, struct err *err)
{
    if (roots != NULL && json_type(roots) != JSON_ARRAY)
        return err_set(err, ERR_CONFIG,
            "codex.turn_sandbox_policy: writableRoots must be an array");
    jw_arr(w, "writableRoots");
    json_each (root, roots) {
        const char *path = json_str(root, "");
        if (path[0] != '/' || strlen(path) > ROOT_BYTES_MAX)
            return err_set(err, ERR_CONFIG,
                "codex.turn_sandbox_policy: writableRoots must be absolute "
                "paths");
        jw_str(w, NULL, path);
    }
    jw_end_arr(w);
    return 0;
}

/* The members of a sandbox policy under their canonical names. */
struct sandbox_members {
    const char *type;
    const struct json *roots;
    const struct json *network;
    bool exclude_tmpdir;
    bool exclude_slash_tmp;
};

static int
take_member(
    struct sandbox_members *out, const struct json *member, struct err *err)
{
    const char *key = RESOLVE(sandbox_keys, json_key(member));
    if (key == NULL)
        return err_set(err, ERR_CONFIG,
            "codex.turn_sandbox_policy: unknown member \"%.64s\"",
            json_key(member));
    bool is_bool = json_type(member) == JSON_BOOL;
    if (strcmp(key, "type") == 0)
        out->type = RESOLVE(sandbox_types, json_str(member, NULL));
    else if (strcmp(key, "writableRoots") == 0)
        out->roots = member;
    else if (strcmp(key, "networkAccess") == 0)
        out->network = member;
    else if (!is_bool)
        return err_set(err, ERR_CONFIG,
            "codex.turn_sandbox_policy: \"%s\" must be true or false", key);
    else if (strcmp(key, "excludeTmpdirEnvVar") == 0)
        out->exclude_tmpdir = json_bool(member, false);
    else
        out->exclude_slash_tmp = json_bool(member, false);
    return 0;
}

static int
write_network(struct jw *w, const struct sandbox_members *in, struct err *err)
{
    const char *word = json_str(in->network, NULL);
    bool enabled =
        json_bool(in->network, word != NULL && strcmp(word, "enabled") == 0);
    if (in->network != NULL && json_type(in->network) != JSON_BOOL &&
        (word == NULL ||
            (strcmp(word, "enabled") != 0 && strcmp(word, "restricted") != 0)))
        return err_set(err, ERR_CONFIG,
            "codex.turn_sandbox_policy: networkAccess must be true or false");
    /* One variant of the four spells its boolean as a word. */
    if (strcmp(in->type, "externalSandbox") == 0)
        jw_str(w, "networkAccess", enabled ? "enabled" : "restricted");
    else
        jw_bool(w, "networkAccess", enabled);
    return 0;
}

static int
write_sandbox(struct jw *w, const struct json *node, struct err *err)
{
    struct sandbox_members in = {.type = NULL};
    if (json_type(node) == JSON_STRING)
        in.type = RESOLVE(sandbox_types, json_str(node, NULL));
    else
        json_each (member, node)
            if (take_member(&in, member, err) != 0)
                return -1;
    if (in.type == NULL)
        return err_set(err, ERR_CONFIG,
            "codex.turn_sandbox_policy: type must be readOnly, "
            "workspaceWrite, dangerFullAccess or externalSandbox");
    bool writes = strcmp(in.type, "workspaceWrite") == 0;
    if (!writes && json_len(in.roots) > 0)
        return err_set(err, ERR_CONFIG,
            "codex.turn_sandbox_policy: only workspaceWrite has "
            "writableRoots");
    jw_obj(w, NULL);
    jw_str(w, "type", in.type);
    if (writes && write_roots(w, in.roots, err) != 0)
        return -1;
    if (strcmp(in.type, "dangerFullAccess") != 0 &&
        write_network(w, &in, err) != 0)
        return -1;
    if (writes) {
        jw_bool(w, "excludeTmpdirEnvVar", in.exclude_tmpdir);
        jw_bool(w, "excludeSlashTmp", in.exclude_slash_tmp);
    }
    jw_end_obj(w);
    return 0;
}

typedef int (*write_fn)(struct jw *w, const struct json *node, struct err *err);

/* Text of the request -> our canonical text and its tree. */
static int
canonical(const char *text, write_fn write, char **text_out,
    struct json **node_out, struct err *err)
{
    AUTO(json_free_ptr)
    struct json *asked = json_parse(text, strlen(text), POLICY_BYTES_MAX, err);
    if (asked == NULL)
        return err_set(err, ERR_CONFIG, "a Codex policy is not valid JSON");
    AUTO(buf_free) struct buf out;
    struct jw w;
    buf_init(&out, CANONICAL_BYTES_MAX);
    jw_init(&w, &out);
    if (write(&w, asked, err) != 0 || buf_check(&out, err) != 0)
        return -1;
    *node_out = json_parse(out.data, out.len, out.len, err);
    if (*node_out == NULL)
        return -1;
    if (text_out == NULL)
        return 0;
    *text_out = buf_steal(&out);
    return *text_out != NULL ? 0 : err_set(err, ERR_NO_MEMORY, "out of memory");
}

static bool
type_is(const struct json *sandbox, const char *type)
{
    return strcmp(json_str(json_get(sandbox, "type"), ""), type) == 0;
}

static int
init_sandboxes(
    struct codex_policy *out, const struct codex_spec *spec, struct err *err)
{
    out->thread_sandbox = RESOLVE(modes, spec->thread_sandbox);
    if (out->thread_sandbox == NULL)
        return err_set(err, ERR_CONFIG,
            "codex.thread_sandbox must be read-only, workspace-write or "
            "danger-full-access, not \"%.64s\"",
            spec->thread_sandbox);
    char mode[64];
    (void)snprintf(mode, sizeof(mode), "\"%s\"", out->thread_sandbox);
    const char *turn = spec->turn_sandbox_policy;
    if (turn == NULL || strcmp(turn, "null") == 0)
        turn = mode;
    if (canonical(mode, write_sandbox, NULL, &out->thread_node, err) != 0 ||
        canonical(
            turn, write_sandbox, &out->turn_sandbox, &out->turn_node, err) != 0)
        return -1;
    out->inner_sandbox = !type_is(out->thread_node, "dangerFullAccess") ||
                         type_is(out->turn_node, "readOnly") ||
                         type_is(out->turn_node, "workspaceWrite");
    return 0;
}

int
codex_policy_init(
    struct codex_policy *out, const struct codex_spec *spec, struct err *err)
{
    *out = (struct codex_policy){.thread_sandbox = NULL};
    if (canonical(spec->approval_policy, write_approval, &out->approval_policy,
            &out->approval_node, err) != 0 ||
        init_sandboxes(out, spec, err) != 0) {
        codex_policy_release(out);
        return -1;
    }
    return 0;
}

void
codex_policy_release(struct codex_policy *policy)
{
    free(policy->approval_policy);
    free(policy->turn_sandbox);
    json_free(policy->approval_node);
    json_free(policy->turn_node);
    json_free(policy->thread_node);
    *policy = (struct codex_policy){.thread_sandbox = NULL};
}

/* ---- what is in effect ---- */

static bool
same_approval(const struct json *asked, const struct json *effective)
{
    if (json_type(asked) == JSON_STRING)
        return strcmp(json_str(asked, ""), json_str(effective, "-")) == 0;
    const struct json *a = json_get(asked, "granular");
    const struct json *e = json_get(effective, "granular");
    for (size_t i = 0; i < ARRAY_LEN(granular_keys); i++) {
        const struct json *member = json_get(e, granular_keys[i]);
        if (member == NULL || json_type(member) != JSON_BOOL ||
            json_bool(member, false) !=
                json_bool(json_get(a, granular_keys[i]), false))
            return false;
    }
    return json_len(effective) == 1 && json_len(e) == ARRAY_LEN(granular_keys);
}

static bool
has_string(const struct json *array, const char *text)
{
    json_each (item, array)
        if (strcmp(json_str(item, ""), text) == 0)
            return true;
    return false;
}

static bool
same_roots(const struct json *a, const struct json *b)
{
    if (json_len(a) != json_len(b))
        return false;
    json_each (item, a)
        if (!has_string(b, json_str(item, "")))
            return false;
    return true;
}

static bool
same_network(const struct json *a, const struct json *b)
{
    const char *word_a = json_str(a, NULL);
    const char *word_b = json_str(b, NULL);
    if (word_a != NULL || word_b != NULL)
        return strcmp(word_a == NULL ? "" : word_a,
                   word_b == NULL ? "" : word_b) == 0;
    return json_bool(a, false) == json_bool(b, false);
}

/* Says in why what differs; roots and network matter most, so they are named
 * one by one. */
static bool
same_sandbox(const struct json *asked, const struct json *effective, char *why,
    size_t size)
{
    const char *type = json_str(json_get(asked, "type"), "");
    if (!type_is(effective, type)) {
        (void)snprintf(why, size, "sandbox is %.64s, asked for %.64s",
            json_str(json_get(effective, "type"), "unknown"), type);
        return false;
    }
    if (!same_roots(json_get(asked, "writableRoots"),
            json_get(effective, "writableRoots"))) {
        (void)snprintf(why, size, "the sandbox's writable roots differ");
        return false;
    }
    if (!same_network(json_get(asked, "networkAccess"),
            json_get(effective, "networkAccess"))) {
        (void)snprintf(why, size, "the sandbox's network access differs");
        return false;
    }
    static const char *const flags[] = {
        "excludeTmpdirEnvVar", "excludeSlashTmp"};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (json_bool(json_get(asked, flags[i]), false) !=
            json_bool(json_get(effective, flags[i]), false)) {
            (void)snprintf(why, size, "the sandbox's %s differs", flags[i]);
            return false;
        }
    return true;
}

static bool
same_text(const struct json *effective, const char *key, const char *asked,
    char *why, size_t size)
{
    const char *have = json_str(json_get(effective, key), "unknown");
    if (strcmp(have, asked) == 0)
        return true;
    (void)snprintf(
        why, size, "%s is \"%.64s\", asked for \"%.64s\"", key, have, asked);
    return false;
}

static bool
holds(const struct codex_policy *policy, const struct codex_spec *spec,
    const struct json *effective, char *why, size_t size)
{
    if (!same_approval(
            policy->approval_node, json_get(effective, "approvalPolicy"))) {
        (void)snprintf(why, size,
            "the approval policy in effect is not the one asked for "
            "(%.128s)",
            policy->approval_policy);
        return false;
    }
    const char *reviewer = RESOLVE(
        reviewers, json_str(json_get(effective, "approvalsReviewer"), NULL));
    if (reviewer == NULL || strcmp(reviewer, CODEX_REVIEWER) != 0) {
        (void)snprintf(why, size, "approvals are reviewed by \"%.64s\"",
            reviewer == NULL ? "unknown" : reviewer);
        return false;
    }
    return same_text(effective, "model", spec->model, why, size) &&
           same_text(effective, "modelProvider", CODEX_PROVIDER, why, size);
}

bool
codex_policy_holds_for_thread(const struct codex_policy *policy,
    const struct codex_spec *spec, const struct json *effective, char *why,
    size_t size)
{
    return holds(policy, spec, effective, why, size) &&
           same_sandbox(
               policy->thread_node, json_get(effective, "sandbox"), why, size);
}

bool
codex_policy_holds_for_turn(const struct codex_policy *policy,
    const struct codex_spec *spec, const struct json *settings, char *why,
    size_t size)
{
    return holds(policy, spec, settings, why, size) &&
           same_sandbox(policy->turn_node, json_get(settings, "sandboxPolicy"),
               why, size);
}
