/* relay.c: the egress filter: the process between a container's interface and its network
 * helper. Never: a frame out that filter.h refuses; a system call
 * beyond read, write and exit once it is at work (strict seccomp: it reads what hostile
 * programs wrote).
 *
 * Two processes, one for each direction, each a loop of one read and one write: neither waits
 * for the other, so a helper that is slow to read cannot stop the frames it sends.  Nothing in
 * the container can reach them, whatever its capabilities: they are in none of its namespaces,
 * and only one process at a time may have the interface open.  When one of them ends, so does
 * the network.  Source: seccomp(2), SECCOMP_SET_MODE_STRICT; tun(4); passt(1), --fd. */
#include "network/egress/filter.h"

#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { TAP_FD = 3, HELPER_FD = 4, USERNS_FD = 5 };
enum { HEAD_BYTES = 4, FRAME_BYTES = 65536 + 64, BUFFER_BYTES = 4 * FRAME_BYTES };

struct egress {
    struct prl_egress *filter;
    bool stream; /* each frame behind its length; else one message a frame */
    unsigned char *buffer;
};

/* exit(2) and not exit_group(2), which strict mode does not have. */
static _Noreturn void finish(int status)
{
    for (;;)
        syscall(SYS_exit, status);
}

static bool send_out(const struct egress *egress, size_t len)
{
    unsigned char *head = egress->buffer;
    if (!egress->stream)
        return write(HELPER_FD, head + HEAD_BYTES, len) == (ssize_t)len;
    head[0] = 0;
    head[1] = (unsigned char)(len >> 16);
    head[2] = (unsigned char)(len >> 8);
    head[3] = (unsigned char)len;
    return prl_io_write_all(HELPER_FD, head, HEAD_BYTES + len) == 0;
}

/* A frame that the interface does not take is lost, as on any wire. */
static void put_in(const unsigned char *frame, size_t len)
{
    (void)!write(TAP_FD, frame, len);
}

static _Noreturn void carry_out(const struct egress *egress)
{
    unsigned char refusal[PRL_EGRESS_REFUSAL_BYTES];
    unsigned char *frame = egress->buffer + HEAD_BYTES;
    for (;;) {
        ssize_t n = read(TAP_FD, frame, FRAME_BYTES);
        if (n <= 0)
            finish(1);
        if (prl_egress_lets_out(egress->filter, frame, (size_t)n)) {
            if (!send_out(egress, (size_t)n))
                finish(1);
            continue;
        }
        size_t len = prl_egress_refuse(frame, (size_t)n, refusal);
        if (len > 0)
            put_in(refusal, len);
    }
}

static void take_in(const struct egress *egress, const unsigned char *frame, size_t len)
{
    prl_egress_let_in(egress->filter, frame, len);
    put_in(frame, len);
}

/* The frames that are complete, of `used` bytes; what is left moves to the begin. */
static size_t take_stream(const struct egress *egress, size_t used)
{
    const unsigned char *at = egress->buffer;
    while (used >= HEAD_BYTES) {
        size_t len = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
        if (len > FRAME_BYTES)
            finish(1);
        if (used < HEAD_BYTES + len)
            break;
        take_in(egress, at + HEAD_BYTES, len);
        at += HEAD_BYTES + len;
        used -= HEAD_BYTES + len;
    }
    memmove(egress->buffer, at, used);
    return used;
}

static _Noreturn void carry_in(const struct egress *egress)
{
    size_t used = 0;
    for (;;) {
        ssize_t n = read(HELPER_FD, egress->buffer + used, BUFFER_BYTES - used);
        if (n <= 0)
            finish(1);
        if (egress->stream)
            used = take_stream(egress, used + (size_t)n);
        else
            take_in(egress, egress->buffer, (size_t)n);
    }
}

static bool detach(pid_t parent)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static bool confine(void)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0;
}

static void *map_shared(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static bool open_egress(struct egress *egress, char **args)
{
    egress->stream = strcmp(args[1], "stream") == 0;
    egress->filter = map_shared(sizeof *egress->filter);
    egress->buffer = malloc(BUFFER_BYTES);
    if (!egress->filter || !egress->buffer || !prl_egress_parse_ports(egress->filter, args[2]))
        return false;
    int rows = prl_allow_parse_all(args[3], egress->filter->allow, PRL_ALLOW_MAX);
    egress->filter->allow_len = rows < 0 ? 0 : (size_t)rows;
    return rows >= 0;
}

/* The inward direction is a child, which ends with its parent. */
static bool start_inwards(const struct egress *egress)
{
    pid_t parent = getpid();
    int ready[2];
    char byte = 0;
    if (pipe(ready) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        if (!detach(parent) || !confine() || write(ready[1], "1", 1) != 1)
            finish(125);
        carry_in(egress);
    }
    close(ready[1]);
    bool up = pid > 0 && read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    return up;
}

int prl_egress_main(char **args)
{
    struct egress egress;
    if (strcmp(args[0], "inside") == 0) {
        /* slirp4netns makes a sandbox for itself, for which it must be root. */
        const char *failed;
        pid_t parent = (pid_t)strtol(args[1], NULL, 10);
        if (setns(USERNS_FD, CLONE_NEWUSER) < 0)
            return 125;
        if ((getuid() != 0 || getgid() != 0) && prl_sys_become(0, 0, &failed) < 0)
            return 125;
        /* Only now: a change of ids takes it away.  no_new_privs is inherited. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
            return 125;
        close(USERNS_FD);
        execve(args[2], args + 2, environ);
        return 125;
    }
    signal(SIGPIPE, SIG_IGN); /* the end of the helper is an error of write(2) */
    if (!detach((pid_t)strtol(args[0], NULL, 10)) || !open_egress(&egress, args) ||
        !start_inwards(&egress))
        return 125;
    if (!confine() || write(STDOUT_FILENO, "1", 1) != 1)
        return 125;
    carry_out(&egress);
}
