/* groups.h: limits: what the host offers, what enforces which limit, the groups made.
 * The line: look (host) → plan (enforcement, pure) → config.json → make → enter → measure →
 * remove. In: a spec that asks for limits.  Out: control groups of one container, its usage.
 * Never: a limit dropped silently. */
#pragma once

#include "prl.h"

enum { PRL_CGROUP_BASES = 16 };

/* A directory of control groups in which the caller may make its own. */
struct prl_cgroup_base {
    char *path;
    unsigned controllers; /* enum prl_controller */
    bool version2;
    int fd; /* of version 2: the directory, opened (O_PATH), or 0 */
};

/* How far the host was looked at. */
enum prl_cgroup_looked {
    PRL_LOOKED_NOT,
    PRL_LOOKED_OWN,   /* the own group of version 2, where systemd mounts them */
    PRL_LOOKED_WHOLE, /* every hierarchy */
    PRL_LOOKED_ASKED, /* and systemd was to be asked for more */
};

struct prl_cgroup_host {
    enum prl_cgroup_looked looked;
    struct prl_cgroup_base bases[PRL_CGROUP_BASES];
    size_t len;
    bool clock;  /* perf lends this user a clock of a tree of processes */
    bool stolen; /* a hypervisor takes time of the processors, which that clock bills; not
                    looked for where a group bills */
    bool rest;   /* the hierarchies without a controller of ours were looked at too */
    bool open;   /* in one of them the container would share a group with groups that the caller
                  * may change, and cannot have its own */
};

/* proc: "/proc", or a stand-in for tests.  Every hierarchy. */
int prl_cgroup_look(const char *proc, struct prl_cgroup_host *ret, struct prl_error *reterr);
/* Only the process's own group of version 2; false: it cannot be found without the table of
 * mounts, or is not delegated. */
bool prl_cgroup_look_own(struct prl_cgroup_host *ret);
/* Continue from what was seen already (host->looked), as far as these limits need it; systemd
 * is asked if that would help (scope.c). */
int prl_cgroup_look_or_ask(const struct prl_spec *spec, struct prl_cgroup_host *host,
                           struct prl_error *reterr);
/* apart.c: must the container have a group of its own in every hierarchy, since its
 * program may mount control groups and would change those of others from the root of its cgroup
 * namespace? */
bool prl_cgroup_is_apart(const struct prl_spec *spec);
/* The hierarchies that prl_cgroup_look leaves out; host->open. */
int prl_cgroup_look_rest(const char *proc, struct prl_cgroup_host *host,
                         struct prl_error *reterr);
/* Does a group bill processor time, where one is made? */
bool prl_cgroup_has_meter(const struct prl_cgroup_host *host);
void prl_cgroup_host_free(struct prl_cgroup_host *host);
/* What a launch that was planned with it may use, for as long as it lasts. */
void prl_cgroup_host_lend(const struct prl_cgroup_host *host, struct prl_resources *resources);

struct prl_limits_plan {
    uint8_t held_by[PRL_LIMITS]; /* enum prl_enforcement */
    uint32_t weak;               /* bit n: this one does not hold limit n exactly */
    char *groups; /* "VERSION CONTROLLERS PATH" a line, as the annotation has it */
    bool open;    /* host->open, and the container must have groups of its own: then it gets no
                   * cgroup namespace */
};

/* Pure. Under strict limits -EOPNOTSUPP when only weaker enforcement is possible for one of
 * them. */
int prl_limits_choose(const struct prl_spec *spec, const struct prl_cgroup_host *host,
                      const char *id, struct prl_limits_plan *ret, struct prl_error *reterr);
void prl_limits_plan_free(struct prl_limits_plan *plan);
/* A sentence for a limit of plan->weak. */
void prl_limits_describe(const struct prl_resources *resources,
                         const struct prl_limits_plan *plan, unsigned limit, char *buf,
                         size_t size);

/* Before a fork: with version 2 the launcher must be alone in its group to move out of it, and
 * the new process would be in there too. Does nothing if nothing is to be done. */
int prl_cgroups_make_room(const struct prl_spec *spec, struct prl_error *reterr);
/* *ret is NULL when nothing is asked for.  On failure nothing is left.  flat: the container has
 * no cgroup namespace and can mount none, so that no group of its own below the limits is
 * needed. */
int prl_cgroups_make(const struct prl_spec *spec, bool flat, struct prl_cgroups **ret,
                     struct prl_error *reterr);
/* Other limits in the groups of a running container.  `before`: those that it has.  A limit
 * that it did not have is held if it has a group for it; held_by of the spec says so then.
 * -EOPNOTSUPP: no group of its own holds one of those that changed. */
int prl_cgroups_update(struct prl_spec *spec, const struct prl_resources *before,
                       struct prl_error *reterr);
/* The groups of a running container, to be entered by one more process of it. */
int prl_cgroups_open(const struct prl_spec *spec, struct prl_cgroups **ret,
                     struct prl_error *reterr);
/* After entering: keep only limits that no group enforces; the rest is the container's own
 * monitor's.  *groups is NULL when there is none. */
void prl_cgroups_lend(struct prl_cgroups **groups);
/* For version 1: from now on prl_cgroups_oom_fd tells when memory runs out, and whether it has.
 * Called when the program already runs, so that nobody waits for it. */
void prl_cgroups_listen(struct prl_cgroups *groups);
/* Of version 2, to be born in; -1: none. */
int prl_cgroups_born_fd(const struct prl_cgroups *groups);
/* Files of version 1 into which the child writes itself; returns how many. */
size_t prl_cgroups_entries(const struct prl_cgroups *groups, int fds[PRL_CGROUP_BASES]);
/* The limit of processor time that the monitor holds, or 0; what holds it; the clock, handed
 * over (groups NULL: closed), -1: none; what the groups counted. */
uint64_t prl_cgroups_cpu_limit_ns(const struct prl_cgroups *groups,
                                  enum prl_enforcement *ret_enforcement);
void prl_cgroups_take_clock(struct prl_cgroups *groups, int fd);
int prl_cgroups_clock_fd(const struct prl_cgroups *groups);
uint64_t prl_cgroups_cpu_ns(const struct prl_cgroups *groups);
/* Readable when the monitor must kill for memory, or -1; what its watchdog allows, or 0. */
int prl_cgroups_oom_fd(const struct prl_cgroups *groups);
uint64_t prl_cgroups_watch_bytes(const struct prl_cgroups *groups);
/* Only why the container ended will be asked, not what it used: less is read. */
void prl_cgroups_tell_end_alone(struct prl_cgroups *groups);
/* After the end and before the removal: enforcement and usage. ret->exit_code: negative when
 * killed. */
void prl_cgroups_measure(const struct prl_cgroups *groups, struct prl_status *ret);
/* All of it; or all but the groups: for a fork that is not the monitor.  NULL is fine. */
void prl_cgroups_remove(struct prl_cgroups *groups);
void prl_cgroups_forget(struct prl_cgroups *groups);

/* offer.c: what would hold the limits of a container with the defaults.  ret->held_by and
 * ret->weak of each limit but the storage's; prl_limits_plan_free() it. */
int prl_offer_enforcement(struct prl_limits_plan *ret, struct prl_error *reterr);

/* leaf.c: kills what is left in a container's control group (version 2) and removes it with
 * its box; no directory whose name is not pyrootless-ID.  0: gone; -errno. */
int prl_leaf_remove(const char *path);
