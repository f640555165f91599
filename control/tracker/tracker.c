/* SPDX-License-Identifier: Apache-2.0
 * From the configured kind to the tracker that it names. */
#include "control/tracker/tracker.h"

#include "control/config/config.h"

#include <string.h>

int
tracker_open(struct tracker *out, const struct config *config,
    struct store *store, struct err *err)
{
    *out = (struct tracker){0};
    if (strcmp(config->tracker_kind, "local") == 0)
        return tracker_local_open(out, store, err);
    if (strcmp(config->tracker_kind, "linear") == 0)
        return tracker_linear_open(out, config, err);
    return err_set(err, ERR_TRACKER_CONFIG,
        "tracker.kind \"%.32s\" is not supported; use local or linear",
        config->tracker_kind);
}

void
tracker_close(struct tracker *tracker)
{
    if (tracker->ops != NULL)
        tracker->ops->destroy(tracker->impl);
    *tracker = (struct tracker){0};
}
