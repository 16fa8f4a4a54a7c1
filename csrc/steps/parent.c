/* parent.c: waiting for what the parent does beside the set-up: the container's own files, and
 * a look at what it is made from. In: a futex in shared memory.  Out: they are done.  Never: a
 * wait for a parent that is gone; a program that starts without them.  Source: futex(2),
 * prctl(2). */
#include "steps/steps.h"

#include "base/own.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Whoever holds the other end of the report pipe lives. */
static bool PRL_CHILD_SAFE is_orphan(struct prl_setup *s)
{
    struct pollfd end = {.fd = s->report_fd};
    prl_close_p(&s->report_parent_fd);
    return poll(&end, 1, 0) != 0;
}

static int PRL_CHILD_SAFE await(struct prl_setup *s, int wanted, const char *what,
                                struct prl_error *reterr)
{
    int done;
    while ((done = __atomic_load_n(&s->parent_done, __ATOMIC_ACQUIRE)) >= 0 && done < wanted)
        if (syscall(SYS_futex, &s->parent_done, FUTEX_WAIT, done, NULL, NULL, 0) < 0 &&
            errno != EAGAIN && errno != EINTR)
            (void)sched_yield(); /* hidden by an outer filter */
    return done >= 0 ? 0 : prl_fail_with(reterr, PRL_STAGE_STATE, ECANCELED, "futex", what);
}

/* A parent that dies from here on takes this process with it. */
int PRL_CHILD_SAFE prl_parent_files(struct prl_setup *s, struct prl_error *reterr)
{
    if (!s->awaits)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "prctl", "PR_SET_PDEATHSIG");
    if (is_orphan(s))
        return prl_fail_with(reterr, PRL_STAGE_CLONE, ESRCH, "poll", "the launcher");
    return await(s, PRL_PARENT_FILES, "its files", reterr);
}

int PRL_CHILD_SAFE prl_parent_checked(struct prl_setup *s, struct prl_error *reterr)
{
    return s->awaits ? await(s, PRL_PARENT_CHECKED, "its sources", reterr) : 0;
}
