/* SPDX-License-Identifier: Apache-2.0
 * The server's sockets, found through /proc: civetweb hands out none, and
 * without them a slow body cannot be bounded, a client that hung up is
 * noticed late, and a stop takes seconds. */
#ifndef CONTROL_HTTP_SOCKETS_H
#define CONTROL_HTTP_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

/* The accepted socket of that client on our port, or -1. It stays ours as
 * long as its connection is being served. */
int sockets_find(const char *remote_addr, int remote_port, int port);

/* shutdown(2) for the connections of our port, or for its listeners. */
void sockets_shutdown(int port, bool listeners, int how);

/* Waits at most wait_ms for bytes to read; how many there are. 0: none in
 * time; -1: the connection is at its end. */
int64_t sockets_readable(int fd, int wait_ms);

/* Looks for at most wait_ms whether the other side hung up. fd may be -1:
 * then it only waits. */
bool sockets_hung_up(int fd, int wait_ms);

#endif
