/* SPDX-License-Identifier: Apache-2.0
 * nursery REPORT COMMAND..: runs a test and adopts whatever it leaves behind,
 * in whatever session: names it in REPORT, then kills it. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_TICKS = 20, TICK_MS = 25, EXIT_BROKEN = 125 };

static void
tick(void)
{
    struct timespec time = {.tv_nsec = TICK_MS * 1000000L};

    (void)nanosleep(&time, NULL);
}

/* The parent and the name of a process; false when it is gone or over. */
static bool
read_stat(const char *pid, long *parent, char name[32])
{
    char path[64];
    char line[512] = "";
    char state = 'Z';

    (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    char *got = fgets(line, sizeof(line), file);
    (void)fclose(file);
    char *open = strchr(line, '(');
    char *close = strrchr(line, ')');
    if (got == NULL || open == NULL || close == NULL || close < open)
        return false;
    (void)snprintf(name, 32, "%.*s", (int)(close - open - 1), open + 1);
    return sscanf(close + 1, " %c %ld", &state, parent) == 2 && // NOLINT
           state != 'Z';
}

/* Calls visit for each living child; returns how many there are. */
static int
each_child(void (*visit)(pid_t, const char *, FILE *), FILE *report)
{
    int count = 0;
    DIR *proc = opendir("/proc");

    if (proc == NULL)
        return 0;
    for (struct dirent *entry = readdir(proc); entry != NULL;
         entry = readdir(proc)) {
        long parent = 0;
        char name[32];
        long pid = strtol(entry->d_name, NULL, 10);

        if (pid <= 0 || !read_stat(entry->d_name, &parent, name) ||
            parent != (long)getpid())
            continue;
        count++;
        if (visit != NULL)
            visit((pid_t)pid, name, report);
    }
    (void)closedir(proc);
    return count;
}

static void
report_and_kill(pid_t pid, const char *name, FILE *report)
{
    (void)fprintf(report, "%s\n", name);
    (void)kill(pid, SIGKILL);
}

static void
reap(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* What is about to end by itself may do so. A killed one's children become
 * ours in turn. */
static void
clear_up(FILE *report)
{
    for (int i = 0; i < GRACE_TICKS && each_child(NULL, NULL) > 0; i++) {
        tick();
        reap();
    }
    while (each_child(report_and_kill, report) > 0) {
        tick();
        reap();
    }
}

static int
wait_for(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_BROKEN;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int
main(int argc, char **argv)
{
    if (argc < 3 || prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) != 0)
        return EXIT_BROKEN;
    FILE *report = fopen(argv[1], "we");
    if (report == NULL)
        return EXIT_BROKEN;
    pid_t child = fork();
    if (child < 0)
        return EXIT_BROKEN;
    if (child == 0) {
        (void)setsid();
        (void)execvp(argv[2], argv + 2);
        _exit(127);
    }
    int status = wait_for(child);
    clear_up(report);
    (void)fclose(report);
    return status;
}
