/* host.c: where this process may make control groups.
 * In: /proc/self/mountinfo, /proc/self/cgroup, write permission.  Out: bases with controllers.
 * Never: a group made or changed here; a group that is not delegated to the caller.
 *
 * Version 2: the process's own group (or the one above, when it moved into LAUNCHER_NAME
 * before). A process may only go where it may write the common ancestor, so no other group
 * would do. Version 1 knows no such rule: the own group, else a directory of the caller's right
 * below it or below the mount.  Source: cgroups(7), Documentation/admin-guide/cgroup-v2.rst. */
#include "limits/look.h"

#include "base/io.h"
#include "base/own.h"
#include "limits/names.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { TEXT_MAX_BYTES = 1 << 20, SCANNED = 512 };

struct look {
    struct prl_cgroup_host *host;
    char *own; /* text of /proc/self/cgroup */
};

bool prl_cgroup_parse_mount(char *line, struct prl_cgroup_mount *ret)
{
    char *save = NULL, *fields[5] = {NULL}, *rest = strstr(line, " - ");
    if (!rest)
        return false;
    *rest = '\0';
    rest += 3;
    char *word = strtok_r(line, " ", &save);
    for (size_t i = 0; word && i < 5; i++, word = strtok_r(NULL, " ", &save))
        fields[i] = word;
    char *type = strtok_r(rest, " ", &save), *source = strtok_r(NULL, " ", &save);
    char *options = strtok_r(NULL, " ", &save);
    if (!fields[4] || !source || !options || strncmp(type, "cgroup", 6) != 0)
        return false;
    *ret =
        (struct prl_cgroup_mount){fields[3], fields[4], options, strcmp(type, "cgroup2") == 0};
    return ret->version2 || strcmp(type, "cgroup") == 0;
}

/* The own path for these controllers, of "N:CONTROLLERS:PATH"; 0: that of version 2. */
static char *own_path(const char *text, unsigned controllers)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        const char *names = memchr(text, ':', len);
        const char *path =
            names ? memchr(names + 1, ':', (size_t)(text + len - names - 1)) : NULL;
        if (path) {
            _cleanup_free_ char *list = strndup(names + 1, (size_t)(path - names - 1));
            bool own =
                list && (controllers ? (prl_controllers_parse(list, ",") & controllers) != 0
                                     : *list == '\0');
            if (own)
                return strndup(path + 1, (size_t)(text + len - path - 1));
        }
        text += len + (text[len] == '\n');
    }
    return NULL;
}

char *prl_cgroup_place(const struct prl_cgroup_mount *mount, const char *own)
{
    size_t len = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);
    char *place = NULL;
    if (strncmp(own, mount->root, len) != 0 || (own[len] != '/' && own[len] != '\0'))
        return NULL;
    const char *below = strcmp(own + len, "/") == 0 ? "" : own + len;
    return asprintf(&place, "%s%s", mount->point, below) < 0 ? NULL : place;
}

static bool is_writable(const char *directory, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    return n > 0 && n < PATH_MAX && access(path, W_OK) == 0;
}

static bool is_delegated(const char *directory)
{
    return access(directory, W_OK | X_OK) == 0 && is_writable(directory, "cgroup.procs");
}

/* A directory of the caller's right below this one, but none of a running container. */
static char *delegated_below(const char *directory)
{
    _cleanup_closedir_ DIR *dir = opendir(directory);
    const struct dirent *entry;
    char *best = NULL;
    for (int n = 0; dir && n < SCANNED && (entry = readdir(dir)); n++) {
        struct stat st;
        char *path = NULL;
        if (entry->d_name[0] == '.' || prl_cgroup_is_leaf(entry->d_name) ||
            (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
            continue;
        if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0)
            continue;
        if (is_delegated(path) && (!best || strcmp(path, best) < 0)) {
            free(best);
            best = path;
        } else {
            free(path);
        }
    }
    return best;
}

char *prl_cgroup_delegated(const struct prl_cgroup_mount *mount, const char *place)
{
    if (place && is_delegated(place))
        return strdup(place);
    if (mount->version2)
        return NULL;
    char *below = place ? delegated_below(place) : NULL;
    return below ? below : delegated_below(mount->point);
}

void prl_cgroup_add_base(struct prl_cgroup_host *host, struct prl_cgroup_base base)
{
    if (host->len < PRL_CGROUP_BASES && base.controllers) {
        host->bases[host->len++] = base;
        return;
    }
    free(base.path);
    if (base.fd > 0)
        close(base.fd);
}

/* A cpuset without processors takes no process, and groups below it can have none either. */
static bool has_processors(const char *directory)
{
    char text[256];
    return prl_cgroup_read_at(directory, "cpuset.cpus", text, sizeof text) > 0 &&
           text[0] != '\0';
}

static void look_version1(const struct look *look, const struct prl_cgroup_mount *mount)
{
    unsigned controllers = prl_controllers_parse(mount->options, ",");
    _cleanup_free_ char *own = controllers ? own_path(look->own, controllers) : NULL;
    _cleanup_free_ char *standing = own ? prl_cgroup_place(mount, own) : NULL;
    char *place = controllers ? prl_cgroup_delegated(mount, standing) : NULL;
    if (!place)
        return;
    if ((controllers & PRL_CONTROL_CPUSET) && !has_processors(place))
        controllers &= ~(unsigned)PRL_CONTROL_CPUSET;
    prl_cgroup_add_base(look->host,
                        (struct prl_cgroup_base){.path = place, .controllers = controllers});
}

static unsigned read_controllers(int group_fd, const char *name)
{
    char text[512];
    int n = prl_cgroup_read(group_fd, name, text, sizeof text);
    return n < 0 ? 0 : prl_controllers_parse(text, " ");
}

/* What this group offers to groups below it.  A group with processes cannot enable controllers
 * for its children ("no internal processes"), so that only this process may be in it, which
 * then moves into a group below.  If memory or io are enabled already, none is. */
static unsigned read_offer(int group_fd)
{
    if (faccessat(group_fd, ".", W_OK | X_OK, 0) < 0 ||
        faccessat(group_fd, "cgroup.procs", W_OK, 0) < 0 ||
        faccessat(group_fd, "cgroup.subtree_control", W_OK, 0) < 0)
        return 0;
    unsigned all = read_controllers(group_fd, "cgroup.controllers");
    unsigned enabled = read_controllers(group_fd, "cgroup.subtree_control");
    bool free = (all & ~enabled) == 0 || (enabled & (PRL_CONTROL_MEMORY | PRL_CONTROL_IO)) ||
                prl_cgroup_is_free(group_fd);
    return free ? all : 0;
}

/* place, which this takes: the own group; or the one above, when it is the one for launchers.
 */
static void look_version2(struct prl_cgroup_host *host, char *place)
{
    _cleanup_free_ char *path = place;
    char *slash = strrchr(path, '/');
    if (slash && strcmp(slash + 1, PRL_CGROUP_LAUNCHER) == 0)
        *slash = '\0';
    _cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    unsigned controllers = fd < 0 ? 0 : read_offer(fd);
    if (controllers)
        prl_cgroup_add_base(host, (struct prl_cgroup_base){.path = steal_ptr(&path),
                                                           .controllers = controllers,
                                                           .version2 = true,
                                                           .fd = steal_fd(&fd)});
}

/* The whole tree of version 2, and a process whose path of it begins at the same root: then the
 * own path says where the own group is. */
static bool is_whole_tree(const char *tree)
{
    enum { ROOT_INODE = 1, FIRST_NAMESPACE = 0xEFFFFFFB }; /* PROC_CGROUP_INIT_INO */
    struct stat st, own;
    struct statfs fs;
    return statfs(tree, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC && stat(tree, &st) == 0 &&
           st.st_ino == ROOT_INODE && stat("/proc/self/ns/cgroup", &own) == 0 &&
           own.st_ino == FIRST_NAMESPACE;
}

bool prl_cgroup_look_own(struct prl_cgroup_host *ret)
{
    static const struct prl_cgroup_mount tree = {
        .root = "/", .point = "/sys/fs/cgroup", .version2 = true};
    char text[PATH_MAX + 256];
    *ret = (struct prl_cgroup_host){.len = 0};
    if (!is_whole_tree(tree.point))
        return false;
    int n = prl_cgroup_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof text);
    _cleanup_free_ char *own = n < 0 || n == sizeof text - 1 ? NULL : own_path(text, 0);
    char *place = own ? prl_cgroup_place(&tree, own) : NULL;
    if (place)
        look_version2(ret, place);
    if (ret->len > 0)
        ret->looked = PRL_LOOKED_OWN;
    return ret->len > 0;
}

int prl_cgroup_read_proc(const char *proc, const char *name, char **ret,
                         struct prl_error *reterr)
{
    char path[PATH_MAX];
    size_t len;
    snprintf(path, sizeof path, "%s/self/%s", proc, name);
    int r = prl_io_read_file(AT_FDCWD, path, TEXT_MAX_BYTES, ret, &len);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_LIMITS, -r, "read", path) : 0;
}

int prl_cgroup_look(const char *proc, struct prl_cgroup_host *ret, struct prl_error *reterr)
{
    _cleanup_free_ char *mounts = NULL, *own = NULL;
    struct look look = {.host = ret};
    char *save = NULL;
    *ret = (struct prl_cgroup_host){.len = 0};
    int r = prl_cgroup_read_proc(proc, "mountinfo", &mounts, reterr);
    if (r == 0)
        r = prl_cgroup_read_proc(proc, "cgroup", &own, reterr);
    if (r < 0)
        return r;
    look.own = own;
    for (char *line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct prl_cgroup_mount mount;
        if (!prl_cgroup_parse_mount(line, &mount))
            continue;
        _cleanup_free_ char *path = mount.version2 ? own_path(own, 0) : NULL;
        char *place = path ? prl_cgroup_place(&mount, path) : NULL;
        if (place)
            look_version2(ret, place);
        else if (!mount.version2)
            look_version1(&look, &mount);
    }
    ret->looked = PRL_LOOKED_WHOLE;
    return 0;
}

void prl_cgroup_host_free(struct prl_cgroup_host *host)
{
    for (size_t i = 0; i < host->len; i++) {
        free(host->bases[i].path);
        if (host->bases[i].fd > 0)
            close(host->bases[i].fd);
    }
    host->len = 0;
    host->looked = PRL_LOOKED_NOT;
    host->rest = host->open = false;
}

void prl_cgroup_host_lend(const struct prl_cgroup_host *host, struct prl_resources *resources)
{
    resources->groups_fd = 0;
    for (size_t i = 0; i < host->len; i++)
        if (host->bases[i].version2)
            resources->groups_fd = host->bases[i].fd;
}
