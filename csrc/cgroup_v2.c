/* cgroup_v2.c: limits and figures of one group of version 2.
 * In: its directory, the controllers in use.  Out: limits written, usage read.
 * Never: a process moved, but for the launcher itself out of a group that hands controllers
 * down (the kernel's "no internal processes"). Source: Documentation/admin-guide/cgroup-v2.rst.
 */
#include "cgroup_files.h"

#include "base/limits.h"
#include "base/own.h"

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
    return (resources->asked & (1u << limit)) && resources->rungs[limit] == PRL_RUNG_CGROUP2;
}

static int write_text(int dir_fd, const struct prl_cgroup *group, const char *name,
                      const char *text, struct prl_error *reterr)
{
    int r = prl_cgroup_write(dir_fd, name, text);
    return r < 0 ? prl_cgroup_fail(group->path, name, text, r, reterr) : 0;
}

static int write_number(int dir_fd, const struct prl_cgroup *group, const char *name,
                        uint64_t value, struct prl_error *reterr)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return write_text(dir_fd, group, name, text, reterr);
}

static int limit_swap(int dir_fd, const struct prl_cgroup *group,
                      const struct prl_resources *res, struct prl_error *reterr)
{
    bool asked = is_asked(res, PRL_LIMIT_SWAP);
    char text[24];
    if (res->swap_bytes == UINT64_MAX)
        return 0;
    /* Without a word about swap: as much again, as docker's. */
    snprintf(text, sizeof text, "%" PRIu64,
             asked ? res->swap_bytes - res->memory_bytes : res->memory_bytes);
    int r = prl_cgroup_write(dir_fd, "memory.swap.max", text);
    if (r < 0 && !(r == -ENOENT && !asked)) /* a kernel without swap */
        return prl_cgroup_fail(group->path, "memory.swap.max", text, r, reterr);
    return 0;
}

static int limit_memory(int dir_fd, const struct prl_cgroup *group,
                        const struct prl_resources *res, struct prl_error *reterr)
{
    int r = 0;
    if (is_asked(res, PRL_LIMIT_MEMORY)) {
        r = write_number(dir_fd, group, "memory.max", res->memory_bytes, reterr);
        if (r == 0)
            r = limit_swap(dir_fd, group, res, reterr);
        if (r == 0) /* all of it or nothing: half a container helps nobody */
            r = write_text(dir_fd, group, "memory.oom.group", "1", reterr);
    }
    if (r == 0 && is_asked(res, PRL_LIMIT_RESERVATION))
        r = write_number(dir_fd, group, "memory.low", res->reservation_bytes, reterr);
    return r;
}

/* 2 … 262144 onto 1 … 10000, as the OCI runtimes do. */
static uint64_t weight_of(uint64_t shares)
{
    return 1 + (shares - 2) * 9999 / 262142;
}

static int limit_cpu(int dir_fd, const struct prl_cgroup *group,
                     const struct prl_resources *res, struct prl_error *reterr)
{
    char text[64];
    int r = 0;
    if (is_asked(res, PRL_LIMIT_CPUS)) {
        snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64, res->quota_us, res->period_us);
        r = write_text(dir_fd, group, "cpu.max", text, reterr);
    }
    if (r == 0 && is_asked(res, PRL_LIMIT_SHARES))
        r = write_number(dir_fd, group, "cpu.weight",
                         weight_of(res->shares < 2 ? 2 : res->shares), reterr);
    return r;
}

static int limit_io(int dir_fd, const struct prl_cgroup *group, const struct prl_resources *res,
                    struct prl_error *reterr)
{
    static const char *const keys[PRL_THROTTLES] = {
        [PRL_THROTTLE_READ_BPS] = "rbps",
        [PRL_THROTTLE_WRITE_BPS] = "wbps",
        [PRL_THROTTLE_READ_IOPS] = "riops",
        [PRL_THROTTLE_WRITE_IOPS] = "wiops",
    };
    char text[80];
    for (size_t i = 0; i < res->throttles_len; i++) {
        const struct prl_throttle *row = &res->throttles[i];
        snprintf(text, sizeof text, "%u:%u %s=%" PRIu64, row->major, row->minor,
                 keys[row->kind], row->rate);
        int r = write_text(dir_fd, group, "io.max", text, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

int prl_cgroup2_limit(int dir_fd, const struct prl_cgroup *group,
                      const struct prl_resources *res, struct prl_error *reterr)
{
    int r = 0;
    if (group->controllers & PRL_CONTROL_MEMORY)
        r = limit_memory(dir_fd, group, res, reterr);
    if (r == 0 && is_asked(res, PRL_LIMIT_PIDS))
        r = write_number(dir_fd, group, "pids.max", res->pids, reterr);
    if (r == 0 && (group->controllers & PRL_CONTROL_CPU))
        r = limit_cpu(dir_fd, group, res, reterr);
    if (r == 0 && (group->controllers & PRL_CONTROL_CPUSET))
        r = write_text(dir_fd, group, "cpuset.cpus", res->cpus, reterr);
    if (r == 0 && (group->controllers & PRL_CONTROL_IO))
        r = limit_io(dir_fd, group, res, reterr);
    return r;
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
