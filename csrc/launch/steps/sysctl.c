/* sysctl.c: hostname, domain name, sysctls and oom_score_adj.
 * In: names and values.  Out: them in the kernel.
 * Never: a write to anything but procfs (CVE-2025-52881): the file system of each file is
 * checked after opening. Source: OCI runtime-spec config-linux.md "Sysctl"; proc(5). */
#include "launch/steps/setup.h"

#include "base/io.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { PROC_MAGIC = 0x9fa0, PARENT_BYTES = 256 };

/* A mount on the file itself would be another file, perhaps of procfs too. Directories may be
 * mounts: outer engines mount /proc/sys/net again. */
static int PRL_CHILD_SAFE open_proc(int dir_fd, const char *path)
{
    char parent[PARENT_BYTES];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
    if (len == 0 || len >= sizeof parent)
        return openat(dir_fd, path, flags);
    memcpy(parent, path, len);
    parent[len] = '\0';
    _cleanup_close_ int dir = openat(dir_fd, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -1;
    /* /proc/self is a link that was followed on the way here. */
    int fd = (int)prl_sys_openat2(dir, slash + 1, (uint64_t)(unsigned)flags, 0,
                                  PRL_RESOLVE_BENEATH | PRL_RESOLVE_NO_XDEV);
    /* FALLBACK: remove when kernel >= 5.6 (openat2) is required */
    return fd < 0 && (errno == ENOSYS || errno == EPERM) ? openat(dir, slash + 1, flags) : fd;
}

static int PRL_CHILD_SAFE write_proc(int dir_fd, const char *path, const char *value,
                                     struct prl_error *reterr)
{
    _cleanup_close_ int fd = open_proc(dir_fd, path);
    struct statfs fs;
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_SYSCTL, "open", path);
    if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_MAGIC)
        return prl_fail_with(reterr, PRL_STAGE_SYSCTL, EXDEV, "fstatfs", path);
    int r = prl_io_write_all(fd, value, strlen(value));
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_SYSCTL, -r, "write", path) : 0;
}

/* On a network that leads further than its loopback everybody may ping, by a socket that can
 * send nothing else, so nobody needs CAP_NET_RAW for it. A new network namespace allows it to
 * nobody. Best effort, because the user did not ask for it: an outer container may have made
 * /proc/sys read-only. Source: icmp(7), "ping_group_range". */
static void PRL_CHILD_SAFE allow_ping(const struct prl_setup *s)
{
    static const char path[] = "/proc/sys/net/ipv4/ping_group_range";
    char text[48];
    struct prl_error ignored;
    uint32_t first = UINT32_MAX, last = 0;
    if (s->box || s->spec->network.helper == PRL_NETWORK_ALONE)
        return;
    for (size_t i = 0; i < s->spec->gid_maps_len; i++) {
        const struct prl_idmap *row = &s->spec->gid_maps[i];
        uint32_t end = row->container_id + row->size - 1;
        first = row->container_id < first ? row->container_id : first;
        last = end > last ? end : last;
    }
    if (first > last)
        return;
    prl_sys_decimal(first, text);
    size_t len = strlen(text);
    text[len] = '\t';
    prl_sys_decimal(last, text + len + 1);
    (void)write_proc(AT_FDCWD, path, text, &ignored);
}

int PRL_CHILD_SAFE prl_sysctl_apply(struct prl_setup *s, struct prl_error *reterr)
{
    const struct prl_spec *spec = s->spec;
    if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
        return prl_fail(reterr, PRL_STAGE_SYSCTL, "sethostname", spec->hostname);
    if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
        return prl_fail(reterr, PRL_STAGE_SYSCTL, "setdomainname", spec->domainname);
    allow_ping(s); /* before what was asked for, which may be this */
    if (spec->sysctls_len > 0) {
        /* The host's procfs shows the caller's own namespaces below /proc/sys. */
        _cleanup_close_ int dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            return prl_fail(reterr, PRL_STAGE_SYSCTL, "open", "/proc/sys");
        for (size_t i = 0; i < spec->sysctls_len; i++) {
            int r = write_proc(dir, spec->sysctls[i].path, spec->sysctls[i].value, reterr);
            if (r < 0)
                return r;
        }
    }
    char text[32] = "-";
    int value = s->spec->process.oom_score_adj;
    if (!s->spec->process.has_oom_score_adj)
        return 0;
    prl_sys_decimal((uint64_t)(value < 0 ? -value : value), value < 0 ? text + 1 : text);
    return write_proc(AT_FDCWD, "/proc/self/oom_score_adj", text, reterr);
}
