/* SPDX-License-Identifier: Apache-2.0
 * dataplane/attempt/worker: what every container of an attempt is made of. */
#include "dataplane/attempt/worker.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

#define ATTEMPT "0123456789abcdef01234567deadbeef"

static char image[] = "img";
static char memory[] = "4g";
static char tmpfs[] = "512m";

static const struct sandbox_spec sandbox = {.image = image,
    .memory = memory,
    .tmpfs_size = tmpfs,
    .pids_limit = 99,
    .no_new_privileges = true,
    .drop_capabilities = true};

static const struct worker_place place = {.workspace_path = "/w/MT-1",
    .workspace_key = "MT-1",
    .uid = 1234,
    .gid = 5678,
    .sandbox = &sandbox,
    .network = "net",
    .seccomp_json = "{}",
    .dataplane_id = "plane",
    .attempt_id = ATTEMPT,
    .issue_identifier = "MT-1!",
    .model = "m",
    .started_at_ms = 1000};

static const struct docker_mount *
mount_at(const struct docker_create *create, const char *target)
{
    for (size_t i = 0; i < create->mount_count; i++)
        if (strcmp(create->mounts[i].target, target) == 0)
            return &create->mounts[i];
    return NULL;
}

static const char *
label_of(const struct docker_create *create, const char *name)
{
    for (size_t i = 0; i < create->label_count; i++)
        if (strcmp(create->labels[i].name, name) == 0)
            return create->labels[i].value;
    return "";
}

/* The last one wins, as in a container. */
static const char *
env_of(const struct docker_create *create, const char *name)
{
    const char *found = "";
    size_t len = strlen(name);

    for (size_t i = 0; create->env[i] != NULL; i++)
        if (strncmp(create->env[i], name, len) == 0 &&
            create->env[i][len] == '=')
            found = create->env[i] + len + 1;
    return found;
}

static void
expect_boundaries(const struct docker_create *create)
{
    const struct docker_mount *own = mount_at(create, "/w/MT-1");
    const struct docker_mount *alias = mount_at(create, "/workspace");
    const struct docker_mount *home = mount_at(create, "/home/agent");

    cr_expect_str_eq(create->image, "img");
    cr_expect_eq(create->uid, 1234);
    cr_expect_eq(create->gid, 5678);
    cr_expect(create->no_new_privileges);
    cr_expect(create->drop_capabilities);
    cr_expect_eq(create->pids_limit, 99);
    cr_expect_str_eq(create->memory, "4g");
    cr_expect_str_eq(create->seccomp_json, "{}");
    cr_expect_str_eq(create->workdir, "/w/MT-1");
    cr_assert(own != NULL && alias != NULL && home != NULL);
    cr_expect_str_eq(own->source, "/w/MT-1");
    cr_expect_str_eq(alias->source, "/w/MT-1");
    cr_expect_str_eq(home->type, "volume");
    cr_expect_str_eq(home->source, "risoluto-home-plane-MT-1");
    cr_expect_str_eq(label_of(create, "risoluto.dataplane"), "plane");
    cr_expect_str_eq(label_of(create, "risoluto.attempt"), ATTEMPT);
    cr_expect_str_eq(label_of(create, "risoluto.issue"), "MT-1!");
    cr_expect_str_eq(label_of(create, "risoluto.model"), "m");
    cr_expect_str_eq(label_of(create, "risoluto.workspace"), "MT-1");
    cr_expect_str_eq(
        label_of(create, "risoluto.started-at"), "1970-01-01T00:00:01.000Z");
}

Test(worker, a_worker_has_init_stdin_and_a_private_codex_home)
{
    struct worker_spec spec;
    const struct docker_mount *codex_home;

    worker_spec(&spec, &place);
    expect_boundaries(&spec.create);
    cr_expect_str_eq(spec.create.name, "risoluto-MT-1-deadbeef");
    cr_expect_str_eq(spec.create.entrypoint[0], "/usr/local/bin/risoluto-init");
    cr_expect(spec.create.open_stdin);
    cr_expect_str_eq(spec.create.network, "net");
    cr_expect_str_eq(
        spec.create.extra_hosts[0], "host.docker.internal:host-gateway");
    cr_expect_str_eq(
        env_of(&spec.create, "CODEX_HOME"), "/home/agent/.codex-runtime");
    codex_home = mount_at(&spec.create, "/home/agent/.codex-runtime");
    cr_assert_not_null(codex_home);
    cr_expect_str_eq(codex_home->type, "tmpfs");
    cr_expect_eq(codex_home->tmpfs_mode, 0700);
}

Test(worker, a_job_is_a_shell_in_the_same_boundaries)
{
    const char *const command[] = {"-c", "true", NULL};
    const char *const env[] = {"HOME=/tmp", "A=b", NULL};
    const struct worker_job job = {
        .name = "commit", .network = "none", .command = command, .env = env};
    struct worker_spec spec;

    worker_job_spec(&spec, &place, &job);
    expect_boundaries(&spec.create);
    cr_expect_str_eq(spec.create.name, "risoluto-MT-1-deadbeef-commit");
    cr_expect_str_eq(spec.create.entrypoint[0], "sh");
    cr_expect_str_eq(spec.create.command[1], "true");
    cr_expect_null(spec.create.command[2]);
    cr_expect_not(spec.create.open_stdin);
    cr_expect_str_eq(spec.create.network, "none");
    cr_expect_null(mount_at(&spec.create, "/home/agent/.codex-runtime"));
    cr_expect_str_eq(env_of(&spec.create, "A"), "b");
    cr_expect_str_eq(env_of(&spec.create, "HOME"), "/tmp");
}

Test(worker, a_job_without_an_attempt_has_a_name_of_its_own)
{
    const char *const command[] = {"-c", "true", NULL};
    const struct worker_job job = {.name = "before_remove", .command = command};
    struct worker_place removal = place;
    struct worker_spec one;
    struct worker_spec two;

    removal.attempt_id = NULL;
    worker_job_spec(&one, &removal, &job);
    worker_job_spec(&two, &removal, &job);
    cr_expect_str_neq(one.name, two.name);
    cr_expect_str_eq(label_of(&one.create, "risoluto.attempt"), "");
    cr_expect_str_eq(label_of(&one.create, "risoluto.dataplane"), "plane");
}

Test(worker, a_seccomp_profile_is_ours_the_engines_or_a_file)
{
    struct err err = ERR_INIT;
    struct buf file;
    const char *profile = NULL;

    cr_expect_eq(worker_seccomp(NULL, "ours", &file, &profile, &err), 0);
    cr_expect_str_eq(profile, "ours");
    cr_expect_eq(worker_seccomp("", "ours", &file, &profile, &err), 0);
    cr_expect_str_eq(profile, "ours");
    cr_expect_eq(
        worker_seccomp("docker-default", "ours", &file, &profile, &err), 0);
    cr_expect_null(profile);
    cr_expect_eq(worker_seccomp("unconfined", "ours", &file, &profile, &err),
        -1, "there is no way to have none");
    cr_expect_eq(
        worker_seccomp("/nonexistent", "ours", &file, &profile, &err), -1);
    buf_free(&file);
}
