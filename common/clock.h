/* SPDX-License-Identifier: Apache-2.0
 * Time in milliseconds. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <pthread.h>
#include <stdint.h>

enum { CLOCK_ISO_SIZE = 25 }; /* "2026-11-20T23:33:43.211Z" and NUL */

int64_t clock_wall_ms(void); /* since 1970, UTC; may jump */
int64_t clock_mono_ms(void); /* never jumps; for time-outs */

/* RFC 3339 in UTC with milliseconds. Returns out. */
const char *clock_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE]);

/* Milliseconds of an RFC 3339 time with any offset, or -1 when it is none or
 * before 1970. */
int64_t clock_parse_iso(const char *text);

/* A condition variable on the monotonic clock. */
void clock_cond_init(pthread_cond_t *cond);

/* Waits until signalled or mono_deadline_ms. 0, or ETIMEDOUT. */
int clock_cond_wait_until(
    pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t mono_deadline_ms);

#endif
