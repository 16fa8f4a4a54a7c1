/* fakeroot.c: start the supervisor of a container's fake root.
 * In: the listener that the child handed over.  Out: a process that has it.
 * Never: a copy of the caller's memory (posix_spawn); a descriptor handed on beside the
 * listener and the container's user namespace; a wait until the supervisor reads: calls queue
 * until then. */
#include "launch/serve/parent.h"
#include "launch/steps/exports.h"

#include "base/own.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

enum { LISTENER_FD = 3, USERNS_FD = 4, OUT_OF_THE_WAY = 16 };

static int spawn(const struct prl_setup *setup, const char *program, const int fds[2],
                 pid_t *ret)
{
    static char *const environment[] = {NULL};
    char parent[24];
    char *argv[] = {"pyrootless",
                    "_fakeroot",
                    parent,
                    (char *)setup->fake_ids,
                    (char *)setup->spec->fake_root_owners,
                    NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    prl_sys_decimal(setup->target ? 0 : (uint64_t)getpid(), parent);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    posix_spawn_file_actions_adddup2(&actions, 0, 2);
    posix_spawn_file_actions_adddup2(&actions, fds[0], LISTENER_FD);
    posix_spawn_file_actions_adddup2(&actions, fds[1], USERNS_FD);
    int r = posix_spawn(ret, program, &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

/* A child that joins may not be looked into yet; whom it joins may. */
static int open_userns(const struct prl_setup *setup, const struct prl_child *child)
{
    char path[48];
    if (setup->target)
        return openat(setup->target->proc_fd, "ns/user", O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)child->pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The supervisor of a program of `exec` goes on in the background: what that program leaves in
 * the container needs it, and who waits for the program alone does not wait for it. */
static int let_go(pid_t *pid)
{
    int status = 0;
    while (waitpid(*pid, &status, 0) < 0 && errno == EINTR)
        ;
    *pid = 0;
    return status == 0 ? 0 : -ECHILD;
}

int prl_serve_fakeroot(const struct prl_setup *setup, struct prl_child *child, int listener_fd,
                       struct prl_error *reterr)
{
    const struct prl_spec *spec = setup->spec;
    const char *program = spec->launcher ? spec->launcher : "/proc/self/exe";
    _cleanup_close_ int userns = open_userns(setup, child);
    if (userns < 0)
        return prl_fail(reterr, PRL_STAGE_FAKEROOT, "open", "ns/user");
    /* Above 3 and 4, or one would be put in the other's place. */
    _cleanup_close_ int listener = fcntl(listener_fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    _cleanup_close_ int space = fcntl(userns, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    if (listener < 0 || space < 0)
        return prl_fail(reterr, PRL_STAGE_FAKEROOT, "fcntl", "listener");
    const int fds[2] = {listener, space};
    int r = spawn(setup, program, fds, &child->supervisor);
    if (r == 0 && setup->target)
        r = let_go(&child->supervisor);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_FAKEROOT, -r, "posix_spawn", program) : 0;
}
