/* SPDX-License-Identifier: Apache-2.0
 * docs/configuration.md says what the table of keys says. With
 * RISOLUTO_UPDATE_DOCS set it is rewritten instead (`make docs`). */
#include "control/config/doc.h"

#include "common/file.h"
#include "control/config/keys.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 256 * 1024 };

static const char page[] = "docs/configuration.md";

Test(doc, the_page_of_the_configuration_is_current)
{
    struct err err = ERR_INIT;
    struct buf wanted;
    struct buf found;
    buf_init(&wanted, PAGE_MAX);
    buf_init(&found, PAGE_MAX);
    doc_configuration(&wanted);
    cr_assert_eq(buf_check(&wanted, &err), 0);
    if (getenv("RISOLUTO_UPDATE_DOCS") != NULL)
        cr_assert_eq(
            file_write_atomic(page, wanted.data, wanted.len, 0644, &err), 0,
            "%s", err.message);
    cr_assert_eq(file_read(page, &found, &err), 0, "%s", err.message);
    cr_expect(strcmp(buf_str(&wanted), buf_str(&found)) == 0,
        "%s is stale: run `make docs`", page);
    buf_free(&wanted);
    buf_free(&found);
}

Test(doc, every_key_has_its_row)
{
    struct buf text;
    buf_init(&text, PAGE_MAX);
    doc_configuration(&text);
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        char cell[KEYS_PATH_MAX + 8];
        (void)snprintf(cell, sizeof(cell), "\n| `%s` |", keys_at(i)->path);
        cr_expect_not_null(strstr(buf_str(&text), cell), "%s", cell);
    }
    buf_free(&text);
}
