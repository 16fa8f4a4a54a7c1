/* fakeroot.c: start the supervisor of a container's fake root.
 * In: the listener that the child handed over.  Out: a process that has it.
 * Never: a copy of the caller's memory; a descriptor handed on beside the listener and the
 * container's user namespace; a wait for the supervisor: calls queue until it reads them. */
#include "launch/serve/parent.h"
#include "launch/steps/exports.h"

#include "base/own.h"
#include "base/process/helper.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

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
    char parent[24];
    prl_sys_decimal(setup->target ? 0 : (uint64_t)getpid(), parent);
    const char *const argv[] = {
        program, "_fakeroot", parent, setup->fake_ids, setup->spec->fake_root_owners, NULL};
    const struct prl_helper_start how = {.argv = argv,
                                         .fds = {-1, -1, -1, listener_fd, userns, -1}};
    int r = prl_helper_start(&how, &child->supervisor);
    if (r == 0 && setup->target)
        r = let_go(&child->supervisor);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_FAKEROOT, -r, "execve", program) : 0;
}
