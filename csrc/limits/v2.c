/* v2.c: limits and figures of one group of version 2.
 * In: its directory, the controllers in use.  Out: limits written, usage read.
 * Never: a process moved, except the launcher itself out of a group that hands controllers down
 * (the kernel's "no internal processes"). Source: Documentation/admin-guide/cgroup-v2.rst.
 */
#include "limits/files.h"

#include "base/own.h"
#include "limits/names.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int hand_down(int parent_fd, unsigned controllers)
{
    char text[64];
    for (unsigned bit = 1; bit <= controllers; bit <<= 1) {
        if (!(controllers & bit))
            continue;
        snprintf(text, sizeof text, "+%s", prl_controller_name(bit, true));
        int r = prl_cgroup_write(parent_fd, "cgroup.subtree_control", text);
        if (r < 0)
            return r;
    }
    return 0;
}

/* This process into a group of its own beside the containers'. */
static int step_aside(int parent_fd)
{
    if (mkdirat(parent_fd, PRL_CGROUP_LAUNCHER, 0755) < 0 && errno != EEXIST)
        return -errno;
    return prl_cgroup_write(parent_fd, PRL_CGROUP_LAUNCHER "/cgroup.procs", "0");
}

/* The kernel hands cpu, cpuset and pids down from a group with processes too, but makes its
 * children a place no process may enter (cgroup-v2.rst, "Threads").  Only the root may have
 * both, and the root has no type. */
static bool has_processes(int parent_fd)
{
    char text[512];
    return faccessat(parent_fd, "cgroup.type", F_OK, 0) == 0 &&
           prl_cgroup_read(parent_fd, "cgroup.procs", text, sizeof text) > 0;
}

int prl_cgroup2_hand_down(const char *parent, unsigned controllers, struct prl_error *reterr)
{
    char text[512];
    _cleanup_close_ int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_LIMITS, "open", parent);
    controllers &= ~(unsigned)PRL_CONTROL_OTHER;
    if (prl_cgroup_read(fd, "cgroup.subtree_control", text, sizeof text) >= 0)
        controllers &= ~prl_controllers_parse(text, " ");
    if (controllers == 0)
        return 0;
    int r = has_processes(fd) ? -EBUSY : hand_down(fd, controllers);
    if (r == -EBUSY && prl_cgroup_is_alone(fd)) {
        r = step_aside(fd);
        if (r == 0)
            r = hand_down(fd, controllers);
    }
    return r < 0 ? prl_failf(reterr, PRL_STAGE_LIMITS, -r, "write",
                             "%.150s/cgroup.subtree_control: its controllers cannot be handed "
                             "down",
                             parent)
                 : 0;
}

static bool is_asked(const struct prl_resources *resources, enum prl_limit limit)
{
    return (resources->asked & (1u << limit)) && resources->held_by[limit] == PRL_BY_CGROUP2;
}

struct list {
    struct prl_group_text *rows;
    size_t len;
};

/* Its value is written next, into its room. */
static struct prl_group_text *add(struct list *list, const char *name)
{
    struct prl_group_text *row = &list->rows[list->len++];
    row->name = name;
    row->value = row->room;
    row->may_miss = false;
    return row;
}

static void add_number(struct list *list, const char *name, uint64_t value)
{
    struct prl_group_text *row = add(list, name);
    snprintf(row->room, sizeof row->room, "%" PRIu64, value);
}

static void add_memory(struct list *list, const struct prl_resources *res)
{
    if (is_asked(res, PRL_LIMIT_MEMORY)) {
        bool swap = is_asked(res, PRL_LIMIT_SWAP);
        add_number(list, "memory.max", res->memory_bytes);
        if (res->swap_bytes != UINT64_MAX) {
            /* Without a word about swap: as much again, as docker's. */
            uint64_t unasked = res->swapless ? 0 : res->memory_bytes;
            add_number(list, "memory.swap.max",
                       swap ? res->swap_bytes - res->memory_bytes : unasked);
            list->rows[list->len - 1].may_miss = !swap; /* a kernel without swap */
        }
        /* All of it or nothing: half a container helps nobody. */
        add_number(list, "memory.oom.group", 1);
    }
    if (is_asked(res, PRL_LIMIT_RESERVATION))
        add_number(list, "memory.low", res->reservation_bytes);
}

/* 2 … 262144 onto 1 … 10000, as the OCI runtimes do. */
static uint64_t weight_of(uint64_t shares)
{
    return 1 + (shares - 2) * 9999 / 262142;
}

static void add_io(struct list *list, const struct prl_resources *res)
{
    static const char keys[PRL_THROTTLES][8] = {
        [PRL_THROTTLE_READ_BPS] = "rbps",
        [PRL_THROTTLE_WRITE_BPS] = "wbps",
        [PRL_THROTTLE_READ_IOPS] = "riops",
        [PRL_THROTTLE_WRITE_IOPS] = "wiops",
    };
    for (size_t i = 0; i < res->throttles_len; i++) {
        const struct prl_throttle *throttle = &res->throttles[i];
        struct prl_group_text *row = add(list, "io.max");
        snprintf(row->room, sizeof row->room, "%u:%u %s=%" PRIu64, throttle->major,
                 throttle->minor, keys[throttle->kind], throttle->rate);
    }
}

enum { FILES_MAX = 8 }; /* without io.max: one a throttle */

int prl_cgroup2_texts(const struct prl_cgroup *group, const struct prl_resources *res,
                      struct prl_group_text **ret, size_t *ret_len, struct prl_error *reterr)
{
    struct list list = {.rows = malloc((FILES_MAX + res->throttles_len) * sizeof **ret)};
    if (!list.rows)
        return prl_fail_with(reterr, PRL_STAGE_LIMITS, ENOMEM, "malloc", group->path);
    if (group->controllers & PRL_CONTROL_MEMORY)
        add_memory(&list, res);
    if (is_asked(res, PRL_LIMIT_PIDS))
        add_number(&list, "pids.max", res->pids + res->pids_own);
    if (group->controllers & PRL_CONTROL_CPU) {
        if (is_asked(res, PRL_LIMIT_CPUS)) {
            struct prl_group_text *row = add(&list, "cpu.max");
            snprintf(row->room, sizeof row->room, "%" PRIu64 " %" PRIu64, res->quota_us,
                     res->period_us);
        }
        if (is_asked(res, PRL_LIMIT_SHARES))
            add_number(&list, "cpu.weight", weight_of(res->shares < 2 ? 2 : res->shares));
    }
    if (group->controllers & PRL_CONTROL_CPUSET)
        add(&list, "cpuset.cpus")->value = res->cpus;
    if (group->controllers & PRL_CONTROL_IO)
        add_io(&list, res);
    *ret = list.rows;
    *ret_len = list.len;
    return 0;
}

/* Lines "MAJOR:MINOR rbytes=N wbytes=N …". */
static void measure_io(int dir_fd, struct prl_usage *ret)
{
    char text[4096];
    if (prl_cgroup_read(dir_fd, "io.stat", text, sizeof text) <= 0)
        return;
    for (const char *word = text; (word = strstr(word, "bytes=")); word += 6) {
        uint64_t bytes = strtoull(word + 6, NULL, 10);
        if (word > text && word[-1] == 'r')
            ret->io_read_bytes += bytes;
        else if (word > text && word[-1] == 'w')
            ret->io_write_bytes += bytes;
    }
}

/* "some avg10=… total=MICROSECONDS". */
static uint64_t stall_ns(int dir_fd, const char *name)
{
    char text[256];
    const char *total;
    if (prl_cgroup_read(dir_fd, name, text, sizeof text) <= 0 ||
        !(total = strstr(text, "total=")))
        return 0;
    return strtoull(total + 6, NULL, 10) * 1000;
}

void prl_cgroup2_measure(int dir_fd, unsigned controllers, struct prl_usage *ret)
{
    if (controllers & PRL_CONTROL_MEMORY)
        ret->memory_peak_bytes = prl_cgroup_number(dir_fd, "memory.peak"); /* Linux 5.19 */
    if (controllers & PRL_CONTROL_PIDS)
        ret->pids_peak = (uint32_t)prl_cgroup_number(dir_fd, "pids.peak"); /* Linux 6.5 */
    ret->cpu_ns = prl_cgroup_keyed(dir_fd, "cpu.stat", "usage_usec") * 1000;
    if (controllers & PRL_CONTROL_CPU)
        ret->throttled_ns = prl_cgroup_keyed(dir_fd, "cpu.stat", "throttled_usec") * 1000;
    if (controllers & PRL_CONTROL_IO)
        measure_io(dir_fd, ret);
    ret->memory_stall_ns = stall_ns(dir_fd, "memory.pressure");
    ret->cpu_stall_ns = stall_ns(dir_fd, "cpu.pressure");
    ret->io_stall_ns = stall_ns(dir_fd, "io.pressure");
}
