/* journal.c: see journal.h.
 * In, out: as there.  Never: as there.
 * Source: systemd's "Native Journal Protocol"; the names are those of docker's driver. */
#include "container/log/journal.h"

#include "base/own.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ROOM_BYTES = 1 << 20 };

int prl_log_journal_open(struct prl_log *log)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX,
                                        .sun_path = "/run/systemd/journal/socket"};
    const int room = ROOM_BYTES;
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    log->fd = steal_fd(&fd);
    return 0;
}

bool prl_log_journal_send(const struct prl_log *log, const struct prl_log_line *line)
{
    const struct prl_log_owner *owner = &log->owner;
    const char *name = owner->name ? owner->name : owner->id;
    char fields[1024];
    int n = snprintf(fields, sizeof fields,
                     "PRIORITY=%d\nCONTAINER_ID=%.12s\nCONTAINER_ID_FULL=%.64s\n"
                     "CONTAINER_NAME=%.128s\nCONTAINER_TAG=%.12s\nSYSLOG_IDENTIFIER=%.12s\n"
                     "IMAGE_NAME=%.256s\n%sMESSAGE\n",
                     line->stream == 2 ? 3 : 6, owner->id, owner->id, name, owner->id,
                     owner->id, owner->image ? owner->image : "",
                     line->whole ? "" : "CONTAINER_PARTIAL_MESSAGE=true\n");
    uint64_t len = htole64(line->len);
    const struct iovec parts[] = {{fields, (size_t)n},
                                  {&len, sizeof len},
                                  {(void *)(uintptr_t)line->bytes, line->len},
                                  {"\n", 1}};
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                   .msg_iovlen = sizeof parts / sizeof *parts};
    return sendmsg(log->fd, &message, MSG_NOSIGNAL) >= 0;
}
