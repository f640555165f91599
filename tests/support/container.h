/* SPDX-License-Identifier: Apache-2.0
 * Containers for integration tests: made with a name and a label of their
 * own, and removed whatever becomes of the test. */
#ifndef TESTS_SUPPORT_CONTAINER_H
#define TESTS_SUPPORT_CONTAINER_H

#include "dataplane/docker/docker.h"

#include <stdbool.h>

#define TEST_SOCKET "/var/run/docker.sock"
#define TEST_IMAGE "risoluto-base:latest"

/* The engine with the image, or NULL with *why to skip. */
struct docker *test_engine(const char *image, const char **why);

/* "risoluto-test-" and something random. */
enum { TEST_NAME_SIZE = 32 };

void test_name(char out[TEST_NAME_SIZE]);

/* A spec that runs command as 1000:1000 without network, capabilities or
 * privileges, named name. */
struct docker_create test_spec(const char *name, const char *const *command);

/* Removes every container that carries test_spec's label and was made by this
 * process. */
void test_clean(struct docker *docker);

#endif
