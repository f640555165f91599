/* SPDX-License-Identifier: Apache-2.0
 * common/buf: growth, bounds, sticky failure, hand-over. */
#include "common/buf.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(buf, collects_pieces)
{
    struct buf buf;
    struct err err = ERR_INIT;
    buf_init(&buf, 1000);
    cr_assert_str_eq(buf_str(&buf), "");
    buf_puts(&buf, "a");
    buf_putc(&buf, 'b');
    buf_append(&buf, "c\0d", 3);
    buf_printf(&buf, "%d-%s", 7, "x");
    cr_assert_eq(buf.len, 8);
    cr_assert_eq(memcmp(buf.data, "abc\0d7-x", 9), 0);
    cr_assert_eq(buf_check(&buf, &err), 0);
    buf_free(&buf);
}

Test(buf, grows_to_its_maximum_and_not_beyond)
{
    struct buf buf;
    struct err err = ERR_INIT;
    buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++)
        buf_putc(&buf, 'x');
    cr_assert_not(buf.failed);
    buf_putc(&buf, 'y');
    cr_assert(buf.failed);
    cr_assert_eq(buf.len, 1000);
    cr_assert_eq(buf_check(&buf, &err), -1);
    cr_assert_eq(err.code, ERR_TOO_LARGE);
    cr_assert_not_null(strstr(err.message, "1000"));
    buf_free(&buf);
}

Test(buf, after_a_failure_the_content_stays_as_it_was)
{
    struct buf buf;
    buf_init(&buf, 4);
    buf_puts(&buf, "abc");
    buf_puts(&buf, "too long");
    buf_puts(&buf, "d"); /* would fit, but leave a hole */
    buf_printf(&buf, "%d", 1);
    cr_assert_str_eq(buf_str(&buf), "abc");
    cr_assert_null(buf_steal(&buf));
    buf_clear(&buf);
    buf_puts(&buf, "new");
    cr_assert_str_eq(buf_str(&buf), "new");
    cr_assert_not(buf.failed);
    buf_free(&buf);
}

Test(buf, sizes_near_the_limit_do_not_overflow)
{
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    buf_puts(&buf, "x");
    buf_append(&buf, "y", SIZE_MAX - 1);
    cr_assert(buf.failed);
    cr_assert_str_eq(buf_str(&buf), "x");
    buf_free(&buf);
}

Test(buf, consuming_keeps_the_rest)
{
    struct buf buf;
    buf_init_secret(&buf, 100);
    buf_puts(&buf, "abcdef");
    buf_consume(&buf, 2);
    cr_assert_str_eq(buf_str(&buf), "cdef");
    buf_consume(&buf, 4);
    cr_assert_str_eq(buf_str(&buf), "");
    buf_consume(&buf, 0);
    buf_puts(&buf, "g");
    cr_assert_str_eq(buf_str(&buf), "g");
    buf_free(&buf);
}

Test(buf, a_secret_is_wiped_when_cleared_or_consumed)
{
    struct buf buf;
    buf_init_secret(&buf, 100);
    buf_puts(&buf, "password");
    const char *memory = buf.data;
    buf_consume(&buf, 4);
    cr_assert_eq(memcmp(memory, "word\0\0\0\0", 8), 0);
    buf_clear(&buf);
    cr_assert_eq(memcmp(memory, "\0\0\0\0\0\0\0\0", 8), 0);
    buf_free(&buf);
}

Test(buf, a_secret_survives_growth)
{
    struct buf buf;
    buf_init_secret(&buf, 10000);
    for (int i = 0; i < 1000; i++)
        buf_puts(&buf, "0123456789");
    cr_assert_eq(buf.len, 10000);
    cr_assert_eq(memcmp(buf.data + 9990, "0123456789", 11), 0);
    buf_free(&buf);
}

Test(buf, stealing_hands_over_and_empties)
{
    struct buf buf;
    buf_init(&buf, 100);
    AUTO_FREE char *nothing = buf_steal(&buf);
    cr_assert_str_eq(nothing, "");
    buf_puts(&buf, "abc");
    AUTO_FREE char *text = buf_steal(&buf);
    cr_assert_str_eq(text, "abc");
    cr_assert_eq(buf.len, 0);
    cr_assert_null(buf.data);
    buf_puts(&buf, "again");
    cr_assert_str_eq(buf_str(&buf), "again");
    buf_free(&buf);
}

Test(buf, freeing_is_legal_when_zeroed_and_twice)
{
    struct buf buf = {0};
    buf_free(&buf);
    buf_init(&buf, 10);
    buf_puts(&buf, "x");
    buf_free(&buf);
    buf_free(&buf);
    cr_assert_str_eq(buf_str(&buf), "");
}
