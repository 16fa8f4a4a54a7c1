/* v1.c: limits and figures of one group of version 1.
 * In: its directory, the controllers that are mounted there.  Out: limits written, usage read.
 * Never: a process moved: the child enters by itself.
 * Source: Documentation/admin-guide/cgroup-v1/{memory,cpusets,blkio-controller}.rst; memory.rst
 * section 10, "OOM Control". */
#include "limits/files.h"

#include "base/own.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

struct row {
    const char *name;
    uint64_t value;
    bool wanted;
    bool missing_is_fine; /* a kernel without swap accounting */
};

static int write_rows(int dir_fd, const struct prl_cgroup *group, const struct row *rows,
                      size_t len, struct prl_error *reterr)
{
    char text[24];
    for (size_t i = 0; i < len; i++) {
        if (!rows[i].wanted)
            continue;
        snprintf(text, sizeof text, "%" PRIu64, rows[i].value);
        int r = prl_cgroup_write(dir_fd, rows[i].name, text);
        if (r < 0 && !(r == -ENOENT && rows[i].missing_is_fine))
            return prl_cgroup_fail(group->path, rows[i].name, text, r, reterr);
    }
    return 0;
}

static bool is_asked(const struct prl_resources *resources, enum prl_limit limit)
{
    return (resources->asked & (1u << limit)) && resources->held_by[limit] == PRL_BY_CGROUP1;
}

/* A new cpuset is empty and takes no process before both lists are written; so is the box below
 * it, which gets the same. */
static int limit_cpuset(int dir_fd, const struct prl_cgroup *group, const char *cpus,
                        struct prl_error *reterr)
{
    char mems[256], all[256];
    _cleanup_close_ int above = openat(dir_fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = above < 0 ? -errno : prl_cgroup_read(above, "cpuset.mems", mems, sizeof mems);
    if (r < 0)
        return prl_cgroup_fail(group->path, "cpuset.mems", "those of the group above", r,
                               reterr);
    r = cpus ? 0 : prl_cgroup_read(above, "cpuset.cpus", all, sizeof all);
    if (r < 0)
        return prl_cgroup_fail(group->path, "cpuset.cpus", "those of the group above", r,
                               reterr);
    cpus = cpus ? cpus : all;
    const char *const files[][2] = {{"cpuset.mems", mems},
                                    {"cpuset.cpus", cpus},
                                    {PRL_CGROUP_BOX "/cpuset.mems", mems},
                                    {PRL_CGROUP_BOX "/cpuset.cpus", cpus}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        r = prl_cgroup_write(dir_fd, files[i][0], files[i][1]);
        if (r < 0)
            return prl_cgroup_fail(group->path, files[i][0], files[i][1], r, reterr);
    }
    return 0;
}

/* A throttle applies only to processes in the very group ("hierarchy support is enabled iff
 * sane_behavior", blkio-controller.rst), so the box gets it. */
static int limit_io(int dir_fd, const struct prl_cgroup *group, const struct prl_resources *res,
                    struct prl_error *reterr)
{
    static const char files[PRL_THROTTLES][40] = {
        [PRL_THROTTLE_READ_BPS] = PRL_CGROUP_BOX "/blkio.throttle.read_bps_device",
        [PRL_THROTTLE_WRITE_BPS] = PRL_CGROUP_BOX "/blkio.throttle.write_bps_device",
        [PRL_THROTTLE_READ_IOPS] = PRL_CGROUP_BOX "/blkio.throttle.read_iops_device",
        [PRL_THROTTLE_WRITE_IOPS] = PRL_CGROUP_BOX "/blkio.throttle.write_iops_device",
    };
    char text[64];
    for (size_t i = 0; i < res->throttles_len; i++) {
        const struct prl_throttle *row = &res->throttles[i];
        snprintf(text, sizeof text, "%u:%u %" PRIu64, row->major, row->minor, row->rate);
        int r = prl_cgroup_write(dir_fd, files[row->kind], text);
        if (r < 0)
            return prl_cgroup_fail(group->path, files[row->kind], text, r, reterr);
    }
    return 0;
}

int prl_cgroup1_limit(int dir_fd, const struct prl_cgroup *group,
                      const struct prl_resources *res, struct prl_error *reterr)
{
    const struct row pids = {"pids.max", res->pids + res->pids_own,
                             is_asked(res, PRL_LIMIT_PIDS), false};
    int r = 0;
    if (group->controllers & PRL_CONTROL_MEMORY) {
        bool limited = is_asked(res, PRL_LIMIT_MEMORY), asked = is_asked(res, PRL_LIMIT_SWAP);
        uint64_t unasked = res->swapless ? res->memory_bytes : 2 * res->memory_bytes;
        uint64_t both = asked ? res->swap_bytes : unasked;
        const struct row rows[] = {
            {"memory.limit_in_bytes", res->memory_bytes, limited, false},
            /* Without a word about swap: as much again, as docker's. */
            {"memory.memsw.limit_in_bytes", both, limited && res->swap_bytes != UINT64_MAX,
             !asked},
            {"memory.soft_limit_in_bytes", res->reservation_bytes,
             is_asked(res, PRL_LIMIT_RESERVATION), false},
        };
        const size_t len = sizeof rows / sizeof *rows;
        r = write_rows(dir_fd, group, rows, len, reterr);
        if (r == -EINVAL) { /* more memory than both together, before that is raised too */
            r = write_rows(dir_fd, group, rows + 1, 1, reterr);
            r = r < 0 ? r : write_rows(dir_fd, group, rows, len, reterr);
        }
    }
    if (r == 0 && (group->controllers & PRL_CONTROL_PIDS))
        r = write_rows(dir_fd, group, &pids, 1, reterr);
    if (r == 0 && (group->controllers & PRL_CONTROL_CPU)) {
        bool limited = is_asked(res, PRL_LIMIT_CPUS);
        const struct row rows[] = {
            {"cpu.cfs_period_us", res->period_us, limited, false},
            {"cpu.cfs_quota_us", res->quota_us, limited, false},
            {"cpu.shares", res->shares, is_asked(res, PRL_LIMIT_SHARES), false},
        };
        r = write_rows(dir_fd, group, rows, sizeof rows / sizeof *rows, reterr);
    }
    if (r == 0 && (group->controllers & PRL_CONTROL_CPUSET))
        r = limit_cpuset(dir_fd, group, res->cpus, reterr);
    if (r == 0 && (group->controllers & PRL_CONTROL_IO))
        r = limit_io(dir_fd, group, res, reterr);
    return r;
}

/* "EVENTFD CONTROLFD" registers the first for events of the second; earlier events are not
 * reported. */
int prl_cgroup1_open_oom(int dir_fd, bool flat)
{
    char line[32];
    _cleanup_close_ int control = openat(dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control < 0 || event < 0)
        return -errno;
    snprintf(line, sizeof line, "%d %d", event, control);
    int r = prl_cgroup_write(dir_fd, "cgroup.event_control", line);
    if (r < 0)
        return r;
    struct prl_usage before = {0};
    prl_cgroup_measure_end(dir_fd, false, flat, PRL_CONTROL_MEMORY, &before);
    if (before.oom_kills > 0 && eventfd_write(event, 1) < 0)
        return -errno;
    return steal_fd(&event);
}

/* Lines "MAJOR:MINOR Read BYTES", "… Write BYTES". */
static void measure_io(int dir_fd, struct prl_usage *ret)
{
    char text[4096];
    if (prl_cgroup_read(dir_fd, "blkio.throttle.io_service_bytes_recursive", text,
                        sizeof text) <= 0)
        return;
    for (const char *line = text; *line; line += *line == '\n') {
        const char *word = strchr(line, ' ');
        if (word && strncmp(word, " Read ", 6) == 0)
            ret->io_read_bytes += strtoull(word + 6, NULL, 10);
        if (word && strncmp(word, " Write ", 7) == 0)
            ret->io_write_bytes += strtoull(word + 7, NULL, 10);
        line += strcspn(line, "\n");
    }
}

void prl_cgroup1_measure(int dir_fd, unsigned controllers, struct prl_usage *ret)
{
    if (controllers & PRL_CONTROL_MEMORY)
        ret->memory_peak_bytes = prl_cgroup_number(dir_fd, "memory.max_usage_in_bytes");
    if (controllers & PRL_CONTROL_PIDS) /* Linux 6.10 */
        ret->pids_peak = (uint32_t)prl_cgroup_number(dir_fd, "pids.peak");
    if (controllers & PRL_CONTROL_CPUACCT)
        ret->cpu_ns = prl_cgroup_number(dir_fd, "cpuacct.usage");
    if (controllers & PRL_CONTROL_CPU)
        ret->throttled_ns = prl_cgroup_keyed(dir_fd, "cpu.stat", "throttled_time");
    if (controllers & PRL_CONTROL_IO)
        measure_io(dir_fd, ret);
}
