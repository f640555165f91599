/* SPDX-License-Identifier: Apache-2.0
 * What reaches a terminal: nothing that would act on it. */
#include "control/cli/text.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

typedef void put_fn(FILE *out, const char *text);

static void
expect(put_fn *put, const char *text, const char *wanted)
{
    char *got = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&got, &len);
    cr_assert_not_null(out);
    put(out, text);
    (void)fclose(out);
    cr_expect_str_eq(got, wanted, "\"%s\" is not \"%s\"", got, wanted);
    free(got);
}

static void
put_short(FILE *out, const char *text)
{
    text_short(out, text, 4);
}

static void
put_block(FILE *out, const char *text)
{
    text_block(out, text, "> ");
}

static void
put_diff(FILE *out, const char *text)
{
    text_diff(out, text, "  ", true);
}

static void
put_plain_diff(FILE *out, const char *text)
{
    text_diff(out, text, "", false);
}

Test(text, control_characters_become_visible)
{
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"plain", "plain"},
        {NULL, ""},
        {"\033[2J\033]0;title\a", "\\x1b[2J\\x1b]0;title\\x07"},
        {"a\nb\r\tc", "a b  c"},
        {"\x7f\x01", "\\x7f\\x01"},
        {"\xC2\x9B"
         "31m",
            "\\u009b31m"}, /* C1 CSI */
        {"a\xE2\x80\xAE\xE2\x80\xAC"
         "b",
            "a\\u202e\\u202cb"}, /* right to left */
        {"a\xE2\x80\x8B"
         "b",
            "a\\u200bb"},                           /* zero width */
        {"\xF3\xA0\x80\xA1", "\\ue0021"},           /* tag */
        {"\xFF\xC3(", "\xEF\xBF\xBD\xEF\xBF\xBD("}, /* no UTF-8 */
        {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80",
            "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(text_line, cases[i].text, cases[i].wanted);
}

Test(text, long_text_is_cut_between_characters)
{
    expect(put_short, "abcd", "abcd");
    expect(put_short, "abcde", "abcd...");
    expect(put_short, "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4",
        "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4...");
}

Test(text, blocks_keep_lines_and_tabs)
{
    expect(put_block, "a\tb\r\n\nc\033", "> a\tb\n> \n> c\\x1b\n");
    expect(put_block, "", "");
}

Test(text, a_diff_is_coloured_and_cannot_colour_itself)
{
    expect(put_diff, "+++ b/x\n@@ -1 +1 @@\n-a\n+b\033[0m\n c\n",
        "  \033[1m+++ b/x\033[0m\n  \033[36m@@ -1 +1 @@\033[0m\n"
        "  \033[31m-a\033[0m\n  \033[32m+b\\x1b[0m\033[0m\n   c\n");
    expect(put_plain_diff, "+a\n-b", "+a\n-b\n");
}

Test(text, times_and_counts_are_readable)
{
    static const struct {
        int64_t ms;
        const char *wanted;
    } times[] = {{0, "0.0s"}, {4250, "4.2s"}, {59999, "59.9s"},
        {65000, "1m05s"}, {7380000, "2h03m"}, {-5, "0.0s"}};

    static const struct {
        int64_t n;
        const char *wanted;
    } counts[] = {{0, "0"}, {999, "999"}, {1000, "1,000"},
        {1234567, "1,234,567"}, {-1234, "-1,234"}, {-123, "-123"}};

    char elapsed[TEXT_ELAPSED_SIZE];
    char count[TEXT_COUNT_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        cr_expect_str_eq(text_elapsed(times[i].ms, elapsed), times[i].wanted);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        cr_expect_str_eq(text_count(counts[i].n, count), counts[i].wanted);
}
