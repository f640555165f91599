/* SPDX-License-Identifier: Apache-2.0
 * Hooks and commits in real job containers: what becomes of an agent's tree,
 * however it left it, and what such a job can reach. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/id.h"
#include "dataplane/docker/seccomp.h"
#include "dataplane/workspace/workspace.h"
#include "tests/support/harness.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#define IMAGE "risoluto-codex:latest"
#define ATTEMPT "0123456789abcdef0123456789abcdef"

enum { TIMEOUT_MS = 60000, OUTPUT_MAX = 65536 };

static char top[64];
static char key[64];
static struct docker *docker;
static struct workspace_root root;
static struct workspace workspace;
static struct sandbox_spec sandbox;
static struct worker_place place;
static struct workspace_job job;
static struct workspace_spec spec;
static struct workspace_change change;
static struct err err;

static char image[] = IMAGE;
static char memory[] = "512m";
static char branch[] = "risoluto/MT-1";
static char author[] = "Ris Oluto <ris@example.org>";
static char message[] = "MT-1: do \"it\"; $(touch /tmp/x) 'now'";

static void
begin(void)
{
    const char *missing = harness_docker_missing(IMAGE);
    AUTO_FREE char *path = NULL;
    const struct workspace_limits limits = {
        .timeout_ms = TIMEOUT_MS, .cancel_fd = -1};
    char id[ID_SIZE];

    if (missing != NULL)
        cr_skip("%s", missing);
    id_new(id);
    (void)snprintf(key, sizeof(key), "t-%s", id_short(id));
    (void)snprintf(top, sizeof(top), "/tmp/risoluto-commit-XXXXXX");
    cr_assert_not_null(mkdtemp(top));
    cr_assert_eq(chmod(top, 0755), 0);
    path = file_join(top, "root");
    cr_assert_eq(workspace_root_open(&root, path, &err), 0, "%s", err.message);
    cr_assert_eq(docker_open(&docker, "/var/run/docker.sock", &err), 0);
    spec = (struct workspace_spec){.key = key,
        .branch = branch,
        .commit_author = author,
        .commit_message = message};
    cr_assert_eq(workspace_prepare(&root, &spec, &limits, &workspace, &err), 0,
        "%s", err.message);
    sandbox = (struct sandbox_spec){.image = image,
        .memory = memory,
        .memory_swap = memory,
        .pids_limit = 128,
        .no_new_privileges = true,
        .drop_capabilities = true};
    place = (struct worker_place){.workspace_path = workspace.path,
        .workspace_key = key,
        .uid = root.uid,
        .gid = root.gid,
        .sandbox = &sandbox,
        .network = "none",
        .seccomp_json = seccomp_profile_json,
        .dataplane_id = key,
        .attempt_id = ATTEMPT,
        .issue_identifier = "MT-1",
        .model = "m",
        .started_at_ms = 1};
    job = (struct workspace_job){
        .docker = docker, .place = &place, .cancel_fd = -1};
}

static void
expect_nothing_left(void)
{
    struct docker_container *list = NULL;
    char label[128];
    size_t count = 0;

    (void)snprintf(label, sizeof(label), WORKER_LABEL_DATAPLANE "=%s", key);
    cr_expect_eq(docker_list(docker, label, &list, &count, &err), 0);
    cr_expect_eq(count, 0, "containers left behind");
    free(list);
}

static void
end(void)
{
    char volume[WORKER_NAME_SIZE];

    if (docker == NULL)
        return;
    expect_nothing_left();
    worker_home_volume(key, key, volume);
    (void)docker_volume_remove(docker, volume, &err);
    workspace_change_release(&change);
    workspace_release(&workspace);
    workspace_root_close(&root);
    docker_close(docker);
    cr_expect_eq(file_remove_tree(top, &err), 0, "%s", err.message);
}

TestSuite(commit, .init = begin, .fini = end, .timeout = 120);

/* What an agent does in its workspace, as the worker's user. */
static void
agent(const char *script)
{
    AUTO(buf_free) struct buf output;

    buf_init(&output, OUTPUT_MAX);
    cr_assert_eq(
        workspace_hook(&job, "agent", script, TIMEOUT_MS, &output, &err), 0,
        "%s: %s", err.message, buf_str(&output));
}

static int
commit(void)
{
    workspace_change_release(&change);
    err_clear(&err);
    return workspace_commit(&job, &spec, &change, &err);
}

static void
must_commit(void)
{
    cr_assert_eq(commit(), 0, "%s", err.message);
    cr_expect_eq(strlen(change.commit), 40);
}

static void
expect_output(const char *script, const char *expected)
{
    AUTO(buf_free) struct buf output;

    buf_init(&output, OUTPUT_MAX);
    cr_expect_eq(
        workspace_hook(&job, "look", script, TIMEOUT_MS, &output, &err), 0,
        "%s", err.message);
    cr_expect_str_eq(buf_str(&output), expected);
}

/* ---- commits ---- */

Test(commit, takes_everything_and_says_what_changed)
{
    agent("printf 'a\\nb\\n' >one; mkdir d; echo c >d/two");
    must_commit();
    cr_expect_eq(change.files, 2);
    cr_expect_eq(change.insertions, 3);
    cr_expect_eq(change.deletions, 0);
    cr_expect_not(change.diff_truncated);
    cr_expect_not_null(strstr(change.diff, "+++ b/d/two"), "%s", change.diff);
    expect_output("git log -1 --format='%an <%ae> %cn <%ce>%n%B'",
        "Ris Oluto <ris@example.org> Ris Oluto <ris@example.org>\n"
        "MT-1: do \"it\"; $(touch /tmp/x) 'now'\n\n");
    expect_output("git status --porcelain; git symbolic-ref --short HEAD",
        "risoluto/MT-1\n");
}

Test(commit, says_when_nothing_changed)
{
    cr_assert_eq(commit(), 0, "%s", err.message);
    cr_expect_str_empty(change.commit);
    cr_expect_eq(change.files, 0);
}

Test(commit, counts_the_agents_own_commits_and_earlier_attempts)
{
    agent("echo a >a; git add a; git -c user.name=x -c user.email=x@x "
          "commit -qm mine");
    must_commit();
    cr_expect_eq(change.files, 1);
    agent("echo b >b");
    must_commit();
    cr_expect_eq(change.files, 2, "the change is that of the whole branch");
}

Test(commit, brings_the_work_to_the_issues_branch_wherever_it_was_left)
{
    agent("git checkout -q -b elsewhere; echo a >a; git add a; git -c "
          "user.name=x -c user.email=x@x commit -qm mine; "
          "git checkout -q --detach; echo b >b; touch .git/index.lock");
    must_commit();
    cr_expect_eq(change.files, 2);
    expect_output("git symbolic-ref --short HEAD", "risoluto/MT-1\n");
}

Test(commit, bounds_the_diff_and_marks_it)
{
    agent("head -c 400000 /dev/zero | tr '\\0' 'x' | fold -w 80 >big");
    must_commit();
    cr_expect(change.diff_truncated);
    cr_expect_eq(strlen(change.diff), WORKSPACE_DIFF_MAX);
    cr_expect_eq(change.insertions, 5000);
}

Test(commit, a_tree_that_fights_back_fails_with_gits_words)
{
    agent("rm -rf .git");
    cr_expect_eq(commit(), -1);
    cr_expect_not_null(
        strstr(err.message, "not a git repository"), "%s", err.message);
}

/* Programs that the agent named in the tree's configuration run, if at all,
 * in the job: without a network, and with nothing of the host in reach. */
Test(commit, the_trees_own_programs_stay_in_the_container)
{
    agent("printf '#!/bin/sh\\nexit 1\\n' >.git/hooks/pre-commit; "
          "chmod +x .git/hooks/pre-commit; "
          "git config commit.gpgSign true; git config core.hooksPath "
          ".git/hooks; git config core.fsmonitor 'sleep 1000'; "
          "git config diff.external 'sleep 1000'; echo a >a; "
          "printf '[alias]\\nadd=!false\\n' >$HOME/.gitconfig");
    must_commit();
    cr_expect_eq(change.files, 1);
}

Test(commit, a_stop_ends_it)
{
    int stop = eventfd(1, EFD_CLOEXEC);

    job.cancel_fd = stop;
    cr_expect_eq(commit(), -1);
    cr_expect_eq(err.code, ERR_CANCELLED, "%s", err.message);
    job.cancel_fd = -1;
    (void)close(stop);
}

/* ---- hooks ---- */

Test(commit, a_hook_runs_in_the_workspace_as_its_user)
{
    char expected[256];

    (void)snprintf(expected, sizeof(expected), "%s\n%u\n/home/agent\n1\n",
        workspace.path, (unsigned)root.uid);
    expect_output(
        "pwd; id -u; echo $HOME; touch f && ls /workspace/f | wc -l", expected);
}

Test(commit, a_hook_has_the_boundaries_of_the_worker)
{
    expect_output("grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status",
        "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
}

Test(commit, a_failing_hook_tells_its_code_and_its_last_words)
{
    AUTO(buf_free) struct buf output;

    buf_init(&output, OUTPUT_MAX);
    cr_expect_eq(workspace_hook(&job, "before_run", "echo why; exit 3",
                     TIMEOUT_MS, &output, &err),
        -1);
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_str_eq(err.message, "hook before_run ended with code 3: why\n");
}

Test(commit, a_hook_that_takes_too_long_is_stopped)
{
    AUTO(buf_free) struct buf output;
    int64_t begun = clock_mono_ms();

    buf_init(&output, OUTPUT_MAX);
    cr_expect_eq(
        workspace_hook(&job, "before_run", "sleep 1000", 1000, &output, &err),
        -1);
    cr_expect_eq(err.code, ERR_TIMEOUT, "%s", err.message);
    cr_expect_lt(clock_mono_ms() - begun, 15000);
}
