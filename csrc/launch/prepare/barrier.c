/* barrier.c: a launch that stops at the start barrier.
 * In: a setup whose filter is read.  Out: the start barrier's memory file.
 * Never: a container that can no longer be told what to execute: the start barrier runs under
 * the container's own filter, so the filter must allow each of its calls whatever the arguments
 * are, except for arguments that are always the same. Source: seccomp(2), the classic BPF of
 * linux/filter.h. */
#include "launch/prepare/setup.h"

#include "launch/steps/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What csrc/init/barrier.c does. */
static const struct prl_barrier_call calls[] = {
    {"recvmsg", SYS_recvmsg, -1, 0},   {"read", SYS_read, -1, 0},
    {"write", SYS_write, -1, 0},       {"close", SYS_close, -1, 0},
    {"fstat", SYS_fstat, -1, 0},       {"mmap", SYS_mmap, 3, MAP_PRIVATE | MAP_ANONYMOUS},
    {"fcntl", SYS_fcntl, 1, F_SETFD},  {"dup3", SYS_dup3, -1, 0},
    {"fchdir", SYS_fchdir, -1, 0},     {"getcwd", SYS_getcwd, -1, 0},
    {"openat2", SYS_openat2, -1, 0},   {"execve", SYS_execve, -1, 0},
    {"execveat", SYS_execveat, -1, 0},
};

static bool jumps(const struct sock_filter *f, uint32_t value)
{
    switch (BPF_OP(f->code)) {
    case BPF_JEQ:
        return value == f->k;
    case BPF_JGT:
        return value > f->k;
    case BPF_JGE:
        return value >= f->k;
    default:
        return value & f->k; /* BPF_JSET */
    }
}

/* A word of what the filter sees, little-endian; false: it differs from call to call. */
static bool load(const struct prl_barrier_call *call, uint32_t offset, uint32_t *ret)
{
    size_t known = offsetof(struct seccomp_data, args) + 8 * (size_t)call->known;
    if (offset == offsetof(struct seccomp_data, nr))
        *ret = call->number;
    else if (offset == offsetof(struct seccomp_data, arch))
        *ret = PRL_AUDIT_ARCH;
    else if (call->known >= 0 && (offset == known || offset == known + 4))
        *ret = offset == known ? call->value : 0;
    else
        return false;
    return true;
}

/* Follow the program for one call of this machine.  What depends on anything that is not known
 * is not surely allowed. */
bool prl_barrier_filter_allows(const struct sock_filter *filter, size_t len,
                               const struct prl_barrier_call *call)
{
    uint32_t value = 0;
    for (size_t at = 0; at < len; at++) {
        const struct sock_filter *f = &filter[at];
        if (f->code == (BPF_LD | BPF_W | BPF_ABS)) {
            if (!load(call, f->k, &value))
                return false;
        } else if (f->code == (BPF_ALU | BPF_AND | BPF_K)) {
            value &= f->k;
        } else if (f->code == (BPF_RET | BPF_K)) {
            return f->k == SECCOMP_RET_ALLOW || f->k == SECCOMP_RET_LOG;
        } else if (f->code == (BPF_JMP | BPF_JA)) {
            at += f->k;
        } else if (BPF_CLASS(f->code) == BPF_JMP && BPF_SRC(f->code) == BPF_K) {
            at += jumps(f, value) ? f->jt : f->jf;
        } else {
            return false;
        }
    }
    return false;
}

/* What any kernel without openat2(2) answers is ENOSYS; with it, an empty path is ENOENT. */
static bool has_openat2(void)
{
    return prl_sys_openat2(-1, "", 0, 0, 0) >= 0 || errno != ENOSYS;
}

int prl_prepare_barrier(struct prl_setup *s, struct prl_error *reterr)
{
    for (size_t i = 0; s->filter && i < sizeof calls / sizeof *calls; i++)
        if (!prl_barrier_filter_allows(s->filter, s->filter_len, &calls[i]))
            return prl_failf(reterr, PRL_STAGE_SECCOMP, EOPNOTSUPP, calls[i].name,
                             "a prepared container needs %s, which this profile does not allow "
                             "whatever its arguments are",
                             calls[i].name);
    if (!has_openat2())
        return prl_fail_with(reterr, PRL_STAGE_HOST, ENOSYS, "openat2", "prepared containers");
    s->barrier_fd = prl_barrier_open(reterr);
    return s->barrier_fd < 0 ? s->barrier_fd : 0;
}
