/* SPDX-License-Identifier: Apache-2.0
 * common/secret: copies, files, the environment, wiping. */
#include "common/cleanup.h"
#include "common/secret.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void
setup(void)
{
    (void)snprintf(path, sizeof(path), "/tmp/risoluto-secret-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    (void)close(fd);
}

static void
teardown(void)
{
    (void)unlink(path);
}

TestSuite(secret, .init = setup, .fini = teardown);

static void
put(const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

Test(secret, keeps_its_own_copy)
{
    char text[] = "hunter2";
    AUTO(secret_free_ptr) struct secret *secret = secret_new(text, 7);
    AUTO(secret_free_ptr) struct secret *copy = secret_dup(secret);
    text[0] = 'x';
    cr_assert_str_eq(secret_bytes(secret), "hunter2");
    cr_assert_str_eq(secret_bytes(copy), "hunter2");
    cr_assert_neq(secret_bytes(secret), secret_bytes(copy));
    cr_assert_eq(secret_len(copy), 7);
    cr_assert_null(secret_dup(NULL));
    secret_free(NULL);
}

Test(secret, compares_content_and_length)
{
    AUTO(secret_free_ptr) struct secret *secret = secret_new("abc", 3);
    cr_assert(secret_equal(secret, "abc", 3));
    cr_assert_not(secret_equal(secret, "abd", 3));
    cr_assert_not(secret_equal(secret, "xbc", 3));
    cr_assert_not(secret_equal(secret, "ab", 2));
    cr_assert_not(secret_equal(secret, "abcd", 4));
    AUTO(secret_free_ptr) struct secret *empty = secret_new("", 0);
    cr_assert(secret_equal(empty, "", 0));
}

Test(secret, may_be_larger_than_a_page)
{
    char text[10000];
    memset(text, 'k', sizeof(text));
    AUTO(secret_free_ptr)
    struct secret *secret = secret_new(text, sizeof(text));
    cr_assert(secret_equal(secret, text, sizeof(text)));
    cr_assert_eq(secret_bytes(secret)[sizeof(text)], '\0');
}

Test(secret, a_file_is_read_without_one_newline)
{
    static const struct {
        const char *file;
        const char *secret;
    } cases[] = {{"abc", "abc"}, {"abc\n", "abc"}, {"abc\n\n", "abc\n"},
        {" a b ", " a b "}, {"\n", ""}, {"", ""}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        put(cases[i].file);
        AUTO(secret_free_ptr)
        struct secret *secret = secret_read_file(path, 100, &err);
        cr_expect_str_eq(secret_bytes(secret), cases[i].secret);
        cr_expect_eq(secret_len(secret), strlen(cases[i].secret));
    }
}

Test(secret, a_file_is_bounded)
{
    struct err err = ERR_INIT;
    put("12345\n");
    AUTO(secret_free_ptr) struct secret *fits = secret_read_file(path, 5, &err);
    cr_assert_str_eq(secret_bytes(fits), "12345");
    cr_assert_null(secret_read_file(path, 4, &err));
    cr_assert_eq(err.code, ERR_TOO_LARGE);
    cr_assert_null(secret_read_file("/no/such/file", 4, &err));
    cr_assert_eq(err.code, ERR_SYSTEM);
}

Test(secret, an_environment_variable_is_taken_out)
{
    struct err err = ERR_INIT;
    cr_assert_eq(setenv("RT_TOKEN", "t0ken", 1), 0);
    const char *value = getenv("RT_TOKEN");
    cr_assert_not_null(value);
    AUTO(secret_free_ptr) struct secret *secret = NULL;
    cr_assert_eq(secret_from_env("RT_TOKEN", &secret, &err), 0);
    cr_assert_str_eq(secret_bytes(secret), "t0ken");
    cr_assert_null(getenv("RT_TOKEN"));
    cr_assert_eq(value[0], '\0', "the old bytes are still there");
}

Test(secret, an_environment_variable_may_name_a_file)
{
    struct err err = ERR_INIT;
    AUTO(secret_free_ptr) struct secret *secret = NULL;
    put("from-file\n");
    cr_assert_eq(setenv("RT_TOKEN_FILE", path, 1), 0);
    cr_assert_eq(secret_from_env("RT_TOKEN", &secret, &err), 0);
    cr_assert_str_eq(secret_bytes(secret), "from-file");
}

Test(secret, what_is_not_set_or_empty_is_none)
{
    struct err err = ERR_INIT;
    struct secret *secret = NULL;
    cr_assert_eq(secret_from_env("RT_TOKEN", &secret, &err), 0);
    cr_assert_null(secret);
    cr_assert_eq(setenv("RT_TOKEN", "", 1), 0);
    cr_assert_eq(secret_from_env("RT_TOKEN", &secret, &err), 0);
    cr_assert_null(secret);
}

Test(secret, a_contradiction_or_a_bad_file_is_an_error)
{
    struct err err = ERR_INIT;
    struct secret *secret = NULL;
    cr_assert_eq(setenv("RT_TOKEN_FILE", "/no/such/file", 1), 0);
    cr_assert_eq(secret_from_env("RT_TOKEN", &secret, &err), -1);
    cr_assert_not_null(strstr(err.message, "RT_TOKEN_FILE"));
    put("\n");
    cr_assert_eq(setenv("RT_TOKEN_FILE", path, 1), 0);
    cr_assert_eq(secret_from_env("RT_TOKEN", &secret, &err), -1);
    cr_assert_not_null(strstr(err.message, "empty"));
    cr_assert_eq(setenv("RT_TOKEN", "x", 1), 0);
    cr_assert_eq(secret_from_env("RT_TOKEN", &secret, &err), -1);
    cr_assert_eq(err.code, ERR_CONFIG);
    cr_assert_not_null(strstr(err.message, "both"));
}

Test(secret, wiping_clears)
{
    char text[] = "abc";
    secret_wipe(text, 3);
    cr_assert_eq(memcmp(text, "\0\0\0", 4), 0);
    secret_wipe(NULL, 0);
}
