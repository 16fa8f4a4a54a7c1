/* pass.h: bytes and descriptors in one message of a socket.
 * In: a connected Unix socket.  Out: as sendmsg(2) and recvmsg(2) answer, begun again after a
 * signal.  Never: SIGPIPE, an inheritable descriptor, memory of its own.
 * Source: unix(7), cmsg(3). */
#pragma once

#include "base/sys.h"

#include <sys/uio.h>
#include <sys/un.h>

/* So many descriptors fit into one message. */
enum { PRL_PASS_FDS = 8 };

/* Those below zero are left out.  Returns how many bytes went, -1 and errno. */
ssize_t prl_pass_send(int socket_fd, const struct iovec *parts, size_t parts_len,
                      const int *fds, size_t fds_len) PRL_CHILD_SAFE;
/* The address of a socket by its directory: that one's own path may be longer than an address.
 */
int prl_pass_address(int dir_fd, const char *name, struct sockaddr_un *ret);
/* *ret_fd: the descriptor that came along; -1: none.  0: the other end is gone, perhaps without
 * having read what it was sent. */
ssize_t prl_pass_receive(int socket_fd, void *buf, size_t size, int *ret_fd);
