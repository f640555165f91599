/* SPDX-License-Identifier: Apache-2.0
 * common/err: codes, messages, wrapping. */
#include "common/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(err, every_code_is_found_again_by_its_name)
{
    for (int i = 0; i < ERR_CODE_COUNT; i++)
        cr_assert_eq(err_from_name(err_name((enum err_code)i)), i);
}

Test(err, foreign_names_and_codes_count_as_internal)
{
    cr_assert_eq(err_from_name("nonsense"), ERR_INTERNAL);
    cr_assert_eq(err_from_name(NULL), ERR_INTERNAL);
    cr_assert_str_eq(err_name((enum err_code)999), "internal");
    cr_assert_eq(err_http_status((enum err_code)999), 500);
    cr_assert_not(err_is_retryable((enum err_code)999));
}

Test(err, setting_an_error_keeps_code_and_message)
{
    struct err err = ERR_INIT;
    cr_assert_eq(err_set(&err, ERR_NOT_FOUND, "no issue %d", 7), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_str_eq(err.message, "no issue 7");
    cr_assert_eq(err_http_status(err.code), 404);
    err_clear(&err);
    cr_assert_eq(err.code, ERR_NONE);
    cr_assert_str_eq(err.message, "");
}

Test(err, wrapping_puts_the_context_in_front)
{
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_BUSY, "locked");
    cr_assert_eq(err_wrap(&err, "open %s", "x.db"), -1);
    cr_assert_str_eq(err.message, "open x.db: locked");
    cr_assert_eq(err.code, ERR_BUSY);
}

Test(err, a_message_may_be_made_from_itself)
{
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_BUSY, "locked");
    (void)err_set(&err, ERR_TIMEOUT, "gave up: %s", err.message);
    cr_assert_str_eq(err.message, "gave up: locked");
}

Test(err, errno_decides_the_code)
{
    static const struct {
        int number;
        enum err_code code;
    } cases[] = {{ENOSPC, ERR_DISK_FULL}, {EDQUOT, ERR_DISK_FULL},
        {ENOMEM, ERR_NO_MEMORY}, {EACCES, ERR_SYSTEM}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        errno = cases[i].number;
        (void)err_sys(&err, "open");
        cr_assert_eq(err.code, cases[i].code);
        cr_assert_eq(err.sys, cases[i].number);
        cr_assert(strncmp(err.message, "open: ", 6) == 0);
    }
}

Test(err, a_long_message_is_cut_between_characters)
{
    char text[2 * ERR_MESSAGE_MAX] = "";
    memset(text, 'x', ERR_MESSAGE_MAX - 2);
    memcpy(text + ERR_MESSAGE_MAX - 2, "\xC3\xA9", 3); /* would be split */
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_INVALID, "%s", text);
    cr_assert_eq(strlen(err.message), ERR_MESSAGE_MAX - 2);
}

Test(err, a_long_context_still_fits)
{
    char text[2 * ERR_MESSAGE_MAX] = "";
    memset(text, 'y', sizeof(text) - 1);
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_INVALID, "%s", text);
    (void)err_wrap(&err, "%s", text);
    cr_assert_eq(strlen(err.message), ERR_MESSAGE_MAX - 1);
}
