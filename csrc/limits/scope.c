/* scope.c: asking systemd for control groups.
 * In: the controllers that are needed, systemd's socket.  Out: this process in a scope of its
 * own with Delegate=yes, once; or nothing, and the ladder goes on with what there is.
 * Never: another process moved; a scope that outlives its processes: systemd removes it.
 *
 * A process may enter a group only when it may write the nearest common one, which above a
 * login session is root's (cgroup-v2.rst, "Delegation Containment"): systemd alone can move it,
 * so each process has to be moved once.  What it starts then is born in there.  The manager is
 * spoken to over its own socket: no bus needs to run, no program is executed.
 * Source: org.freedesktop.systemd1(5), StartTransientUnit, JobRemoved; systemd.scope(5). */
#include "limits/files.h"

#include "base/own.h"
#include "base/sys.h"
#include "limits/dbus.h"
#include "limits/steal.h"
#include "limits/taskclock.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { PATIENCE_S = 10, MESSAGES_MAX = 10000 };

static void put_property(struct prl_dbus_body *body, const char *name, const char *signature)
{
    prl_dbus_align(body, 8);
    prl_dbus_put_text(body, name);
    prl_dbus_put_signature(body, signature);
}

static int start_unit(int fd, const char *unit)
{
    struct prl_dbus_body body = {.len = 0};
    prl_dbus_put_text(&body, unit);
    prl_dbus_put_text(&body, "fail");
    size_t all = prl_dbus_open_array(&body, 8);
    put_property(&body, "PIDs", "au");
    size_t pids = prl_dbus_open_array(&body, 4);
    prl_dbus_put_u32(&body, (uint32_t)getpid());
    prl_dbus_close_array(&body, pids, 4);
    put_property(&body, "Delegate", "b");
    prl_dbus_put_u32(&body, 1);
    put_property(&body, "CollectMode", "s");
    prl_dbus_put_text(&body, "inactive-or-failed");
    put_property(&body, "Description", "s");
    prl_dbus_put_text(&body, "pyrootless and its containers");
    prl_dbus_close_array(&body, all, 8);
    prl_dbus_close_array(&body, prl_dbus_open_array(&body, 8), 8); /* no further units */
    return prl_dbus_send(
        fd, &(struct prl_dbus_call){.path = "/org/freedesktop/systemd1",
                                    .interface = "org.freedesktop.systemd1.Manager",
                                    .member = "StartTransientUnit",
                                    .signature = "ssa(sv)a(sa(sv))",
                                    .body = &body});
}

/* JobRemoved: number, job, unit, result.  1: that is our unit's, and it went well. */
static int is_done(const struct prl_dbus_message *message, const char *unit)
{
    size_t at = 4;
    if (message->kind == PRL_DBUS_ERROR)
        return -EACCES;
    if (message->kind != PRL_DBUS_SIGNAL || strcmp(message->member, "JobRemoved") != 0)
        return 0;
    const char *job = prl_dbus_text(message, &at), *of = prl_dbus_text(message, &at);
    const char *result = prl_dbus_text(message, &at);
    if (!job || !of || !result || strcmp(of, unit) != 0)
        return 0;
    return strcmp(result, "done") == 0 ? 1 : -EACCES;
}

static int enter_scope(const char *socket_path)
{
    char unit[64];
    snprintf(unit, sizeof unit, "pyrootless-%d-%" PRIx64 ".scope", (int)getpid(),
             prl_sys_now_ns());
    _cleanup_close_ int fd = prl_dbus_connect(socket_path, PATIENCE_S);
    int r = fd < 0 ? fd : start_unit(fd, unit);
    if (r < 0)
        return r;
    r = 0;
    for (int i = 0; r == 0 && i < MESSAGES_MAX; i++) {
        struct prl_dbus_message message = {.body = NULL};
        r = prl_dbus_receive(fd, &message);
        if (r == 0)
            r = is_done(&message, unit);
        prl_dbus_message_free(&message);
    }
    return r == 0 ? -ETIMEDOUT : r;
}

/* The socket of the user's systemd, or for root of the system's. */
static bool find_manager(char path[PATH_MAX])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int n = geteuid() == 0 ? snprintf(path, PATH_MAX, "/run/systemd/private")
            : runtime      ? snprintf(path, PATH_MAX, "%s/systemd/private", runtime)
                           : 0;
    return n > 0 && n < PATH_MAX && access(path, W_OK) == 0;
}

static unsigned offered(const struct prl_cgroup_host *host)
{
    unsigned all = 0;
    for (size_t i = 0; i < host->len; i++)
        all |= host->bases[i].controllers;
    return all;
}

static bool lacks(const struct prl_cgroup_host *host, const struct prl_spec *spec)
{
    return (prl_limits_controllers(spec) & ~offered(host)) != 0;
}

static int look_whole(bool clock, struct prl_cgroup_host *ret, struct prl_error *reterr)
{
    prl_cgroup_host_free(ret);
    int r = prl_cgroup_look("/proc", ret, reterr);
    if (r == 0 && clock) {
        _cleanup_close_ int fd = prl_taskclock_open();
        ret->clock = fd >= 0;
        ret->stolen = ret->clock && !prl_cgroup_has_meter(ret) && prl_steal_happens();
    }
    return r;
}

static int look_apart(bool clock, struct prl_cgroup_host *host, struct prl_error *reterr)
{
    bool whole = host->looked == PRL_LOOKED_WHOLE || host->looked == PRL_LOOKED_ASKED;
    int r = whole ? 0 : look_whole(clock, host, reterr);
    return r < 0 ? r : prl_cgroup_look_rest("/proc", host, reterr);
}

int prl_cgroup_look_or_ask(const struct prl_spec *spec, struct prl_cgroup_host *host,
                           struct prl_error *reterr)
{
    static bool asked; /* once a process: a second scope would offer nothing more */
    bool clock = spec->resources.asked & (1u << PRL_LIMIT_CPU_TIME);
    bool apart = prl_cgroup_is_apart(spec);
    char manager[PATH_MAX];
    int r = 0;
    if (prl_limits_controllers(spec) == 0)
        return apart ? look_apart(clock, host, reterr) : 0;
    if (host->looked == PRL_LOOKED_NOT && !prl_cgroup_look_own(host))
        r = look_whole(clock, host, reterr);
    if (r == 0 && host->looked == PRL_LOOKED_OWN && lacks(host, spec))
        r = look_whole(clock, host, reterr);
    if (r < 0 || !lacks(host, spec) || !find_manager(manager))
        return r < 0 || !apart ? r : look_apart(clock, host, reterr);
    if (!__atomic_exchange_n(&asked, true, __ATOMIC_SEQ_CST) && enter_scope(manager) >= 0)
        r = look_whole(clock, host, reterr);
    host->looked = PRL_LOOKED_ASKED;
    return r < 0 || !apart ? r : look_apart(clock, host, reterr);
}
