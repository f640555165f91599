/* SPDX-License-Identifier: Apache-2.0
 * deploy/seccomp-risoluto.json as it was when this was built. */
#ifndef DATAPLANE_DOCKER_SECCOMP_H
#define DATAPLANE_DOCKER_SECCOMP_H

/* NUL-terminated JSON: the engine's default profile for a container without
 * capabilities, and the calls that Codex's own sandbox needs. */
extern const char seccomp_profile_json[];

#endif
