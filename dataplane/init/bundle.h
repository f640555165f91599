/* SPDX-License-Identifier: Apache-2.0
 * The bundle that risoluto-init (PID 1 of a worker) reads from stdin, exactly
 * to its last byte; the bytes after it are Codex's.
 *
 *   RISOLUTO-BUNDLE 1 <bytes of the rest, decimal>\n
 *   F <mode, octal> <length> <path under CODEX_HOME>\n<length bytes>\n
 *   P <argument count> <time-out ms>\n  then per argument <length>\n<bytes>\n
 *   X <argument count>\n                then per argument <length>\n<bytes>\n
 *
 * F any number of times, then P at most once (the preflight command), then X
 * once (the command to run). Paths are relative, without "..", and at most
 * BUNDLE_PATH_MAX bytes. On stdout init writes one JSON line per step:
 *   {"risoluto_init":"ready"}
 *   {"risoluto_init":"preflight","ok":true|false,"ms":N,"exit_code":N}
 *                                  (exit_code 124: the time-out killed it)
 *   {"risoluto_init":"exec"}       from here on stdout is the command's
 *   {"risoluto_init":"failed","error":".."}
 *   {"risoluto_init":"oom"}        after the command was killed (137), when the
 *                                  container had run out of memory
 * Exit codes of its own: 125 bad bundle or system error, 126 preflight
 * failed, 127 command not found; else the command's (128+n for a signal). */
#ifndef DATAPLANE_INIT_BUNDLE_H
#define DATAPLANE_INIT_BUNDLE_H

#include <stddef.h>

enum {
    BUNDLE_BYTES_MAX = 1024 * 1024,
    BUNDLE_FILES_MAX = 64,
    BUNDLE_PATH_MAX = 255,
    BUNDLE_ARGS_MAX = 32
};

#define BUNDLE_MAGIC "RISOLUTO-BUNDLE 1 "

struct bundle_file {
    unsigned mode;
    char path[BUNDLE_PATH_MAX + 1];
    const char *data; /* into the parsed bytes */
    size_t len;
};

struct bundle_command {
    size_t argc;
    const char *argv[BUNDLE_ARGS_MAX + 1]; /* NUL-terminated copies */
    long timeout_ms;
};

struct bundle {
    struct bundle_file files[BUNDLE_FILES_MAX];
    size_t file_count;
    struct bundle_command preflight; /* argc 0: none */
    struct bundle_command command;
};

/* Parses the rest of a bundle (what follows the first line). `bytes` is
 * changed in place (arguments are NUL-terminated) and must outlive *out.
 * 0, or -1 with *why (a constant string). No allocation: init is small. */
int bundle_parse(char *bytes, size_t len, struct bundle *out, const char **why);

#endif
