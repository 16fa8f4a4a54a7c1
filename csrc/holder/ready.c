/* ready.c: pairs of namespaces, made before they are wanted.
 * In: the holder's namespace, as root of it.  Out: PRL_HOLDER_READY sockets, behind each a
 * process without capabilities in a user namespace with all ids and a network namespace of its
 * own, loopback up, in which nothing has ever run. Never: a pair used twice: its process
 * listens under a name that never comes again, and ends with the launch that took the name; a
 * socket in the new network namespace; a byte read.
 *
 * Most of a start's time goes into its network namespace; here it goes by while nobody waits.
 */
#include "holder/ready.h"
#include "holder/socket.h"

#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { BACKLOG = 8, PATIENCE = 8 };

/* What the kernel asks of the writer of a map of many ids, the namespace's root among them:
 * CAP_SETGID, CAP_SETUID, CAP_SETFCAP.  user_namespaces(7). */
static const uint64_t writing_maps = 1ULL << 6 | 1ULL << 7 | 1ULL << 31;

struct maker {
    int dir_fd;
    const char *name;
    char uids[PRL_HOLDER_MAP_BYTES], gids[PRL_HOLDER_MAP_BYTES];
};

/* Nothing but this, and no longer than the one that made us. */
static int confine(uint64_t capabilities, pid_t parent)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prl_sys_capset(capabilities, capabilities, 0) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) /* last: a change of powers clears it */
        return -1;
    return getppid() == parent ? 0 : -1;
}

/* Bound before the new network namespace is entered: it would be seen in /proc/net/unix. */
static int bind_hidden(const struct maker *m, char hidden[PRL_HOLDER_SLOT])
{
    struct sockaddr_un address;
    snprintf(hidden, PRL_HOLDER_SLOT, ".%s+%llx", m->name,
             (unsigned long long)prl_sys_now_ns());
    if (prl_holder_address(m->dir_fd, hidden, &address) < 0)
        return -1;
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return steal_fd(&fd);
}

/* Until the launch that connected is done with us; a connection of another ends us too. */
static int wait_for_launch(int socket_fd)
{
    char byte;
    _cleanup_close_ int fd = accept4(socket_fd, NULL, NULL, SOCK_CLOEXEC);
    return fd >= 0 && read(fd, &byte, 1) == 0 ? 0 : 1;
}

/* One pair, and the process that keeps it.  `word_fd` leads to the maker. */
static int keep(const struct maker *m, int word_fd, pid_t parent)
{
    const char *failed;
    char hidden[PRL_HOLDER_SLOT], byte = 0;
    _cleanup_close_ int socket_fd = bind_hidden(m, hidden);
    if (socket_fd < 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ||
        write(word_fd, &byte, 1) != 1 || read(word_fd, &byte, 1) != 1 ||
        prl_sys_raise_loopback(&failed) < 0 || confine(0, parent) < 0 ||
        listen(socket_fd, BACKLOG) < 0 ||
        renameat(m->dir_fd, hidden, m->dir_fd, hidden + 1) < 0)
        return 1;
    close(m->dir_fd);
    close(word_fd);
    return wait_for_launch(socket_fd);
}

static int write_map(pid_t pid, const char *file, const char *text)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return prl_io_write_file(AT_FDCWD, path, text, strlen(text), 0, 0);
}

static int make_one(const struct maker *m)
{
    int pair[2];
    char byte = 0;
    pid_t self = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    _cleanup_close_ int ours = pair[0], theirs = pair[1];
    pid_t pid = fork();
    if (pid == 0) {
        prl_close_p(&ours);
        _exit(keep(m, theirs, self));
    }
    prl_close_p(&theirs);
    /* It ends by itself when it gets no answer. */
    if (pid < 0 || read(ours, &byte, 1) != 1 || write_map(pid, "uid_map", m->uids) < 0 ||
        write_map(pid, "gid_map", m->gids) < 0 || write(ours, &byte, 1) != 1)
        return -1;
    return 0;
}

/* As many as are wanted; a new one when one has gone.  Gives up where they do not last: one
 * that somebody killed says nothing about that. */
static void make_always(const struct maker *m)
{
    /* The start that took it is still under way, and a machine has few processors. */
    static const struct timespec not_at_once = {.tv_nsec = 5000000};
    int status;
    for (int failures = 0, living = 0; failures < PATIENCE;) {
        failures = living < PRL_HOLDER_READY && make_one(m) < 0 ? failures + 1 : failures;
        if (++living < PRL_HOLDER_READY)
            continue;
        if (waitpid(-1, &status, 0) < 0)
            return;
        failures = status == 0 ? 0 : failures + WIFEXITED(status);
        living--;
        nanosleep(&not_at_once, NULL);
    }
}

int prl_holder_keep_ready(int dir_fd, const struct prl_holder_key *key)
{
    static struct maker m;
    pid_t self = getpid();
    m = (struct maker){.dir_fd = dir_fd, .name = key->name};
    if (prl_holder_whole_text(&key->uids, m.uids) < 0 ||
        prl_holder_whole_text(&key->gids, m.gids) < 0)
        return 0;
    pid_t pid = fork();
    if (pid != 0)
        return pid < 0 ? -errno : pid;
    prl_sys_close_range(3, (unsigned)dir_fd - 1);
    prl_sys_close_range((unsigned)dir_fd + 1, UINT_MAX);
    if (confine(writing_maps, self) == 0)
        make_always(&m);
    _exit(0);
}
