/* SPDX-License-Identifier: Apache-2.0
 * The boundaries of every container that runs an agent's code, in one place:
 * user, mounts, limits, labels. */
#include "dataplane/attempt/worker.h"

#include "common/file.h"
#include "common/id.h"

#include <stdio.h>
#include <string.h>

enum {
    EXTRA_ENV_MAX = 8,
    TMP_MODE = 01777,
    CODEX_HOME_MODE = 0700,
    SECCOMP_MAX = 512 * 1024
};

#define HOME_PATH "/home/agent"
#define CODEX_HOME_PATH HOME_PATH "/.codex-runtime"

void
worker_home_volume(const char *dataplane_id, const char *workspace_key,
    char out[WORKER_NAME_SIZE])
{
    snprintf(out, WORKER_NAME_SIZE, "risoluto-home-%s-%s", dataplane_id,
        workspace_key);
}

static void
set_name(struct worker_spec *out, const struct worker_place *place,
    const char *suffix)
{
    char random[ID_SIZE];
    const char *id = place->attempt_id;

    if (id == NULL) {
        id_new(random);
        id = random;
    }
    snprintf(out->name, sizeof(out->name), "risoluto-%s-%s%s%s",
        place->workspace_key, id_short(id), suffix != NULL ? "-" : "",
        suffix != NULL ? suffix : "");
    out->create.name = out->name;
}

static void
add_label(struct worker_spec *out, const char *name, const char *value)
{
    if (value == NULL || out->create.label_count >= WORKER_LABELS_MAX)
        return;
    out->labels[out->create.label_count++] =
        (struct docker_label){.name = name, .value = value};
}

static void
set_labels(struct worker_spec *out, const struct worker_place *place)
{
    out->create.labels = out->labels;
    add_label(out, WORKER_LABEL_DATAPLANE, place->dataplane_id);
    add_label(out, WORKER_LABEL_ATTEMPT, place->attempt_id);
    add_label(out, "risoluto.issue", place->issue_identifier);
    add_label(out, "risoluto.model", place->model);
    add_label(out, "risoluto.workspace", place->workspace_key);
    if (place->started_at_ms > 0)
        add_label(out, "risoluto.started-at",
            clock_iso(place->started_at_ms, out->started_at));
}

static void
add_mount(struct worker_spec *out, struct docker_mount mount)
{
    if (out->create.mount_count < WORKER_MOUNTS_MAX)
        out->mounts[out->create.mount_count++] = mount;
}

static void
set_mounts(struct worker_spec *out, const struct worker_place *place)
{
    worker_home_volume(
        place->dataplane_id, place->workspace_key, out->home_volume);
    out->create.mounts = out->mounts;
    add_mount(out, (struct docker_mount){.type = "bind",
                       .source = place->workspace_path,
                       .target = place->workspace_path});
    add_mount(out, (struct docker_mount){.type = "bind",
                       .source = place->workspace_path,
                       .target = "/workspace"});
    add_mount(out,
        (struct docker_mount){
            .type = "volume", .source = out->home_volume, .target = HOME_PATH});
    add_mount(out, (struct docker_mount){.type = "tmpfs",
                       .target = "/tmp",
                       .tmpfs_size = place->sandbox->tmpfs_size,
                       .tmpfs_mode = TMP_MODE});
}

static void
add_env(struct worker_spec *out, const char *pair)
{
    size_t n = 0;

    while (out->env[n] != NULL)
        n++;
    if (n < WORKER_ENV_MAX)
        out->env[n] = pair;
}

static void
set_env(struct worker_spec *out)
{
    out->create.env = out->env;
    add_env(out, "HOME=" HOME_PATH);
    add_env(out, "LANG=C.UTF-8");
    add_env(out, "TERM=dumb");
    add_env(out, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                 "/sbin:/bin");
}

static void
set_limits(struct docker_create *create, const struct sandbox_spec *sandbox)
{
    create->memory = sandbox->memory;
    create->memory_reservation = sandbox->memory_reservation;
    create->memory_swap = sandbox->memory_swap;
    create->cpus = sandbox->cpus;
    create->pids_limit = sandbox->pids_limit;
    create->no_new_privileges = sandbox->no_new_privileges;
    create->drop_capabilities = sandbox->drop_capabilities;
    create->log_driver = sandbox->log_driver;
    create->log_max_size = sandbox->log_max_size;
    create->log_max_file = sandbox->log_max_file;
}

static void
set_common(struct worker_spec *out, const struct worker_place *place,
    const char *suffix)
{
    static const char *const extra_hosts[] = {
        "host.docker.internal:host-gateway", NULL};
    struct docker_create *create = &out->create;

    *out = (struct worker_spec){0};
    set_name(out, place, suffix);
    set_labels(out, place);
    set_mounts(out, place);
    set_env(out);
    set_limits(create, place->sandbox);
    create->image = place->sandbox->image;
    create->workdir = place->workspace_path;
    create->uid = place->uid;
    create->gid = place->gid;
    create->network = place->network;
    create->extra_hosts = extra_hosts;
    create->seccomp_json = place->seccomp_json;
}

void
worker_spec(struct worker_spec *out, const struct worker_place *place)
{
    static const char *const entrypoint[] = {
        "/usr/local/bin/risoluto-init", NULL};

    set_common(out, place, NULL);
    out->create.entrypoint = entrypoint;
    out->create.open_stdin = true;
    add_env(out, "CODEX_HOME=" CODEX_HOME_PATH);
    add_mount(out, (struct docker_mount){.type = "tmpfs",
                       .target = CODEX_HOME_PATH,
                       .tmpfs_size = place->sandbox->tmpfs_size,
                       .tmpfs_mode = CODEX_HOME_MODE});
}

void
worker_job_spec(struct worker_spec *out, const struct worker_place *place,
    const struct worker_job *job)
{
    static const char *const entrypoint[] = {"sh", NULL};

    set_common(out, place, job->name);
    out->create.entrypoint = entrypoint;
    if (job->network != NULL) {
        out->create.network = job->network;
        out->create.extra_hosts = NULL; /* no network, no names */
    }
    for (size_t i = 0; i < WORKER_COMMAND_MAX && job->command[i] != NULL; i++)
        out->command[i] = job->command[i];
    out->create.command = out->command;
    for (size_t i = 0;
         job->env != NULL && i < EXTRA_ENV_MAX && job->env[i] != NULL; i++)
        add_env(out, job->env[i]);
}

int
worker_seccomp(const char *choice, const char *ours, struct buf *file,
    const char **out, struct err *err)
{
    buf_init(file, SECCOMP_MAX);
    *out = ours;
    if (choice == NULL || choice[0] == '\0')
        return 0;
    *out = NULL;
    if (strcmp(choice, "docker-default") == 0)
        return 0;
    if (choice[0] != '/')
        return err_set(err, ERR_CONFIG,
            "codex.sandbox.security.seccomp_profile must be empty, "
            "docker-default, or an absolute path on the data plane's host");
    if (file_read(choice, file, err) != 0)
        return err_wrap(err, "seccomp profile");
    *out = buf_str(file);
    return 0;
}
