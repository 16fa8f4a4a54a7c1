// sources: csrc/limits/*.c csrc/base/**/*.c
/* test_cgroup.c: the ladder of limits: what the host offers, and which enforcement is chosen.
 * In: a /proc of the test's own, offers written by hand.  Out: bases, enforcements, groups,
 * refusals. Never: a control group of this machine. */
#include "check.h"
#include "limits/files.h"
#include "limits/names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BIT(limit) (1u << (limit))

static struct prl_error error;
static struct prl_limits_plan plan;
static const struct prl_idmap one = {0, 1000, 1}, many[] = {{0, 1000, 1}, {1, 100000, 65536}};

static struct prl_spec spec_of(uint32_t asked)
{
    return (struct prl_spec){.namespaces = CLONE_NEWUSER,
                             .uid_maps = &one,
                             .uid_maps_len = 1,
                             .seccomp_program = "/filter",
                             .landlock = true,
                             .resources = {.asked = asked, .memory_bytes = 1 << 26}};
}

static int choose(const struct prl_spec *spec, const struct prl_cgroup_host *host)
{
    plan = (struct prl_limits_plan){.weak = 0};
    memset(&error, 0, sizeof error);
    return prl_limits_choose(spec, host, "ID", &plan, &error);
}

TEST(version_2_comes_before_version_1)
{
    const struct prl_cgroup_host host = {
        .bases = {{(char *)"/v1/memory", PRL_CONTROL_MEMORY, false},
                  {(char *)"/v1/io", PRL_CONTROL_IO, false},
                  {(char *)"/v2", PRL_CONTROL_MEMORY | PRL_CONTROL_PIDS, true}},
        .len = 3};
    struct prl_spec spec =
        spec_of(BIT(PRL_LIMIT_MEMORY) | BIT(PRL_LIMIT_PIDS) | BIT(PRL_LIMIT_IO));
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_INT(plan.held_by[PRL_LIMIT_MEMORY], PRL_BY_CGROUP2);
    CHECK_INT(plan.held_by[PRL_LIMIT_PIDS], PRL_BY_CGROUP2);
    CHECK_INT(plan.held_by[PRL_LIMIT_IO], PRL_BY_CGROUP1);
    CHECK_INT(plan.held_by[PRL_LIMIT_CPUS], PRL_BY_UNSET);
    CHECK_INT(plan.weak, 0);
    CHECK_STR(plan.groups, "1 blkio /v1/io/pyrootless-ID\n2 memory,pids /v2/pyrootless-ID");
    prl_limits_plan_free(&plan);
}

TEST(processor_time_of_version_1_is_measured_beside_its_limit)
{
    const struct prl_cgroup_host host = {
        .bases = {{(char *)"/cpu", PRL_CONTROL_CPU, false},
                  {(char *)"/acct", PRL_CONTROL_CPUACCT, false}},
        .len = 2};
    struct prl_spec spec = spec_of(BIT(PRL_LIMIT_CPUS));
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_STR(plan.groups, "1 cpu /cpu/pyrootless-ID\n1 cpuacct /acct/pyrootless-ID");
    prl_limits_plan_free(&plan);
}

/* Each limit without a control group: refused, or held by the enforcement below. */
static const struct {
    enum prl_limit limit;
    enum prl_enforcement weaker;
    const char *option, *exactness;
} alone[] = {
    {PRL_LIMIT_MEMORY, PRL_BY_WATCHDOG, "--memory", "late"},
    {PRL_LIMIT_SWAP, PRL_BY_NONE, "--memory-swap", "none"},
    {PRL_LIMIT_RESERVATION, PRL_BY_NONE, "--memory-reservation", "none"},
    {PRL_LIMIT_CPUS, PRL_BY_AFFINITY, "--cpus", "changeable"},
    {PRL_LIMIT_SHARES, PRL_BY_NONE, "--cpu-shares", "none"},
    {PRL_LIMIT_CPUSET, PRL_BY_AFFINITY, "--cpuset-cpus", "changeable"},
    {PRL_LIMIT_IO, PRL_BY_NONE, "--io-max", "none"},
    {PRL_LIMIT_CPU_TIME, PRL_BY_WATCHDOG, "--cpu-time", "late"},
};

TEST(without_a_group_bind_or_refuse)
{
    const struct prl_cgroup_host host = {.len = 0};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        struct prl_spec spec = spec_of(BIT(alone[i].limit));
        CHECK_INT(choose(&spec, &host), -EOPNOTSUPP);
        CHECK_STR(error.syscall, alone[i].option);
        spec.resources.best_effort = true;
        CHECK_INT(choose(&spec, &host), 0);
        CHECK_INT(plan.held_by[alone[i].limit], alone[i].weaker);
        CHECK_INT(plan.weak, BIT(alone[i].limit));
        CHECK_STR(prl_exactness_name(plan.held_by[alone[i].limit], true), alone[i].exactness);
        CHECK_STR(plan.groups, "");
        prl_limits_plan_free(&plan);
    }
}

/* Whatever group of version 2 there is counts; then cpuacct; then perf's clock. */
TEST(processor_time_is_counted_by_the_best_there_is)
{
    static const struct {
        struct prl_cgroup_host host;
        enum prl_enforcement held_by;
        const char *groups;
    } rows[] = {
        {{.bases = {{(char *)"/acct", PRL_CONTROL_CPUACCT, false},
                    {(char *)"/two", PRL_CONTROL_MEMORY | PRL_CONTROL_PIDS, true}},
          .len = 2},
         PRL_BY_CGROUP2,
         "2 memory /two/pyrootless-ID"},
        {{.bases = {{(char *)"/two", PRL_CONTROL_MEMORY | PRL_CONTROL_CPU, true}}, .len = 1},
         PRL_BY_CGROUP2,
         "2 cpu /two/pyrootless-ID"},
        {{.bases = {{(char *)"/cpu", PRL_CONTROL_CPU, false},
                    {(char *)"/acct", PRL_CONTROL_CPUACCT, false}},
          .len = 2,
          .clock = true},
         PRL_BY_CGROUP1,
         "1 cpuacct /acct/pyrootless-ID"},
        {{.bases = {{(char *)"/cpu", PRL_CONTROL_CPU, false}}, .len = 1, .clock = true},
         PRL_BY_CLOCK,
         ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct prl_spec spec = spec_of(BIT(PRL_LIMIT_CPU_TIME));
        CHECK_INT(choose(&spec, &rows[i].host), 0);
        CHECK_INT(plan.held_by[PRL_LIMIT_CPU_TIME], rows[i].held_by);
        CHECK_STR(plan.groups, rows[i].groups);
        CHECK_INT(plan.weak, 0);
        prl_limits_plan_free(&plan);
    }
}

/* It binds all the same: nothing is refused. */
TEST(perf_may_be_late_where_a_hypervisor_takes_time)
{
    for (int stolen = 0; stolen < 2; stolen++) {
        const struct prl_cgroup_host host = {.clock = true, .stolen = stolen};
        struct prl_spec spec = spec_of(BIT(PRL_LIMIT_CPU_TIME));
        CHECK_INT(choose(&spec, &host), 0);
        CHECK_INT(plan.held_by[PRL_LIMIT_CPU_TIME], PRL_BY_CLOCK);
        CHECK_STR(prl_exactness_name(PRL_BY_CLOCK, plan.weak & BIT(PRL_LIMIT_CPU_TIME)),
                  stolen ? "late" : "exact");
        prl_limits_plan_free(&plan);
    }
}

TEST(processes_of_one_id_are_counted_exactly)
{
    const struct prl_cgroup_host host = {.len = 0};
    struct prl_spec spec = spec_of(BIT(PRL_LIMIT_PIDS));
    if (geteuid() == 0) { /* whom RLIMIT_NPROC does not count */
        CHECK_INT(choose(&spec, &host), -EOPNOTSUPP);
        return;
    }
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_INT(plan.held_by[PRL_LIMIT_PIDS], PRL_BY_NPROC);
    CHECK_STR(prl_exactness_name(plan.held_by[PRL_LIMIT_PIDS], plan.weak != 0), "exact");
    prl_limits_plan_free(&plan);
    spec.uid_maps = many;
    spec.uid_maps_len = 2;
    CHECK_INT(choose(&spec, &host), -EOPNOTSUPP);
    spec.resources.best_effort = true;
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_STR(prl_exactness_name(plan.held_by[PRL_LIMIT_PIDS], plan.weak != 0), "each");
    prl_limits_plan_free(&plan);
}

TEST(a_shared_user_namespace_counts_nobodys_processes_alone)
{
    const struct prl_cgroup_host host = {.len = 0};
    struct prl_spec spec = spec_of(BIT(PRL_LIMIT_PIDS));
    spec.network.container = "another";
    CHECK_INT(choose(&spec, &host), -EOPNOTSUPP);
    spec.resources.best_effort = true;
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_INT(plan.held_by[PRL_LIMIT_PIDS], PRL_BY_NONE);
    CHECK_INT(plan.weak, BIT(PRL_LIMIT_PIDS));
    prl_limits_plan_free(&plan);
}

TEST(a_throttle_of_version_1_binds_who_cannot_mount)
{
    const struct prl_cgroup_host host = {.bases = {{(char *)"/io", PRL_CONTROL_IO, false}},
                                         .len = 1};
    struct prl_spec spec = spec_of(BIT(PRL_LIMIT_IO));
    spec.namespaces = CLONE_NEWUSER | CLONE_NEWCGROUP;
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_INT(plan.weak, 0);
    prl_limits_plan_free(&plan);
    spec.process.caps[PRL_CAP_BOUNDING] = 1ULL << CAP_SYS_ADMIN;
    CHECK_INT(choose(&spec, &host), -EOPNOTSUPP);
    spec.process.caps[PRL_CAP_BOUNDING] = 0;
    spec.landlock = false; /* as with user namespaces below */
    CHECK_INT(choose(&spec, &host), -EOPNOTSUPP);
    spec.landlock = true;
    spec.seccomp_program = NULL;
    CHECK_INT(choose(&spec, &host), -EOPNOTSUPP);
    spec.resources.best_effort = true;
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_STR(prl_exactness_name(plan.held_by[PRL_LIMIT_IO], plan.weak != 0), "changeable");
    prl_limits_plan_free(&plan);
}

/* Who may mount stands in a group of its own in every hierarchy, also without a limit. */
TEST(a_container_that_may_mount_stands_apart)
{
    struct prl_cgroup_host host = {
        .bases = {{(char *)"/v1/pids", PRL_CONTROL_PIDS, false},
                  {(char *)"/v1/freezer", PRL_CONTROL_OTHER, false},
                  {(char *)"/v2", PRL_CONTROL_MEMORY | PRL_CONTROL_CPU, true}},
        .len = 3};
    struct prl_spec spec = spec_of(0);
    spec.namespaces = CLONE_NEWUSER | CLONE_NEWCGROUP;
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_STR(plan.groups, "");
    prl_limits_plan_free(&plan);
    spec.process.caps[PRL_CAP_BOUNDING] = 1ULL << CAP_SYS_ADMIN;
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_STR(plan.groups, "1 pids /v1/pids/pyrootless-ID\n1 other /v1/freezer/pyrootless-ID\n"
                           "2 other /v2/pyrootless-ID");
    CHECK(!plan.open);
    prl_limits_plan_free(&plan);
    host.open = true; /* in one hierarchy it cannot */
    spec.resources.asked = BIT(PRL_LIMIT_MEMORY);
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_STR(plan.groups, "1 pids /v1/pids/pyrootless-ID\n1 other /v1/freezer/pyrootless-ID\n"
                           "2 memory /v2/pyrootless-ID");
    CHECK(plan.open);
    prl_limits_plan_free(&plan);
    spec.namespaces = CLONE_NEWUSER; /* it has no root of its own among the groups */
    CHECK_INT(choose(&spec, &host), 0);
    CHECK_STR(plan.groups, "2 memory /v2/pyrootless-ID");
    CHECK(!plan.open);
    prl_limits_plan_free(&plan);
}

TEST(controllers_of_what_is_asked)
{
    struct prl_spec spec = spec_of(BIT(PRL_LIMIT_SWAP) | BIT(PRL_LIMIT_CPUSET));
    CHECK_INT(prl_limits_controllers(&spec), PRL_CONTROL_MEMORY | PRL_CONTROL_CPUSET);
    spec.resources.asked = BIT(PRL_LIMIT_STORAGE);
    CHECK_INT(prl_limits_controllers(&spec), 0);
}

/* --- the files of version 2 --- */

#define ON_VERSION_2(limit) [limit] = PRL_BY_CGROUP2

TEST(limits_as_the_files_of_version_2_take_them)
{
    static const struct prl_throttle throttle = {PRL_THROTTLE_WRITE_IOPS, 8, 16, 300};
    static const struct {
        const char *name, *value;
        bool may_miss;
    } wanted[] = {{"memory.max", "1048576", false},   {"memory.swap.max", "1048576", true},
                  {"memory.oom.group", "1", false},   {"memory.low", "4096", false},
                  {"pids.max", "50", false},          {"cpu.max", "50000 100000", false},
                  {"cpu.weight", "20", false},        {"cpuset.cpus", "0-2", false},
                  {"io.max", "8:16 wiops=300", false}};
    struct prl_resources res = {
        .asked = BIT(PRL_LIMIT_MEMORY) | BIT(PRL_LIMIT_RESERVATION) | BIT(PRL_LIMIT_PIDS) |
                 BIT(PRL_LIMIT_CPUS) | BIT(PRL_LIMIT_SHARES) | BIT(PRL_LIMIT_CPUSET) |
                 BIT(PRL_LIMIT_IO),
        .held_by = {ON_VERSION_2(PRL_LIMIT_MEMORY), ON_VERSION_2(PRL_LIMIT_RESERVATION),
                    ON_VERSION_2(PRL_LIMIT_PIDS), ON_VERSION_2(PRL_LIMIT_CPUS),
                    ON_VERSION_2(PRL_LIMIT_SHARES), ON_VERSION_2(PRL_LIMIT_SWAP)},
        .memory_bytes = 1 << 20,
        .reservation_bytes = 4096,
        .pids = 50,
        .quota_us = 50000,
        .period_us = 100000,
        .shares = 512,
        .cpus = "0-2",
        .throttles = &throttle,
        .throttles_len = 1};
    const struct prl_cgroup group = {"/g", 31, true};
    struct prl_group_text *texts;
    size_t len;
    CHECK_INT(prl_cgroup2_texts(&group, &res, &texts, &len, &error), 0);
    CHECK_INT(len, 9);
    for (size_t i = 0; i < len; i++) {
        CHECK_STR(texts[i].name, wanted[i].name);
        CHECK_STR(texts[i].value, wanted[i].value);
        CHECK_INT(texts[i].may_miss, wanted[i].may_miss);
    }
    free(texts);
    res.swapless = true;
    CHECK_INT(prl_cgroup2_texts(&group, &res, &texts, &len, &error), 0);
    CHECK_STR(texts[1].value, "0");
    free(texts);
    res.asked |= BIT(PRL_LIMIT_SWAP);
    res.swap_bytes = 3 << 20;
    CHECK_INT(prl_cgroup2_texts(&group, &res, &texts, &len, &error), 0);
    CHECK_STR(texts[1].value, "2097152");
    CHECK_INT(texts[1].may_miss, false);
    free(texts);
}

/* --- what a host offers --- */

static char root[] = "/tmp/prl-cgroup-XXXXXX";

static void put(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    FILE *file = fopen(full, "w");
    CHECK(file != NULL);
    fputs(text, file);
    fclose(file);
}

static void folder(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    CHECK_INT(mkdir(full, 0755), 0);
}

static void make_host(const char *own)
{
    char line[256];
    CHECK(mkdtemp(root) != NULL);
    folder("self");
    folder("v2");
    folder("v2/user");
    folder("v2/user/pyrootless-launcher");
    put("self/cgroup", own);
    snprintf(line, sizeof line, "30 1 0:26 / %s/v2 rw - cgroup2 cgroup2 rw\n", root);
    put("self/mountinfo", line);
    put("v2/user/cgroup.procs", "");
    put("v2/user/cgroup.subtree_control", "");
    put("v2/user/cgroup.controllers", "cpu memory pids hugetlb\n");
}

static void end_host(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    CHECK_INT(system(command), 0);
}

TEST(the_own_group_of_version_2)
{
    static const char *const owns[] = {"0::/user\n", "0::/user/pyrootless-launcher\n"};
    for (size_t i = 0; i < 2; i++) {
        struct prl_cgroup_host host;
        char expected[64];
        strcpy(root, "/tmp/prl-cgroup-XXXXXX");
        make_host(owns[i]);
        CHECK_INT(prl_cgroup_look(root, &host, &error), 0);
        CHECK_INT(host.len, 1);
        snprintf(expected, sizeof expected, "%s/v2/user", root);
        CHECK_STR(host.bases[0].path, expected);
        CHECK_INT(host.bases[0].controllers,
                  PRL_CONTROL_CPU | PRL_CONTROL_MEMORY | PRL_CONTROL_PIDS);
        prl_cgroup_host_free(&host);
        end_host();
    }
}

TEST(a_group_with_other_processes_hands_nothing_down)
{
    struct prl_cgroup_host host;
    make_host("0::/user\n");
    put("v2/user/cgroup.procs", "1\n2\n");
    CHECK_INT(prl_cgroup_look(root, &host, &error), 0);
    CHECK_INT(host.len, 0);
    put("v2/user/cgroup.subtree_control", "cpu pids\n");
    CHECK_INT(prl_cgroup_look(root, &host, &error), 0);
    CHECK_INT(host.len, 0);
    put("v2/user/cgroup.subtree_control", "memory\n"); /* the kernel then lets none in */
    CHECK_INT(prl_cgroup_look(root, &host, &error), 0);
    CHECK_INT(host.len, 1);
    prl_cgroup_host_free(&host);
    put("v2/user/cgroup.subtree_control", "cpu memory pids\n");
    CHECK_INT(prl_cgroup_look(root, &host, &error), 0);
    CHECK_INT(host.len, 1);
    struct prl_resources lent = {.groups_fd = 0};
    prl_cgroup_host_lend(&host, &lent);
    CHECK_INT(faccessat(lent.groups_fd, "cgroup.procs", F_OK, 0), 0);
    prl_cgroup_host_free(&host);
    prl_cgroup_host_lend(&host, &lent);
    CHECK_INT(lent.groups_fd, 0);
    end_host();
}

/* It may stand beside others where nothing is to be limited; what lies hidden is not safe. */
TEST(a_group_apart_needs_no_controller)
{
    struct prl_cgroup_host host;
    strcpy(root, "/tmp/prl-cgroup-XXXXXX");
    make_host("0::/user\n");
    put("v2/user/cgroup.procs", "1\n2\n");
    CHECK_INT(prl_cgroup_look(root, &host, &error), 0);
    CHECK_INT(prl_cgroup_look_rest(root, &host, &error), 0);
    CHECK_INT(host.len, 1);
    CHECK_INT(host.bases[0].controllers, PRL_CONTROL_OTHER);
    CHECK(host.bases[0].version2 && !host.open);
    prl_cgroup_host_free(&host);
    CHECK(!host.rest);
    put("self/cgroup", "5:freezer:/\n0::/user\n"); /* mounted where we do not see it */
    CHECK_INT(prl_cgroup_look(root, &host, &error), 0);
    CHECK_INT(prl_cgroup_look_rest(root, &host, &error), 0);
    CHECK_INT(host.len, 1);
    CHECK(host.open);
    prl_cgroup_host_free(&host);
    put("self/cgroup", "0::/\n");
    put("self/mountinfo", "");
    CHECK_INT(prl_cgroup_look(root, &host, &error), 0);
    CHECK_INT(prl_cgroup_look_rest(root, &host, &error), 0);
    CHECK_INT(host.len, 0);
    CHECK(!host.open); /* nobody has mounted it: it has no group */
    prl_cgroup_host_free(&host);
    put("self/cgroup", "0::/elsewhere\n");
    CHECK_INT(prl_cgroup_look(root, &host, &error), 0);
    CHECK_INT(prl_cgroup_look_rest(root, &host, &error), 0);
    CHECK(host.open);
    prl_cgroup_host_free(&host);
    end_host();
}

/* It may be another one's: no process is born in it. */
TEST(a_group_that_is_there_is_not_taken)
{
    char path[96];
    strcpy(root, "/tmp/prl-cgroup-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    snprintf(path, sizeof path, "%s/pyrootless-ID", root);
    folder("pyrootless-ID");
    const struct prl_cgroup group = {path, PRL_CONTROL_PIDS, true};
    struct prl_spec spec = spec_of(BIT(PRL_LIMIT_PIDS));
    spec.resources.held_by[PRL_LIMIT_PIDS] = PRL_BY_CGROUP2;
    spec.resources.cgroups = &group;
    spec.resources.cgroups_len = 1;
    struct prl_cgroups *groups = NULL;
    CHECK_INT(prl_cgroups_make(&spec, false, &groups, &error), -EEXIST);
    CHECK_STR(error.syscall, "mkdir");
    end_host();
}

/* A group of version 1 in which memory ran out before anybody listened, and one in which it did
 * not. */
TEST(memory_that_ran_out_before_is_told)
{
    static const struct {
        const char *file;
        bool flat;
        int readable;
    } rows[] = {{"memory.oom_control", true, 1},
                {"box/memory.oom_control", false, 1},
                {"box/memory.oom_control", true, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        strcpy(root, "/tmp/prl-cgroup-XXXXXX");
        CHECK(mkdtemp(root) != NULL);
        folder("box");
        put("cgroup.event_control", "");
        put("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
        put(rows[i].file, "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
        int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int oom = prl_cgroup1_open_oom(dir, rows[i].flat);
        struct pollfd news = {oom, POLLIN, 0};
        CHECK(dir >= 0 && oom >= 0);
        CHECK_INT(poll(&news, 1, 0), rows[i].readable);
        close(oom);
        close(dir);
        end_host();
    }
}
