/* bare.h: system calls of two machines, for programs without a C library.
 * In, out: call(number, …), the kernel's answer.  Never: errno, memory of its own, anything
 * that a C library would bring.  Source: the kernel's system call tables. */
#pragma once

#include "prl.h"

typedef unsigned long ulong;

#if defined(__x86_64__)
enum {
    NR_READ = 0,
    NR_WRITE = 1,
    NR_CLOSE = 3,
    NR_FSTAT = 5,
    NR_MMAP = 9,
    NR_SIGACTION = 13,
    NR_SIGPROCMASK = 14,
    NR_IOCTL = 16,
    NR_GETPID = 39,
    NR_RECVMSG = 47,
    NR_CLONE = 56,
    NR_EXECVE = 59,
    NR_EXIT = 60,
    NR_WAIT4 = 61,
    NR_PRCTL = 157,
    NR_CLOCK_GETTIME = 228,
    NR_KILL = 62,
    NR_FCNTL = 72,
    NR_GETCWD = 79,
    NR_CHDIR = 80,
    NR_FCHDIR = 81,
    NR_UMASK = 95,
    NR_SETPGID = 109,
    NR_SETSID = 112,
    NR_CAPSET = 126,
    NR_SIGTIMEDWAIT = 128,
    NR_OPENAT = 257,
    NR_DUP3 = 292,
    NR_SETNS = 308,
    NR_SECCOMP = 317,
    NR_EXECVEAT = 322,
    NR_CLOSE_RANGE = 436,
    NR_OPENAT2 = 437,
};
static long call6(long n, const ulong a[6])
{
    long result;
    register ulong r10 __asm__("r10") = a[3];
    register ulong r8 __asm__("r8") = a[4];
    register ulong r9 __asm__("r9") = a[5];
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(n), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
/* Both sides of a fork that shares the stack go on in the caller's frame: it must be made in
 * that frame, not in a function that returns from it. */
__attribute__((always_inline)) static inline long fork_here(ulong flags)
{
    long result;
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(NR_CLONE), "D"(flags), "S"(0), "d"(0), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
enum {
    NR_DUP3 = 24,
    NR_FCNTL = 25,
    NR_GETCWD = 17,
    NR_IOCTL = 29,
    NR_CHDIR = 49,
    NR_FCHDIR = 50,
    NR_OPENAT = 56,
    NR_CLOSE = 57,
    NR_READ = 63,
    NR_WRITE = 64,
    NR_FSTAT = 80,
    NR_CAPSET = 91,
    NR_EXIT = 93,
    NR_KILL = 129,
    NR_SIGACTION = 134,
    NR_SIGPROCMASK = 135,
    NR_SIGTIMEDWAIT = 137,
    NR_SETPGID = 154,
    NR_SETSID = 157,
    NR_UMASK = 166,
    NR_PRCTL = 167,
    NR_CLOCK_GETTIME = 113,
    NR_GETPID = 172,
    NR_RECVMSG = 212,
    NR_CLONE = 220,
    NR_EXECVE = 221,
    NR_MMAP = 222,
    NR_WAIT4 = 260,
    NR_SETNS = 268,
    NR_SECCOMP = 277,
    NR_EXECVEAT = 281,
    NR_CLOSE_RANGE = 436,
    NR_OPENAT2 = 437,
};
static long call6(long n, const ulong a[6])
{
    register long x8 __asm__("x8") = n;
    register ulong x0 __asm__("x0") = a[0];
    register ulong x1 __asm__("x1") = a[1];
    register ulong x2 __asm__("x2") = a[2];
    register ulong x3 __asm__("x3") = a[3];
    register ulong x4 __asm__("x4") = a[4];
    register ulong x5 __asm__("x5") = a[5];
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return (long)x0;
}
__attribute__((always_inline)) static inline long fork_here(ulong flags)
{
    register long x8 __asm__("x8") = NR_CLONE;
    register long x0 __asm__("x0") = (long)flags;
    register long x1 __asm__("x1") = 0;
    register long x2 __asm__("x2") = 0;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory");
    return x0;
}
#else
#error "bare.h: this architecture is not supported yet"
#endif

static inline long call(long n, ulong a, ulong b, ulong c, ulong d)
{
    return call6(n, (const ulong[6]){a, b, c, d, 0, 0});
}

/* The compiler may call these for a copy or a clearing it sees in the code. */
__attribute__((used)) void *memset(void *to, int byte, ulong size)
{
    for (volatile char *at = to; size--;)
        *at++ = (char)byte;
    return to;
}

__attribute__((used)) void *memcpy(void *restrict to, const void *restrict from, ulong size)
{
    const char *source = from;
    for (volatile char *at = to; size--;)
        *at++ = *source++;
    return to;
}

/* One record of a failed launch, as the parent reads it.  `fail` is of the kernel: negative. */
static inline void report(int fd, unsigned stage, long fail, const char *const names[2])
{
    static struct prl_error r;
    memset(&r, 0, sizeof r);
    r.errnum = (int32_t)-fail;
    r.stage = (uint16_t)stage;
    for (ulong i = 0; i + 1 < sizeof r.syscall && names[0][i]; i++)
        r.syscall[i] = names[0][i];
    for (ulong i = 0; i + 1 < sizeof r.subject && names[1][i]; i++)
        r.subject[i] = names[1][i];
    call(NR_WRITE, (ulong)fd, (ulong)&r, sizeof r, 0);
}

static inline int number(const char *text)
{
    int value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (*text - '0');
    return value;
}
