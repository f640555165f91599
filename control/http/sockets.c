/* SPDX-License-Identifier: Apache-2.0
 * The server's sockets, found through /proc. */
#include "control/http/sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Calls visit(fd, arg) for each socket bound to port until it says true;
 * returns that fd, or -1. */
static int
each_socket(int port, bool (*visit)(int fd, void *arg), void *arg)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry = NULL;
    int found = -1;

    if (dir == NULL)
        return -1;
    while (found < 0 && (entry = readdir(dir)) != NULL) {
        struct sockaddr_in local;
        socklen_t size = sizeof(local);
        char *end = NULL;
        long fd = strtol(entry->d_name, &end, 10);

        if (end == entry->d_name || fd == dirfd(dir))
            continue;
        memset(&local, 0, sizeof(local));
        if (getsockname((int)fd, (struct sockaddr *)&local, &size) == 0 &&
            local.sin_family == AF_INET && ntohs(local.sin_port) == port &&
            visit((int)fd, arg))
            found = (int)fd;
    }
    (void)closedir(dir);
    return found;
}

struct peer {
    struct in_addr address;
    int port;
};

static bool
is_peer(int fd, void *arg)
{
    const struct peer *peer = arg;
    struct sockaddr_in remote;
    socklen_t size = sizeof(remote);

    memset(&remote, 0, sizeof(remote));
    return getpeername(fd, (struct sockaddr *)&remote, &size) == 0 &&
           remote.sin_family == AF_INET &&
           ntohs(remote.sin_port) == peer->port &&
           remote.sin_addr.s_addr == peer->address.s_addr;
}

int
sockets_find(const char *remote_addr, int remote_port, int port)
{
    struct peer peer = {.port = remote_port};

    if (inet_pton(AF_INET, remote_addr, &peer.address) != 1)
        return -1;
    return each_socket(port, is_peer, &peer);
}

struct ending {
    bool listeners;
    int how;
};

static bool
end_socket(int fd, void *arg)
{
    const struct ending *ending = arg;
    int listening = 0;
    socklen_t size = sizeof(listening);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
        (listening != 0) == ending->listeners)
        (void)shutdown(fd, ending->how);
    return false;
}

void
sockets_shutdown(int port, bool listeners, int how)
{
    struct ending ending = {.listeners = listeners, .how = how};

    (void)each_socket(port, end_socket, &ending);
}

int64_t
sockets_readable(int fd, int wait_ms)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    int available = 0;

    if (poll(&pfd, 1, wait_ms) <= 0)
        return 0;
    if (ioctl(fd, FIONREAD, &available) != 0 || available <= 0)
        return -1;
    return available;
}

bool
sockets_hung_up(int fd, int wait_ms)
{
    struct pollfd pfd = {.fd = fd, .events = POLLRDHUP};

    return poll(&pfd, 1, wait_ms) > 0 &&
           (pfd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}
