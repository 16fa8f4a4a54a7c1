/* init.c (step): the small init, or the gate, in a sealed memory file.
 * In: the bytes built from csrc/init.  Out: a descriptor to execute.
 * Never: a file a container could write: its root owns whatever the caller owns.  Source:
 * memfd_create(2), F_ADD_SEALS. */
#include "steps/init.h"

#include "base/io.h"
#include "base/own.h"
#include "prl_gate_blob.h"
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

static int open_sealed(const char *name, const unsigned char *bytes, unsigned len,
                       struct prl_error *reterr)
{
    unsigned flags = MEMFD_CLOEXEC | MEMFD_ALLOW_SEALING;
    _cleanup_close_ int fd = (int)syscall(SYS_memfd_create, name, flags | MEMFD_EXEC);
    if (fd < 0 && errno == EINVAL) /* FALLBACK: remove when kernel >= 6.3 is required */
        fd = (int)syscall(SYS_memfd_create, name, flags);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_EXEC, "memfd_create", name);
    int r = prl_io_write_all(fd, bytes, len);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_EXEC, -r, "write", name);
    if (fcntl(fd, ADD_SEALS, SEALS_ALL) < 0)
        return prl_fail(reterr, PRL_STAGE_EXEC, "fcntl F_ADD_SEALS", name);
    return steal_fd(&fd);
}

int prl_init_open(struct prl_error *reterr)
{
    return open_sealed("init", prl_init_blob, prl_init_blob_len, reterr);
}

int prl_gate_open(struct prl_error *reterr)
{
    return open_sealed("gate", prl_gate_blob, prl_gate_blob_len, reterr);
}
