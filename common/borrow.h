/* SPDX-License-Identifier: Apache-2.0
 * For structs whose `char *` members are filled by decoders and freed by
 * their schema, where this code only lends them a text for a while. */
#ifndef COMMON_BORROW_H
#define COMMON_BORROW_H

/* The same pointer; whoever gets it must neither change nor free the text. */
static inline char *
borrow_text(const char *text)
{
    union {
        const char *lent;
        char *borrowed;
    } pointer = {.lent = text};

    return pointer.borrowed;
}

#endif
