/* SPDX-License-Identifier: Apache-2.0
 * git on the host: as the workspace's user, without prompts, hooks, helpers,
 * or anybody's configuration but ours. */
#include "dataplane/workspace/git.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/proc.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    OUTPUT_MAX = 64 * 1024,
    TAIL = 300,
    URL_MAX = 2048,
    BRANCH_MAX = 244,
    ENV_MAX = 32,
    PAIR_MAX = 4096
};

/* ---- names ---- */

int
git_check_branch(const char *name, struct err *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "0123456789._/-+#";
    size_t len = strlen(name);

    if (len == 0 || len > BRANCH_MAX || strspn(name, allowed) != len ||
        strchr("-/.", name[0]) != NULL || strchr("/.", name[len - 1]) != NULL ||
        strstr(name, "..") != NULL || strstr(name, "//") != NULL ||
        strstr(name, "/.") != NULL || strstr(name, ".lock") != NULL)
        return err_set(err, ERR_INVALID,
            "a branch's name must be of [A-Za-z0-9._/+#-], at most %d bytes, "
            "and one that git accepts",
            BRANCH_MAX);
    return 0;
}

static bool
has_scheme(const char *url)
{
    static const char *const schemes[] = {
        "https://", "http://", "ssh://", "git://", "file:///"};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

/* https://user:password@host: it would end up in .git/config, where the
 * agent reads it. */
static bool
has_password(const char *url)
{
    const char *host = strstr(url, "://");
    const char *at;
    const char *colon;

    if (host == NULL)
        return false;
    host += 3;
    at = host + strcspn(host, "/?#");
    while (at > host && *at != '@')
        at--;
    if (at == host)
        return false;
    colon = memchr(host, ':', (size_t)(at - host));
    return colon != NULL;
}

int
git_check_url(const char *url, struct err *err)
{
    size_t len = strlen(url);
    const char *colon = strchr(url, ':');
    bool scp_like;

    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)url[i]) || url[i] == ' ')
            return err_set(err, ERR_INVALID,
                "the repository's URL has a control character or a blank");
    /* host:path, but neither helper::address nor a local name. */
    scp_like = colon != NULL && colon != url && colon[1] != ':' &&
               colon[1] != '\0' && strstr(url, "://") == NULL &&
               memchr(url, '/', (size_t)(colon - url)) == NULL;
    if (len == 0 || len > URL_MAX || url[0] == '-' ||
        !(has_scheme(url) || scp_like || url[0] == '/'))
        return err_set(err, ERR_INVALID,
            "the repository's URL must be https://, ssh://, git://, file:///, "
            "host:path or an absolute path");
    if (has_password(url))
        return err_set(err, ERR_INVALID,
            "the repository's URL must not hold a password: the agent could "
            "read it in .git/config");
    return 0;
}

/* ---- configuration ---- */

/* A repository on this host belongs to its owner, not to the workspace's
 * user; the operator named it, so git may read it. */
static void
put_safe_directory(struct buf *out, const char *path, const char *suffix)
{
    buf_puts(out, "\tdirectory = \"");
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *c);
    }
    buf_printf(out, "%s\"\n", suffix);
}

int
git_config_text(const char *url, struct buf *out, struct err *err)
{
    buf_puts(out, "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n"
                  "[protocol \"ext\"]\n\tallow = never\n"
                  "[submodule]\n\trecurse = false\n"
                  "[gc]\n\tauto = 0\n"
                  "[commit]\n\tgpgSign = false\n"
                  "[advice]\n\tdetachedHead = false\n");
    if (url != NULL && strncmp(url, "file://", 7) == 0)
        url += 7;
    if (url != NULL && url[0] == '/') {
        buf_puts(out, "[safe]\n");
        put_safe_directory(out, url, "");
        put_safe_directory(out, url, "/.git");
    }
    return buf_check(out, err);
}

/* ---- running ---- */

struct environment {
    const char *pairs[ENV_MAX + 1];
    size_t count;
    struct buf text; /* NUL-separated, for the pairs made here */
    size_t starts[ENV_MAX];
};

static void
put_pair(struct environment *env, const char *name, const char *value)
{
    if (value == NULL || env->count >= ENV_MAX)
        return;
    env->starts[env->count++] = env->text.len;
    buf_printf(&env->text, "%s=%s", name, value);
    buf_append(&env->text, "", 1);
}

/* Nothing of our own environment but what says how to reach the network. */
static int
fill_environment(
    struct environment *env, const struct git *git, struct err *err)
{
    static const char *const passed[] = {"http_proxy", "https_proxy",
        "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE",
        "SSL_CERT_DIR", "GIT_SSL_CAINFO"};
    static const char *const fixed[][2] = {
        {"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LC_ALL", "C.UTF-8"},
        {"GIT_TERMINAL_PROMPT", "0"}, {"GIT_CONFIG_NOSYSTEM", "1"},
        {"GIT_ASKPASS", ""}, {"SSH_ASKPASS", ""},
        {"GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file"},
        {"GIT_PROTOCOL_FROM_USER", "0"},
        {"GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20"},
        {"GIT_AUTHOR_NAME", "Risoluto"},
        {"GIT_AUTHOR_EMAIL", "risoluto@localhost"},
        {"GIT_COMMITTER_NAME", "Risoluto"},
        {"GIT_COMMITTER_EMAIL", "risoluto@localhost"}};

    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        put_pair(env, fixed[i][0], fixed[i][1]);
    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        put_pair(env, passed[i], getenv(passed[i]));
    put_pair(env, "HOME", git->home);
    env->starts[env->count++] = env->text.len;
    buf_printf(&env->text, "GIT_CONFIG_GLOBAL=%s/gitconfig", git->home);
    if (buf_check(&env->text, err) != 0)
        return -1;
    for (size_t i = 0; i < env->count; i++)
        env->pairs[i] = env->text.data + env->starts[i];
    return 0;
}

static const char *
tail_of(struct buf *output)
{
    while (output->len > 0 &&
           isspace((unsigned char)output->data[output->len - 1]))
        output->data[--output->len] = '\0';
    return output->len > TAIL ? output->data + output->len - TAIL
                              : buf_str(output);
}

static int
judge(const char *const *argv, const struct proc_result *result,
    struct buf *output, int *exit_code, struct err *err)
{
    if (result->cancelled)
        return err_set(err, ERR_CANCELLED, "git %s was stopped", argv[1]);
    if (result->timed_out)
        return err_set(
            err, ERR_TIMEOUT, "git %s took too long and was stopped", argv[1]);
    if (exit_code != NULL && result->exit_code >= 0) {
        *exit_code = result->exit_code;
        return 0;
    }
    if (result->exit_code == 0)
        return 0;
    return err_set(err, ERR_UPSTREAM, "git %s failed: %s", argv[1],
        output->len > 0 ? tail_of(output) : "it was killed");
}

int
git_run(const struct git *git, const char *const *argv, int *exit_code,
    struct err *err)
{
    AUTO(buf_free) struct buf output;
    struct environment env = {.count = 0};
    bool ours = git->uid == geteuid();
    struct proc_options options = {.argv = argv,
        .env = env.pairs,
        .cwd = git->tree,
        .uid = ours ? (uid_t)-1 : git->uid,
        .gid = ours ? (gid_t)-1 : git->gid,
        .timeout_ms = git->deadline_ms - clock_mono_ms(),
        .cancel_fd = git->cancel_fd > 0 ? git->cancel_fd : 0};
    struct proc_result result = {0};
    int rv;

    if (options.timeout_ms <= 0)
        return err_set(err, ERR_TIMEOUT, "no time left for git %s", argv[1]);
    buf_init(&output, OUTPUT_MAX);
    buf_init(&env.text, (size_t)PAIR_MAX * ENV_MAX);
    rv = fill_environment(&env, git, err);
    if (rv == 0)
        rv = proc_run(&options, &output, &result, err);
    buf_free(&env.text);
    return rv != 0 ? -1 : judge(argv, &result, &output, exit_code, err);
}
