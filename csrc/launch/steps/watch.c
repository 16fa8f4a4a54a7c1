/* watch.c: the child's part in being verified.
 * In: a spec that asks for it.  Out: the parent traces this process; Landlock has shown that it
 * is there.  Never: a lasting effect; anything without --verify.
 * Source: ptrace(2); landlock(7): a process in a domain can mount nothing. */
#include "launch/steps/setup.h"

#include "launch/steps/handover.h"

#include <errno.h>
#include <sys/mount.h>

int PRL_CHILD_SAFE prl_watch_ask(struct prl_setup *s, struct prl_error *reterr)
{
    if (s->spec->verify && prl_handover_send(s->service_fd, PRL_HANDOVER_WATCH, -1, true) < 0)
        return prl_fail(reterr, PRL_STAGE_VERIFY, "recv", "tracer");
    return 0;
}

/* No file tells whether a process is in a domain.  Here it still holds every capability of its
 * user namespace, so that making "/" private, which it is, succeeds unless a domain forbids it.
 */
int PRL_CHILD_SAFE prl_watch_landlock(struct prl_setup *s, struct prl_error *reterr)
{
    if (!s->spec->verify || !s->spec->landlock || prl_sys_landlock_abi() < 2)
        return 0;
    if (mount(NULL, "/", NULL, MS_PRIVATE, NULL) == 0)
        return prl_fail_with(reterr, PRL_STAGE_VERIFY, EPROTO, "mount",
                             "Landlock: asked for, and not applied");
    return 0;
}
