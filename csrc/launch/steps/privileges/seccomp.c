/* seccomp.c: the filter, installed last.
 * In: a compiled program.  Out: filter mode.  Never: compiling, a container without the filter
 * it was to have. Source: seccomp(2). */
#include "launch/steps/setup.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#ifdef __aarch64__
enum { CLONE = 220, UNSHARE = 97, OTHER_CLONE = 120, OTHER_UNSHARE = 337 };
#define OTHER_ARCH 0x40000028u /* AUDIT_ARCH_ARM */
#else
enum { CLONE = 56, UNSHARE = 272, OTHER_CLONE = 120, OTHER_UNSHARE = 310 };
#define OTHER_ARCH 0x40000003u /* AUDIT_ARCH_I386 */
#endif
enum { CLONE3 = 435 };
#define X32_BIT 0x40000000u

#define LOAD(field)                                                                            \
    {                                                                                          \
        BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, field)                   \
    }
#define WHEN(k, yes, no)                                                                       \
    {                                                                                          \
        BPF_JMP | BPF_JEQ | BPF_K, (yes), (no), (k)                                            \
    }
#define RETURN(what)                                                                           \
    {                                                                                          \
        BPF_RET | BPF_K, 0, 0, (what)                                                          \
    }
#define REFUSE(error) RETURN(SECCOMP_RET_ERRNO | (error))

/* Refuses to make a cgroup namespace, by whatever call: the container is in the host's, in
 * which nobody inside may mount a control group. clone3 hides its flags, so it is refused
 * altogether (ENOSYS: callers fall back to clone). Both architectures are little-endian. */
static const struct sock_filter fence[] = {
    LOAD(arch),
    WHEN(PRL_AUDIT_ARCH, 0, 5),
    LOAD(nr),
    {BPF_ALU | BPF_AND | BPF_K, 0, 0, ~X32_BIT},
    WHEN(CLONE3, 11, 0),
    WHEN(CLONE, 6, 0),
    WHEN(UNSHARE, 5, 7),
    WHEN(OTHER_ARCH, 0, 8),
    LOAD(nr),
    WHEN(CLONE3, 6, 0),
    WHEN(OTHER_CLONE, 1, 0),
    WHEN(OTHER_UNSHARE, 0, 2),
    LOAD(args[0]),
    {BPF_JMP | BPF_JSET | BPF_K, 1, 0, CLONE_NEWCGROUP},
    RETURN(SECCOMP_RET_ALLOW),
    REFUSE(EPERM),
    REFUSE(ENOSYS),
};

int PRL_CHILD_SAFE prl_seccomp_apply(struct prl_setup *s, struct prl_error *reterr)
{
    if (s->fence && prl_sys_seccomp_load(fence, sizeof fence / sizeof *fence) < 0)
        return prl_fail(reterr, PRL_STAGE_SECCOMP, "seccomp", "filter of cgroup namespaces");
    if (!s->filter)
        return 0;
    if (prl_sys_seccomp_load(s->filter, s->filter_len) < 0)
        return prl_fail(reterr, PRL_STAGE_SECCOMP, "seccomp", "filter");
    return 0;
}
