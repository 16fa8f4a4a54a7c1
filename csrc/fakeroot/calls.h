/* calls.h: which system calls the fake root answers, and the filter that asks for them.
 * In: the table.  Out: a seccomp program.  Never: an answer that allows what the profile's
 * filter refuses: of two filters the kernel takes the stricter answer. */
#pragma once

#include "base/sys.h"

enum prl_fake_call {
    PRL_FAKE_NONE,
    PRL_FAKE_STAT,
    PRL_FAKE_LSTAT,
    PRL_FAKE_FSTAT,
    PRL_FAKE_FSTATAT,
    PRL_FAKE_STATX,
    PRL_FAKE_CHOWN,
    PRL_FAKE_LCHOWN,
    PRL_FAKE_FCHOWN,
    PRL_FAKE_FCHOWNAT,
    PRL_FAKE_MKNOD,
    PRL_FAKE_MKNODAT,
    PRL_FAKE_CREATE,    /* the path is argument 0 */
    PRL_FAKE_CREATE_AT, /* directory and path are arguments 0 and 1 */
    PRL_FAKE_SYMLINK,
    PRL_FAKE_SYMLINKAT,
    PRL_FAKE_BIND,
    PRL_FAKE_RENAME,
    PRL_FAKE_PEER,
    PRL_FAKE_SETXATTR, /* name, value and size are arguments 1, 2 and 3 */
    PRL_FAKE_SETXATTRAT,
    PRL_FAKE_GETUID,
    PRL_FAKE_GETEUID,
    PRL_FAKE_GETGID,
    PRL_FAKE_GETEGID,
    PRL_FAKE_GETRESUID,
    PRL_FAKE_GETRESGID,
    PRL_FAKE_GETGROUPS,
    PRL_FAKE_SETUID,
    PRL_FAKE_SETREUID,
    PRL_FAKE_SETRESUID,
    PRL_FAKE_SETFSUID,
    PRL_FAKE_SETGID,
    PRL_FAKE_SETREGID,
    PRL_FAKE_SETRESGID,
    PRL_FAKE_SETFSGID,
    PRL_FAKE_SETGROUPS,
    PRL_FAKE_CAPSET,
    PRL_FAKE_KEEPCAPS,
    PRL_FAKE_EXEC,
    PRL_FAKE_GETLIMIT,
    PRL_FAKE_SETLIMIT,
    PRL_FAKE_PRLIMIT,
    PRL_FAKE_CALLS,
};

/* Which call a number means with these arguments; PRL_FAKE_NONE: none of ours. */
enum prl_fake_call prl_fake_call_of(int number, const uint64_t args[6]);

enum { PRL_FAKE_FILTER_MAX = 512 };
/* Fill room for PRL_FAKE_FILTER_MAX instructions (struct sock_filter).  Returns how many. */
unsigned short prl_fake_filter(enum prl_fake_root mode, void *ret);
