/* SPDX-License-Identifier: Apache-2.0
 * Secrets in pages of their own: locked, left out of core dumps, wiped. */
#include "common/secret.h"

#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, ENV_SECRET_MAX = 64 * 1024 };

struct secret {
    size_t mapped; /* size of the mapping that begins with this struct */
    size_t len;
    char bytes[];
};

/* Whole pages, since mlock knows nothing smaller: unlocking one secret must
 * not unlock another. Locking is best effort (RLIMIT_MEMLOCK may be small). */
static struct secret *
allocate(size_t len)
{
    if (len > SIZE_MAX / 2)
        return NULL;
    size_t mapped = (sizeof(struct secret) + len + 1 + PAGE - 1) / PAGE * PAGE;
    void *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)mlock(memory, mapped);
    (void)madvise(memory, mapped, MADV_DONTDUMP);
    struct secret *secret = memory;
    secret->mapped = mapped;
    secret->len = len;
    return secret;
}

struct secret *
secret_new(const void *data, size_t len)
{
    struct secret *secret = allocate(len);
    if (secret != NULL && len > 0)
        memcpy(secret->bytes, data, len);
    return secret;
}

struct secret *
secret_dup(const struct secret *secret)
{
    return secret == NULL ? NULL : secret_new(secret->bytes, secret->len);
}

const char *
secret_bytes(const struct secret *secret)
{
    return secret->bytes;
}

size_t
secret_len(const struct secret *secret)
{
    return secret->len;
}

bool
secret_equal(const struct secret *secret, const void *data, size_t len)
{
    if (secret->len != len)
        return false;
    const unsigned char *other = data;
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |=
            (unsigned char)((unsigned char)secret->bytes[i] ^ other[i]);
    return difference == 0;
}

/* Up to size bytes; the count, or -1 with errno. */
static ssize_t
read_all(int fd, char *out, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t got = read(fd, out + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

struct secret *
secret_read_file(const char *path, size_t max, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        (void)err_sys(err, "cannot read the secret file %s", path);
        return NULL;
    }
    /* One byte for the newline and one to see that it is too long. */
    AUTO(secret_free_ptr) struct secret *secret = allocate(max + 2);
    if (secret == NULL) {
        (void)err_no_memory(err);
        return NULL;
    }
    ssize_t len = read_all(fd, secret->bytes, max + 2);
    if (len < 0) {
        (void)err_sys(err, "cannot read the secret file %s", path);
        return NULL;
    }
    secret->len = (size_t)len;
    if (secret->len > 0 && secret->bytes[secret->len - 1] == '\n')
        secret->bytes[--secret->len] = '\0';
    if (secret->len > max) {
        (void)err_set(err, ERR_TOO_LARGE,
            "the secret file %s is larger than %zu bytes", path, max);
        return NULL;
    }
    return STEAL(secret);
}

static int
from_file(
    const char *name, const char *path, struct secret **out, struct err *err)
{
    AUTO(secret_free_ptr)
    struct secret *secret = secret_read_file(path, ENV_SECRET_MAX, err);
    if (secret == NULL)
        return err_wrap(err, "%s_FILE", name);
    /* An empty token would match an empty header. */
    if (secret->len == 0)
        return err_set(
            err, ERR_CONFIG, "%s_FILE: the file %s is empty", name, path);
    *out = STEAL(secret);
    return 0;
}

int
secret_from_env(const char *name, struct secret **out, struct err *err)
{
    *out = NULL;
    char file_name[128];
    (void)snprintf(file_name, sizeof(file_name), "%s_FILE", name);
    const char *path = getenv(file_name);
    char *value = getenv(name);
    bool has_value = value != NULL && value[0] != '\0';
    bool has_path = path != NULL && path[0] != '\0';
    if (has_value && has_path)
        return err_set(err, ERR_CONFIG,
            "both %s and %s are set: remove one of them", name, file_name);
    if (has_path)
        return from_file(name, path, out, err);
    if (!has_value)
        return 0;
    *out = secret_new(value, strlen(value));
    if (*out == NULL)
        return err_no_memory(err);
    /* unsetenv leaves the bytes where /proc/self/environ shows them. */
    secret_wipe(value, strlen(value));
    (void)unsetenv(name);
    return 0;
}

void
secret_free(struct secret *secret)
{
    if (secret == NULL)
        return;
    size_t mapped = secret->mapped;
    secret_wipe(secret, mapped);
    (void)munmap(secret, mapped);
}

void
secret_free_ptr(struct secret **secret)
{
    secret_free(*secret);
    *secret = NULL;
}

void
secret_wipe(void *data, size_t len)
{
    if (len > 0)
        explicit_bzero(data, len);
}
