/* init.c (step): the small init in a sealed memory file.
 * In: the bytes built from csrc/init/init.c.  Out: a descriptor to execute.
 * Never: a file a container could write: its root owns whatever the caller owns.  Source:
 * memfd_create(2), F_ADD_SEALS. */
#include "steps/init.h"

#include "base/io.h"
#include "base/own.h"
#include "prl_init_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    MEMFD_CLOEXEC = 1,
    MEMFD_ALLOW_SEALING = 2,
    MEMFD_EXEC = 0x10,
    ADD_SEALS = 1033,
    SEALS_ALL = 0x0f, /* seal, shrink, grow, write */
};

int prl_init_open(struct prl_error *reterr)
{
    unsigned flags = MEMFD_CLOEXEC | MEMFD_ALLOW_SEALING;
    _cleanup_close_ int fd = (int)syscall(SYS_memfd_create, "init", flags | MEMFD_EXEC);
    if (fd < 0 && errno == EINVAL) /* FALLBACK: remove when kernel >= 6.3 is required */
        fd = (int)syscall(SYS_memfd_create, "init", flags);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_EXEC, "memfd_create", "init");
    int r = prl_io_write_all(fd, prl_init_blob, prl_init_blob_len);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_EXEC, -r, "write", "init");
    if (fcntl(fd, ADD_SEALS, SEALS_ALL) < 0)
        return prl_fail(reterr, PRL_STAGE_EXEC, "fcntl F_ADD_SEALS", "init");
    return steal_fd(&fd);
}
