/* SPDX-License-Identifier: Apache-2.0
 * Automatic release at the end of a scope, and explicit hand-over. */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void
cleanup_free_(void *pointer)
{
    free(*(void **)pointer);
}

static inline void
cleanup_close_(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/* Calls function(&variable) when the variable goes out of scope. The variable
 * must be initialised where it is declared. */
#define AUTO(function) __attribute__((cleanup(function)))
#define AUTO_FREE AUTO(cleanup_free_)
#define AUTO_CLOSE AUTO(cleanup_close_)

/* Takes a descriptor out of an AUTO_CLOSE variable. */
static inline int
cleanup_steal_fd(int *fd)
{
    int stolen = *fd;
    *fd = -1;
    return stolen;
}

/* Takes a pointer out of an AUTO variable: the caller owns it now. */
#define STEAL(pointer)                                                         \
    __extension__({                                                            \
        __typeof__(pointer) stolen_ = (pointer);                               \
        (pointer) = NULL;                                                      \
        stolen_;                                                               \
    })

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
