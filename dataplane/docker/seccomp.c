/* SPDX-License-Identifier: Apache-2.0
 * The profile's bytes, taken in by the assembler: one file is the source for
 * us and for an operator who passes it to the engine himself. */
#include "dataplane/docker/seccomp.h"

__asm__(".pushsection .rodata, \"a\", @progbits\n"
        ".global seccomp_profile_json\n"
        ".type seccomp_profile_json, @object\n"
        "seccomp_profile_json:\n"
        ".incbin \"deploy/seccomp-risoluto.json\"\n"
        ".byte 0\n"
        ".size seccomp_profile_json, . - seccomp_profile_json\n"
        ".popsection\n");
