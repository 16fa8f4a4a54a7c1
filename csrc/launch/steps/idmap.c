/* idmap.c: who the ids of the new user namespace are.
 * In: map lines prepared by the parent.  Out: uid_map, gid_map and setgroups written, here for
 * the caller's own id, for many ids by the parent (launch/report.c) or from inside the
 * holder's namespace (launch/userns.c).  Never: a helper program. Source: user_namespaces(7).
 */
#include "launch/steps/setup.h"

#include "base/io.h"
#include "base/own.h"
#include "launch/steps/handover.h"

#include <fcntl.h>
#include <string.h>

/* 0:0 has the powers of the new namespace as the caller had, whatever its id was. */
static int PRL_CHILD_SAFE become_root(struct prl_error *reterr)
{
    const char *failed;
    return prl_sys_become(0, 0, &failed) < 0 ? prl_fail(reterr, PRL_STAGE_IDMAP, failed, "0:0")
                                             : 0;
}

/* Before the first file is made: without this the caller is nobody inside, who can make no
 * file. */
int PRL_CHILD_SAFE prl_idmap_early(struct prl_setup *s, struct prl_error *reterr)
{
    return s->early ? become_root(reterr) : 0;
}

/* After the layers are mounted, which are the caller's: /dev and mount points belong to
 * root. */
int PRL_CHILD_SAFE prl_idmap_late(struct prl_setup *s, struct prl_error *reterr)
{
    return s->late ? become_root(reterr) : 0;
}

static int PRL_CHILD_SAFE write_proc(const char *path, const char *text,
                                     struct prl_error *reterr)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_IDMAP, "open", path);
    int r = prl_io_write_all(fd, text, strlen(text));
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_IDMAP, -r, "write", path) : 0;
}

int PRL_CHILD_SAFE prl_idmap_apply(struct prl_setup *s, struct prl_error *reterr)
{
    if (!(s->spec->namespaces & CLONE_NEWUSER))
        return 0;
    if (s->ready)
        return 0;
    if (s->joined)
        return prl_handover_wait(s->service_fd) < 0
                   ? prl_fail(reterr, PRL_STAGE_IDMAP, "recv", "id maps")
                   : 0;
    if (!s->uid_map)
        return prl_handover_send(s->service_fd, PRL_HANDOVER_MAPS, -1, true) < 0
                   ? prl_fail(reterr, PRL_STAGE_IDMAP, "recv", "id maps")
                   : 0;
    /* An unprivileged process may write gid_map only after it has given up setgroups(2): else
     * it could drop a group that was used to refuse it something.  user_namespaces(7),
     * "gid_map". */
    int r = write_proc("/proc/self/setgroups", "deny", reterr);
    if (r < 0)
        return r;
    r = write_proc("/proc/self/uid_map", s->uid_map, reterr);
    if (r < 0)
        return r;
    return write_proc("/proc/self/gid_map", s->gid_map, reterr);
}
