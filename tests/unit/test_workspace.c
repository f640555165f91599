/* SPDX-License-Identifier: Apache-2.0
 * dataplane/workspace on the host: names, clones, tricks with paths, hostile
 * repositories. With the real git. */
#include "dataplane/workspace/workspace.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/proc.h"
#include "dataplane/workspace/git.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { TIMEOUT_MS = 20000, PATH_SIZE = 256 };

static char top[64];
static char root_path[PATH_SIZE];
static char repo[PATH_SIZE];
static struct workspace_root root;
static struct err err;

static void
begin(void)
{
    (void)snprintf(top, sizeof(top), "/tmp/risoluto-ws-XXXXXX");
    cr_assert_not_null(mkdtemp(top));
    /* The workspaces' user, who is not root, has to get in. */
    cr_assert_eq(chmod(top, 0755), 0);
    (void)snprintf(root_path, sizeof(root_path), "%s/root", top);
    (void)snprintf(repo, sizeof(repo), "%s/repo", top);
    cr_assert_eq(
        workspace_root_open(&root, root_path, &err), 0, "%s", err.message);
}

static void
end(void)
{
    workspace_root_close(&root);
    cr_assert_eq(file_remove_tree(top, &err), 0, "%s", err.message);
}

TestSuite(workspace, .init = begin, .fini = end, .timeout = 60);

/* ---- helpers ---- */

static int
run_git(const char *cwd, struct buf *out, const char *const *argv)
{
    const char *env[] = {"PATH=/usr/bin:/bin", "HOME=/nonexistent",
        "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@t",
        "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@t", NULL};
    /* What belongs to the workspaces' user is looked at as that user. */
    bool theirs = strncmp(cwd, root_path, strlen(root_path)) == 0;
    const struct proc_options options = {.argv = argv,
        .env = env,
        .cwd = cwd,
        .uid = theirs ? root.uid : (uid_t)-1,
        .gid = theirs ? root.gid : (gid_t)-1,
        .timeout_ms = TIMEOUT_MS};
    struct proc_result result;
    AUTO(buf_free) struct buf own;

    buf_init(&own, 65536);
    cr_assert_eq(proc_run(&options, out != NULL ? out : &own, &result, &err), 0,
        "%s", err.message);
    return result.exit_code;
}

#define GIT(cwd, ...)                                                          \
    cr_assert_eq(                                                              \
        run_git(cwd, NULL, (const char *[]){"git", __VA_ARGS__, NULL}), 0)

static void
expect_git(const char *cwd, const char *expected, const char *const *argv)
{
    AUTO(buf_free) struct buf out;

    buf_init(&out, 65536);
    cr_expect_eq(run_git(cwd, &out, argv), 0);
    cr_expect_str_eq(buf_str(&out), expected);
}

#define EXPECT_GIT(cwd, expected, ...)                                         \
    expect_git(cwd, expected, (const char *[]){"git", __VA_ARGS__, NULL})

static void
put(const char *folder, const char *name, const char *text)
{
    AUTO_FREE char *path = file_join(folder, name);

    cr_assert_eq(file_write_atomic(path, text, strlen(text), 0755, &err), 0,
        "%s", err.message);
}

static bool
is_there(const char *folder, const char *name)
{
    AUTO_FREE char *path = file_join(folder, name);
    struct stat st;

    return lstat(path, &st) == 0;
}

static void
make_repo(void)
{
    cr_assert_eq(mkdir(repo, 0755), 0);
    GIT(repo, "init", "-q", "-b", "trunk");
    put(repo, "README", "hello\n");
    GIT(repo, "add", "-A");
    GIT(repo, "commit", "-qm", "first");
    GIT(repo, "branch", "other");
}

/* A spec whose strings need not be freed. */
static struct workspace_spec
spec_of(const char *key, const char *url, const char *base, const char *branch)
{
    static char copies[4][PATH_SIZE];
    const char *const texts[] = {key, url, base, branch};
    char *made[4];

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        made[i] = texts[i] != NULL ? copies[i] : NULL;
        if (texts[i] != NULL)
            (void)snprintf(copies[i], sizeof(copies[i]), "%s", texts[i]);
    }
    return (struct workspace_spec){.key = made[0],
        .repo_url = made[1],
        .base_branch = made[2],
        .branch = made[3]};
}

static const struct workspace_limits limits = {
    .timeout_ms = TIMEOUT_MS, .cancel_fd = -1};

static int
prepare(const struct workspace_spec *spec, bool *created)
{
    struct workspace workspace;
    int result;

    err_clear(&err);
    result = workspace_prepare(&root, spec, &limits, &workspace, &err);
    *created = result == 0 && workspace.created;
    if (result == 0) {
        AUTO_FREE char *expected = file_join(root.path, spec->key);

        cr_expect_str_eq(workspace.path, expected);
    }
    workspace_release(&workspace);
    return result;
}

static void
must_create(const struct workspace_spec *spec)
{
    bool created = false;

    cr_assert_eq(prepare(spec, &created), 0, "%s", err.message);
    cr_assert(created);
}

static void
expect_refusal(const struct workspace_spec *spec, enum err_code code)
{
    bool created;

    cr_expect_eq(prepare(spec, &created), -1);
    cr_expect_eq(err.code, code, "%s", err.message);
}

static char *
path_of(const char *key)
{
    return file_join(root.path, key);
}

/* Nothing in the root but what is listed, hidden names included. */
static void
expect_entries(size_t expected)
{
    AUTO(buf_free) struct buf out;
    const char *const argv[] = {"ls", "-A", root.path, NULL};
    const struct proc_options options = {.argv = argv,
        .uid = (uid_t)-1,
        .gid = (gid_t)-1,
        .timeout_ms = TIMEOUT_MS};
    struct proc_result result;
    size_t lines = 0;

    buf_init(&out, 65536);
    cr_assert_eq(proc_run(&options, &out, &result, &err), 0);
    for (size_t i = 0; i < out.len; i++)
        lines += out.data[i] == '\n';
    cr_expect_eq(lines, expected, "%s", buf_str(&out));
}

/* ---- names ---- */

Test(workspace_names, a_key_is_one_plain_path_component)
{
    static const struct {
        const char *key;
        bool valid;
    } cases[] = {{"MT-42", true}, {"a", true}, {"a.b_c-d", true}, {"9", true},
        {"", false}, {".", false}, {"..", false}, {".hidden", false},
        {"-rf", false}, {"a/b", false}, {"../a", false}, {"a\nb", false},
        {"a b", false}, {"\xc3\xa4", false}, {"a*", false}, {"a\\b", false}};

    char longest[WORKSPACE_KEY_MAX + 2];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(workspace_key_is_valid(cases[i].key), cases[i].valid,
            "\"%s\"", cases[i].key);
    memset(longest, 'a', sizeof(longest));
    longest[WORKSPACE_KEY_MAX] = '\0';
    cr_expect(workspace_key_is_valid(longest));
    longest[WORKSPACE_KEY_MAX] = 'a';
    longest[WORKSPACE_KEY_MAX + 1] = '\0';
    cr_expect_not(workspace_key_is_valid(longest));
}

Test(workspace_names, a_branch_cannot_be_an_option_or_a_path_trick)
{
    static const struct {
        const char *name;
        int result;
    } cases[] = {{"risoluto/MT-42", 0}, {"main", 0}, {"a/b/c", 0}, {"", -1},
        {"-b", -1}, {"--upload-pack=x", -1}, {"a..b", -1}, {"a//b", -1},
        {"/a", -1}, {"a/", -1}, {".a", -1}, {"a/.b", -1}, {"a.lock", -1},
        {"a b", -1}, {"a\nb", -1}, {"a~1", -1}, {"a^", -1}, {"a:b", -1},
        {"@{u}", -1}, {"a.", -1}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(git_check_branch(cases[i].name, &err), cases[i].result,
            "\"%s\"", cases[i].name);
}

Test(workspace_names, a_url_is_of_a_known_kind_and_holds_no_password)
{
    static const struct {
        const char *url;
        int result;
    } cases[] = {{"https://host/a/b.git", 0}, {"ssh://git@host/a", 0},
        {"git@host:a/b.git", 0}, {"host:a", 0}, {"file:///srv/a", 0},
        {"/srv/a", 0}, {"https://user@host/a", 0}, {"https://host/a:b@c", 0},
        {"", -1}, {"-oProxyCommand=x", -1}, {"--upload-pack=x", -1},
        {"ext::sh -c x", -1}, {"ext::x", -1}, {"fd::7", -1}, {"a/b", -1},
        {"../a", -1}, {"file://host/a", -1}, {"ftp://host/a", -1},
        {"https://u:p@host/a", -1}, {"https://host/a\nb", -1},
        {"https://host/a b", -1}, {"https://u:p@h/a@b", -1},
        {"transport::https://host/", -1}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(git_check_url(cases[i].url, &err), cases[i].result,
            "\"%s\"", cases[i].url);
}

/* ---- making one ---- */

Test(workspace, clones_and_starts_the_issues_branch)
{
    const struct workspace_spec spec =
        spec_of("MT-1", repo, NULL, "risoluto/MT-1");
    AUTO_FREE char *path = path_of("MT-1");
    struct stat st;

    make_repo();
    must_create(&spec);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_uid, root.uid);
    cr_expect_eq(st.st_mode & 077, 0);
    cr_expect(is_there(path, "README"));
    EXPECT_GIT(path, "risoluto/MT-1\n", "symbolic-ref", "--short", "HEAD");
    EXPECT_GIT(path, "first\n", "log", "--format=%s", "refs/risoluto/base");
    EXPECT_GIT(path, "", "status", "--porcelain");
    cr_assert_eq(workspace_settle(&root, "MT-1", &err), 0);
    expect_entries(1);
}

Test(workspace, clones_the_base_branch_that_is_asked_for)
{
    const struct workspace_spec spec = spec_of("a", repo, "other", "w/a");
    AUTO_FREE char *path = path_of("a");

    make_repo();
    put(repo, "LATER", "x");
    GIT(repo, "add", "-A");
    GIT(repo, "commit", "-qm", "second");
    must_create(&spec);
    cr_expect_not(is_there(path, "LATER"));
}

Test(workspace, without_a_repository_makes_one_with_a_first_commit)
{
    const struct workspace_spec spec = spec_of("a", NULL, NULL, "risoluto/a");
    AUTO_FREE char *path = path_of("a");

    must_create(&spec);
    EXPECT_GIT(path, "risoluto/a\n", "symbolic-ref", "--short", "HEAD");
    EXPECT_GIT(path, "1\n", "rev-list", "--count", "HEAD");
    EXPECT_GIT(path, "", "ls-files");
}

Test(workspace, takes_an_empty_repository)
{
    const struct workspace_spec spec = spec_of("a", repo, NULL, "risoluto/a");
    AUTO_FREE char *path = path_of("a");

    cr_assert_eq(mkdir(repo, 0755), 0);
    GIT(repo, "init", "-q", "-b", "trunk");
    must_create(&spec);
    EXPECT_GIT(path, "risoluto/a\n", "symbolic-ref", "--short", "HEAD");
}

Test(workspace, a_failed_clone_leaves_nothing)
{
    const struct workspace_spec missing =
        spec_of("a", "/nonexistent/repo", NULL, "b");

    expect_refusal(&missing, ERR_UPSTREAM);
    cr_expect_not_null(
        strstr(err.message, "/nonexistent/repo"), "%s", err.message);
    expect_entries(0);
}

Test(workspace, a_missing_base_branch_leaves_nothing)
{
    const struct workspace_spec spec = spec_of("a", repo, "nowhere", "b");

    make_repo();
    expect_refusal(&spec, ERR_UPSTREAM);
    expect_entries(0);
}

/* A clone from a server that takes the connection and says nothing. */
static void
expect_hanging_clone_ends(
    const struct workspace_limits *hanging, enum err_code code)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct workspace workspace;
    char url[64];
    struct workspace_spec spec;
    int64_t begun = clock_mono_ms();

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(
        url, sizeof(url), "git://127.0.0.1:%d/a", ntohs(address.sin_port));
    spec = spec_of("a", url, NULL, "b");
    cr_expect_eq(
        workspace_prepare(&root, &spec, hanging, &workspace, &err), -1);
    cr_expect_eq(err.code, code, "%s", err.message);
    cr_expect_lt(clock_mono_ms() - begun, 5000);
    expect_entries(0);
}

Test(workspace, a_clone_that_hangs_is_stopped_and_leaves_nothing)
{
    const struct workspace_limits short_time = {
        .timeout_ms = 300, .cancel_fd = -1};

    expect_hanging_clone_ends(&short_time, ERR_TIMEOUT);
}

Test(workspace, a_clone_that_is_not_wanted_any_more_leaves_nothing)
{
    AUTO_CLOSE int stop = eventfd(1, EFD_CLOEXEC);
    const struct workspace_limits stopped = {
        .timeout_ms = TIMEOUT_MS, .cancel_fd = stop};

    expect_hanging_clone_ends(&stopped, ERR_CANCELLED);
}

/* ---- using one again ---- */

Test(workspace, an_existing_one_is_used_as_it_is)
{
    const struct workspace_spec spec = spec_of("a", repo, NULL, "b");
    AUTO_FREE char *path = path_of("a");
    bool created = true;

    make_repo();
    must_create(&spec);
    cr_assert_eq(workspace_settle(&root, "a", &err), 0);
    put(path, "WORK", "of the agent");
    cr_assert_eq(prepare(&spec, &created), 0);
    cr_expect_not(created);
    cr_expect(is_there(path, "WORK"));
}

Test(workspace, one_whose_after_create_was_cut_short_is_made_anew)
{
    const struct workspace_spec spec = spec_of("a", repo, NULL, "b");
    AUTO_FREE char *path = path_of("a");

    make_repo();
    must_create(&spec);
    put(path, "HALF", "of a dependency bootstrap");
    must_create(&spec);
    cr_expect_not(is_there(path, "HALF"));
}

/* ---- tricks ---- */

Test(workspace, refuses_what_is_not_a_folder_of_its_own)
{
    const struct workspace_spec spec = spec_of("a", NULL, NULL, "b");
    AUTO_FREE char *path = path_of("a");
    bool removed;

    cr_assert_eq(mkdir(repo, 0755), 0);
    /* Not even to a folder of the right owner. */
    cr_assert_eq(chown(repo, root.uid, root.gid), 0);
    cr_assert_eq(symlink(repo, path), 0);
    expect_refusal(&spec, ERR_CONFLICT);
    cr_expect_eq(workspace_remove(&root, "a", &removed, &err), -1);
    cr_expect(is_there(top, "repo"));
    cr_assert_eq(unlink(path), 0);
    put(root.path, "a", "a file");
    expect_refusal(&spec, ERR_CONFLICT);
    cr_assert_eq(unlink(path), 0);
    if (geteuid() != 0)
        return; /* only root can make what belongs to somebody else */
    cr_assert_eq(mkdir(path, 0755), 0);
    cr_assert_eq(chown(path, root.uid + 1, root.gid), 0);
    expect_refusal(&spec, ERR_CONFLICT);
}

Test(workspace, refuses_bad_names_before_it_does_anything)
{
    const struct workspace_spec key = spec_of("../a", NULL, NULL, "b");

    expect_refusal(&key, ERR_INVALID);
    const struct workspace_spec branch = spec_of("a", NULL, NULL, "-b");
    expect_refusal(&branch, ERR_INVALID);
    const struct workspace_spec base = spec_of("a", NULL, "--exec", "b");
    expect_refusal(&base, ERR_INVALID);
    const struct workspace_spec url = spec_of("a", "ext::sh", NULL, "b");
    expect_refusal(&url, ERR_INVALID);
    expect_entries(0);
}

/* Everything in a repository that names a program leaves a mark if it is run
 * on this host, by whatever user. */
Test(workspace, a_hostile_repository_executes_nothing)
{
    const struct workspace_spec spec = spec_of("a", repo, NULL, "b");
    char marks[PATH_SIZE];
    char evil[PATH_SIZE + 64];
    char command[PATH_SIZE * 2];
    static const char *const hooks[] = {"post-checkout", "post-merge",
        "reference-transaction", "pre-commit", "post-index-change",
        "pre-receive", "post-update"};
    static const char *const keys[] = {"uploadpack.packObjectsHook",
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor",
        "filter.evil.smudge", "filter.evil.clean", "diff.external",
        "core.alternateRefsCommand", "credential.helper", "core.gitProxy"};

    make_repo();
    (void)snprintf(marks, sizeof(marks), "%s/marks", top);
    cr_assert_eq(mkdir(marks, 01777), 0);
    cr_assert_eq(chmod(marks, 01777), 0);
    (void)snprintf(evil, sizeof(evil), "%s/evil.sh", top);
    (void)snprintf(
        command, sizeof(command), "#!/bin/sh\ntouch %s/$$\ncat\n", marks);
    put(top, "evil.sh", command);
    for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), ".git/hooks/%s", hooks[i]);
        put(repo, name, command);
    }
    put(repo, ".gitattributes", "* filter=evil diff=evil merge=evil\n");
    put(repo, ".gitmodules",
        "[submodule \"s\"]\n\tpath = s\n\turl = ext::sh -c evil\n"
        "\tupdate = !evil\n");
    GIT(repo, "-c", "core.hooksPath=/dev/null", "add", "-A");
    GIT(repo, "-c", "core.hooksPath=/dev/null", "commit", "-qm", "evil");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        GIT(repo, "-c", "core.hooksPath=/dev/null", "config", keys[i], evil);
    must_create(&spec);
    /* And again in a tree where an agent has put the same things. */
    {
        AUTO_FREE char *path = path_of("a");
        bool created = true;

        cr_assert_eq(workspace_settle(&root, "a", &err), 0);
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            GIT(path, "-c", "core.hooksPath=/dev/null", "config", keys[i],
                evil);
        cr_assert_eq(prepare(&spec, &created), 0);
        cr_expect_not(created);
    }
    cr_expect_eq(rmdir(marks), 0, "something of the repository was run");
}

/* ---- removal ---- */

Test(workspace, removal_follows_no_link_and_takes_everything)
{
    const struct workspace_spec spec = spec_of("a", NULL, NULL, "b");
    AUTO_FREE char *path = path_of("a");
    AUTO_FREE char *link = file_join(path, "out");
    AUTO_FREE char *locked = file_join(path, "locked");
    bool removed = false;

    cr_assert_eq(mkdir(repo, 0755), 0);
    put(repo, "PRECIOUS", "x");
    must_create(&spec);
    cr_assert_eq(symlink(repo, link), 0);
    cr_assert_eq(mkdir(locked, 0000), 0);
    cr_assert_eq(
        workspace_remove(&root, "a", &removed, &err), 0, "%s", err.message);
    cr_expect(removed);
    cr_expect(is_there(repo, "PRECIOUS"));
    expect_entries(0);
    cr_assert_eq(workspace_remove(&root, "a", &removed, &err), 0);
    cr_expect_not(removed);
}

/* ---- the root ---- */

Test(workspace, a_root_serves_one_data_plane_at_a_time)
{
    struct workspace_root second;

    cr_expect_eq(workspace_root_open(&second, root_path, &err), -1);
    cr_expect_eq(err.code, ERR_CONFLICT);
}

Test(workspace, a_root_that_cannot_be_safe_is_refused)
{
    struct workspace_root other;
    char open_to_all[PATH_SIZE];

    (void)snprintf(open_to_all, sizeof(open_to_all), "%s/open", top);
    cr_assert_eq(mkdir(open_to_all, 0777), 0);
    cr_assert_eq(chmod(open_to_all, 0777), 0);
    cr_expect_eq(workspace_root_open(&other, open_to_all, &err), -1);
    cr_expect_eq(err.code, ERR_CONFIG);
    cr_expect_eq(workspace_root_open(&other, "/", &err), -1);
    cr_expect_eq(err.code, ERR_CONFIG);
}

Test(workspace, opening_the_root_sweeps_what_was_cut_short)
{
    const struct workspace_spec spec = spec_of("a", NULL, NULL, "b");
    AUTO_FREE char *half = file_join(root.path, ".new-0123/tree");
    AUTO_FREE char *gone = file_join(root.path, ".trash-0123/x");

    must_create(&spec);
    cr_assert_eq(workspace_settle(&root, "a", &err), 0);
    cr_assert_eq(file_make_dirs(half, 0755, &err), 0);
    cr_assert_eq(file_make_dirs(gone, 0755, &err), 0);
    workspace_root_close(&root);
    cr_assert_eq(workspace_root_open(&root, root_path, &err), 0);
    expect_entries(1);
}

Test(workspace, lists_workspaces_and_nothing_else)
{
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    const struct workspace_spec a = spec_of("a", NULL, NULL, "x");
    AUTO_FREE char *path = path_of("a");
    struct workspaces_reply reply;
    const struct workspace_info *list;

    must_create(&a);
    const struct workspace_spec b = spec_of("b", NULL, NULL, "x");
    must_create(&b);
    put(root.path, "c", "a file");
    cr_assert_eq(utimensat(AT_FDCWD, path, old, 0), 0);
    cr_assert_eq(workspace_list(&root, 10, &reply, &err), 0);
    cr_assert_eq(reply.workspaces.len, 2);
    list = reply.workspaces.items;
    cr_expect_str_eq(list[0].key, "b", "the most recently changed first");
    cr_expect_str_eq(list[1].key, "a");
    cr_expect_eq(list[1].modified_at_ms, 1000000);
    schema_release(&workspaces_reply_schema, &reply);
    cr_assert_eq(workspace_list(&root, 1, &reply, &err), 0);
    cr_expect_eq(reply.workspaces.len, 1);
    schema_release(&workspaces_reply_schema, &reply);
}

Test(workspace, a_root_that_its_user_cannot_reach_is_refused_at_the_start)
{
    char dir[] = "/tmp/risoluto-test-way-XXXXXX";
    struct workspace_root found;
    struct err failure = ERR_INIT;
    char inner[64];

    if (geteuid() != 0)
        cr_skip("only root can make folders that the user cannot enter");
    cr_assert_not_null(mkdtemp(dir)); /* 0700, root's */
    (void)snprintf(inner, sizeof(inner), "%s/workspaces", dir);
    cr_expect_eq(workspace_root_open(&found, inner, &failure), -1);
    cr_expect_eq(failure.code, ERR_CONFIG);
    cr_expect_not_null(strstr(failure.message, dir), "%s", failure.message);
    cr_assert_eq(chmod(dir, 0711), 0);
    cr_expect_eq(
        workspace_root_open(&found, inner, &failure), 0, "%s", failure.message);
    workspace_root_close(&found);
    cr_expect_eq(file_remove_tree(dir, &failure), 0);
}
