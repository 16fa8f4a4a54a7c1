/* sockets.c: the most that the kernel may keep for the sockets of a box.
 * In: /proc/PID/net/sockstat of its network namespace, in which nobody else has a socket.
 * Out: bytes.
 * Never: what the buffers hold: the kernel does not tell it for AF_UNIX, and sockets in flight
 * or not yet accepted have no descriptor that could be asked.
 *
 * If there are more sockets than an ordinary program has, each counts as full.  A send is
 * billed net.core.wmem_default, which no box can change (setsockopt is without effect there).
 */
#include "base/io.h"
#include "sandbox/parts.h"

#include "container/monitor/exports.h"
#include <fcntl.h>
#include <stdio.h>

enum { ORDINARY = 256, SOCKET_BYTES = 212992 };

uint64_t prl_sandbox_sockets_bytes(pid_t pid)
{
    char path[64], text[256];
    unsigned sockets = 0;
    snprintf(path, sizeof path, "/proc/%d/net/sockstat", (int)pid);
    if (prl_io_read_text(AT_FDCWD, path, text, sizeof text) <= 0 ||
        sscanf(text, "sockets: used %u", &sockets) != 1 || sockets <= ORDINARY)
        return 0;
    return (uint64_t)sockets * SOCKET_BYTES;
}
