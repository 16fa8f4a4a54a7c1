/* groups.c: the control groups of one container: made, measured, removed.
 * In: a spec whose enforcement is chosen.  Out: directories with limits in them, then figures.
 * Never: a process moved from here: version 2 is entered by birth, version 1 by the child. */
#include "limits/files.h"

#include "base/own.h"
#include "limits/groups.h"
#include "limits/names.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct group {
    char *path;
    int above_fd; /* where it is made and removed */
    int dir_fd;
    int entry_fd; /* version 2: the box; version 1: its file "tasks" */
    unsigned controllers;
    bool version2;
    bool flat;  /* the processes stand in the group itself, not in a box below it */
    bool boxed; /* the box was made here, and is to be removed */
};

struct prl_cgroups {
    struct group rows[PRL_CGROUP_BASES];
    size_t len;
    uint64_t watch_bytes, cpu_limit_ns;
    int oom_fd, clock_fd;
    bool told; /* somebody may ask what was used */
    uint8_t held_by[PRL_LIMITS];
    uint32_t pids_own; /* of the processes that are counted */
};

static void close_rows(struct prl_cgroups *groups)
{
    for (size_t i = 0; i < groups->len; i++) {
        prl_close_p(&groups->rows[i].entry_fd);
        prl_close_p(&groups->rows[i].dir_fd);
        prl_close_p(&groups->rows[i].above_fd);
        free(groups->rows[i].path);
    }
    prl_close_p(&groups->oom_fd);
    prl_close_p(&groups->clock_fd);
    groups->len = 0;
}

static int make_parent_ready(const struct prl_cgroup *group, struct prl_error *reterr)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(group->path, '/');
    if (!group->version2)
        return 0;
    if (slash - group->path >= PATH_MAX)
        return prl_fail_with(reterr, PRL_STAGE_LIMITS, ENAMETOOLONG, "open", group->path);
    memcpy(parent, group->path, (size_t)(slash - group->path));
    parent[slash - group->path] = '\0';
    return prl_cgroup2_hand_down(parent, group->controllers, reterr);
}

int prl_cgroups_make_room(const struct prl_spec *spec, struct prl_error *reterr)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < spec->resources.cgroups_len; i++)
        r = make_parent_ready(&spec->resources.cgroups[i], reterr);
    return r;
}

/* Version 1 is entered by "tasks": the kernel moves the single thread that names itself, and
 * does no more. By cgroup.procs it would first wait until no process of the machine is in the
 * middle of a fork or exec, which takes 10 ms on an idle machine. */
static int open_entry(struct group *row, struct prl_error *reterr)
{
    const char *tasks = row->flat ? "tasks" : PRL_CGROUP_BOX "/tasks";
    row->entry_fd = row->version2
                        ? openat(row->dir_fd, PRL_CGROUP_BOX, O_PATH | O_DIRECTORY | O_CLOEXEC)
                        : openat(row->dir_fd, tasks, O_WRONLY | O_CLOEXEC);
    return row->entry_fd < 0 ? prl_fail(reterr, PRL_STAGE_LIMITS, "open", row->path) : 0;
}

/* Version 2 kills the container as a whole by itself (memory.oom.group). */
void prl_cgroups_listen(struct prl_cgroups *groups)
{
    bool limited = groups && groups->held_by[PRL_LIMIT_MEMORY] == PRL_BY_CGROUP1;
    for (size_t i = 0; limited && i < groups->len; i++)
        if (!groups->rows[i].version2 && (groups->rows[i].controllers & PRL_CONTROL_MEMORY))
            groups->oom_fd = prl_cgroup1_open_oom(groups->rows[i].dir_fd, groups->rows[i].flat);
}

/* O_PATH, because nothing is read from it. */
static int open_group(struct group *row, const char *name, struct prl_error *reterr)
{
    row->dir_fd = openat(row->above_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return row->dir_fd < 0 ? prl_fail(reterr, PRL_STAGE_LIMITS, "open", row->path) : 0;
}

static const char *leaf_of(const struct group *row)
{
    return strrchr(row->path, '/') + 1;
}

/* A file that is not there is one of a controller that the group above does not hand down yet;
 * the usual case is that another start has seen to it. */
static int limit_group(const struct prl_resources *resources, const struct prl_cgroup *group,
                       const struct group *row, struct prl_error *reterr)
{
    _cleanup_free_ struct prl_group_text *texts = NULL;
    const struct prl_group_text *failed = NULL;
    size_t len = 0;
    if (!row->version2)
        return prl_cgroup1_limit(row->dir_fd, group, resources, reterr);
    int r = prl_cgroup2_texts(group, resources, &texts, &len, reterr);
    if (r < 0)
        return r;
    r = prl_group_texts_write(row->dir_fd, texts, len, &failed);
    if (r == -ENOENT) {
        r = make_parent_ready(group, reterr);
        if (r < 0)
            return r;
        r = prl_group_texts_write(row->dir_fd, texts, len, &failed);
    }
    return r < 0 ? prl_cgroup_fail(row->path, failed->name, failed->value, r, reterr) : 0;
}

static int begin_row(const struct prl_cgroup *group, bool flat, struct group *row,
                     struct prl_error *reterr)
{
    *row = (struct group){.path = strdup(group->path),
                          .above_fd = -1,
                          .dir_fd = -1,
                          .entry_fd = -1,
                          .controllers = group->controllers,
                          .version2 = group->version2,
                          .flat = flat};
    return row->path ? 0
                     : prl_fail_with(reterr, PRL_STAGE_LIMITS, ENOMEM, "malloc", group->path);
}

static int make_directory(const struct group *row, int dir_fd, const char *name,
                          struct prl_error *reterr)
{
    return mkdirat(dir_fd, name, 0755) == 0
               ? 0
               : prl_fail(reterr, PRL_STAGE_LIMITS, "mkdir", row->path);
}

static int make_group(const struct prl_resources *resources, const struct prl_cgroup *group,
                      struct group *row, struct prl_error *reterr)
{
    if (row->version2 && resources->groups_fd > 0) {
        row->above_fd = fcntl(resources->groups_fd, F_DUPFD_CLOEXEC, 0);
    } else {
        char *slash = strrchr(row->path, '/');
        *slash = '\0';
        row->above_fd = openat(AT_FDCWD, row->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        *slash = '/';
    }
    int r = row->above_fd < 0 ? prl_fail(reterr, PRL_STAGE_LIMITS, "open", row->path) : 0;
    if (r < 0)
        return r;
    r = make_directory(row, row->above_fd, leaf_of(row), reterr);
    if (r < 0)
        return r;
    r = open_group(row, leaf_of(row), reterr);
    if (r == 0 && !row->flat)
        r = make_directory(row, row->dir_fd, PRL_CGROUP_BOX, reterr);
    if (r < 0)
        return r;
    row->boxed = !row->flat;
    r = limit_group(resources, group, row, reterr);
    return r < 0 ? r : open_entry(row, reterr);
}

static int new_groups(const struct prl_resources *res, struct prl_cgroups **ret,
                      struct prl_error *reterr)
{
    struct prl_cgroups *groups = calloc(1, sizeof *groups);
    if (!groups)
        return prl_fail_with(reterr, PRL_STAGE_LIMITS, ENOMEM, "malloc", "limits");
    groups->oom_fd = groups->clock_fd = -1;
    groups->cpu_limit_ns = res->cpu_time_ns;
    groups->told = true;
    groups->pids_own = res->pids_own;
    memcpy(groups->held_by, res->held_by, sizeof groups->held_by);
    if (res->held_by[PRL_LIMIT_MEMORY] == PRL_BY_WATCHDOG)
        groups->watch_bytes = res->memory_bytes;
    *ret = groups;
    return 0;
}

/* These stand in the box itself (v1.c). */
static bool needs_box(const struct prl_cgroup *group)
{
    return group->version2 || (group->controllers & (PRL_CONTROL_CPUSET | PRL_CONTROL_IO));
}

int prl_cgroups_make(const struct prl_spec *spec, bool flat, struct prl_cgroups **ret,
                     struct prl_error *reterr)
{
    const struct prl_resources *res = &spec->resources;
    *ret = NULL;
    if (res->asked == 0 && res->cgroups_len == 0) /* a group may be there to measure alone */
        return 0;
    /* A limit without enforcement must not start. */
    for (unsigned i = 0; i < PRL_LIMITS; i++)
        if ((res->asked & (1u << i)) && res->held_by[i] == PRL_BY_UNSET)
            return prl_failf(reterr, PRL_STAGE_LIMITS, EOPNOTSUPP, prl_limit_option(i),
                             "no enforcement was chosen for it: start it with pyrootless run "
                             "--spec FILE, which chooses");
    struct prl_cgroups *groups = NULL;
    int r = new_groups(res, &groups, reterr);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < res->cgroups_len && i < PRL_CGROUP_BASES; i++) {
        const struct prl_cgroup *group = &res->cgroups[i];
        groups->len = i + 1;
        r = begin_row(group, flat && !needs_box(group), &groups->rows[i], reterr);
        if (r == 0)
            r = make_group(res, group, &groups->rows[i], reterr);
    }
    if (r < 0) {
        prl_cgroups_remove(groups);
        return r;
    }
    *ret = groups;
    return 0;
}

int prl_cgroups_open(const struct prl_spec *spec, struct prl_cgroups **ret,
                     struct prl_error *reterr)
{
    const struct prl_resources *res = &spec->resources;
    struct prl_cgroups *groups = NULL;
    int r = res->asked == 0 && res->cgroups_len == 0 ? 0 : new_groups(res, &groups, reterr);
    for (size_t i = 0; r == 0 && groups && i < res->cgroups_len && i < PRL_CGROUP_BASES; i++) {
        struct group *row = &groups->rows[i];
        groups->len = i + 1;
        r = begin_row(&res->cgroups[i], false, row, reterr);
        if (r == 0)
            r = open_group(row, row->path, reterr);
        if (r == 0)
            r = open_entry(row, reterr);
    }
    if (r < 0)
        prl_cgroups_forget(groups);
    *ret = r < 0 ? NULL : groups;
    return r;
}

void prl_cgroups_lend(struct prl_cgroups **groups)
{
    struct prl_cgroups *rest = *groups;
    if (rest && rest->held_by[PRL_LIMIT_CPU_TIME] != PRL_BY_CLOCK &&
        rest->held_by[PRL_LIMIT_CPU_TIME] != PRL_BY_WATCHDOG)
        rest->cpu_limit_ns = 0; /* its own monitor has what the group counts */
    if (rest && (rest->watch_bytes > 0 || rest->cpu_limit_ns > 0)) {
        close_rows(rest);
        return;
    }
    prl_cgroups_forget(rest);
    *groups = NULL;
}

int prl_cgroups_born_fd(const struct prl_cgroups *groups)
{
    for (size_t i = 0; groups && i < groups->len; i++)
        if (groups->rows[i].version2)
            return groups->rows[i].entry_fd;
    return -1;
}

size_t prl_cgroups_entries(const struct prl_cgroups *groups, int fds[PRL_CGROUP_BASES])
{
    size_t n = 0;
    for (size_t i = 0; groups && i < groups->len; i++)
        if (!groups->rows[i].version2)
            fds[n++] = groups->rows[i].entry_fd;
    return n;
}

uint64_t prl_cgroups_cpu_limit_ns(const struct prl_cgroups *groups,
                                  enum prl_enforcement *ret_enforcement)
{
    *ret_enforcement = groups ? groups->held_by[PRL_LIMIT_CPU_TIME] : PRL_BY_UNSET;
    return groups ? groups->cpu_limit_ns : 0;
}

void prl_cgroups_take_clock(struct prl_cgroups *groups, int fd)
{
    if (groups)
        groups->clock_fd = fd;
    else if (fd >= 0)
        close(fd);
}

int prl_cgroups_clock_fd(const struct prl_cgroups *groups)
{
    return groups ? groups->clock_fd : -1;
}

uint64_t prl_cgroups_cpu_ns(const struct prl_cgroups *groups)
{
    uint64_t most_ns = 0;
    for (size_t i = 0; groups && i < groups->len; i++) {
        const struct group *row = &groups->rows[i];
        uint64_t seen_ns = 0;
        if (row->version2)
            seen_ns = prl_cgroup_keyed(row->dir_fd, "cpu.stat", "usage_usec") * 1000;
        else if (row->controllers & PRL_CONTROL_CPUACCT)
            seen_ns = prl_cgroup_number(row->dir_fd, "cpuacct.usage");
        most_ns = seen_ns > most_ns ? seen_ns : most_ns;
    }
    return most_ns;
}

int prl_cgroups_oom_fd(const struct prl_cgroups *groups)
{
    return groups && groups->oom_fd >= 0 ? groups->oom_fd : -1;
}

uint64_t prl_cgroups_watch_bytes(const struct prl_cgroups *groups)
{
    return groups ? groups->watch_bytes : 0;
}

void prl_cgroups_tell_end_alone(struct prl_cgroups *groups)
{
    if (groups)
        groups->told = false;
}

void prl_cgroups_measure(const struct prl_cgroups *groups, struct prl_status *ret)
{
    if (!groups)
        return;
    memcpy(ret->held_by, groups->held_by, sizeof ret->held_by);
    bool memory = groups->told || ret->exit_code < 0;
    for (size_t i = 0; i < groups->len; i++) {
        const struct group *row = &groups->rows[i];
        unsigned looked_at = row->controllers & ~(memory ? 0u : PRL_CONTROL_MEMORY);
        prl_cgroup_measure_end(row->dir_fd, row->version2, row->flat, looked_at, &ret->usage);
        if (groups->told && row->version2)
            prl_cgroup2_measure(row->dir_fd, row->controllers, &ret->usage);
        else if (groups->told)
            prl_cgroup1_measure(row->dir_fd, row->controllers, &ret->usage);
    }
    if (ret->usage.pids_peak > groups->pids_own)
        ret->usage.pids_peak -= groups->pids_own;
}

void prl_cgroups_forget(struct prl_cgroups *groups)
{
    if (groups)
        close_rows(groups);
    free(groups);
}

/* The usual case: nothing stands in them any more. */
static bool remove_row(const struct group *row)
{
    return row->boxed && unlinkat(row->dir_fd, PRL_CGROUP_BOX, AT_REMOVEDIR) == 0 &&
           unlinkat(row->above_fd, leaf_of(row), AT_REMOVEDIR) == 0;
}

void prl_cgroups_remove(struct prl_cgroups *groups)
{
    for (size_t i = 0; groups && i < groups->len; i++)
        if (groups->rows[i].path && !remove_row(&groups->rows[i]))
            (void)prl_leaf_remove(groups->rows[i].path); /* what stays the sweep tries again */
    prl_cgroups_forget(groups);
}

/* --- other limits while it runs --- */

/* What of two is the same for each limit; cpus is a text. */
static uint32_t changed(const struct prl_resources *a, const struct prl_resources *b)
{
    const bool differ[PRL_LIMITS] = {
        [PRL_LIMIT_MEMORY] = a->memory_bytes != b->memory_bytes,
        [PRL_LIMIT_SWAP] = a->swap_bytes != b->swap_bytes,
        [PRL_LIMIT_RESERVATION] = a->reservation_bytes != b->reservation_bytes,
        [PRL_LIMIT_CPUS] = a->quota_us != b->quota_us || a->period_us != b->period_us,
        [PRL_LIMIT_SHARES] = a->shares != b->shares,
        [PRL_LIMIT_CPUSET] = strcmp(a->cpus ? a->cpus : "", b->cpus ? b->cpus : "") != 0,
        [PRL_LIMIT_PIDS] = a->pids != b->pids,
    };
    uint32_t bits = 0;
    for (unsigned i = 0; i < PRL_LIMITS; i++)
        bits |= (uint32_t)differ[i] << i;
    return bits;
}

static unsigned controller_of(unsigned limit)
{
    const struct prl_spec one = {.resources = {.asked = 1u << limit}};
    return prl_limits_controllers(&one);
}

/* The container's group with this limit's controller; NULL: it has none. */
static const struct prl_cgroup *group_of(const struct prl_resources *res, unsigned limit)
{
    unsigned controller = controller_of(limit);
    for (size_t i = 0; i < res->cgroups_len; i++)
        if (res->cgroups[i].controllers & controller)
            return &res->cgroups[i];
    return NULL;
}

static int refuse(unsigned limit, struct prl_error *reterr)
{
    return prl_failf(
        reterr, PRL_STAGE_LIMITS, EOPNOTSUPP, prl_limit_option(limit),
        "the container has no control group of its own for it, and gets none while it "
        "runs: stop it, update it, and start it again");
}

static int hold(struct prl_resources *res, const struct prl_resources *before, unsigned limit,
                struct prl_error *reterr)
{
    const struct prl_cgroup *group = group_of(res, limit);
    unsigned was = before->held_by[limit];
    if (!group || (was != PRL_BY_UNSET && was != PRL_BY_CGROUP1 && was != PRL_BY_CGROUP2))
        return refuse(limit, reterr);
    res->held_by[limit] = group->version2 ? PRL_BY_CGROUP2 : PRL_BY_CGROUP1;
    return 0;
}

/* Swap without a limit has no text of its own: a new group has none either. */
static int free_swap(int dir_fd, const struct prl_cgroup *group,
                     const struct prl_resources *res, struct prl_error *reterr)
{
    const char *name = group->version2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
    const char *value = group->version2 ? "max" : "-1";
    if (!(group->controllers & PRL_CONTROL_MEMORY) || res->swap_bytes != UINT64_MAX)
        return 0;
    int r = prl_cgroup_write(dir_fd, name, value);
    return r < 0 && r != -ENOENT ? prl_cgroup_fail(group->path, name, value, r, reterr) : 0;
}

static int write2(int dir_fd, const struct prl_cgroup *group, const struct prl_resources *res,
                  struct prl_error *reterr)
{
    _cleanup_free_ struct prl_group_text *texts = NULL;
    const struct prl_group_text *failed = NULL;
    size_t len = 0;
    int r = prl_cgroup2_texts(group, res, &texts, &len, reterr);
    if (r < 0)
        return r;
    r = prl_group_texts_write(dir_fd, texts, len, &failed);
    return r < 0 ? prl_cgroup_fail(group->path, failed->name, failed->value, r, reterr) : 0;
}

static int write_group(const struct prl_cgroup *group, const struct prl_resources *res,
                       struct prl_error *reterr)
{
    _cleanup_close_ int fd = open(group->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_LIMITS, "open", group->path);
    int r = free_swap(fd, group, res, reterr);
    if (r < 0)
        return r;
    return group->version2 ? write2(fd, group, res, reterr)
                           : prl_cgroup1_limit(fd, group, res, reterr);
}

int prl_cgroups_update(struct prl_spec *spec, const struct prl_resources *before,
                       struct prl_error *reterr)
{
    struct prl_resources *res = &spec->resources;
    uint32_t wanted = changed(res, before);
    unsigned controllers = 0;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < PRL_LIMITS; i++)
        if (wanted & (1u << i)) {
            r = hold(res, before, i, reterr);
            controllers |= controller_of(i);
        }
    for (size_t i = 0; r == 0 && i < res->cgroups_len; i++)
        if (res->cgroups[i].controllers & controllers)
            r = write_group(&res->cgroups[i], res, reterr);
    return r;
}
