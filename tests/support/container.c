/* SPDX-License-Identifier: Apache-2.0
 * Containers for integration tests. */
#include "tests/support/container.h"

#include "common/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char owner[24];
static const struct docker_label labels[] = {
    {"risoluto-test-owner", owner},
    {"risoluto.attempt", "0123456789abcdef0123456789abcdef"},
};

struct docker *
test_engine(const char *image, const char **why)
{
    static char reason[ERR_MESSAGE_MAX + 40];
    struct docker *docker = NULL;
    struct err err = ERR_INIT;
    bool there = false;

    *why = reason;
    if (docker_open(&docker, TEST_SOCKET, &err) != 0 ||
        docker_image_exists(docker, image, &there, &err) != 0) {
        (void)snprintf(reason, sizeof(reason), "%s", err.message);
    } else if (!there) {
        (void)snprintf(reason, sizeof(reason),
            "image %s is not on this host; run make images", image);
    } else {
        return docker;
    }
    docker_close(docker);
    return NULL;
}

void
test_name(char out[TEST_NAME_SIZE])
{
    char id[ID_SIZE];

    id_new(id);
    (void)snprintf(out, TEST_NAME_SIZE, "risoluto-test-%s", id_short(id));
}

struct docker_create
test_spec(const char *name, const char *const *command)
{
    (void)snprintf(owner, sizeof(owner), "%ld", (long)getpid());
    return (struct docker_create){
        .name = name,
        .image = TEST_IMAGE,
        .command = command,
        .uid = 1000,
        .gid = 1000,
        .labels = labels,
        .label_count = sizeof(labels) / sizeof(labels[0]),
        .network = "none",
        .no_new_privileges = true,
        .drop_capabilities = true,
    };
}

void
test_clean(struct docker *docker)
{
    struct docker_container *list = NULL;
    size_t count = 0;
    char label[64];
    struct err err = ERR_INIT;

    if (docker == NULL)
        return;
    (void)snprintf(
        label, sizeof(label), "risoluto-test-owner=%ld", (long)getpid());
    if (docker_list(docker, label, &list, &count, &err) == 0) {
        for (size_t i = 0; i < count; i++)
            (void)docker_remove(docker, list[i].id, &err);
    }
    free(list);
    docker_close(docker);
}
