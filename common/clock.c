/* SPDX-License-Identifier: Apache-2.0
 * Clocks, RFC 3339, and waiting with a deadline. */
#include "common/clock.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t year_0_ms = -62167219200000;
static const int64_t year_9999_ms = 253402300799999;

static int64_t
now_ms(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        abort(); /* cannot happen: both clocks exist on every Linux */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_wall_ms(void)
{
    return now_ms(CLOCK_REALTIME);
}

int64_t
clock_mono_ms(void)
{
    return now_ms(CLOCK_MONOTONIC);
}

const char *
clock_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
    if (wall_ms < year_0_ms)
        wall_ms = year_0_ms;
    if (wall_ms > year_9999_ms)
        wall_ms = year_9999_ms;
    int64_t ms = wall_ms % 1000;
    if (ms < 0)
        ms += 1000;
    time_t seconds = (time_t)((wall_ms - ms) / 1000);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    char text[96]; /* what the compiler can prove to be enough */
    (void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
        tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
        tm.tm_sec, (int)ms);
    memcpy(out, text, CLOCK_ISO_SIZE - 1);
    out[CLOCK_ISO_SIZE - 1] = '\0';
    return out;
}

/* Exactly `digits` digits, then the byte `end` (0: anything). */
static bool
take_number(const char **at, int digits, char end, int *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return false;
        *out = *out * 10 + (**at - '0');
    }
    if (end == '\0')
        return true;
    if (toupper((unsigned char)**at) != end)
        return false;
    (*at)++;
    return true;
}

/* The optional ".123": its first three digits as milliseconds. */
static bool
take_fraction(const char **at, int *ms)
{
    *ms = 0;
    if (**at != '.')
        return true;
    (*at)++;
    if (!isdigit((unsigned char)**at))
        return false;
    for (int weight = 100; isdigit((unsigned char)**at); (*at)++, weight /= 10)
        *ms += (**at - '0') * weight;
    return true;
}

/* "Z" or "+hh:mm", and then the end of the text. */
static bool
take_offset(const char **at, int *minutes)
{
    *minutes = 0;
    char sign = *(*at)++;
    if (sign == 'Z' || sign == 'z')
        return **at == '\0';
    if (sign != '+' && sign != '-')
        return false;
    int hour;
    int minute;
    if (!take_number(at, 2, ':', &hour) || !take_number(at, 2, '\0', &minute))
        return false;
    if (hour > 23 || minute > 59 || **at != '\0')
        return false;
    *minutes = (hour * 60 + minute) * (sign == '-' ? -1 : 1);
    return true;
}

static bool
is_date(const struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = tm->tm_year + 1900;
    if (tm->tm_mon < 0 || tm->tm_mon > 11)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int last = days[tm->tm_mon] + (leap && tm->tm_mon == 1 ? 1 : 0);
    return tm->tm_mday >= 1 && tm->tm_mday <= last;
}

int64_t
clock_parse_iso(const char *text)
{
    struct tm tm = {0};
    int year;
    int month;
    int ms;
    int offset;
    if (text == NULL || !take_number(&text, 4, '-', &year) ||
        !take_number(&text, 2, '-', &month) ||
        !take_number(&text, 2, 'T', &tm.tm_mday) ||
        !take_number(&text, 2, ':', &tm.tm_hour) ||
        !take_number(&text, 2, ':', &tm.tm_min) ||
        !take_number(&text, 2, '\0', &tm.tm_sec) ||
        !take_fraction(&text, &ms) || !take_offset(&text, &offset))
        return -1;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    /* 60 is a leap second: it becomes the first one of the next minute. */
    if (!is_date(&tm) || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return -1;
    int64_t at = ((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 + ms;
    return at < 0 ? -1 : at;
}

void
clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

int
clock_cond_wait_until(
    pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t mono_deadline_ms)
{
    int64_t at = mono_deadline_ms > 0 ? mono_deadline_ms : 0;
    struct timespec deadline = {
        .tv_sec = (time_t)(at / 1000), .tv_nsec = (long)(at % 1000) * 1000000};
    return pthread_cond_timedwait(cond, mutex, &deadline);
}
