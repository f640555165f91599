/* SPDX-License-Identifier: Apache-2.0
 * Child processes by clone(CLONE_VM | CLONE_VFORK): unlike fork it is safe in
 * a process with threads, and unlike posix_spawn it can change the user. */
#include "common/proc.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { CHILD_STACK = 64 * 1024, CHUNK = 8192 };

/* What the child needs; it shares our memory until it executes. */
struct child {
    const struct proc_options *options;
    const char *path;
    int in;
    int out;
    int error; /* its errno when it could not execute */
    const char *step;
};

/* ---- in the child: async-signal-safe calls only, no allocation ---- */

static int
child_failed(struct child *child, const char *step)
{
    child->error = errno;
    child->step = step;
    return -1;
}

/* Ignored signals stay ignored through exec, so they are reset. */
static void
child_reset_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &action, NULL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The bare system calls: glibc's wrappers would signal every thread of the
 * parent to change its user too. */
static int
child_become(const struct proc_options *options)
{
    if (options->uid == (uid_t)-1)
        return 0;
    /* Without privilege the only user there is to become is ourselves. */
    if (geteuid() != 0 && options->uid == geteuid())
        return 0;
    if (syscall(SYS_setgroups, 0, NULL) != 0)
        return -1;
    gid_t gid = options->gid;
    if (gid != (gid_t)-1 && syscall(SYS_setresgid, gid, gid, gid) != 0)
        return -1;
    uid_t uid = options->uid;
    return (int)syscall(SYS_setresuid, uid, uid, uid);
}

static int
child_setup(struct child *child)
{
    const struct proc_options *options = child->options;
    child_reset_signals();
    if (setpgid(0, 0) != 0)
        return child_failed(child, "make a process group for");
    if (dup2(child->in, 0) < 0 || dup2(child->out, 1) < 0 ||
        dup2(child->out, 2) < 0 || syscall(SYS_close_range, 3, ~0U, 0) != 0)
        return child_failed(child, "set up the files of");
    if (child_become(options) != 0)
        return child_failed(child, "change the user for");
    if (options->cwd != NULL && chdir(options->cwd) != 0)
        return child_failed(child, "enter the folder for");
    /* After the change of user, which would clear it. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return 0;
}

/* execve's prototype is older than const. */
static char *const *
unconst(const char *const *list)
{
    char *const *same;
    memcpy(&same, &list, sizeof(same));
    return same;
}

static int
child_main(void *arg)
{
    struct child *child = arg;
    static const char *const empty[] = {NULL};
    if (child_setup(child) == 0) {
        const char *const *env = child->options->env;
        (void)execve(child->path, unconst(child->options->argv),
            unconst(env != NULL ? env : empty));
        (void)child_failed(child, "run");
    }
    return 127; /* ends the child: clone's wrapper exits with it */
}

/* ---- in the parent ---- */

static bool
is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           access(path, X_OK) == 0;
}

/* The program's path: as it is when it has a slash, else by our PATH. */
static int
find_program(const char *name, char out[PATH_MAX], struct err *err)
{
    if (strchr(name, '/') != NULL) {
        size_t len = strlen(name);
        if (len >= PATH_MAX)
            return err_set(err, ERR_INVALID, "a program's path is too long");
        memcpy(out, name, len + 1);
        return 0;
    }
    const char *at = getenv("PATH");
    if (at == NULL)
        at = "/usr/local/bin:/usr/bin:/bin";
    while (*at != '\0') {
        size_t len = strcspn(at, ":");
        int n = snprintf(out, PATH_MAX, "%.*s/%s", (int)len, at, name);
        if (len > 0 && n > 0 && n < PATH_MAX && is_program(out))
            return 0;
        at += len + (at[len] == ':' ? 1 : 0);
    }
    return err_set(err, ERR_NOT_FOUND,
        "the program %s is not installed (not found in PATH)", name);
}

/* Starts the child; its pid and a pidfd for it. */
static int
start(struct child *child, pid_t *pid, int *pidfd, struct err *err)
{
    void *stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return err_no_memory(err);
    /* No handler of ours may run in the child, on our memory. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    *pid = clone(child_main, (char *)stack + CHILD_STACK,
        CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, child, pidfd);
    int saved = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)munmap(stack, CHILD_STACK);
    errno = saved;
    if (*pid < 0)
        return err_sys(err, "cannot start %s", child->path);
    if (child->error == 0)
        return 0;
    (void)waitpid(*pid, NULL, 0);
    (void)close(*pidfd);
    errno = child->error;
    return err_sys(err, "cannot %s %s", child->step, child->path);
}

/* Reads what is there. false at the end of the output. */
static bool
drain(int fd, struct buf *out)
{
    char chunk[CHUNK];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN;
        if (got == 0)
            return false;
        /* What fits first, so that the beginning is whole. */
        size_t room = out->max - out->len;
        size_t fits = (size_t)got < room ? (size_t)got : room;
        buf_append(out, chunk, fits);
        buf_append(out, chunk + fits, (size_t)got - fits);
    }
}

/* Collects output until the child ended, its time is over (timed_out), or it
 * is not wanted any more (cancelled). */
static void
follow(int pidfd, int fd, struct buf *out, const struct proc_options *options,
    struct proc_result *result)
{
    int64_t timeout_ms = options->timeout_ms;
    int64_t deadline = clock_mono_ms() + timeout_ms;
    struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN},
        {.fd = fd, .events = POLLIN},
        {.fd = options->cancel_fd > 0 ? options->cancel_fd : -1,
            .events = POLLIN}};
    for (;;) {
        int64_t left = timeout_ms > 0 ? deadline - clock_mono_ms() : 60000;
        if (left <= 0) {
            result->timed_out = 1;
            return;
        }
        int wait = left < 60000 ? (int)left : 60000;
        if (poll(fds, ARRAY_LEN(fds), wait) <= 0)
            continue; /* EINTR, or the loop sees the deadline */
        if (fds[1].revents != 0 && !drain(fd, out))
            fds[1].fd = -1;
        if (fds[0].revents != 0)
            return;
        if (fds[2].revents != 0) {
            result->cancelled = 1;
            return;
        }
    }
}

/* Kills what is left of the group, and reaps the child. The child is still a
 * zombie when the group is killed: its number cannot be anybody else's. */
static int
finish(pid_t pid, struct proc_result *result, struct err *err)
{
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    (void)kill(-pid, SIGKILL);
    while (waitid(P_PID, (id_t)pid, &info, WEXITED) != 0) {
        if (errno != EINTR)
            return err_sys(err, "cannot wait for a child process");
    }
    bool exited = info.si_code == CLD_EXITED;
    result->exit_code = exited ? info.si_status : -1;
    result->signal = exited ? 0 : info.si_status;
    return 0;
}

/* Descriptors 0 to 2 are the child's: ours must be above them. */
static int
above_stdio(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    (void)close(fd);
    return moved;
}

int
proc_run(const struct proc_options *options, struct buf *out,
    struct proc_result *result, struct err *err)
{
    *result = (struct proc_result){.exit_code = -1};
    char path[PATH_MAX];
    if (find_program(options->argv[0], path, err) != 0)
        return -1;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, "cannot make a pipe");
    AUTO_CLOSE int output = above_stdio(ends[0]);
    AUTO_CLOSE int input_end = above_stdio(ends[1]);
    AUTO_CLOSE int null = above_stdio(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (output < 0 || input_end < 0 || null < 0 ||
        fcntl(output, F_SETFL, O_NONBLOCK) != 0)
        return err_sys(err, "cannot set up the files of a child process");
    struct child child = {
        .options = options, .path = path, .in = null, .out = input_end};
    pid_t pid = -1;
    int started_fd = -1;
    if (start(&child, &pid, &started_fd, err) != 0)
        return -1;
    AUTO_CLOSE int pidfd = started_fd;
    (void)close(cleanup_steal_fd(&input_end));
    follow(pidfd, output, out, options, result);
    int rc = finish(pid, result, err);
    (void)drain(output, out);
    return rc;
}
