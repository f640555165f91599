/* SPDX-License-Identifier: Apache-2.0
 * Did the kernel kill something in this container for want of memory? The
 * engine learns of it by a notice that a quick exit outruns; the container's
 * own counter does not lie. */
#ifndef DATAPLANE_INIT_OOM_H
#define DATAPLANE_INIT_OOM_H

#include <stdbool.h>

/* True when a cgroup's counter, under root ("/sys/fs/cgroup"), is not 0. */
bool oom_happened(const char *root);

#endif
