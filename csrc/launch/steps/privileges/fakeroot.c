/* fakeroot.c: the filter whose calls the fake root answers.
 * In: a program made by the parent.  Out: the filter installed, its listener with the parent.
 * Never: a container without the fake root it was to have; the listener in the program's hands.
 *
 * Before the profile's filter, which may refuse seccomp(2), and before the user is changed:
 * that change is the first one to be remembered.  Source: seccomp(2). */
#include "launch/steps/setup.h"

#include "base/own.h"
#include "launch/steps/handover.h"

int PRL_CHILD_SAFE prl_fakeroot_apply(struct prl_setup *s, struct prl_error *reterr)
{
    if (!s->fake_filter)
        return 0;
    if (s->spec->fake_root == PRL_FAKE_ROOT_SILENT)
        return prl_sys_seccomp_load(s->fake_filter, s->fake_filter_len) < 0
                   ? prl_fail(reterr, PRL_STAGE_FAKEROOT, "seccomp", "filter")
                   : 0;
    _cleanup_close_ int fd = prl_sys_seccomp_listen(s->fake_filter, s->fake_filter_len);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_FAKEROOT, "seccomp", "listener");
    if (prl_handover_send(s->service_fd, PRL_HANDOVER_LISTENER, fd, true) < 0)
        return prl_fail(reterr, PRL_STAGE_FAKEROOT, "sendmsg", "listener");
    return 0;
}
