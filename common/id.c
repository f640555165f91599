/* SPDX-License-Identifier: Apache-2.0
 * Random, sortable identifiers. */
#include "common/id.h"

#include "common/clock.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

enum { TIME_BYTES = 6, ID_BYTES = (ID_SIZE - 1) / 2 };

void
id_random(void *out, size_t n)
{
    unsigned char *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); /* an id that can be guessed is worse than no process */
        at += got;
        n -= (size_t)got;
    }
}

void
id_new(char out[ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[ID_BYTES];
    uint64_t now = (uint64_t)clock_wall_ms();
    for (int i = 0; i < TIME_BYTES; i++)
        bytes[i] = (unsigned char)(now >> (8 * (TIME_BYTES - 1 - i)));
    id_random(bytes + TIME_BYTES, ID_BYTES - TIME_BYTES);
    for (size_t i = 0; i < ID_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[ID_SIZE - 1] = '\0';
}

bool
id_is_valid(const char *id)
{
    return id != NULL && strspn(id, "0123456789abcdef") == ID_SIZE - 1 &&
           id[ID_SIZE - 1] == '\0';
}

const char *
id_short(const char *id)
{
    size_t len = strlen(id);
    return len > ID_SHORT_LEN ? id + len - ID_SHORT_LEN : id;
}
