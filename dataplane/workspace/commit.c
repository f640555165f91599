/* SPDX-License-Identifier: Apache-2.0
 * Committing the agent's work. The tree is the agent's, its .git/config and
 * attributes included, so git runs in a job container, without a network. */
#include "common/cleanup.h"
#include "dataplane/workspace/workspace.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    COMMIT_TIMEOUT_MS = 5 * 60 * 1000,
    HEAD_MAX = 4096, /* what comes before the diff */
    NAME_MAX_LEN = 256,
    SHA1_HEX = 40,
    SHA256_HEX = 64
};

/* $1 branch, $2 message, $3 most bytes of diff. What git itself prints goes to
 * a file; our own few lines go to fd 3, the container's stdout:
 *   none | failed LF reason | commit ID LF stat TEXT LF diff LF bytes... */
static const char script[] =
    "set -u\n"
    "log=/tmp/risoluto-commit.log\n"
    "exec 3>&1 >\"$log\" 2>&1\n"
    "die() { { echo failed; tail -c 400 \"$log\"; } >&3; exit 1; }\n"
    "g() { git -c core.hooksPath=/dev/null -c core.fsmonitor=false"
    " -c commit.gpgSign=false -c gc.auto=0 -c core.pager=cat \"$@\"; }\n"
    "d() { g diff --no-ext-diff --no-textconv --no-color \"$@\"; }\n"
    "command -v git >/dev/null ||"
    " { echo 'the worker image has no git'; die; }\n"
    "dir=$(g rev-parse --absolute-git-dir) || die\n"
    /* An agent that was killed in the middle of a git command left them. */
    "rm -f \"$dir/index.lock\" \"$dir/HEAD.lock\" \"$dir/config.lock\"\n"
    "if g rev-parse -q --verify 'HEAD^{commit}'; then\n"
    "  g update-ref \"refs/heads/$1\" HEAD || die\n"
    "fi\n"
    "g symbolic-ref HEAD \"refs/heads/$1\" || die\n"
    "g add -A || die\n"
    "d --cached --quiet\n"
    "case $? in\n"
    "0) ;;\n"
    "1) g commit -q --no-verify -m \"$2\" || die ;;\n"
    "*) die ;;\n"
    "esac\n"
    "base=$(g rev-parse -q --verify 'refs/risoluto/base^{commit}') ||"
    " base=$(g hash-object -t tree /dev/null) || die\n"
    "head=$(g rev-parse -q --verify 'HEAD^{commit}') ||"
    " { echo none >&3; exit 0; }\n"
    "stat=$(d --shortstat \"$base\" \"$head\") || die\n"
    "[ -n \"$stat\" ] || { echo none >&3; exit 0; }\n"
    "printf 'commit %s\\nstat %s\\ndiff\\n' \"$head\" \"$stat\" >&3\n"
    "d \"$base\" \"$head\" | head -c \"$3\" >&3\n";

/* ---- what the script printed ---- */

static int
not_ours(struct err *err)
{
    return err_set(err, ERR_PROTOCOL,
        "the commit job printed something that is not its result");
}

/* Takes "WORD rest\n" from *text; NULL when it does not start so. */
static const char *
take_line(char **text, const char *word)
{
    char *start = *text;
    char *end = strchr(start, '\n');
    size_t len = strlen(word);

    if (end == NULL || strncmp(start, word, len) != 0)
        return NULL;
    *end = '\0';
    *text = end + 1;
    return start + len;
}

static bool
is_object_id(const char *id)
{
    size_t len = strspn(id, "0123456789abcdef");

    return id[len] == '\0' && (len == SHA1_HEX || len == SHA256_HEX);
}

/* " 3 files changed, 10 insertions(+), 2 deletions(-)" */
static int
parse_stat(const char *text, struct workspace_change *out)
{
    while (*text != '\0') {
        char *rest = NULL;
        long long n;

        while (*text == ' ' || *text == ',')
            text++;
        if (!isdigit((unsigned char)*text))
            return -1;
        n = strtoll(text, &rest, 10);
        if (strncmp(rest, " file", 5) == 0)
            out->files = n;
        else if (strncmp(rest, " insertion", 10) == 0)
            out->insertions = n;
        else if (strncmp(rest, " deletion", 9) == 0)
            out->deletions = n;
        else
            return -1;
        text = strchr(rest, ',');
        if (text == NULL)
            return 0;
    }
    return -1;
}

static int
keep_diff(const char *text, struct workspace_change *out, struct err *err)
{
    size_t len = strlen(text);

    out->diff_truncated = len > WORKSPACE_DIFF_MAX;
    if (out->diff_truncated)
        len = WORKSPACE_DIFF_MAX;
    out->diff = strndup(text, len);
    return out->diff != NULL ? 0 : err_no_memory(err);
}

static int
parse_result(char *text, struct workspace_change *out, struct err *err)
{
    const char *line;

    if (strcmp(text, "none\n") == 0)
        return 0;
    if (take_line(&text, "failed") != NULL)
        return err_set(err, ERR_INVALID, "git: %s", text);
    line = take_line(&text, "commit ");
    if (line == NULL || !is_object_id(line))
        return not_ours(err);
    snprintf(out->commit, sizeof(out->commit), "%s", line);
    line = take_line(&text, "stat ");
    if (line == NULL || parse_stat(line, out) != 0 ||
        take_line(&text, "diff") == NULL)
        return not_ours(err);
    return keep_diff(text, out, err);
}

/* ---- running it ---- */

struct author {
    char name[NAME_MAX_LEN + 32]; /* "GIT_AUTHOR_NAME=..." */
    char email[NAME_MAX_LEN + 32];
    char committer_name[NAME_MAX_LEN + 32];
    char committer_email[NAME_MAX_LEN + 32];
};

static int
parse_author(const char *text, struct author *out, struct err *err)
{
    const char *open = strrchr(text, '<');
    const char *end = open != NULL ? strchr(open, '>') : NULL;
    int name_len;
    int mail_len;

    if (end == NULL || end[1] != '\0' || open == text || end == open + 1 ||
        end - text > NAME_MAX_LEN || strpbrk(text, "\n\r") != NULL)
        return err_set(err, ERR_INVALID,
            "workspace.commit_author must look like \"Name <mail@host>\"");
    name_len = (int)(open - text);
    while (name_len > 0 && text[name_len - 1] == ' ')
        name_len--;
    mail_len = (int)(end - open) - 1;
    snprintf(
        out->name, sizeof(out->name), "GIT_AUTHOR_NAME=%.*s", name_len, text);
    snprintf(out->email, sizeof(out->email), "GIT_AUTHOR_EMAIL=%.*s", mail_len,
        open + 1);
    snprintf(out->committer_name, sizeof(out->committer_name),
        "GIT_COMMITTER_NAME=%.*s", name_len, text);
    snprintf(out->committer_email, sizeof(out->committer_email),
        "GIT_COMMITTER_EMAIL=%.*s", mail_len, open + 1);
    return 0;
}

static int
run_script(const struct workspace_job *job, const struct workspace_spec *spec,
    const struct author *author, struct buf *output, struct err *err)
{
    char limit[32];
    const char *const command[] = {"-c", script, "risoluto-commit",
        spec->branch, spec->commit_message, limit, NULL};
    const char *const env[] = {author->name, author->email,
        author->committer_name, author->committer_email,
        /* The agent may have written a .gitconfig into its home. */
        "HOME=/tmp", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
        "LC_ALL=C.UTF-8", NULL};
    const struct worker_job what = {
        .name = "commit", .network = "none", .command = command, .env = env};
    struct docker_job_result result = {0};
    struct worker_spec container;

    snprintf(limit, sizeof(limit), "%d", WORKSPACE_DIFF_MAX + 1);
    worker_job_spec(&container, job->place, &what);
    if (docker_job(job->docker, &container.create, COMMIT_TIMEOUT_MS,
            job->cancel_fd, output, &result, err) != 0)
        return -1;
    if (result.timed_out)
        return err_set(err, ERR_TIMEOUT, "git took longer than %d s",
            COMMIT_TIMEOUT_MS / 1000);
    if (result.oom_killed)
        return err_set(err, ERR_INVALID, "git ran out of memory");
    if (result.exit_code != 0 && strncmp(buf_str(output), "failed\n", 7) != 0)
        return err_set(err, ERR_INVALID, "the job ended with code %lld",
            (long long)result.exit_code);
    return 0;
}

int
workspace_commit(const struct workspace_job *job,
    const struct workspace_spec *spec, struct workspace_change *out,
    struct err *err)
{
    AUTO(buf_free) struct buf output;
    struct author author;

    *out = (struct workspace_change){0};
    buf_init(&output, WORKSPACE_DIFF_MAX + HEAD_MAX);
    if (parse_author(spec->commit_author, &author, err) != 0 ||
        run_script(job, spec, &author, &output, err) != 0)
        return err_wrap(err, "commit");
    if (output.data == NULL)
        return not_ours(err);
    for (size_t i = 0; i < output.len; i++)
        if (output.data[i] == '\0') /* a diff of binary taken for text */
            output.data[i] = '?';
    if (parse_result(output.data, out, err) != 0) {
        workspace_change_release(out);
        return err_wrap(err, "commit");
    }
    return 0;
}

void
workspace_change_release(struct workspace_change *change)
{
    free(change->diff);
    *change = (struct workspace_change){0};
}
