/* namespaces.c: --ipc, --uts, --cgroupns, --domainname: which namespaces are the container's
 * own.
 * In: option values.  Out: /linux/namespaces, and what must change with it.
 * Never: the host's mount, PID or user namespace. */
#include "config/parts.h"

#include "base/error.h"

#include <errno.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/stat.h>

static void leave(struct prl_merge *m, uint64_t namespace)
{
    m->spec->namespaces &= ~namespace;
}

/* The host's own directory at the same place, instead of a mount that the namespace brought. */
static int lend(struct prl_merge *m, const char *path)
{
    struct stat st;
    const struct prl_config_mount mount = {
        "--ipc", "bind", path, path, {"rbind", "rprivate", "nosuid", "nodev", "noexec", "rw"},
        NULL};
    struct prl_mount *own = prl_config_find_mount(m, NULL, path);

    if (own)
        prl_config_forget_mount(m, own);
    if (prl_config_is_taken(m, path) || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    prl_config_place_mount(m, &mount);
    return m->failed < 0 ? m->failed : prl_config_guard(m, "--ipc", path, path);
}

static int host_ipc(struct prl_merge *m)
{
    int r;

    if (prl_options_get(m->options, "shm-size"))
        return prl_config_bad(
            m, EINVAL, "--shm-size",
            "with --ipc host /dev/shm is the host's, which has its size: leave "
            "one of the two out");
    leave(m, CLONE_NEWIPC);
    r = lend(m, "/dev/shm");
    return r < 0 ? r : lend(m, "/dev/mqueue");
}

int prl_config_ipc(struct prl_merge *m, const char *text)
{
    struct prl_mount *shm = prl_config_find_mount(m, NULL, "/dev/shm");

    if (strcmp(text, "private") == 0 || strcmp(text, "shareable") == 0)
        return 0;
    if (strcmp(text, "host") == 0)
        return host_ipc(m);
    if (strcmp(text, "none") == 0) {
        if (shm)
            prl_config_forget_mount(m, shm);
        return 0;
    }
    if (strncmp(text, "container:", 10) == 0)
        return prl_config_bad(
            m, EOPNOTSUPP, "--ipc",
            "the IPC namespace of %.60s belongs to its user namespace, and its "
            "/dev/shm to its mounts: run the second program in it with "
            "\"pyrootless exec\", or share a directory with -v",
            text);
    return prl_config_bad(m, EINVAL, "--ipc",
                          "\"%.40s\" is not understood: write private, shareable, none or host",
                          text);
}

bool prl_config_host_uts(const struct prl_options *options)
{
    const char *text = prl_options_get(options, "uts");

    return text && strcmp(text, "host") == 0;
}

int prl_config_uts(struct prl_merge *m, const char *text)
{
    if (strcmp(text, "private") == 0)
        return 0;
    if (strcmp(text, "host") != 0)
        return prl_config_bad(m, EINVAL, "--uts",
                              "\"%.40s\" is not understood: write private or host", text);
    if (prl_options_get(m->options, "hostname") || prl_options_get(m->options, "domainname"))
        return prl_config_bad(m, EINVAL, "--uts",
                              "the host's names cannot be changed in a container: leave "
                              "--hostname and --domainname out, or --uts host");
    leave(m, CLONE_NEWUTS);
    return 0;
}

int prl_config_cgroupns(struct prl_merge *m, const char *text)
{
    if (strcmp(text, "private") != 0 && strcmp(text, "host") != 0)
        return prl_config_bad(m, EINVAL, "--cgroupns",
                              "\"%.40s\" is not understood: write private or host", text);
    if (strcmp(text, "host") == 0)
        leave(m, CLONE_NEWCGROUP);
    return 0;
}

int prl_config_domainname(struct prl_merge *m, const char *text)
{
    m->spec->domainname = prl_config_copy(m, text);
    return 0;
}
