/* exec.c: `pyrootless exec`: one more program in a running container, from argv to exit status.
 * In: argv, a container that runs.  Out: the exit status (podman-exec(1), "Exit Codes").
 * Never: an interpreter; a change to the container's directory or its monitor. */
#include "config/exec.h"
#include "cli/attach/session.h"
#include "cli/sealed.h"
#include "cli/streams.h"
#include "cli/verbs.h"
#include "config/network/shared.h"
#include "container/events/journal.h"
#include "container/monitor/exec.h"
#include "container/monitor/exports.h"
#include "container/state/record.h"
#include "launch/exports.h"

#include "base/error.h"
#include "base/own.h"
#include "base/sys.h"
#include "base/trace.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { UNSTARTED = 125, LANDLOCK_ABI = 2 /* launch/steps/privileges/landlock.c */ };

struct exec {
    char **argv;
    struct prl_options options;
    struct prl_dirs dirs;
    struct prl_running running;
    struct prl_spec *spec;
    struct prl_told_exec told;
};

static int merge(struct exec *exec, struct prl_error *reterr)
{
    char root[48];
    struct winsize size = {0};
    if (ioctl(0, TIOCGWINSZ, &size) < 0 && ioctl(1, TIOCGWINSZ, &size) < 0)
        memset(&size, 0, sizeof size);
    snprintf(root, sizeof root, "/proc/self/fd/%d/root", exec->running.target.proc_fd);
    const struct prl_config_facts facts = {.data_dir = exec->dirs.data,
                                           .runtime_dir = exec->dirs.runtime,
                                           .running_root = root,
                                           .uid = geteuid(),
                                           .gid = getegid(),
                                           .rows = size.ws_row,
                                           .columns = size.ws_col};
    return prl_config_exec(exec->spec, &exec->options, &facts, reterr);
}

static int make_spec(struct exec *exec, struct prl_error *reterr)
{
    _cleanup_free_ char *json = NULL;
    int r = prl_running_config(&exec->running, &json, reterr);
    if (r == 0)
        r = prl_spec_parse(json, strlen(json), &exec->spec, reterr);
    prl_trace_mark("parse");
    return r < 0 ? r : merge(exec, reterr);
}

static int run_foreground(struct exec *exec, struct prl_status *ret, struct prl_error *reterr)
{
    struct prl_child child;
    struct prl_streams streams;
    sigset_t forwarded;
    prl_monitor_catchable(&forwarded);
    sigprocmask(SIG_BLOCK, &forwarded, NULL); /* they wait for the monitor, as in run.c */
    const bool apart[] = {!prl_options_flag(&exec->options, "interactive"), false, false};
    int r = prl_streams_open(exec->spec, apart, &streams, reterr);
    if (r < 0)
        return r;
    r = prl_join(exec->spec, &exec->running.target, &streams.lent, &child, reterr);
    if (r < 0) {
        prl_streams_close(&streams);
        return r;
    }
    prl_options_hide(&exec->options);
    prl_streams_lent(&streams);
    struct prl_monitor_options monitor = {.forward_signals = true};
    memcpy(monitor.relays, streams.relays, sizeof monitor.relays);
    r = prl_monitor_run(&child, &monitor, ret, reterr);
    prl_child_close(&child);
    prl_trace_mark("program");
    return r;
}

static int start(void *data, const struct prl_stdio *stdio, struct prl_child *ret,
                 struct prl_error *reterr)
{
    struct exec *exec = data;
    int r = prl_join(exec->spec, &exec->running.target, stdio, ret, reterr);
    prl_options_hide(&exec->options);
    return r;
}

/* A prl_attach_finish_fn.  status NULL: it did not start. */
static int tell_end(void *data, const struct prl_status *status, struct prl_error *reterr)
{
    struct exec *exec = data;
    (void)reterr; /* nothing fails */
    prl_journal_exec_end(&exec->dirs, &exec->told,
                         status ? prl_status_exit_code(status) : UNSTARTED);
    return 0;
}

/* -t and -d: in the hands of a monitor of its own, which goes on when this process ends. Nobody
 * reads what a program in the background writes, as under docker. */
static int run_kept(struct exec *exec, struct prl_status *ret, struct prl_error *reterr)
{
    const struct prl_options *o = &exec->options;
    bool background = prl_options_flag(o, "detach");
    const struct prl_attach_options options = {
        .interactive = prl_options_flag(o, "interactive") && !background,
        .terminal = exec->spec->process.terminal,
        .background = background,
        .detach_keys = prl_options_get(o, "detach-keys"),
        .name = o->image,
        .finish = tell_end, /* in its monitor */
    };
    *ret = (struct prl_status){0};
    int r = prl_attach_run(&options, start, exec, ret, reterr);
    if (r == PRL_ATTACH_DETACHED)
        *ret = (struct prl_status){.ended_by = PRL_ENDED_EXIT};
    return r < 0 ? r : 0;
}

static int run_in_container(struct exec *exec, struct prl_error *reterr)
{
    struct prl_status status;
    int r = prl_dirs_open(prl_options_get(&exec->options, "root"), &exec->dirs, reterr);
    if (r == 0)
        r = prl_state_find(&exec->dirs, exec->options.image, &exec->running, reterr);
    prl_trace_mark("find");
    if (r == 0 && exec->running.life == PRL_LIFE_PAUSED)
        r = prl_failf(reterr, PRL_STAGE_STATE, EBUSY, "exec",
                      "Container %.80s is paused, unpause the container before exec",
                      exec->options.image);
    if (r == 0)
        r = make_spec(exec, reterr);
    if (r == 0 && !(exec->spec->landlock && prl_sys_landlock_abi() >= LANDLOCK_ABI))
        r = prl_exec_sealed(exec->argv, reterr);
    prl_trace_mark("merge");
    if (r < 0)
        return r;
    if (strcmp(exec->argv[0], PRL_EXECUTION_CHECK) != 0)
        prl_journal_exec(&exec->dirs, exec->running.id, exec->spec, &exec->told);
    bool kept = exec->spec->process.terminal || prl_options_flag(&exec->options, "detach");
    r = kept ? run_kept(exec, &status, reterr) : run_foreground(exec, &status, reterr);
    if (!kept)
        (void)tell_end(exec, r < 0 ? NULL : &status, reterr);
    return r < 0 ? r : prl_status_exit_code(&status);
}

int prl_exec_main(int argc, char **argv)
{
    struct prl_error error;
    /* Never taken apart: the process ends with the program. */
    static struct exec exec;
    exec = (struct exec){.argv = argv, .dirs = {.data_fd = -1, .runtime_fd = -1}};
    prl_trace_begin();
    int r = prl_options_parse(PRL_VERB_EXEC, argc - 2, argv + 2, &exec.options, &error);
    if (r == 0 && exec.options.help) {
        prl_options_print_help(PRL_VERB_EXEC, stdout);
        return 0;
    }
    if (r == 0)
        r = run_in_container(&exec, &error);
    if (r < 0)
        r = prl_cli_fail(&error);
    prl_trace_print(STDERR_FILENO);
    return r;
}
