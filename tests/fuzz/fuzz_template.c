/* SPDX-License-Identifier: Apache-2.0
 * Any text as a prompt template, over a fixed issue. */
#include "control/config/template.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char variables[] =
    "{\"issue\":{\"title\":\"t\",\"labels\":[\"a\",\"b\"],\"x\":null,\"n\":2},"
    "\"attempt\":1}";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    char *text = strndup((const char *)data, size);
    struct json *root = json_parse(variables, strlen(variables), 4096, &err);
    struct buf out;
    buf_init(&out, 65536);
    if (text != NULL && root != NULL)
        (void)template_render(text, root, &out, &err);
    buf_free(&out);
    json_free(root);
    free(text);
    return 0;
}
