/* calls.c: the table of answered calls, and its filter; see calls.h.
 * In, out: as there.  Never: a pointer followed: a filter sees numbers.
 *
 * A row without a condition costs the calls of other rows nothing: the kernel remembers which
 * numbers a filter always allows (since 5.11).  Source: seccomp(2), linux/filter.h. */
#include "fakeroot/calls.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct row {
    int number; /* -1: this architecture has no such call */
    enum prl_fake_call call;
    bool silent;    /* answered 0 by the filter itself when nothing is remembered */
    bool condition; /* (args[arg] & mask) == value */
    unsigned char arg;
    uint32_t mask, value;
};

#define CALL(n, c)    .number = (n), .call = (c)
#define WHEN(n, m, v) .condition = true, .arg = (n), .mask = (m), .value = (v)
#define ALL           0xffffffffu
#define KEEPCAPS      8   /* PR_SET_KEEPCAPS */
#define SETXATTRAT    463 /* Linux 6.13 */

/* The frequent ones first. */
static const struct row rows[] = {
    {CALL(SYS_newfstatat, PRL_FAKE_FSTATAT)},
    {CALL(SYS_statx, PRL_FAKE_STATX)},
    {CALL(PRL_SYS_STAT, PRL_FAKE_STAT)},
    {CALL(PRL_SYS_LSTAT, PRL_FAKE_LSTAT)},
    {CALL(SYS_fstat, PRL_FAKE_FSTAT)},
    {CALL(SYS_getuid, PRL_FAKE_GETUID)},
    {CALL(SYS_geteuid, PRL_FAKE_GETEUID)},
    {CALL(SYS_getgid, PRL_FAKE_GETGID)},
    {CALL(SYS_getegid, PRL_FAKE_GETEGID)},
    {CALL(SYS_getresuid, PRL_FAKE_GETRESUID)},
    {CALL(SYS_getresgid, PRL_FAKE_GETRESGID)},
    {CALL(SYS_getgroups, PRL_FAKE_GETGROUPS)},
    {CALL(PRL_SYS_CHOWN, PRL_FAKE_CHOWN), .silent = true},
    {CALL(PRL_SYS_LCHOWN, PRL_FAKE_LCHOWN), .silent = true},
    {CALL(SYS_fchown, PRL_FAKE_FCHOWN), .silent = true},
    {CALL(SYS_fchownat, PRL_FAKE_FCHOWNAT), .silent = true},
    {CALL(PRL_SYS_MKNOD, PRL_FAKE_MKNOD), WHEN(1, S_IFMT, S_IFCHR)},
    {CALL(PRL_SYS_MKNOD, PRL_FAKE_MKNOD), WHEN(1, S_IFMT, S_IFBLK)},
    {CALL(SYS_mknodat, PRL_FAKE_MKNODAT), WHEN(2, S_IFMT, S_IFCHR)},
    {CALL(SYS_mknodat, PRL_FAKE_MKNODAT), WHEN(2, S_IFMT, S_IFBLK)},
    {CALL(SYS_openat, PRL_FAKE_CREATE_AT), WHEN(2, O_CREAT, O_CREAT)},
    {CALL(PRL_SYS_OPEN, PRL_FAKE_CREATE), WHEN(1, O_CREAT, O_CREAT)},
    {CALL(SYS_openat2, PRL_FAKE_CREATE_AT)},
    {CALL(PRL_SYS_CREAT, PRL_FAKE_CREATE)},
    {CALL(PRL_SYS_MKDIR, PRL_FAKE_CREATE)},
    {CALL(SYS_mkdirat, PRL_FAKE_CREATE_AT)},
    {CALL(PRL_SYS_MKNOD, PRL_FAKE_CREATE)}, /* of the other kinds */
    {CALL(SYS_mknodat, PRL_FAKE_CREATE_AT)},
    {CALL(PRL_SYS_SYMLINK, PRL_FAKE_SYMLINK)},
    {CALL(SYS_symlinkat, PRL_FAKE_SYMLINKAT)},
    {CALL(SYS_bind, PRL_FAKE_BIND)},
    {CALL(PRL_SYS_RENAME, PRL_FAKE_RENAME)},
    {CALL(PRL_SYS_RENAMEAT, PRL_FAKE_RENAME)},
    {CALL(SYS_renameat2, PRL_FAKE_RENAME)},
    {CALL(SYS_getsockopt, PRL_FAKE_PEER), WHEN(2, ALL, SO_PEERCRED)},
    {CALL(SYS_setuid, PRL_FAKE_SETUID), .silent = true},
    {CALL(SYS_setreuid, PRL_FAKE_SETREUID), .silent = true},
    {CALL(SYS_setresuid, PRL_FAKE_SETRESUID), .silent = true},
    {CALL(SYS_setfsuid, PRL_FAKE_SETFSUID), .silent = true},
    {CALL(SYS_setgid, PRL_FAKE_SETGID), .silent = true},
    {CALL(SYS_setregid, PRL_FAKE_SETREGID), .silent = true},
    {CALL(SYS_setresgid, PRL_FAKE_SETRESGID), .silent = true},
    {CALL(SYS_setfsgid, PRL_FAKE_SETFSGID), .silent = true},
    {CALL(SYS_setgroups, PRL_FAKE_SETGROUPS), .silent = true},
    {CALL(SYS_setxattr, PRL_FAKE_SETXATTR)},
    {CALL(SYS_lsetxattr, PRL_FAKE_SETXATTR)},
    {CALL(SYS_fsetxattr, PRL_FAKE_SETXATTR)},
    {CALL(SETXATTRAT, PRL_FAKE_SETXATTRAT)},
    {CALL(SYS_execve, PRL_FAKE_EXEC)},
    {CALL(SYS_execveat, PRL_FAKE_EXEC)},
    {CALL(SYS_capset, PRL_FAKE_CAPSET)},
    {CALL(SYS_prctl, PRL_FAKE_KEEPCAPS), WHEN(0, ALL, KEEPCAPS)},
    {CALL(PRL_SYS_GETRLIMIT, PRL_FAKE_GETLIMIT), WHEN(0, ALL, RLIMIT_LOCKS)},
    {CALL(PRL_SYS_SETRLIMIT, PRL_FAKE_SETLIMIT), WHEN(0, ALL, RLIMIT_LOCKS)},
    {CALL(SYS_prlimit64, PRL_FAKE_PRLIMIT), WHEN(1, ALL, RLIMIT_LOCKS)},
};
enum { ROWS = sizeof rows / sizeof *rows };

enum prl_fake_call prl_fake_call_of(int number, const uint64_t args[6])
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        if (row->number == number &&
            (!row->condition || ((uint32_t)args[row->arg] & row->mask) == row->value))
            return row->call;
    }
    return PRL_FAKE_NONE;
}

/* The program under way.  Jumps are counted from the next instruction. */
struct program {
    struct sock_filter *code;
    unsigned short len;
};

static void statement(struct program *p, unsigned short code, uint32_t k)
{
    p->code[p->len++] = (struct sock_filter){.code = code, .k = k};
}

/* Unless the accumulator is k, skip `over` instructions. */
static void unless(struct program *p, uint32_t k, unsigned char over)
{
    p->code[p->len++] =
        (struct sock_filter){.code = BPF_JMP | BPF_JEQ | BPF_K, .jf = over, .k = k};
}

static void load(struct program *p, size_t offset)
{
    statement(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* Both architectures are little-endian: the low half of an argument comes first. */
static void add_row(struct program *p, const struct row *row, uint32_t answer)
{
    load(p, offsetof(struct seccomp_data, nr));
    unless(p, (uint32_t)row->number, row->condition ? 4 : 1);
    if (row->condition) {
        load(p, offsetof(struct seccomp_data, args) + 8u * row->arg);
        statement(p, BPF_ALU | BPF_AND | BPF_K, row->mask);
        unless(p, row->value, 1);
    }
    statement(p, BPF_RET | BPF_K, answer);
}

/* Calls of another architecture are allowed here: the profile's filter kills for them. */
unsigned short prl_fake_filter(enum prl_fake_root mode, void *ret)
{
    struct program p = {.code = ret};
    bool silent = mode == PRL_FAKE_ROOT_SILENT;
    load(&p, offsetof(struct seccomp_data, arch));
    p.code[p.len++] =
        (struct sock_filter){.code = BPF_JMP | BPF_JEQ | BPF_K, .jt = 1, .k = PRL_AUDIT_ARCH};
    statement(&p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].number >= 0 && (!silent || rows[i].silent))
            add_row(&p, &rows[i], silent ? SECCOMP_RET_ERRNO : PRL_SECCOMP_RET_USER_NOTIF);
    statement(&p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    return p.len;
}
