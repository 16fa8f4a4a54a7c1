/* init.c (step): the small init, or the start barrier, in a sealed memory file.
 * In: the bytes built from csrc/init.  Out: a descriptor to execute.
 * Never: a file that a container could write. */
#include "launch/steps/setup.h"

#include "base/io.h"
#include "base/memory_file.h"
#include "base/own.h"
#include "prl_barrier_blob.h"
#include "prl_pid1_blob.h"

static int open_sealed(const char *name, const unsigned char *bytes, unsigned len,
                       struct prl_error *reterr)
{
    _cleanup_close_ int fd = prl_memory_file_open(name);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_EXEC, "memfd_create", name);
    int r = prl_io_write_all(fd, bytes, len);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_EXEC, -r, "write", name);
    if (prl_memory_file_seal(fd) < 0)
        return prl_fail(reterr, PRL_STAGE_EXEC, "fcntl F_ADD_SEALS", name);
    return steal_fd(&fd);
}

int prl_init_open(struct prl_error *reterr)
{
    return open_sealed("init", prl_pid1_blob, prl_pid1_blob_len, reterr);
}

int prl_barrier_open(struct prl_error *reterr)
{
    return open_sealed("barrier", prl_barrier_blob, prl_barrier_blob_len, reterr);
}
