/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a bundle: whatever is taken lies inside the bytes. */
#include "dataplane/init/bundle.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct bundle *bundle, const char *bytes, size_t size)
{
    for (size_t i = 0; i < bundle->file_count; i++) {
        const struct bundle_file *file = &bundle->files[i];

        if (file->data < bytes || file->data + file->len > bytes + size ||
            file->path[0] == '/' || strstr(file->path, "/../") != NULL ||
            strncmp(file->path, "../", 3) == 0)
            abort();
    }
    for (size_t i = 0; i < bundle->command.argc; i++) {
        const char *argument = bundle->command.argv[i];

        if (argument < bytes || argument + strlen(argument) >= bytes + size)
            abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bundle bundle;
    const char *why = NULL;
    char *bytes = malloc(size > 0 ? size : 1);

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    if (bundle_parse(bytes, size, &bundle, &why) == 0)
        check(&bundle, bytes, size);
    else if (why == NULL)
        abort();
    free(bytes);
    return 0;
}
