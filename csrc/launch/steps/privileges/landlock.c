/* landlock.c: a second fence: whatever gets past the mount namespace still finds no file
 * outside
 * "/".
 * In: the new root, already entered.  Out: a domain that allows everything beneath "/" and the
 * standard streams, and nothing else: no other file tree, no mount call, no signal or abstract
 * socket out of the container.
 * Never: a failure where the kernel has no Landlock (doctor says so).  Source: landlock(7). */
#include "launch/steps/setup.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t PRL_CHILD_SAFE handled_access(int abi)
{
    uint64_t access = PRL_LANDLOCK_FS_ALL_ABI2;
    if (abi >= 3)
        access |= PRL_LANDLOCK_FS_TRUNCATE;
    if (abi >= 5)
        access |= PRL_LANDLOCK_FS_IOCTL_DEV;
    return access;
}

/* A file lent as a standard stream lies outside "/" and is opened again through /dev/stdout by
 * many programs. */
static int PRL_CHILD_SAFE allow_stream(int ruleset, int fd, uint64_t handled)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
        return 0; /* pipes and sockets are not the file system's */
    uint64_t access = PRL_LANDLOCK_FS_IOCTL_DEV;
    if ((flags & O_ACCMODE) != O_WRONLY)
        access |= PRL_LANDLOCK_FS_READ_FILE;
    if ((flags & O_ACCMODE) != O_RDONLY)
        access |= PRL_LANDLOCK_FS_WRITE_FILE | PRL_LANDLOCK_FS_TRUNCATE;
    /* EBADFD: a file of the kernel's own (memfd), which no Landlock rule can name nor forbid.
     */
    int r = prl_sys_landlock_allow(ruleset, access & handled, fd);
    return r < 0 && errno == EBADFD ? 0 : r;
}

/* A program that joins is in a domain beside the container's, not in it, and must still reach
 * the container's processes and sockets: what a namespace already confines is left to the
 * namespace. */
static uint64_t PRL_CHILD_SAFE scope_of(const struct prl_setup *s)
{
    uint64_t own = s->target ? s->spec->namespaces : 0, scoped = 0;
    if (!(own & CLONE_NEWNET))
        scoped |= PRL_LANDLOCK_SCOPE_ABSTRACT_UNIX;
    if (!(own & CLONE_NEWPID))
        scoped |= PRL_LANDLOCK_SCOPE_SIGNAL;
    return scoped;
}

int PRL_CHILD_SAFE prl_landlock_apply(struct prl_setup *s, struct prl_error *reterr)
{
    int abi = s->spec->landlock ? prl_sys_landlock_abi() : 0;
    if (abi < 0 && errno != ENOSYS && errno != EOPNOTSUPP && errno != EPERM)
        return prl_fail(reterr, PRL_STAGE_LANDLOCK, "landlock_create_ruleset", "ABI");
    if (abi < 2) /* ABI 1 forbids every rename and link between directories */
        return 0;
    uint64_t handled = handled_access(abi);
    uint64_t scoped = abi >= 6 ? scope_of(s) : 0;
    _cleanup_close_ int ruleset = prl_sys_landlock_create(handled, 0, scoped);
    if (ruleset < 0)
        return prl_fail(reterr, PRL_STAGE_LANDLOCK, "landlock_create_ruleset", "");
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || prl_sys_landlock_allow(ruleset, handled, root) < 0)
        return prl_fail(reterr, PRL_STAGE_LANDLOCK, "landlock_add_rule", "/");
    for (int fd = 0; fd < 3; fd++)
        if (allow_stream(ruleset, fd, handled) < 0)
            return prl_fail(reterr, PRL_STAGE_LANDLOCK, "landlock_add_rule",
                            "standard streams");
    if (prl_sys_landlock_restrict(ruleset) < 0)
        return prl_fail(reterr, PRL_STAGE_LANDLOCK, "landlock_restrict_self", "");
    return 0;
}
