/* supervisor.c: the process that answers the container's calls, one after another.
 * In: the listener of the filter (descriptor 3), the container's user namespace (4), the file
 * of claims.  Out: answers, until every process under the filter is gone. Never: a process of
 * the container (it has the container's user namespace and nothing else of it: nothing in there
 * can see, signal or trace it); an effect beyond supervisor.h's.
 *
 * Its only power are capabilities in the container's user namespace, which the container's own
 * root has too.  Source: seccomp_unotify(2). */
#include "fakeroot/supervisor.h"

#include "base/own.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LISTENER_FD = 3, USERNS_FD = 4, REQUEST_BYTES = 256 };

/* In the container's user namespace alone: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER
 * for its files, CAP_SYS_CHROOT and CAP_SYS_PTRACE to see paths and memory as its processes do.
 */
#define CAPS (1u << 1 | 1u << 2 | 1u << 3 | 1u << 18 | 1u << 19)

static const prl_fake_answer answers[PRL_FAKE_CALLS] = {
    [PRL_FAKE_STAT] = prl_fake_stat,
    [PRL_FAKE_LSTAT] = prl_fake_stat,
    [PRL_FAKE_FSTAT] = prl_fake_stat,
    [PRL_FAKE_FSTATAT] = prl_fake_stat,
    [PRL_FAKE_STATX] = prl_fake_stat,
    [PRL_FAKE_CHOWN] = prl_fake_chown,
    [PRL_FAKE_LCHOWN] = prl_fake_chown,
    [PRL_FAKE_FCHOWN] = prl_fake_chown,
    [PRL_FAKE_FCHOWNAT] = prl_fake_chown,
    [PRL_FAKE_MKNOD] = prl_fake_mknod,
    [PRL_FAKE_MKNODAT] = prl_fake_mknod,
    [PRL_FAKE_GETUID] = prl_fake_get_id,
    [PRL_FAKE_GETEUID] = prl_fake_get_id,
    [PRL_FAKE_GETGID] = prl_fake_get_id,
    [PRL_FAKE_GETEGID] = prl_fake_get_id,
    [PRL_FAKE_GETRESUID] = prl_fake_get_ids,
    [PRL_FAKE_GETRESGID] = prl_fake_get_ids,
    [PRL_FAKE_GETGROUPS] = prl_fake_get_groups,
    [PRL_FAKE_SETUID] = prl_fake_set_ids,
    [PRL_FAKE_SETREUID] = prl_fake_set_ids,
    [PRL_FAKE_SETRESUID] = prl_fake_set_ids,
    [PRL_FAKE_SETFSUID] = prl_fake_set_ids,
    [PRL_FAKE_SETGID] = prl_fake_set_ids,
    [PRL_FAKE_SETREGID] = prl_fake_set_ids,
    [PRL_FAKE_SETRESGID] = prl_fake_set_ids,
    [PRL_FAKE_SETFSGID] = prl_fake_set_ids,
    [PRL_FAKE_SETGROUPS] = prl_fake_set_groups,
    [PRL_FAKE_CAPSET] = prl_fake_capset,
    [PRL_FAKE_CREATE] = prl_fake_birth,
    [PRL_FAKE_CREATE_AT] = prl_fake_birth,
    [PRL_FAKE_SYMLINK] = prl_fake_birth,
    [PRL_FAKE_SYMLINKAT] = prl_fake_birth,
    [PRL_FAKE_BIND] = prl_fake_birth,
    [PRL_FAKE_PEER] = prl_fake_peer,
    [PRL_FAKE_SETXATTR] = prl_fake_attribute,
    [PRL_FAKE_SETXATTRAT] = prl_fake_attribute,
    [PRL_FAKE_EXEC] = prl_fake_exec,
    [PRL_FAKE_KEEPCAPS] = prl_fake_set_ids,
    [PRL_FAKE_GETLIMIT] = prl_fake_limit,
    [PRL_FAKE_SETLIMIT] = prl_fake_limit,
    [PRL_FAKE_PRLIMIT] = prl_fake_limit,
};

static struct prl_target target_of(const struct prl_fake *fake, const struct seccomp_notif *n)
{
    return (struct prl_target){
        .listener_fd = fake->listener_fd, .id = n->id, .pid = (pid_t)n->pid, .tag = fake->tag};
}

static struct seccomp_notif_resp answer(struct prl_fake *fake, const struct seccomp_notif *n)
{
    const struct prl_fake_request request = {
        .target = target_of(fake, n),
        .call = prl_fake_call_of(n->data.nr, (const uint64_t *)n->data.args),
        .args = (const uint64_t *)n->data.args,
    };
    struct seccomp_notif_resp response = {.id = n->id};
    prl_fake_answer how = answers[request.call]; /* none: PRL_FAKE_RENAME, see creation.c */
    long result = how ? how(fake, &request) : PRL_FAKE_PASS;
    if (result == PRL_FAKE_PASS)
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (result < 0)
        response.error = (int)result;
    else
        response.val = result;
    return response;
}

/* The kernel's structure may have grown beyond the one we know. */
union request {
    struct seccomp_notif notif;
    char room[REQUEST_BYTES];
};

/* The first caller is the program's own beginning, which has no other root than the
 * container's. 0: what joins may not be looked into before it has executed its program. */
static uint64_t root_device(pid_t pid)
{
    char path[32];
    struct stat st;
    snprintf(path, sizeof path, "%d/root", (int)pid);
    return stat(path, &st) < 0 ? 0 : st.st_dev;
}

/* Who the program is at first it does not tell: what is not yet the container's may not be
 * looked into, so that its memory could not be read. */
static void begin(struct prl_fake *fake, const struct seccomp_notif *n)
{
    const struct prl_target first = target_of(fake, n);
    if (fake->sets_len > 1)
        (void)prl_target_set_ids(&first, fake->sets_len - 1);
    fake->begun = true;
}

/* A caller that died meanwhile is ENOENT on both calls: nobody waits for the answer. */
static void serve_one(struct prl_fake *fake)
{
    union request request;
    memset(&request, 0, sizeof request); /* the kernel insists */
    if (ioctl(fake->listener_fd, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
        return;
    if (!fake->begun)
        begin(fake, &request.notif);
    if (!fake->claims.root_device)
        fake->claims.root_device = root_device((pid_t)request.notif.pid);
    prl_births_settle(fake, (pid_t)request.notif.pid);
    struct seccomp_notif_resp response = answer(fake, &request.notif);
    (void)ioctl(fake->listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void serve(struct prl_fake *fake)
{
    struct pollfd listener = {.fd = fake->listener_fd, .events = POLLIN};
    for (;;) {
        int n = poll(&listener, 1, -1);
        if (n < 0 && errno != EINTR)
            return;
        if (n > 0 && listener.revents & POLLIN)
            serve_one(fake);
        else if (n > 0)
            return; /* POLLHUP: all of them are gone */
    }
}

/* Nothing of the caller's is kept, and nothing of it reaches us but its death, if that is the
 * container's end. */
static int detach(pid_t parent)
{
    if (parent && (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent))
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return -1;
    setsid();
    umask(0);
    return prl_sys_close_range(USERNS_FD + 1, ~0u);
}

/* The second set, where the first is not theirs. */
static int add_first(struct prl_fake *fake, const char *ids)
{
    struct prl_fakeroot_ids *sets = fake->sets;
    int r = prl_ids_executed(ids, &sets[1]);
    if (r == 0 && memcmp(&sets[0], &sets[1], sizeof *sets) != 0)
        fake->sets_len++;
    return r;
}

static int open_fake(struct prl_fake *fake, const char *ids, const char *owners)
{
    *fake = (struct prl_fake){.listener_fd = LISTENER_FD};
    int r = prl_target_begin(); /* first: it takes a descriptor by number */
    if (r < 0)
        return r;
    fake->claims.side = prl_side_open(owners);
    fake->sets = malloc(2 * sizeof *fake->sets);
    if (!fake->claims.side || !fake->sets)
        return -1;
    fake->sets[fake->sets_len++] = prl_ids_root();
    if (add_first(fake, ids) < 0)
        return -1;
    /* Answers go straight to the caller's processor (Linux 6.6); elsewhere they are slower. */
    (void)ioctl(LISTENER_FD, PRL_SECCOMP_NOTIF_SET_FLAGS, PRL_SECCOMP_NOTIF_SYNC_WAKE_UP);
    return 0;
}

/* True: this is the process that serves.  The other one has an answer for who started it. */
static bool go_on(pid_t parent, int *ret_status)
{
    pid_t pid = parent ? 0 : fork();
    *ret_status = pid < 0 ? 125 : 0;
    return pid == 0;
}

int prl_fake_main(int argc, char **argv)
{
    struct prl_fake fake;
    pid_t parent = argc > 1 ? (pid_t)strtol(argv[0], NULL, 10) : -1;
    int status;
    if (parent < 0 || detach(parent) < 0 ||
        open_fake(&fake, argv[1], argc > 2 ? argv[2] : NULL) < 0)
        return 125;
    if (setns(USERNS_FD, CLONE_NEWUSER) < 0 || prl_sys_capset(CAPS, CAPS, 0) < 0)
        return 125;
    close(USERNS_FD);
    if (!go_on(parent, &status))
        return status;
    fake.tag = (uint32_t)getpid();
    serve(&fake);
    prl_births_settle(&fake, 0);
    prl_side_close(fake.claims.side);
    free(fake.sets);
    return 0;
}
