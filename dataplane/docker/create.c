/* SPDX-License-Identifier: Apache-2.0
 * The JSON that describes a container to the engine. What a worker must never
 * have (host network, privileges, a terminal) cannot be asked for. */
#include "dataplane/docker/create.h"

#include "common/cleanup.h"
#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_MAX_LEN = 255, IMAGE_MAX_LEN = 512 };

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool
docker_name_is_valid(const char *name)
{
    size_t len = strnlen(name, NAME_MAX_LEN + 1);

    if (len == 0 || len > NAME_MAX_LEN || !is_alnum(name[0]))
        return false;
    for (; *name != '\0'; name++) {
        if (!is_alnum(*name) && strchr("_.-", *name) == NULL)
            return false;
    }
    return true;
}

bool
docker_image_is_valid(const char *image)
{
    size_t len = strnlen(image, IMAGE_MAX_LEN + 1);

    if (len == 0 || len > IMAGE_MAX_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool starts = i == 0 || image[i - 1] == '/';

        /* A part that starts with a letter or digit is neither empty nor
         * a way out of the path that it will stand in. */
        if (!is_alnum(image[i]) &&
            (starts || strchr("._-:@/", image[i]) == NULL))
            return false;
    }
    return image[len - 1] != '/';
}

static int
unit_shift(const char *unit)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0}, {"b", 0}, {"k", 10}, {"kb", 10}, {"m", 20},
        {"mb", 20}, {"g", 30}, {"gb", 30}, {"t", 40}, {"tb", 40}};

    char lower[3] = {0};

    for (size_t i = 0; unit[i] != '\0'; i++) {
        if (i == sizeof(lower) - 1)
            return -1;
        lower[i] = unit[i];
        if (unit[i] >= 'A' && unit[i] <= 'Z')
            lower[i] = (char)(unit[i] - 'A' + 'a');
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(lower, units[i].name) == 0)
            return units[i].shift;
    }
    return -1;
}

int
docker_parse_size(const char *text, int64_t *bytes, struct err *err)
{
    int64_t number = 0;
    const char *at = text;
    int shift = 0;

    for (; is_digit(*at) && number < INT64_MAX / 20; at++)
        number = number * 10 + (int64_t)(*at - '0');
    shift = at == text ? -1 : unit_shift(at);
    if (shift < 0 || number == 0)
        return err_set(err, ERR_INVALID,
            "\"%.40s\" is no size; write a whole number and a unit, as 512m or "
            "4g",
            text);
    if (number > INT64_MAX >> shift)
        return err_set(err, ERR_INVALID, "the size %.40s is too large", text);
    *bytes = number << shift;
    return 0;
}

int
docker_parse_cpus(const char *text, int64_t *nano, struct err *err)
{
    int64_t value = 0;
    int64_t scale = 1000000000;
    const char *at = text;

    for (; is_digit(*at) && value < 100000; at++)
        value = value * 10 + (int64_t)(*at - '0');
    value = at == text ? 0 : value * scale;
    if (at != text && at[0] == '.' && is_digit(at[1])) {
        for (at++; is_digit(*at) && scale > 1; at++) {
            scale /= 10;
            value += (int64_t)(*at - '0') * scale;
        }
    }
    if (value == 0 || *at != '\0')
        return err_set(err, ERR_INVALID,
            "\"%.40s\" is no number of processors; write 2 or 0.5", text);
    *nano = value;
    return 0;
}

int64_t
docker_clamp_cpus(int64_t nano, long online)
{
    int64_t all = (int64_t)online * 1000000000;

    return online > 0 && nano > all ? all : nano;
}

/* ---- the body ---- */

static bool
is_path(const char *path)
{
    if (path == NULL || path[0] != '/' || strnlen(path, 4096) == 4096)
        return false;
    for (; *path != '\0'; path++) {
        if ((unsigned char)*path < ' ' || *path == 0x7f)
            return false;
    }
    return true;
}

static int
check_mount(const struct docker_mount *mount, struct err *err)
{
    bool bind = strcmp(mount->type, "bind") == 0;
    bool volume = strcmp(mount->type, "volume") == 0;

    if (!bind && !volume && strcmp(mount->type, "tmpfs") != 0)
        return err_set(
            err, ERR_INVALID, "\"%.40s\" is no type of a mount", mount->type);
    if (!is_path(mount->target) || strcmp(mount->target, "/") == 0)
        return err_set(err, ERR_INVALID,
            "the target of a mount must be an absolute path below /");
    if (bind && !is_path(mount->source))
        return err_set(err, ERR_INVALID,
            "the source of the mount at %.200s must be an absolute path",
            mount->target);
    if (volume &&
        (mount->source == NULL || !docker_name_is_valid(mount->source)))
        return err_set(err, ERR_INVALID,
            "the volume mounted at %.200s has no valid name", mount->target);
    return 0;
}

static int
check(const struct docker_create *spec, struct err *err)
{
    if (spec->name == NULL || !docker_name_is_valid(spec->name))
        return err_set(err, ERR_INVALID, "no valid name for the container");
    if (spec->image == NULL || !docker_image_is_valid(spec->image))
        return err_set(err, ERR_INVALID, "\"%.200s\" is no image reference",
            spec->image != NULL ? spec->image : "");
    /* A worker in the host's network would have no egress rules at all. */
    if (spec->network == NULL || !docker_name_is_valid(spec->network) ||
        strcmp(spec->network, "host") == 0)
        return err_set(err, ERR_INVALID,
            "\"%.200s\" is no network that a container may have",
            spec->network != NULL ? spec->network : "");
    if (spec->workdir != NULL && !is_path(spec->workdir))
        return err_set(
            err, ERR_INVALID, "the working directory is no absolute path");
    for (size_t i = 0; i < spec->mount_count; i++) {
        if (check_mount(&spec->mounts[i], err) != 0)
            return -1;
    }
    return 0;
}

static void
write_strings(struct jw *w, const char *key, const char *const *list)
{
    if (list == NULL)
        return;
    jw_arr(w, key);
    for (; *list != NULL; list++)
        jw_str(w, NULL, *list);
    jw_end_arr(w);
}

static int
write_size(struct jw *w, const char *key, const char *text, const char *what,
    struct err *err)
{
    int64_t bytes = 0;

    if (text == NULL)
        return 0;
    if (docker_parse_size(text, &bytes, err) != 0)
        return err_wrap(err, "%s", what);
    jw_int(w, key, bytes);
    return 0;
}

static int
write_limits(struct jw *w, const struct docker_create *spec, struct err *err)
{
    int64_t nano = 0;

    if (write_size(w, "Memory", spec->memory, "memory", err) != 0 ||
        write_size(w, "MemoryReservation", spec->memory_reservation,
            "memory reservation", err) != 0)
        return -1;
    if (spec->memory_swap != NULL && strcmp(spec->memory_swap, "-1") == 0)
        jw_int(w, "MemorySwap", -1); /* as much as the host has */
    else if (write_size(
                 w, "MemorySwap", spec->memory_swap, "memory swap", err) != 0)
        return -1;
    if (spec->cpus != NULL) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);

        if (docker_parse_cpus(spec->cpus, &nano, err) != 0)
            return err_wrap(err, "cpus");
        jw_int(w, "NanoCpus", docker_clamp_cpus(nano, online));
    }
    if (spec->pids_limit > 0)
        jw_int(w, "PidsLimit", spec->pids_limit);
    return 0;
}

static void
write_security(struct jw *w, const struct docker_create *spec)
{
    jw_bool(w, "Privileged", false);
    if (spec->drop_capabilities) {
        jw_arr(w, "CapDrop");
        jw_str(w, NULL, "ALL");
        jw_end_arr(w);
    }
    jw_arr(w, "SecurityOpt");
    if (spec->no_new_privileges)
        jw_str(w, NULL, "no-new-privileges");
    if (spec->seccomp_json != NULL) {
        AUTO(buf_free) struct buf option = {0};

        buf_init(&option, w->out->max);
        buf_puts(&option, "seccomp=");
        buf_puts(&option, spec->seccomp_json);
        if (option.failed)
            w->out->failed = true;
        jw_str(w, NULL, buf_str(&option));
    }
    jw_end_arr(w);
}

static void
write_mounts(struct jw *w, const struct docker_create *spec)
{
    jw_arr(w, "Mounts");
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct docker_mount *mount = &spec->mounts[i];

        if (strcmp(mount->type, "tmpfs") == 0)
            continue;
        jw_obj(w, NULL);
        jw_str(w, "Type", mount->type);
        jw_str(w, "Source", mount->source);
        jw_str(w, "Target", mount->target);
        jw_bool(w, "ReadOnly", mount->read_only);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

/* HostConfig.Tmpfs and not Mounts: only there can uid and gid be given, and
 * "exec" undone, which builds and Codex's own helpers need. */
static int
write_tmpfs(struct jw *w, const struct docker_create *spec, struct err *err)
{
    jw_obj(w, "Tmpfs");
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct docker_mount *mount = &spec->mounts[i];
        char size[40] = "";
        char options[160];
        int64_t bytes = 0;

        if (strcmp(mount->type, "tmpfs") != 0)
            continue;
        if (mount->tmpfs_size != NULL) {
            if (docker_parse_size(mount->tmpfs_size, &bytes, err) != 0)
                return err_wrap(err, "tmpfs at %.200s", mount->target);
            (void)snprintf(size, sizeof(size), ",size=%lld", (long long)bytes);
        }
        (void)snprintf(options, sizeof(options),
            "%s,nosuid,nodev,exec,mode=%04o,uid=%u,gid=%u%s",
            mount->read_only ? "ro" : "rw", (unsigned)mount->tmpfs_mode & 01777,
            (unsigned)spec->uid, (unsigned)spec->gid, size);
        jw_str(w, mount->target, options);
    }
    jw_end_obj(w);
    return 0;
}

static void
write_log(struct jw *w, const struct docker_create *spec)
{
    jw_obj(w, "LogConfig");
    jw_str(
        w, "Type", spec->log_driver != NULL ? spec->log_driver : "json-file");
    jw_obj(w, "Config");
    if (spec->log_max_size != NULL)
        jw_str(w, "max-size", spec->log_max_size);
    if (spec->log_max_file > 0) {
        char count[24];

        (void)snprintf(
            count, sizeof(count), "%lld", (long long)spec->log_max_file);
        jw_str(w, "max-file", count);
    }
    jw_end_obj(w);
    jw_end_obj(w);
}

static int
write_host(struct jw *w, const struct docker_create *spec, struct err *err)
{
    jw_obj(w, "HostConfig");
    jw_str(w, "NetworkMode", spec->network);
    write_strings(w, "ExtraHosts", spec->extra_hosts);
    if (write_limits(w, spec, err) != 0)
        return -1;
    write_security(w, spec);
    write_mounts(w, spec);
    if (write_tmpfs(w, spec, err) != 0)
        return -1;
    write_log(w, spec);
    jw_bool(w, "Init", false); /* risoluto-init is PID 1 itself */
    jw_bool(w, "AutoRemove", false);
    jw_obj(w, "RestartPolicy");
    jw_str(w, "Name", "no");
    jw_end_obj(w);
    jw_end_obj(w);
    return 0;
}

int
docker_create_body(
    const struct docker_create *spec, struct buf *out, struct err *err)
{
    struct jw w;
    char user[32];

    if (check(spec, err) != 0)
        return -1;
    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_str(&w, "Image", spec->image);
    write_strings(&w, "Cmd", spec->command);
    write_strings(&w, "Entrypoint", spec->entrypoint);
    write_strings(&w, "Env", spec->env);
    if (spec->workdir != NULL)
        jw_str(&w, "WorkingDir", spec->workdir);
    (void)snprintf(
        user, sizeof(user), "%u:%u", (unsigned)spec->uid, (unsigned)spec->gid);
    jw_str(&w, "User", user);
    jw_obj(&w, "Labels");
    for (size_t i = 0; i < spec->label_count; i++)
        jw_str(&w, spec->labels[i].name, spec->labels[i].value);
    jw_end_obj(&w);
    jw_bool(&w, "Tty", false);
    jw_bool(&w, "AttachStdin", false);
    jw_bool(&w, "AttachStdout", false);
    jw_bool(&w, "AttachStderr", false);
    jw_bool(&w, "OpenStdin", spec->open_stdin);
    /* Our death must not be the end of the worker's stdin. */
    jw_bool(&w, "StdinOnce", false);
    jw_str(&w, "StopSignal", "SIGTERM");
    if (write_host(&w, spec, err) != 0)
        return -1;
    jw_end_obj(&w);
    return buf_check(out, err);
}
