/* apart.c: control groups for a container that may mount control groups itself.
 * In: a spec, /proc/self/mountinfo, /proc/self/cgroup.  Out: a base in every hierarchy that the
 * caller may make groups in, also in those that enforce no limit; and whether a hierarchy is
 * left in which the container would share a group that the caller may change. Never: a group
 * made or changed here.  Source: cgroup_namespaces(7), cgroups(7). */
#include "limits/look.h"

#include "base/own.h"
#include "limits/names.h"
#include "spec/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { MOUNTS = 64, DEPTH = 24, SCANNED = 4096 };

struct hierarchy {
    char *names; /* "cpu,cpuacct", "name=systemd"; of version 2 "" */
    char *own;   /* the group that this process stands in */
};

struct mounts {
    struct prl_cgroup_mount rows[MOUNTS];
    size_t len;
};

bool prl_cgroup_is_apart(const struct prl_spec *spec)
{
    return (spec->namespaces & CLONE_NEWCGROUP) && prl_spec_may_mount(spec);
}

/* One line "N:NAMES:PATH", which this takes apart. */
static bool parse_hierarchy(char *line, struct hierarchy *ret)
{
    ret->names = strchr(line, ':');
    ret->own = ret->names ? strchr(ret->names + 1, ':') : NULL;
    if (!ret->own)
        return false;
    ret->names++;
    *ret->own++ = '\0';
    return true;
}

static bool has_word(const char *list, const char *word, size_t len)
{
    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (strncmp(list, word, len) == 0 && (list[len] == ',' || list[len] == '\0'))
            return true;
    return false;
}

/* A mount of it that shows the group `own`: controllers stand in one hierarchy, so the first
 * name tells.  *ret_seen: there is any mount of it. */
static const struct prl_cgroup_mount *find_mount(const struct mounts *mounts,
                                                 const struct hierarchy *h, bool *ret_seen)
{
    *ret_seen = false;
    for (size_t i = 0; i < mounts->len; i++) {
        const struct prl_cgroup_mount *mount = &mounts->rows[i];
        bool mine = mount->version2 ? *h->names == '\0'
                                    : *h->names && has_word(mount->options, h->names,
                                                            strcspn(h->names, ","));
        *ret_seen |= mine;
        _cleanup_free_ char *place = mine ? prl_cgroup_place(mount, h->own) : NULL;
        if (place)
            return mount;
    }
    return NULL;
}

static bool has_base(const struct prl_cgroup_host *host, const struct hierarchy *h)
{
    unsigned controllers = prl_controllers_parse(h->names, ",");
    for (size_t i = 0; i < host->len; i++)
        if (host->bases[i].version2 ? *h->names == '\0'
                                    : (host->bases[i].controllers & controllers) != 0)
            return true;
    return false;
}

/* Checks the owner, not access(2): that fails on a read-only mount too, but the container
 * mounts the hierarchy again. */
static bool may_change(int fd, const struct stat *st)
{
    return st->st_uid == geteuid() || faccessat(fd, ".", W_OK, 0) == 0;
}

/* Is there a group at or below this one that the caller may change?  A directory of the
 * kernel's counts those below it by its links.  What takes too long to tell counts as yes. */
static bool reaches(int above_fd, const char *name, int depth, int *left)
{
    struct stat st;
    _cleanup_close_ int fd =
        openat(above_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT && errno != ENODEV && errno != ENOTDIR && errno != EACCES;
    if (fstat(fd, &st) < 0 || --*left < 0 || depth == 0 || may_change(fd, &st))
        return true;
    if (st.st_nlink == 2)
        return false;
    _cleanup_close_ int list_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    _cleanup_closedir_ DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
    if (!dir)
        return true;
    (void)steal_fd(&list_fd);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.' &&
            (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
            reaches(fd, entry->d_name, depth - 1, left))
            return true;
    return false;
}

/* What another mount hides from us is not hidden in a new mount. */
static bool is_open(const char *place)
{
    int left = SCANNED;
    struct statfs fs;
    bool shown = statfs(place, &fs) == 0 &&
                 (fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC);
    return !shown || reaches(AT_FDCWD, place, DEPTH, &left);
}

/* A hierarchy that is not mounted anywhere has only its root group, unless its mount is hidden
 * from us. */
static bool is_unused(const struct hierarchy *h, bool seen)
{
    return !seen && strcmp(h->own, "/") == 0 && *h->names == '\0';
}

static void look_at(struct prl_cgroup_host *host, const struct mounts *mounts,
                    const struct hierarchy *h)
{
    bool seen;
    const struct prl_cgroup_mount *mount = find_mount(mounts, h, &seen);
    if (!mount) {
        host->open |= !is_unused(h, seen);
        return;
    }
    _cleanup_free_ char *place = prl_cgroup_place(mount, h->own);
    bool cpuset = prl_controllers_parse(h->names, ",") & PRL_CONTROL_CPUSET;
    /* A cpuset that has no base takes no process. */
    char *base = cpuset ? NULL : prl_cgroup_delegated(mount, place);
    if (base && host->len < PRL_CGROUP_BASES) {
        prl_cgroup_add_base(host, (struct prl_cgroup_base){.path = base,
                                                           .controllers = PRL_CONTROL_OTHER,
                                                           .version2 = mount->version2});
        return;
    }
    free(base);
    host->open |= !place || is_open(place);
}

int prl_cgroup_look_rest(const char *proc, struct prl_cgroup_host *host,
                         struct prl_error *reterr)
{
    _cleanup_free_ char *text = NULL, *own = NULL;
    struct mounts mounts;
    char *save = NULL;
    if (host->rest)
        return 0;
    int r = prl_cgroup_read_proc(proc, "mountinfo", &text, reterr);
    if (r == 0)
        r = prl_cgroup_read_proc(proc, "cgroup", &own, reterr);
    if (r < 0)
        return r;
    mounts.len = 0;
    for (char *line = strtok_r(text, "\n", &save); line && mounts.len < MOUNTS;
         line = strtok_r(NULL, "\n", &save))
        if (prl_cgroup_parse_mount(line, &mounts.rows[mounts.len]))
            mounts.len++;
    for (char *line = strtok_r(own, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct hierarchy h;
        if (parse_hierarchy(line, &h) && !has_base(host, &h))
            look_at(host, &mounts, &h);
    }
    host->rest = true;
    return 0;
}
