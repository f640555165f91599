/* SPDX-License-Identifier: Apache-2.0
 * One table for the options, one place for their defaults. */
#include "dataplane/options.h"

#include "common/cleanup.h"
#include "common/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPACITY_MAX = 10000, JOURNAL_MB_MAX = 1024 * 1024, MIB = 1024 * 1024 };

struct raw {
    const char *data_dir;
    const char *listen;
    const char *workspaces;
    const char *socket;
    const char *network;
    const char *pki_dir;
    const char *host_name;
    const char *capacity;
    const char *journal_mb;
};

static const char epilog[] =
    "Environment (an option wins over it):\n"
    "  RISOLUTO_DATAPLANE_LISTEN  --listen\n"
    "  RISOLUTO_WORKSPACES        --workspace-root\n"
    "  RISOLUTO_WORKER_NETWORK    --network\n"
    "  RISOLUTO_PKI_DIR           --pki-dir\n"
    "  DATA_DIR                   --data-dir\n"
    "  LOG_LEVEL                  error, warn, info or debug\n"
    "  RISOLUTO_LOG_FORMAT        logfmt or json\n"
    "\n"
    "Without a Docker Engine it serves all the same, says so to the control\n"
    "plane, and takes no work until the engine answers.\n"
    "Exit code: 0 after SIGTERM or SIGINT, 1 when it could not serve.\n";

static int
read_command_line(struct raw *raw, int argc, char **argv, struct err *err)
{
    const struct cli_option table[] = {
        {"data-dir", "DIR", "the journal's folder (.risoluto/dataplane)",
            &raw->data_dir},
        {"listen", "URL",
            "address for the control plane (tls+tcp://127.0.0.1:9100)",
            &raw->listen},
        {"workspace-root", "DIR",
            "folder of the workspaces (../risoluto-workspaces)",
            &raw->workspaces},
        {"docker-socket", "PATH",
            "the Docker Engine's socket (/var/run/docker.sock)", &raw->socket},
        {"network", "NAME",
            "Docker network of workers, where the dispatch names none "
            "(risoluto-internal)",
            &raw->network},
        {"pki-dir", "DIR",
            "ca.crt, dataplane.crt and dataplane.key (DATA_DIR/pki)",
            &raw->pki_dir},
        {"capacity", "N", "attempts at a time (10)", &raw->capacity},
        {"host-name", "NAME", "how it calls itself (this machine's name)",
            &raw->host_name},
        {"journal-max-mb", "N",
            "most MiB of events that wait for the control plane (1024)",
            &raw->journal_mb},
    };
    const struct cli cli = {.program = "risoluto-dataplane",
        .summary = "runs coding agents in Docker containers on this host",
        .usage = "[OPTIONS]",
        .options = table,
        .count = ARRAY_LEN(table),
        .epilog = epilog};
    int rest = argc;

    if (cli_parse(&cli, argc, argv, &rest, err) != 0)
        return -1;
    if (rest < argc)
        return err_set(err, ERR_INVALID, "unexpected argument: %s (see --help)",
            argv[rest]);
    return 0;
}

static const char *
choose(const char *option, const char *variable, const char *fallback)
{
    const char *value = option;

    if (value == NULL && variable != NULL)
        value = getenv(variable);
    return value != NULL && value[0] != '\0' ? value : fallback;
}

static int
choose_number(const char *name, const char *text, int64_t max, int64_t *out,
    struct err *err)
{
    char *end = NULL;

    errno = 0;
    *out = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *out < 1 || *out > max)
        return err_set(err, ERR_INVALID,
            "--%s must be a whole number from 1 to %lld, not \"%s\"", name,
            (long long)max, text);
    return 0;
}

static int
choose_pki(struct options *out, const char *option, struct err *err)
{
    const char *dir = choose(option, "RISOLUTO_PKI_DIR", NULL);
    int n = dir != NULL
                ? snprintf(out->pki_dir, sizeof(out->pki_dir), "%s", dir)
                : snprintf(out->pki_dir, sizeof(out->pki_dir), "%s/pki",
                      out->data_dir);

    if (n < 0 || (size_t)n >= sizeof(out->pki_dir))
        return err_set(err, ERR_INVALID, "--pki-dir is too long");
    return 0;
}

static int
choose_host(struct options *out, const char *option, struct err *err)
{
    if (option == NULL) {
        if (gethostname(out->host_name, sizeof(out->host_name)) != 0)
            return err_sys(err, "this machine's name");
        out->host_name[sizeof(out->host_name) - 1] = '\0';
        return 0;
    }
    if (option[0] == '\0' || strlen(option) >= sizeof(out->host_name))
        return err_set(err, ERR_INVALID, "--host-name must have 1 to %d bytes",
            OPTIONS_HOST_SIZE - 1);
    snprintf(out->host_name, sizeof(out->host_name), "%s", option);
    return 0;
}

int
options_parse(struct options *out, int argc, char **argv, struct err *err)
{
    struct raw raw = {0};

    *out = (struct options){.data_dir = NULL};
    if (read_command_line(&raw, argc, argv, err) != 0)
        return -1;
    out->data_dir = choose(raw.data_dir, "DATA_DIR", ".risoluto/dataplane");
    out->listen = choose(
        raw.listen, "RISOLUTO_DATAPLANE_LISTEN", "tls+tcp://127.0.0.1:9100");
    out->workspace_root =
        choose(raw.workspaces, "RISOLUTO_WORKSPACES", "../risoluto-workspaces");
    out->docker_socket = choose(raw.socket, NULL, "/var/run/docker.sock");
    out->network = choose(raw.network, "RISOLUTO_WORKER_NETWORK",
        choose(NULL, "RISOLUTO_NETWORK", "risoluto-internal"));
    if (choose_number("capacity", choose(raw.capacity, NULL, "10"),
            CAPACITY_MAX, &out->capacity, err) != 0 ||
        choose_number("journal-max-mb", choose(raw.journal_mb, NULL, "1024"),
            JOURNAL_MB_MAX, &out->journal_max_bytes, err) != 0 ||
        choose_pki(out, raw.pki_dir, err) != 0)
        return -1;
    out->journal_max_bytes *= MIB;
    return choose_host(out, raw.host_name, err);
}
