/* SPDX-License-Identifier: Apache-2.0
 * The body that describes a worker to the engine. */
#include "common/cleanup.h"
#include "common/json.h"
#include "dataplane/docker/create.h"
#include "dataplane/docker/seccomp.h"

#include <criterion/criterion.h>
#include <string.h>

Test(docker_create, sizes_are_strict)
{
    static const struct {
        const char *text;
        int64_t bytes; /* 0: refused */
    } cases[] = {
        {"4g", INT64_C(4) << 30},
        {"4G", INT64_C(4) << 30},
        {"4gb", INT64_C(4) << 30},
        {"512m", 512 << 20},
        {"64k", 65536},
        {"1t", INT64_C(1) << 40},
        {"100b", 100},
        {"1073741824", 1 << 30},
        {"", 0},
        {"g", 0},
        {"0", 0},
        {"0m", 0},
        {"-1", 0},
        {"+1", 0},
        {" 1m", 0},
        {"1m ", 0},
        {"1.5g", 0},
        {"1x", 0},
        {"1mm", 0},
        {"1gbb", 0},
        {"0x10", 0},
        {"9223372036854775807", 0},
        {"9999999999999999999999", 0},
        {"9000000000g", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        int64_t bytes = 0;
        int got = docker_parse_size(cases[i].text, &bytes, &err);

        cr_expect_eq(got, cases[i].bytes != 0 ? 0 : -1, "%s", cases[i].text);
        if (got == 0)
            cr_expect_eq(bytes, cases[i].bytes, "%s", cases[i].text);
        else
            cr_expect_eq(err.code, ERR_INVALID);
    }
}

Test(docker_create, processors_are_strict)
{
    static const struct {
        const char *text;
        int64_t nano; /* 0: refused */
    } cases[] = {
        {"2", 2000000000},
        {"2.0", 2000000000},
        {"0.5", 500000000},
        {"1.25", 1250000000},
        {"0.000000001", 1},
        {"0", 0},
        {"0.0", 0},
        {"", 0},
        {".5", 0},
        {"2.", 0},
        {"-1", 0},
        {"1e3", 0},
        {"1.2.3", 0},
        {"0.0000000001", 0},
        {"10000000", 0},
        {"2 ", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        int64_t nano = 0;
        int got = docker_parse_cpus(cases[i].text, &nano, &err);

        cr_expect_eq(got, cases[i].nano != 0 ? 0 : -1, "%s", cases[i].text);
        if (got == 0)
            cr_expect_eq(nano, cases[i].nano, "%s", cases[i].text);
    }
}

Test(docker_create, names_and_images_cannot_leave_their_place)
{
    static const char *const names[] = {"", "a/b", "-a", ".a", "a b", "a%2f",
        "..", "a\n", "a?b", "a#b", "\xc3\xa4"};
    static const char *const images[] = {"", "/a", "a//b", "a/../b", "../a",
        "a/.", "a b", "a?b", "a/", "a\n", "-a", "a%2e"};
    static const char *const good[] = {"risoluto-codex:latest",
        "registry.example.org:5000/team/image:1.2", "sha256:0123456789abcdef",
        "a@sha256:00", "A_b.c-d"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        cr_expect_not(docker_name_is_valid(names[i]), "%s", names[i]);
    cr_expect(docker_name_is_valid("risoluto-ABC-1_x.y"));
    for (size_t i = 0; i < ARRAY_LEN(images); i++)
        cr_expect_not(docker_image_is_valid(images[i]), "%s", images[i]);
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        cr_expect(docker_image_is_valid(good[i]), "%s", good[i]);
}

static const struct docker_label labels[] = {{"risoluto.issue", "ABC-1"}};
static const struct docker_mount mounts[] = {
    {.type = "bind", .source = "/w/ABC-1", .target = "/workspace"},
    {.type = "volume", .source = "home", .target = "/home/agent"},
    {.type = "tmpfs",
        .target = "/home/agent/.codex-runtime",
        .tmpfs_size = "64m",
        .tmpfs_mode = 0700},
};

static struct docker_create
worker(void)
{
    static const char *const command[] = {"/init", "--x", NULL};
    static const char *const env[] = {"HOME=/home/agent", NULL};
    static const char *const hosts[] = {
        "host.docker.internal:host-gateway", NULL};

    return (struct docker_create){
        .name = "risoluto-ABC-1-12345678",
        .image = "risoluto-codex:latest",
        .command = command + 1,
        .entrypoint = command,
        .env = env,
        .workdir = "/workspace",
        .uid = 1000,
        .gid = 1001,
        .labels = labels,
        .label_count = 1,
        .mounts = mounts,
        .mount_count = ARRAY_LEN(mounts),
        .network = "risoluto-internal",
        .extra_hosts = hosts,
        .memory = "4g",
        .memory_reservation = "1g",
        .memory_swap = "-1",
        .cpus = "2.0",
        .pids_limit = 512,
        .no_new_privileges = true,
        .drop_capabilities = true,
        .seccomp_json = "{\"a\":\"b\"}",
        .log_driver = "json-file",
        .log_max_size = "50m",
        .log_max_file = 3,
        .open_stdin = true,
    };
}

Test(docker_create, the_body_says_all_of_it)
{
    static const char expected[] =
        "{\"Image\":\"risoluto-codex:latest\",\"Cmd\":[\"--x\"],"
        "\"Entrypoint\":[\"/init\",\"--x\"],\"Env\":[\"HOME=/home/agent\"],"
        "\"WorkingDir\":\"/workspace\",\"User\":\"1000:1001\","
        "\"Labels\":{\"risoluto.issue\":\"ABC-1\"},\"Tty\":false,"
        "\"AttachStdin\":false,\"AttachStdout\":false,\"AttachStderr\":false,"
        "\"OpenStdin\":true,\"StdinOnce\":false,\"StopSignal\":\"SIGTERM\","
        "\"HostConfig\":{\"NetworkMode\":\"risoluto-internal\","
        "\"ExtraHosts\":[\"host.docker.internal:host-gateway\"],"
        "\"Memory\":4294967296,\"MemoryReservation\":1073741824,"
        "\"MemorySwap\":-1,\"NanoCpus\":2000000000,\"PidsLimit\":512,"
        "\"Privileged\":false,\"CapDrop\":[\"ALL\"],"
        "\"SecurityOpt\":[\"no-new-privileges\",\"seccomp={\\\"a\\\":\\\"b\\\"}"
        "\"],\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/w/ABC-1\","
        "\"Target\":\"/workspace\",\"ReadOnly\":false},{\"Type\":\"volume\","
        "\"Source\":\"home\",\"Target\":\"/home/agent\",\"ReadOnly\":false}],"
        "\"Tmpfs\":{\"/home/agent/.codex-runtime\":\"rw,nosuid,nodev,exec,"
        "mode=0700,uid=1000,gid=1001,size=67108864\"},"
        "\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"50m\""
        ",\"max-file\":\"3\"}},\"Init\":false,\"AutoRemove\":false,"
        "\"RestartPolicy\":{\"Name\":\"no\"}}}";
    struct docker_create spec = worker();
    AUTO(buf_free) struct buf out = {0};
    struct err err = ERR_INIT;

    buf_init(&out, 10000);
    cr_assert_eq(docker_create_body(&spec, &out, &err), 0, "%s", err.message);
    cr_assert_str_eq(buf_str(&out), expected);
}

static void
refused(const struct docker_create *spec, const char *what)
{
    AUTO(buf_free) struct buf out = {0};
    struct err err = ERR_INIT;

    buf_init(&out, 10000);
    cr_expect_eq(docker_create_body(spec, &out, &err), -1, "%s", what);
    cr_expect_eq(err.code, ERR_INVALID, "%s", what);
}

Test(docker_create, what_a_worker_must_not_have_is_refused)
{
    static const char *const networks[] = {
        "host", "container:abc", "", "a b", NULL};
    struct docker_create spec = worker();

    for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
        spec.network = networks[i];
        refused(&spec, "network");
    }
    spec = worker();
    spec.name = "a/b";
    refused(&spec, "name");
    spec = worker();
    spec.image = "a b";
    refused(&spec, "image");
    spec = worker();
    spec.workdir = "workspace";
    refused(&spec, "workdir");
    spec = worker();
    spec.memory = "much";
    refused(&spec, "memory");
    spec = worker();
    spec.cpus = "all";
    refused(&spec, "cpus");
}

Test(docker_create, mounts_are_checked)
{
    static const struct docker_mount bad[] = {
        {.type = "bind", .source = "relative", .target = "/x"},
        {.type = "bind", .source = NULL, .target = "/x"},
        {.type = "bind", .source = "/a\nb", .target = "/x"},
        {.type = "bind", .source = "/a", .target = "x"},
        {.type = "bind", .source = "/a", .target = "/"},
        {.type = "volume", .source = "/etc", .target = "/x"},
        {.type = "volume", .source = "", .target = "/x"},
        {.type = "npipe", .source = "/a", .target = "/x"},
        {.type = "tmpfs", .target = "/x", .tmpfs_size = "1m,exec"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct docker_create spec = worker();

        spec.mounts = &bad[i];
        spec.mount_count = 1;
        refused(&spec, bad[i].target);
    }
}

Test(docker_create, a_body_that_does_not_fit_is_an_error)
{
    struct docker_create spec = worker();
    AUTO(buf_free) struct buf out = {0};
    struct err err = ERR_INIT;

    buf_init(&out, 1350);
    spec.seccomp_json = seccomp_profile_json;
    cr_assert_eq(docker_create_body(&spec, &out, &err), -1);
    cr_assert_eq(err.code, ERR_TOO_LARGE);
}

Test(docker_create, our_profile_denies_by_default_and_allows_the_five)
{
    struct err err = ERR_INIT;
    AUTO(json_free_ptr)
    struct json *profile = json_parse(
        seccomp_profile_json, strlen(seccomp_profile_json), 65536, &err);
    static const char *const five[] = {
        "clone", "mount", "pivot_root", "umount2", "unshare"};
    static const char *const never[] = {"setns", "bpf", "keyctl", "add_key",
        "kexec_load", "init_module", "open_by_handle_at", "userfaultfd",
        "perf_event_open", "io_uring_setup", "move_mount", "fsopen", "reboot",
        "process_vm_writev", "umount"};
    size_t found = 0;

    cr_assert_not_null(profile, "%s", err.message);
    cr_assert_str_eq(
        json_str(json_get(profile, "defaultAction"), ""), "SCMP_ACT_ERRNO");
    json_each (rule, json_get(profile, "syscalls")) {
        json_each (name, json_get(rule, "names")) {
            for (size_t i = 0; i < ARRAY_LEN(five); i++)
                found += strcmp(json_str(name, ""), five[i]) == 0;
            for (size_t i = 0; i < ARRAY_LEN(never); i++)
                cr_expect_str_neq(json_str(name, ""), never[i]);
        }
    }
    cr_assert_eq(found, ARRAY_LEN(five));
}

Test(docker_create, a_small_machine_gives_all_it_has)
{
    cr_expect_eq(docker_clamp_cpus(2000000000, 1), 1000000000);
    cr_expect_eq(docker_clamp_cpus(500000000, 1), 500000000);
    cr_expect_eq(docker_clamp_cpus(2000000000, 4), 2000000000);
    cr_expect_eq(docker_clamp_cpus(2000000000, -1), 2000000000);
}
