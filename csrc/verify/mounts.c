/* mounts.c: what is mounted where, and how.
 * In: a stopped process.  Out: 0 or the first difference: a mount that is not there, a flag it
 * has not, a path that is not hidden or not read-only, a mount that nobody asked for.
 * Never: a path of the container's followed out of its root.
 * Source: proc_pid_mountinfo(5). */
#include "verify/check.h"

#include "base/mountinfo.h"
#include "base/own.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct table {
    const struct prl_verify *v;
    int root_fd; /* "/" of the process */
    struct prl_mount_row *rows;
    size_t len;
    bool *asked; /* of each row: somebody wished it */
};

/* The row of the mount on top at a path; links of the image are followed within its root. A
 * path that this process may not walk is found by its name only. */
static struct prl_mount_row *find_row(const struct table *t, const char *path)
{
    unsigned id = 0;
    _cleanup_close_ int fd = prl_sys_open_in_root(t->root_fd, path, O_PATH);
    bool walked = fd >= 0 && prl_mountinfo_id(fd, &id);
    for (size_t i = t->len; i-- > 0;)
        if (walked ? t->rows[i].id == id : strcmp(t->rows[i].point, path) == 0)
            return &t->rows[i];
    return NULL;
}

static bool has_flag(const char *flags, const char *wanted)
{
    size_t len = strlen(wanted);
    for (const char *at = flags; *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, wanted, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

static int check_flags(const struct prl_mount_row *row, const struct prl_mount *m,
                       struct prl_error *reterr)
{
    static const struct {
        uint64_t attr;
        char flag[8];
    } flags[] = {
        {MOUNT_ATTR_RDONLY, "ro"},
        {MOUNT_ATTR_NOSUID, "nosuid"},
        {MOUNT_ATTR_NODEV, "nodev"},
        {MOUNT_ATTR_NOEXEC, "noexec"},
    };
    uint64_t asked = m->attr_set | m->attr_set_recursive;
    char name[PRL_VERIFY_TEXT + 16];
    snprintf(name, sizeof name, "mount %.64s", m->destination);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if ((asked & flags[i].attr) && !has_flag(row->flags, flags[i].flag))
            return prl_verify_differs(name, flags[i].flag, row->flags, reterr);
    return 0;
}

/* A later mount on the same place hides this one; so does a mask. */
static bool is_covered(const struct prl_spec *spec, size_t at)
{
    const char *path = spec->mounts[at].destination;
    for (size_t i = at + 1; i < spec->mounts_len; i++)
        if (strcmp(spec->mounts[i].destination, path) == 0)
            return true;
    for (const char *const *p = spec->masked_paths; p && *p; p++)
        if (strcmp(*p, path) == 0)
            return true;
    return false;
}

/* A recursive bind brings what lies below its source along. */
static void ask(const struct table *t, const struct prl_mount_row *row, bool recursive)
{
    for (size_t i = 0; i < t->len; i++)
        if (&t->rows[i] == row || strcmp(t->rows[i].point, row->point) == 0 ||
            (recursive && prl_mountinfo_below(t->rows[i].point, row->point)))
            t->asked[i] = true;
}

static int check_mounts(const struct table *t, struct prl_error *reterr)
{
    const struct prl_spec *spec = t->v->spec;
    for (size_t i = 0; i < spec->mounts_len; i++) {
        const struct prl_mount *m = &spec->mounts[i];
        const struct prl_mount_row *row = find_row(t, m->destination);
        if (!row || strcmp(row->point, "/") == 0)
            return prl_verify_differs("mounts", m->destination, "none there", reterr);
        ask(t, row, m->recursive);
        int r = is_covered(spec, i) ? 0 : check_flags(row, m, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

static int open_path(const struct table *t, const char *path, int *ret_fd,
                     struct prl_error *reterr)
{
    *ret_fd = prl_sys_open_in_root(t->root_fd, path, O_PATH);
    if (*ret_fd >= 0 || errno == ENOENT || errno == ENOTDIR)
        return 0;
    /* If this process may not walk the path (a file system of another user's), its name must
     * do. The kernel's own trees are the same here, so what is missing in them need not be
     * masked. */
    bool kernels = strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
    for (size_t i = t->len; i-- > 0;) {
        const struct prl_mount_row *row = &t->rows[i];
        if (strcmp(row->point, path) != 0)
            continue;
        ask(t, row, true);
        return has_flag(row->flags, "ro") || strcmp(row->root, "/null") == 0
                   ? 0
                   : prl_verify_differs(path, "ro", row->flags, reterr);
    }
    return kernels && access(path, F_OK) == 0
               ? prl_verify_differs(path, "a mount on it", "none there", reterr)
               : 0;
}

/* Hidden: a null device, or an empty directory nobody can write to. */
static int check_mask(const struct table *t, const char *path, struct prl_error *reterr)
{
    _cleanup_close_ int fd = -1;
    struct stat st;
    struct statvfs fs;
    int r = open_path(t, path, &fd, reterr);
    if (r < 0 || fd < 0)
        return r;
    if (fstat(fd, &st) < 0 || fstatvfs(fd, &fs) < 0)
        return prl_verify_unread(path, errno, reterr);
    bool hidden = S_ISCHR(st.st_mode) ? st.st_rdev == makedev(1, 3)
                                      : S_ISDIR(st.st_mode) && st.st_nlink == 2 &&
                                            (fs.f_flag & ST_RDONLY) && fs.f_files == 1;
    const struct prl_mount_row *row = find_row(t, path);
    if (row && strcmp(row->point, "/") != 0)
        ask(t, row, false);
    return hidden ? 0 : prl_verify_differs(path, "a mask", "the thing itself", reterr);
}

static int check_readonly(const struct table *t, const char *path, struct prl_error *reterr)
{
    _cleanup_close_ int fd = -1;
    struct statvfs fs;
    int r = open_path(t, path, &fd, reterr);
    if (r < 0 || fd < 0)
        return r;
    if (fstatvfs(fd, &fs) < 0)
        return prl_verify_unread(path, errno, reterr);
    const struct prl_mount_row *row = find_row(t, path);
    if (row && strcmp(row->point, "/") != 0)
        ask(t, row, true);
    return fs.f_flag & ST_RDONLY ? 0 : prl_verify_differs(path, "ro", "rw", reterr);
}

/* The root, and what the engine itself puts there: its devices, and a terminal. */
static int check_own(const struct table *t, struct prl_error *reterr)
{
    const struct prl_spec *spec = t->v->spec;
    const struct prl_mount_row *root = NULL;
    for (size_t i = 0; i < t->len; i++) {
        if (strcmp(t->rows[i].point, "/") != 0)
            continue;
        if (root)
            return prl_verify_differs("mounts", "one root", "another with it", reterr);
        root = &t->rows[i];
    }
    if (!root)
        return prl_verify_differs("mounts", "a root", "none there", reterr);
    ask(t, root, false);
    for (size_t i = 0; i < t->len; i++)
        if (strncmp(t->rows[i].point, "/dev/", 5) == 0 && t->rows[i].root[0] == '/' &&
            strchr(t->rows[i].root + 1, '/') == NULL)
            t->asked[i] = true;
    if (spec->rootfs.readonly && !has_flag(root->flags, "ro"))
        return prl_verify_differs("root", "ro", root->flags, reterr);
    return 0;
}

static int check_table(const struct table *t, struct prl_error *reterr)
{
    const struct prl_spec *spec = t->v->spec;
    int r = check_own(t, reterr);
    if (r == 0)
        r = check_mounts(t, reterr);
    for (const char *const *p = spec->masked_paths; r == 0 && p && *p; p++)
        r = check_mask(t, *p, reterr);
    for (const char *const *p = spec->readonly_paths; r == 0 && p && *p; p++)
        r = check_readonly(t, *p, reterr);
    if (r < 0)
        return r;
    for (size_t i = 0; i < t->len; i++)
        if (!t->asked[i])
            return prl_verify_differs("mounts", "nothing more", t->rows[i].point, reterr);
    return 0;
}

int prl_verify_mounts(const struct prl_verify *v, struct prl_error *reterr)
{
    _cleanup_free_ char *text = NULL;
    char path[48];
    struct table t = {.v = v};
    if (!(v->spec->namespaces & CLONE_NEWNS))
        return 0;
    snprintf(path, sizeof path, "/proc/%d/root", (int)v->pid);
    _cleanup_close_ int root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return prl_verify_unread("root", errno, reterr);
    t.root_fd = root_fd;
    int r = prl_verify_read(v, "mountinfo", &text, reterr);
    if (r == 0) {
        t.rows = prl_mountinfo_parse(text, &t.len);
        t.asked = calloc(t.len + 1, sizeof *t.asked);
        r = t.rows && t.asked ? 0 : prl_verify_unread("mountinfo", ENOMEM, reterr);
    }
    if (r == 0)
        r = check_table(&t, reterr);
    free(t.rows);
    free(t.asked);
    return r;
}
