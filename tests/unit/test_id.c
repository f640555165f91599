/* SPDX-License-Identifier: Apache-2.0
 * common/id: form, order, randomness. */
#include "common/id.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

Test(id, a_new_id_is_valid_and_no_other_is_equal)
{
    static char ids[2000][ID_SIZE];
    for (int i = 0; i < 2000; i++) {
        id_new(ids[i]);
        cr_assert(id_is_valid(ids[i]), "%s", ids[i]);
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(ids[i], ids[j]);
    }
}

Test(id, ids_sort_by_time)
{
    char first[ID_SIZE];
    char second[ID_SIZE];
    id_new(first);
    struct timespec nap = {.tv_nsec = 3000000};
    (void)nanosleep(&nap, NULL);
    id_new(second);
    cr_assert_lt(strcmp(first, second), 0);
}

Test(id, anything_else_is_not_valid)
{
    cr_assert_not(id_is_valid(NULL));
    cr_assert_not(id_is_valid(""));
    cr_assert_not(id_is_valid("0123456789abcdef0123456789abcde"));
    cr_assert_not(id_is_valid("0123456789abcdef0123456789abcdef0"));
    cr_assert_not(id_is_valid("0123456789abcdef0123456789abcdeF"));
    cr_assert_not(id_is_valid("0123456789abcdef0123456789abcde/"));
    cr_assert(id_is_valid("0123456789abcdef0123456789abcdef"));
}

Test(id, the_short_form_is_the_random_end)
{
    cr_assert_str_eq(id_short("0123456789abcdef0123456789abcdef"), "89abcdef");
    cr_assert_str_eq(id_short("abc"), "abc");
}
