/* SPDX-License-Identifier: Apache-2.0
 * The bundle that fills a worker's CODEX_HOME. */
#include "common/cleanup.h"
#include "dataplane/init/bundle.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bundle bundle;
static const char *why;

/* A copy, in memory of exactly its size, so that a sanitizer sees one byte too
 * many. */
static char *
copy(const char *text, size_t len)
{
    char *bytes = malloc(len > 0 ? len : 1);

    cr_assert_not_null(bytes);
    memcpy(bytes, text, len);
    return bytes;
}

static const char good[] = "F 0600 5 config.toml\nhello\n"
                           "F 755 0 rules/deep/x.rules\n\n"
                           "P 2 20000\n5\ncodex\n7\nsandbox\n"
                           "X 2\n5\ncodex\n0\n\n";

Test(bundle, holds_files_a_preflight_and_a_command)
{
    AUTO_FREE char *bytes = copy(good, sizeof(good) - 1);

    cr_assert_eq(bundle_parse(bytes, sizeof(good) - 1, &bundle, &why), 0);
    cr_assert_eq(bundle.file_count, 2);
    cr_assert_str_eq(bundle.files[0].path, "config.toml");
    cr_assert_eq(bundle.files[0].mode, 0600);
    cr_assert_eq(bundle.files[0].len, 5);
    cr_assert_eq(memcmp(bundle.files[0].data, "hello", 5), 0);
    cr_assert_str_eq(bundle.files[1].path, "rules/deep/x.rules");
    cr_assert_eq(bundle.files[1].mode, 0755);
    cr_assert_eq(bundle.preflight.argc, 2);
    cr_assert_eq(bundle.preflight.timeout_ms, 20000);
    cr_assert_str_eq(bundle.preflight.argv[1], "sandbox");
    cr_assert_null(bundle.preflight.argv[2]);
    cr_assert_eq(bundle.command.argc, 2);
    cr_assert_str_eq(bundle.command.argv[0], "codex");
    cr_assert_str_eq(bundle.command.argv[1], "");
}

Test(bundle, cut_anywhere_it_is_refused)
{
    for (size_t len = 0; len < sizeof(good) - 1; len++) {
        AUTO_FREE char *bytes = copy(good, len);

        cr_expect_eq(bundle_parse(bytes, len, &bundle, &why), -1, "%zu", len);
        cr_expect_not_null(why);
    }
}

Test(bundle, anything_out_of_place_is_refused)
{
    static const char *const bad[] = {
        "X 0\n",
        "X 33\n",
        "X 1\n0\n\n",
        "X 1\n2\nls\nX 1\n2\nls\n",
        "X 1\n2\nls\ntrailing",
        "X 01\n2\nls\n",
        "X -1\n2\nls\n",
        "X 1\n02\nls\n",
        "X 1\n1\nls\n",
        "X  1\n2\nls\n",
        "Y 1\n2\nls\n",
        "P 1 0\n2\nls\nX 1\n2\nls\n",
        "P 1\n2\nls\nX 1\n2\nls\n",
        "P 1 5\n2\nls\nP 1 5\n2\nls\nX 1\n2\nls\n",
        "P 1 5\n2\nls\nF 600 0 a\n\nX 1\n2\nls\n",
        "F 1000 0 a\n\nX 1\n2\nls\n",
        "F 800 0 a\n\nX 1\n2\nls\n",
        "F 600 0 \n\nX 1\n2\nls\n",
        "F 600 0 /etc/passwd\n\nX 1\n2\nls\n",
        "F 600 0 ../a\n\nX 1\n2\nls\n",
        "F 600 0 a/../b\n\nX 1\n2\nls\n",
        "F 600 0 a/..\n\nX 1\n2\nls\n",
        "F 600 0 ./a\n\nX 1\n2\nls\n",
        "F 600 0 a//b\n\nX 1\n2\nls\n",
        "F 600 0 a/\n\nX 1\n2\nls\n",
        "F 600 0 a\tb\n\nX 1\n2\nls\n",
        "F 600 99999999 a\n\nX 1\n2\nls\n",
        "F 600 999999999 a\n\nX 1\n2\nls\n",
        "F 600 1 a\n\nX 1\n2\nls\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        size_t len = strlen(bad[i]);
        AUTO_FREE char *bytes = copy(bad[i], len);

        cr_expect_eq(
            bundle_parse(bytes, len, &bundle, &why), -1, "taken: %s", bad[i]);
    }
}

Test(bundle, names_that_only_look_like_ways_out_are_fine)
{
    static const char text[] =
        "F 600 0 ..a/...\n\nF 600 0 .b/c..\n\nX 1\n2\nls\n";
    AUTO_FREE char *bytes = copy(text, sizeof(text) - 1);

    cr_assert_eq(
        bundle_parse(bytes, sizeof(text) - 1, &bundle, &why), 0, "%s", why);
}

Test(bundle, an_argument_cannot_hide_a_nul)
{
    static const char text[] = "X 1\n3\nl\0s\n";
    AUTO_FREE char *bytes = copy(text, sizeof(text) - 1);

    cr_assert_eq(bundle_parse(bytes, sizeof(text) - 1, &bundle, &why), -1);
}

Test(bundle, paths_and_files_are_bounded)
{
    static char text[BUNDLE_FILES_MAX * 32 + BUNDLE_PATH_MAX + 64];
    int len = snprintf(text, sizeof(text), "F 600 0 ");

    memset(text + len, 'p', BUNDLE_PATH_MAX);
    (void)snprintf(text + len + BUNDLE_PATH_MAX, 32, "\n\nX 1\n2\nls\n");
    cr_assert_eq(bundle_parse(text, strlen(text), &bundle, &why), 0, "%s", why);
    (void)snprintf(text, sizeof(text), "F 600 0 ");
    memset(text + len, 'p', BUNDLE_PATH_MAX + 1);
    (void)snprintf(text + len + BUNDLE_PATH_MAX + 1, 32, "\n\nX 1\n2\nls\n");
    cr_assert_eq(bundle_parse(text, strlen(text), &bundle, &why), -1);

    for (int files = BUNDLE_FILES_MAX; files <= BUNDLE_FILES_MAX + 1; files++) {
        len = 0;
        for (int i = 0; i < files; i++)
            len += snprintf(
                text + len, sizeof(text) - (size_t)len, "F 600 0 f%d\n\n", i);
        (void)snprintf(text + len, sizeof(text) - (size_t)len, "X 1\n2\nls\n");
        cr_assert_eq(bundle_parse(text, strlen(text), &bundle, &why),
            files > BUNDLE_FILES_MAX ? -1 : 0);
    }
}
