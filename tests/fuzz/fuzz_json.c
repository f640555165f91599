/* SPDX-License-Identifier: Apache-2.0
 * Whatever the reader accepts, the writer writes such that it reads back as
 * the same; the reader never crashes and never accepts what cJSON does not. */
#include "common/cleanup.h"
#include "common/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { TEXT_MAX = 64 * 1024, OUT_MAX = 16 * TEXT_MAX };

static void
write_node(struct buf *out, const struct json *root)
{
    struct jw w;
    buf_init(out, OUT_MAX);
    jw_init(&w, out);
    jw_node(&w, NULL, root);
    if (out->failed)
        abort();
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct err err = ERR_INIT;
    AUTO(json_free_ptr)
    struct json *root = json_parse((const char *)data, size, TEXT_MAX, &err);
    if (root == NULL) {
        if (err.code != ERR_INVALID && err.code != ERR_TOO_LARGE)
            abort();
        return 0;
    }
    AUTO(buf_free) struct buf first = {0};
    AUTO(buf_free) struct buf second = {0};
    write_node(&first, root);
    AUTO(json_free_ptr)
    struct json *back = json_parse(first.data, first.len, first.len, &err);
    if (back == NULL)
        abort();
    write_node(&second, back);
    if (strcmp(buf_str(&first), buf_str(&second)) != 0)
        abort();
    return 0;
}
