/* SPDX-License-Identifier: Apache-2.0
 * WORKFLOW.md, from its bytes to a validated configuration. */
#include "control/config/validate.h"
#include "control/config/value.h"
#include "control/config/workflow.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
apply(const struct workflow *workflow)
{
    struct err err = ERR_INIT;
    struct config config = {0};
    struct layers layers = {.config = &config, .env = env_new()};
    if (layers.env != NULL && layers_defaults(&layers, &err) == 0 &&
        layers_file(&layers, "WORKFLOW.md", workflow->config, &err) == 0)
        (void)validate(&layers, &err);
    for (size_t i = 0; i < KEYS_COUNT; i++)
        value_clear(&config, keys_at(i));
    layers_release(&layers);
    env_free(layers.env);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct workflow workflow;
    if (workflow_parse(
            (const char *)data, size, "WORKFLOW.md", &workflow, &err) == 0)
        apply(&workflow);
    workflow_release(&workflow);
    return 0;
}
