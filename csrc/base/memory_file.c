/* memory_file.c: a file in memory that can be executed, and sealed for good.
 * In: a name for people.  Out: a descriptor.  Never: a file a container could write: its root
 * owns whatever the caller owns.  Source: memfd_create(2), F_ADD_SEALS. */
#include "base/memory_file.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    MEMFD_CLOEXEC = 1,
    MEMFD_ALLOW_SEALING = 2,
    MEMFD_EXEC = 0x10,
    ADD_SEALS = 1033,
    GET_SEALS = 1034,
    SEALS_ALL = 0x0f, /* seal, shrink, grow, write */
};

int prl_memory_file_open(const char *name)
{
    unsigned flags = MEMFD_CLOEXEC | MEMFD_ALLOW_SEALING;
    int fd = (int)syscall(SYS_memfd_create, name, flags | MEMFD_EXEC);
    if (fd < 0 && errno == EINVAL) /* FALLBACK: remove when kernel >= 6.3 is required */
        fd = (int)syscall(SYS_memfd_create, name, flags);
    return fd;
}

int prl_memory_file_seal(int fd)
{
    return fcntl(fd, ADD_SEALS, SEALS_ALL);
}

bool prl_memory_file_is_sealed(int fd)
{
    int seals = fcntl(fd, GET_SEALS); /* EINVAL: not a file in memory */
    return seals >= 0 && (seals & SEALS_ALL) == SEALS_ALL;
}
