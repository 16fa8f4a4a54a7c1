/* driver.c: who puts the layers together: the kernel's overlay or fuse-overlayfs.
 * In: --storage-driver; a spec whose overlay the kernel refused.  Out: rootfs.driver and
 * rootfs.fuse_program.  Never: a copy of the layers; a driver other than the
 * one asked for. */
#include "config/parts.h"

#include "base/error.h"
#include "base/process/helper.h"

#include <errno.h>
#include <string.h>

static int find_program(struct prl_merge *m, char path[64])
{
    if (prl_helper_find("fuse-overlayfs", path))
        return 0;
    return prl_config_bad(m, ENOPKG, "--storage-driver",
                          "fuse-overlayfs is not installed (package fuse-overlayfs)");
}

static int take_fuse(struct prl_merge *m)
{
    char path[64];
    int r = find_program(m, path);
    if (r < 0)
        return r;
    m->spec->rootfs.driver = PRL_DRIVER_FUSE;
    m->spec->rootfs.fuse_program = prl_config_copy(m, path);
    return 0;
}

int prl_config_storage_driver(struct prl_merge *m)
{
    const char *text = prl_options_get(m->options, "storage-driver");
    bool fuse = text && strcmp(text, "fuse-overlayfs") == 0;

    m->spec->rootfs.driver = PRL_DRIVER_UNSAID;
    m->spec->rootfs.fuse_program = NULL;
    if (text && !fuse && strcmp(text, "overlay") != 0 && strcmp(text, "auto") != 0)
        return prl_config_bad(m, EINVAL, "--storage-driver",
                              "\"%.60s\" is no driver: overlay, fuse-overlayfs or auto", text);
    if (m->spec->rootfs.upper == PRL_UPPER_NONE)
        return 0; /* a directory as it is: nothing to put together */
    if (text && strcmp(text, "overlay") == 0)
        m->spec->rootfs.driver = PRL_DRIVER_OVERLAY;
    return fuse ? take_fuse(m) : 0;
}

/* Exactly the failure of that one mount, in the ways a kernel says that it will not do it:
 * EPERM (before 5.11, or a security module), ENODEV (no overlay), EINVAL (not this upper). */
static bool is_refusal(const struct prl_error *error)
{
    return error->stage == PRL_STAGE_ROOTFS && strcmp(error->syscall, "mount") == 0 &&
           strcmp(error->subject, "overlay") == 0 &&
           (error->errnum == EPERM || error->errnum == ENODEV || error->errnum == EINVAL);
}

bool prl_config_may_fall_back(const struct prl_error *error)
{
    char path[64];
    return is_refusal(error) && prl_helper_find("fuse-overlayfs", path);
}

int prl_config_fall_back(struct prl_spec *spec, struct prl_error *reterr)
{
    return prl_config_run(spec, NULL, NULL, take_fuse, reterr);
}
