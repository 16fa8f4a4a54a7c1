/* freeze.c: see freeze.h.
 * In, out, never: as there.
 * Source: cgroup-v2.rst, "cgroup.freeze"; cgroup-v1/freezer-subsystem.rst. */
#include "limits/freezer/freeze.h"
#include "limits/look.h"

#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { STEP_NS = 1000000, STEPS = 10000 };

static int open_group(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static bool has_file(int dir_fd, const char *name)
{
    return faccessat(dir_fd, name, W_OK, 0) == 0;
}

bool prl_freeze_is_possible(const char *path)
{
    _cleanup_close_ int fd = open_group(path);
    return fd >= 0 && (has_file(fd, "cgroup.freeze") || has_file(fd, "freezer.state"));
}

static bool is_frozen(int dir_fd, bool version2)
{
    char text[64];
    if (version2)
        return prl_cgroup_keyed(dir_fd, "cgroup.events", "frozen") == 1;
    return prl_cgroup_read(dir_fd, "freezer.state", text, sizeof text) > 0 &&
           strcmp(text, "FROZEN") == 0;
}

/* A process in the middle of a system call stands still a moment later. */
int prl_freeze_set(const char *path, bool frozen)
{
    static const struct timespec step = {.tv_nsec = STEP_NS};
    _cleanup_close_ int fd = open_group(path);
    if (fd < 0)
        return fd;
    bool version2 = has_file(fd, "cgroup.freeze");
    int r = version2 ? prl_cgroup_write(fd, "cgroup.freeze", frozen ? "1" : "0")
                     : prl_cgroup_write(fd, "freezer.state", frozen ? "FROZEN" : "THAWED");
    for (int i = 0; r >= 0 && i < STEPS; i++) {
        if (is_frozen(fd, version2) == frozen)
            return 0;
        nanosleep(&step, NULL);
    }
    return r < 0 ? r : -EBUSY;
}

static bool has_word(const char *list, size_t len, const char *word)
{
    size_t wanted = strlen(word);
    for (const char *end = list + len; list < end;) {
        size_t one = strcspn(list, ",:");
        if (one == wanted && strncmp(list, word, wanted) == 0)
            return true;
        list += one + 1;
    }
    return false;
}

/* The path of this process in a hierarchy, of "N:CONTROLLERS:PATH" lines; malloc'd. */
static char *own_path(const char *text, bool version2)
{
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        const char *names = strchr(text, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            return NULL;
        size_t len = (size_t)(path - names - 1);
        if (version2 ? len == 0 : has_word(names + 1, len, "freezer"))
            return strndup(path + 1, strcspn(path + 1, "\n"));
    }
    return NULL;
}

/* Where groups may be made in a hierarchy that can freeze; malloc'd, NULL: nowhere. */
static char *find_base(bool version2)
{
    _cleanup_free_ char *mounts = NULL, *groups = NULL;
    struct prl_error ignored;
    char *save = NULL, *found = NULL;
    if (prl_cgroup_read_proc("/proc", "mountinfo", &mounts, &ignored) < 0 ||
        prl_cgroup_read_proc("/proc", "cgroup", &groups, &ignored) < 0)
        return NULL;
    _cleanup_free_ char *own = own_path(groups, version2);
    for (char *line = strtok_r(mounts, "\n", &save); own && line && !found;
         line = strtok_r(NULL, "\n", &save)) {
        struct prl_cgroup_mount mount;
        if (!prl_cgroup_parse_mount(line, &mount) || mount.version2 != version2 ||
            (!version2 && !has_word(mount.options, strlen(mount.options), "freezer")))
            continue;
        _cleanup_free_ char *place = prl_cgroup_place(&mount, own);
        found = prl_cgroup_delegated(&mount, place);
    }
    return found;
}

int prl_freeze_make(const char *id, char path[PATH_MAX])
{
    int r = -EOPNOTSUPP;
    for (int version2 = 1; version2 >= 0; version2--) {
        _cleanup_free_ char *base = find_base(version2);
        if (!base)
            continue;
        int n = snprintf(path, PATH_MAX, "%s/pyrootless-%s", base, id);
        if (n >= PATH_MAX)
            return -ENAMETOOLONG;
        if (mkdir(path, 0755) < 0 && errno != EEXIST) {
            r = -errno;
            continue;
        }
        if (prl_freeze_is_possible(path))
            return 0;
        rmdir(path);
    }
    return r;
}

int prl_freeze_move(const char *path, int pid)
{
    char text[16];
    _cleanup_close_ int fd = open_group(path);
    if (fd < 0)
        return fd;
    snprintf(text, sizeof text, "%d", pid);
    int r = prl_cgroup_write(fd, "cgroup.procs", text);
    return r < 0 ? r : 0;
}
