/* fuse.c: fuse-overlayfs as the container's "/", where the kernel's overlay cannot be used.
 * In: the prepared mount options.  Out: a FUSE mount on root.path that the parent's server
 * answers (launch/serve/fuse.c).
 * Never: the server in this mount namespace: it would keep the mount, and the mount would keep
 * it.
 *
 * The descriptor must be opened here: the kernel wants the opener's user namespace to be the
 * mount's.  Source: mount.fuse3(8), the kernel's fs/fuse/inode.c. */
#include "launch/steps/setup.h"

#include "base/own.h"
#include "launch/steps/handover.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { OPTIONS_BYTES = 160 };

static char *PRL_CHILD_SAFE append(char *end, const char *text)
{
    size_t len = strlen(text);
    memcpy(end, text, len + 1);
    return end + len;
}

int PRL_CHILD_SAFE prl_fuse_mount(struct prl_setup *s, struct prl_error *reterr)
{
    const struct prl_rootfs *root = &s->spec->rootfs;
    char options[OPTIONS_BYTES];
    if (!root->fuse_program)
        return 0;
    _cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_FUSE, "open", "/dev/fuse");
    /* What fuse-overlayfs itself would ask for: every id of the container may come in, and the
     * kernel checks modes. */
    char number[24];
    char *end = append(options, "fd=");
    end = append(end, prl_sys_decimal((uint64_t)fd, number));
    end = append(end, ",rootmode=40000,user_id=");
    end = append(end, prl_sys_decimal(geteuid(), number));
    end = append(end, ",group_id=");
    end = append(end, prl_sys_decimal(getegid(), number));
    append(end, ",allow_other,default_permissions");
    if (mount("fuse-overlayfs", root->path, "fuse.fuse-overlayfs", MS_NODEV, options) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount", "fuse-overlayfs");
    if (prl_handover_send(s->service_fd, PRL_HANDOVER_FUSE, fd, true) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "recv", "fuse-overlayfs");
    prl_close_p(&fd); /* or the end of the server would not be seen */
    /* The first question to the server shows whether it is there, or gone and why. */
    _cleanup_close_ int answered = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return answered < 0 ? prl_fail(reterr, PRL_STAGE_ROOTFS, "open", PRL_FUSE_NAME) : 0;
}
