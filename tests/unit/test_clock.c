/* SPDX-License-Identifier: Apache-2.0
 * common/clock: RFC 3339 and waiting. */
#include "common/cleanup.h"
#include "common/clock.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(clock, times_are_written_in_utc_with_milliseconds)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"}, {-1, "1969-12-31T23:59:59.999Z"},
        {951827696789, "2000-02-29T12:34:56.789Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[CLOCK_ISO_SIZE];
        cr_expect_str_eq(clock_iso(cases[i].ms, out), cases[i].text);
    }
}

Test(clock, rfc_3339_is_read_with_any_offset)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"1970-01-01T00:00:00Z", 0},
        {"2000-02-29T12:34:56.789Z", 951827696789},
        {"2000-02-29t12:34:56.789z", 951827696789},
        {"2000-02-29T14:34:56.789+02:00", 951827696789},
        {"2000-02-29T07:04:56.789-05:30", 951827696789},
        {"2000-02-29T12:34:56.7891234Z", 951827696789},
        {"2000-02-29T12:34:56.7Z", 951827696700},
        {"2016-12-31T23:59:60Z", 1483228800000}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(
            clock_parse_iso(cases[i].text), cases[i].ms, "%s", cases[i].text);
}

Test(clock, what_is_no_rfc_3339_time_is_refused)
{
    static const char *const bad[] = {"", "2000", "2000-02-30T00:00:00Z",
        "1900-02-29T00:00:00Z", "2001-13-01T00:00:00Z", "2001-00-01T00:00:00Z",
        "2001-01-00T00:00:00Z", "2001-01-01T24:00:00Z", "2001-01-01T00:60:00Z",
        "2001-01-01T00:00:61Z", "2001-01-01T00:00:00",
        "2001-01-01T00:00:00+0200", "2001-01-01T00:00:00+24:00",
        "2001-01-01T00:00:00Zx", "2001-01-01T00:00:00.Z",
        "2001-01-01 00:00:00Z", "01-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
        " 2001-01-01T00:00:00Z"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_expect_eq(clock_parse_iso(bad[i]), -1, "%s", bad[i]);
    cr_expect_eq(clock_parse_iso(NULL), -1);
}

Test(clock, what_is_written_is_read_back)
{
    for (int64_t ms = 0; ms < 4102444800000; ms += 86399999937 / 7) {
        char out[CLOCK_ISO_SIZE];
        cr_expect_eq(clock_parse_iso(clock_iso(ms, out)), ms);
    }
}

Test(clock, a_wait_ends_at_its_deadline)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    clock_cond_init(&cond);
    int64_t before = clock_mono_ms();
    (void)pthread_mutex_lock(&mutex);
    cr_assert_eq(clock_cond_wait_until(&cond, &mutex, before + 30), ETIMEDOUT);
    cr_assert_eq(clock_cond_wait_until(&cond, &mutex, -5), ETIMEDOUT);
    (void)pthread_mutex_unlock(&mutex);
    cr_assert_geq(clock_mono_ms() - before, 30);
    cr_assert_lt(clock_mono_ms() - before, 5000);
}
