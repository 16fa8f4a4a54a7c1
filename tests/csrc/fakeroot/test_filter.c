// sources: csrc/fakeroot/calls.c
/* The filter: walked as the kernel would, it asks for exactly the calls of the table. */
#include "fakeroot/calls.h"

#include "check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* The few instructions the generator knows; UINT32_MAX: it left the program. */
static uint32_t walk(const struct sock_filter *code, unsigned len, const struct seccomp_data *d)
{
    uint32_t a = 0;
    for (unsigned at = 0; at < len; at++) {
        const struct sock_filter *i = &code[at];
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&a, (const char *)d + i->k, sizeof a);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= i->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += a == i->k ? i->jt : i->jf;
            break;
        case BPF_RET | BPF_K:
            return i->k;
        default:
            return UINT32_MAX;
        }
    }
    return UINT32_MAX;
}

static uint32_t ask(enum prl_fake_root mode, const struct seccomp_data *d)
{
    struct sock_filter code[PRL_FAKE_FILTER_MAX];
    unsigned len = prl_fake_filter(mode, code);
    return len <= PRL_FAKE_FILTER_MAX ? walk(code, len, d) : UINT32_MAX;
}

static struct seccomp_data call(long number, uint64_t a, uint64_t b, uint64_t c)
{
    return (struct seccomp_data){.nr = (int)number, .arch = PRL_AUDIT_ARCH, .args = {a, b, c}};
}

TEST(it_asks_for_what_the_table_knows)
{
    static const uint64_t values[] = {
        0, 1, 8, 10, 17, O_CREAT | O_WRONLY, S_IFCHR | 0600, S_IFBLK | 0600, S_IFIFO | 0600};
    enum { N = sizeof values / sizeof *values };
    int asked = 0;
    for (int number = 0; number < 600; number++)
        for (int i = 0; i < N * N; i++) {
            struct seccomp_data d =
                call(number, values[i / N], values[i % N], values[(i + 3) % N]);
            int known = prl_fake_call_of(number, (const uint64_t *)d.args) != PRL_FAKE_NONE;
            CHECK_INT(ask(PRL_FAKE_ROOT_REMEMBER, &d),
                      known ? PRL_SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW);
            asked += known;
        }
    CHECK(asked > 1000);
}

TEST(conditions)
{
    static const struct {
        long number;
        uint64_t args[3];
        int asked;
    } rows[] = {
        {SYS_openat, {0, 0, O_RDONLY}, 0},
        {SYS_openat, {0, 0, O_CREAT | O_EXCL | O_RDWR}, 1},
        {SYS_prctl, {PR_SET_KEEPCAPS, 1, 0}, 1},
        {SYS_prctl, {PR_SET_NAME, 0, 0}, 0},
        {SYS_prlimit64, {0, RLIMIT_LOCKS, 0}, 1},
        {SYS_prlimit64, {0, RLIMIT_NOFILE, 0}, 0},
        {SYS_getsockopt, {3, SOL_SOCKET, SO_PEERCRED}, 1},
        {SYS_getsockopt, {3, SOL_SOCKET, SO_ERROR}, 0},
        {SYS_read, {0, 0, 0}, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint64_t *a = rows[i].args;
        struct seccomp_data d = call(rows[i].number, a[0], a[1], a[2]);
        CHECK_INT(ask(PRL_FAKE_ROOT_REMEMBER, &d) == PRL_SECCOMP_RET_USER_NOTIF, rows[i].asked);
    }
}

TEST(devices_are_told_from_other_nodes)
{
    struct seccomp_data d = call(SYS_mknodat, 0, 0, S_IFCHR | 0666);
    CHECK_INT(prl_fake_call_of(d.nr, (const uint64_t *)d.args), PRL_FAKE_MKNODAT);
    d = call(SYS_mknodat, 0, 0, S_IFIFO | 0666);
    CHECK_INT(prl_fake_call_of(d.nr, (const uint64_t *)d.args), PRL_FAKE_CREATE_AT);
}

TEST(silent_answers_by_itself)
{
    struct seccomp_data d = call(SYS_fchownat, 0, 0, 0);
    CHECK_INT(ask(PRL_FAKE_ROOT_SILENT, &d), SECCOMP_RET_ERRNO);
    d = call(SYS_newfstatat, 0, 0, 0);
    CHECK_INT(ask(PRL_FAKE_ROOT_SILENT, &d), SECCOMP_RET_ALLOW);
    d = call(SYS_getuid, 0, 0, 0);
    CHECK_INT(ask(PRL_FAKE_ROOT_SILENT, &d), SECCOMP_RET_ALLOW);
}

TEST(other_architectures_are_left_to_the_profile)
{
    struct seccomp_data d = call(SYS_fchownat, 0, 0, 0);
    d.arch = 0x40000003; /* i386 */
    CHECK_INT(ask(PRL_FAKE_ROOT_REMEMBER, &d), SECCOMP_RET_ALLOW);
}
