/* SPDX-License-Identifier: Apache-2.0
 * common/utf8: what is a character, and cutting between two. */
#include "common/cleanup.h"
#include "common/utf8.h"

#include <criterion/criterion.h>
#include <string.h>

Test(utf8, knows_the_bounds_of_every_form)
{
    static const struct {
        const char *text;
        size_t len; /* 0: no character */
    } cases[] = {{"a", 1}, {"\x7F", 1}, {"\xC2\x80", 2}, {"\xDF\xBF", 2},
        {"\xE0\xA0\x80", 3}, {"\xED\x9F\xBF", 3}, {"\xEE\x80\x80", 3},
        {"\xEF\xBF\xBF", 3}, {"\xF0\x90\x80\x80", 4}, {"\xF4\x8F\xBF\xBF", 4},
        {"\x80", 0}, {"\xBF", 0}, {"\xC0\x80", 0}, {"\xC1\xBF", 0},
        {"\xE0\x9F\xBF", 0}, {"\xED\xA0\x80", 0}, {"\xED\xBF\xBF", 0},
        {"\xF0\x8F\xBF\xBF", 0}, {"\xF4\x90\x80\x80", 0},
        {"\xF5\x80\x80\x80", 0}, {"\xFF", 0}, {"\xC2", 0}, {"\xE2\x82", 0},
        {"\xF0\x9F\x98", 0}, {"\xC2 ", 0}, {"\xE2\x82 ", 0},
        {"\xF0\x9F\x98 ", 0}, {"", 0}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(utf8_char_len(cases[i].text, strlen(cases[i].text)),
            cases[i].len, "case %zu", i);
}

Test(utf8, a_text_is_valid_when_all_of_it_is)
{
    cr_assert(utf8_is_valid("", 0));
    cr_assert(utf8_is_valid("a\xC3\xA9\xF0\x9F\x98\x80z", 8));
    cr_assert_not(utf8_is_valid("a\xC3\xA9\xF0\x9F\x98", 6));
    cr_assert_not(utf8_is_valid("a\xFFz", 3));
}

Test(utf8, cuts_never_split_a_character)
{
    static const char *const text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t max = 0; max < ARRAY_LEN(expected); max++)
        cr_expect_eq(utf8_cut(text, strlen(text), max), expected[max],
            "max %zu: %zu", max, utf8_cut(text, strlen(text), max));
    cr_assert_eq(utf8_cut("\x80\x80\x80\x80\x80", 5, 3), 3);
}
