/* prepare_gate.c: a launch that stops at the gate.
 * In: a setup whose filter is read.  Out: the gate's memory file.  Never: a container that can
 * no longer be told what to execute: the gate lives under the container's own filter, so each
 * of its calls must be one that the filter allows whatever its arguments are.
 * Source: seccomp(2), the classic BPF of linux/filter.h. */
#include "prepare.h"

#include "steps/init.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

struct gate_call {
    char name[12];
    uint32_t number;
};

/* What csrc/init/gate.c does. */
static const struct gate_call calls[] = {
    {"recvmsg", SYS_recvmsg},   {"read", SYS_read},       {"write", SYS_write},
    {"close", SYS_close},       {"fstat", SYS_fstat},     {"mmap", SYS_mmap},
    {"fcntl", SYS_fcntl},       {"dup3", SYS_dup3},       {"fchdir", SYS_fchdir},
    {"getcwd", SYS_getcwd},     {"openat2", SYS_openat2}, {"execve", SYS_execve},
    {"execveat", SYS_execveat},
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

/* Follow the program for one call of this machine.  What depends on anything but its number is
 * not surely allowed. */
bool prl_gate_filter_allows(const struct sock_filter *filter, size_t len, uint32_t number)
{
    uint32_t value = 0;
    for (size_t at = 0; at < len; at++) {
        const struct sock_filter *f = &filter[at];
        if (f->code == (BPF_LD | BPF_W | BPF_ABS)) {
            if (f->k == offsetof(struct seccomp_data, nr))
                value = number;
            else if (f->k == offsetof(struct seccomp_data, arch))
                value = PRL_AUDIT_ARCH;
            else
                return false;
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

int prl_prepare_gate(struct prl_setup *s, struct prl_error *reterr)
{
    for (size_t i = 0; s->filter && i < sizeof calls / sizeof *calls; i++)
        if (!prl_gate_filter_allows(s->filter, s->filter_len, calls[i].number))
            return prl_failf(reterr, PRL_STAGE_SECCOMP, EOPNOTSUPP, calls[i].name,
                             "a prepared container needs %s, which this profile does not allow "
                             "whatever its arguments are",
                             calls[i].name);
    if (!has_openat2())
        return prl_fail_with(reterr, PRL_STAGE_HOST, ENOSYS, "openat2", "prepared containers");
    s->gate_fd = prl_gate_open(reterr);
    return s->gate_fd < 0 ? s->gate_fd : 0;
}
