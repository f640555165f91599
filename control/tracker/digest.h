/* SPDX-License-Identifier: Apache-2.0
 * SHA-256, apart from everything else: OpenSSL's headers and common/err.h
 * both own the name ERR_STATE. */
#ifndef CONTROL_TRACKER_DIGEST_H
#define CONTROL_TRACKER_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

enum { DIGEST_SIZE = 32 };

/* false only when out of memory. */
bool digest_sha256(
    const void *data, size_t len, unsigned char out[DIGEST_SIZE]);

/* Takes the same time wherever they differ. */
bool digest_equal(
    const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE]);

#endif
