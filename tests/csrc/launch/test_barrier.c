// sources: csrc/base/**/*.c csrc/launch/prepare/barrier.c csrc/launch/steps/init.c
/* test_prepare_barrier.c: which calls a filter surely allows.
 * In: filters of a few instructions.  Out: yes or no, and the refused call by its name. */
// sources: csrc/userns/remove.c
#include "check.h"

#include "launch/prepare/setup.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#define NUMBER   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARCH     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch))
#define ARG      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args))
#define ALLOW    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1)
#define COUNT(f) (sizeof(f) / sizeof *(f))

static bool allows(const struct sock_filter *filter, size_t len, uint32_t number)
{
    const struct prl_barrier_call call = {"", number, -1, 0};
    return prl_barrier_filter_allows(filter, len, &call);
}

TEST(the_number_decides)
{
    /* allowed: 10 to 19, but 15 */
    const struct sock_filter f[] = {
        NUMBER,
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 10, 0, 4),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 19, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 15, 2, 0),
        BPF_STMT(BPF_JMP | BPF_JA, 0),
        ALLOW,
        REFUSE,
    };
    for (uint32_t n = 0; n < 30; n++)
        CHECK_INT(allows(f, COUNT(f), n), n >= 10 && n < 20 && n != 15);
}

TEST(the_machine_is_ours)
{
    const struct sock_filter f[] = {
        ARCH, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PRL_AUDIT_ARCH, 1, 0), REFUSE, ALLOW};
    CHECK_INT(allows(f, COUNT(f), 1), 1);
}

TEST(a_look_at_an_argument_is_not_surely_allowed)
{
    const struct sock_filter either[] = {ARG, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0),
                                         ALLOW};
    CHECK_INT(allows(either, COUNT(either), 1), 0);
}

TEST(an_argument_that_is_always_the_same_is_known)
{
    /* refused where bit 2 of argument 1 is set, or one of its upper half */
    const struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        REFUSE,
        ALLOW,
    };
    for (uint32_t value = 0; value < 10; value++) {
        const struct prl_barrier_call call = {"", 1, 1, value}, other = {"", 1, 0, value};
        CHECK_INT(prl_barrier_filter_allows(f, COUNT(f), &call), !(value & 4));
        CHECK_INT(prl_barrier_filter_allows(f, COUNT(f), &other), 0);
    }
}

TEST(what_is_not_understood_is_not_surely_allowed)
{
    const struct sock_filter odd[] = {BPF_STMT(BPF_ALU | BPF_NEG, 0), ALLOW};
    const struct sock_filter open_end[] = {NUMBER};
    const struct sock_filter trap[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)};
    CHECK_INT(allows(odd, COUNT(odd), 1), 0);
    CHECK_INT(allows(open_end, COUNT(open_end), 1), 0);
    CHECK_INT(allows(trap, COUNT(trap), 1), 0);
}

TEST(a_filter_that_refuses_a_call_of_the_gate_is_named)
{
    const struct sock_filter f[] = {
        NUMBER, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchdir, 1, 0), ALLOW, REFUSE};
    struct prl_setup setup = {
        .filter = (void *)(uintptr_t)f, .filter_len = COUNT(f), .barrier_fd = -1};
    struct prl_error error;
    CHECK_INT(prl_prepare_barrier(&setup, &error), -EOPNOTSUPP);
    CHECK_STR(error.syscall, "fchdir");
    CHECK_INT(error.stage, PRL_STAGE_SECCOMP);
    CHECK_INT(setup.barrier_fd, -1);
}
