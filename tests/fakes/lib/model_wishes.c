/* SPDX-License-Identifier: Apache-2.0
 * Wishes: the table, and where they stand in a text. */
#include "tests/fakes/lib/model_wishes.h"

#include "common/cleanup.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum wish_kind { WISH_FLAG, WISH_NUMBER, WISH_TEXT };

enum { WISH_NUMBER_MAX = 1000000 };

static const struct wish {
    const char *name;
    enum wish_kind kind;
    size_t offset;
} table[] = {

#define FLAG(member, name, help)                                               \
    {name, WISH_FLAG, offsetof(struct model_wishes, member)},
#define NUMBER(member, name, help)                                             \
    {name, WISH_NUMBER, offsetof(struct model_wishes, member)},
#define TEXT(member, name, help)                                               \
    {name, WISH_TEXT, offsetof(struct model_wishes, member)},
    MODEL_WISHES(FLAG, NUMBER, TEXT)
#undef FLAG
#undef NUMBER
#undef TEXT
};

#define FLAG(member, name, help) "  " name "\n        " help "\n"
#define NUMBER(member, name, help) "  " name "=N\n        " help "\n"
#define TEXT(member, name, help) "  " name "=TEXT\n        " help "\n"
const char *const model_wishes_help = MODEL_WISHES(FLAG, NUMBER, TEXT);
#undef FLAG
#undef NUMBER
#undef TEXT

static bool
set_number(long *out, const char *value)
{
    long number = 0;
    if (*value == '\0')
        return false;
    for (; *value != '\0'; value++) {
        if (!isdigit((unsigned char)*value) || number > WISH_NUMBER_MAX)
            return false;
        number = number * 10 + (*value - '0');
    }
    *out = number;
    return true;
}

static bool
set(struct model_wishes *wishes, const struct wish *wish, const char *value)
{
    void *member = (char *)wishes + wish->offset;
    if (wish->kind == WISH_NUMBER)
        return value != NULL && set_number(member, value);
    if (wish->kind == WISH_FLAG) {
        *(bool *)member = true;
        return value == NULL;
    }
    if (value == NULL || strlen(value) >= WISH_TEXT_MAX)
        return false;
    memcpy(member, value, strlen(value) + 1);
    return true;
}

bool
model_wish(struct model_wishes *wishes, const char *text)
{
    size_t name = strcspn(text, "=");
    const char *value = text[name] == '=' ? text + name + 1 : NULL;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strlen(table[i].name) == name &&
            strncmp(table[i].name, text, name) == 0)
            return set(wishes, &table[i], value);
    return false;
}

void
model_wishes_in(struct model_wishes *wishes, const char *text)
{
    static const char label[] = "rehearsal:";
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        const char *next = line[len] == '\n' ? line + len + 1 : line + len;
        const char *end = line + len;
        line += strspn(line, " \t-*");
        if (line < end && strncasecmp(line, label, strlen(label)) == 0) {
            char wish[WISH_TEXT_MAX];
            line += strlen(label);
            line += strspn(line, " \t");
            while (end > line && isspace((unsigned char)end[-1]))
                end--;
            (void)snprintf(wish, sizeof(wish), "%.*s",
                end > line ? (int)(end - line) : 0, line);
            (void)model_wish(wishes, wish);
        }
        line = next;
    }
}
