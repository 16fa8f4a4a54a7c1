/* run.c: `pyrootless run`: one container from argv to exit status, as a list; `create`: the
 * same up to its start. In: argv.  Out: the exit status (podman-run(1), "Exit Status"). Never:
 * an interpreter, when the launch template is there; anything left behind when it returns. */
#include "cli/attach/session.h"
#include "cli/python.h"
#include "cli/streams.h"
#include "cli/verbs.h"
#include "config/defaults.h"
#include "config/merge.h"
#include "config/network/facts.h"
#include "config/options/exports.h"
#include "container/exports.h"
#include "container/monitor/exports.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "base/trace.h"
#include "limits/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

enum { CONFIG_MAX_BYTES = 4 * 1024 * 1024 };

struct run {
    int argc;
    char **argv; /* untouched, for Python */
    struct prl_options options;
    struct prl_request request;
    struct prl_dirs dirs;
    struct prl_template template;
    struct prl_container container;
    char *defaults; /* words that the options point into */
    size_t defaults_len;
};

/* The bytes of --spec FILE ("-": standard input), as they are. */
static int load_spec_file(struct run *run, const char *path, struct prl_error *reterr)
{
    struct prl_container *c = &run->container;
    int r = strcmp(path, "-") == 0
                ? prl_io_read_stream(0, CONFIG_MAX_BYTES, &c->json, &c->json_len)
                : prl_io_read_file(AT_FDCWD, path, CONFIG_MAX_BYTES, &c->json, &c->json_len);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, -r, "--spec", "cannot read %s: %s", path,
                         r == -EFBIG ? "larger than 4 MiB" : strerror(-r));
    return 0;
}

/* Without a fresh template Python prepares one and starts the launcher again, once. */
static int find_template(struct run *run, struct prl_error *reterr)
{
    const char *image = run->request.template;
    bool prepared = getenv("PYROOTLESS_PREPARED") != NULL;
    int r = prl_template_load(&run->dirs, image, &run->template, reterr);
    if (r == 0 && !prepared && prl_network_facts_missing(&run->options, run->dirs.data))
        r = 1;
    if (r != 1)
        return r;
    if (prepared)
        return prl_failf(reterr, PRL_STAGE_TEMPLATE, ESTALE, "prepare",
                         "the launch template of %s is stale right after it was prepared",
                         image);
    return prl_python_exec(run->argc, run->argv, reterr);
}

static int run_foreground(struct run *run, struct prl_status *ret, struct prl_error *reterr)
{
    struct prl_container *c = &run->container;
    struct prl_streams streams;
    sigset_t forwarded, before;
    /* From before the launch: a signal that comes while the program already runs but nobody
     * listens yet would end the launcher and not reach the container.  They wait for the
     * monitor; the container starts with none blocked. */
    const struct prl_request *asked = &run->request;
    const bool apart[] = {!asked->interactive, asked->apart[1], asked->apart[2]};
    sigemptyset(&forwarded);
    if (!asked->no_signals)
        prl_monitor_catchable(&forwarded);
    sigprocmask(SIG_BLOCK, &forwarded, &before);
    prl_trace_mark("signals");
    int r = prl_streams_open(c->spec, apart, &streams, reterr);
    if (r < 0)
        return r;
    prl_trace_mark("streams");
    r = prl_container_start(c, &streams.lent, reterr);
    if (r < 0) {
        prl_streams_close(&streams);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return r;
    }
    prl_options_hide(&run->options);
    prl_streams_lent(&streams);
    if (c->state.remove)
        prl_cgroups_tell_end_alone(c->child.cgroups);
    struct prl_monitor_options monitor = {.wall_limit_ns = c->spec->wall_limit_ns,
                                          .forward_signals = !asked->no_signals};
    memcpy(monitor.relays, streams.relays, sizeof monitor.relays);
    prl_trace_mark("sweep");
    r = prl_monitor_run(&c->child, &monitor, ret, reterr);
    prl_trace_mark("program");
    return r;
}

/* What a weaker enforcement holds is never silent; under strict limits none but those that
 * bind. */
static void tell_weak(const struct prl_container *c)
{
    char sentence[200];
    if (!c->spec->resources.best_effort)
        return;
    for (unsigned i = 0; i < PRL_LIMITS; i++) {
        if (!(c->plan.weak & (1u << i)))
            continue;
        prl_limits_describe(&c->spec->resources, &c->plan, i, sentence, sizeof sentence);
        dprintf(2, "pyrootless: %s (--limits=best-effort)\n", sentence);
    }
}

/* `create`: what is started later. */
static int leave(struct prl_container *c, struct prl_status *ret, struct prl_error *reterr)
{
    char id[sizeof c->state.id];
    memcpy(id, c->state.id, sizeof id);
    *ret = (struct prl_status){.ended_by = PRL_ENDED_EXIT};
    int r = prl_container_leave(c, reterr);
    if (r == 0)
        dprintf(1, "%s\n", id);
    return r;
}

/* `run -t`, `run -d` */
static int run_kept(struct prl_container *c, struct prl_status *ret, struct prl_error *reterr)
{
    char id[sizeof c->state.id];
    memcpy(id, c->state.id, sizeof id);
    int r = prl_run_kept(c, ret, reterr);
    if (r == PRL_ATTACH_DETACHED && c->request->background)
        dprintf(1, "%s\n", id);
    return r < 0 ? r : 0;
}

static int run_container(struct run *run, struct prl_status *ret, struct prl_error *reterr)
{
    struct prl_container *c = &run->container;
    bool spec_file = prl_options_get(&run->options, "spec") != NULL;
    int r = prl_container_create(c, spec_file ? NULL : &run->template, reterr);
    if (r < 0)
        return r;
    tell_weak(c);
    if (run->options.verb == PRL_VERB_CREATE)
        return leave(c, ret, reterr);
    if (run->request.background || run->request.restart || c->spec->process.terminal)
        return run_kept(c, ret, reterr);
    r = run_foreground(run, ret, reterr);
    struct prl_error second;
    int f = prl_container_finish(c, r < 0 ? NULL : ret, &second);
    prl_trace_mark("finish");
    if (r == 0 && f < 0)
        prl_cli_warn(&second);
    return r;
}

/* config.json for people; malloc'd, NULL: no memory. */
static char *indent(const char *json, size_t len, size_t *ret_len)
{
    yyjson_doc *doc = yyjson_read(json, len, 0);
    char *text = doc ? yyjson_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, ret_len) : NULL;
    yyjson_doc_free(doc);
    return text;
}

static int print_spec(struct run *run, struct prl_error *reterr)
{
    struct prl_container *c = &run->container;
    bool spec_file = prl_options_get(&run->options, "spec") != NULL;
    int r = prl_container_describe(c, spec_file ? NULL : &run->template, reterr);
    if (r < 0)
        return r;
    size_t len = c->json_len;
    _cleanup_free_ char *shown = spec_file ? NULL : indent(c->json, c->json_len, &len);
    r = prl_io_write_all(1, shown ? shown : c->json, len);
    if (r == 0)
        r = prl_io_write_all(1, "\n", 1);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_STATE, -r, "write", "standard output") : 0;
}

/* What no program could have printed: why it was killed. */
static void tell_end(const struct prl_container *c, const struct prl_status *status)
{
    if (status->ended_by == PRL_ENDED_TIMEOUT)
        dprintf(2, "pyrootless: the container was killed when its --timeout had passed\n");
    if (status->ended_by == PRL_ENDED_OOM)
        dprintf(2, "pyrootless: the container was killed at its --memory of %llu bytes (%s)\n",
                (unsigned long long)c->spec->resources.memory_bytes,
                prl_enforcement_name(status->held_by[PRL_LIMIT_MEMORY]));
    if (status->ended_by == PRL_ENDED_CPU_TIME)
        dprintf(2,
                "pyrootless: the container was killed when it had used its --cpu-time of %.3f "
                "seconds (%s)\n",
                (double)c->spec->resources.cpu_time_ns / 1e9,
                prl_enforcement_name(status->held_by[PRL_LIMIT_CPU_TIME]));
    if (status->usage.pids_refused > 0)
        dprintf(2, "pyrootless: --pids-limit of %llu refused a process %u times\n",
                (unsigned long long)c->spec->resources.pids, status->usage.pids_refused);
}

/* What config.toml says of options that were not given.  Python writes it down for us. */
static int take_defaults(struct run *run, struct prl_error *reterr)
{
    int r = prl_defaults_load(run->dirs.data, &run->defaults, &run->defaults_len, reterr);
    if (r == 1 && getenv("PYROOTLESS_PREPARED"))
        return prl_failf(reterr, PRL_STAGE_OPTIONS, ESTALE, "config.toml",
                         "config.toml was changed while the launch was prepared: run it again");
    if (r == 0)
        r = prl_options_default(&run->options, run->defaults, run->defaults_len, reterr);
    return r == 1 || (r == 0 && run->options.engine)
               ? prl_python_exec(run->argc, run->argv, reterr)
               : r;
}

static int run_planned(struct run *run, struct prl_error *reterr)
{
    const char *spec_file = prl_options_get(&run->options, "spec");
    struct prl_status status;
    int r = prl_dirs_open(prl_options_get(&run->options, "root"), &run->dirs, reterr);
    prl_trace_mark("directories");
    r = r < 0 ? r : take_defaults(run, reterr);
    if (r == 0)
        prl_request_read(&run->options, &run->request);
    if (r == 0)
        r = spec_file ? load_spec_file(run, spec_file, reterr) : find_template(run, reterr);
    if (r < 0)
        return r;
    prl_trace_mark("template");
    if (prl_options_flag(&run->options, "print-spec"))
        return print_spec(run, reterr);
    r = run_container(run, &status, reterr);
    if (r < 0)
        return r;
    tell_end(&run->container, &status);
    return prl_status_exit_code(&status);
}

static unsigned verb_of(char **argv)
{
    return strcmp(argv[1], "create") == 0 ? PRL_VERB_CREATE : PRL_VERB_RUN;
}

int prl_run_main(int argc, char **argv)
{
    struct prl_error error;
    const unsigned verb = verb_of(argv);
    /* Never taken apart: the process ends with the run, and the kernel is faster at it. */
    static struct run run;
    run.argc = argc;
    run.argv = argv;
    run.dirs.data_fd = run.dirs.runtime_fd = run.template.lock_fd = -1;
    prl_container_begin(&run.container, &run.dirs, &run.request);
    prl_trace_begin();
    int r = prl_options_parse(verb, argc - 2, argv + 2, &run.options, &error);
    if (r == 0 && run.options.help) {
        prl_options_print_help(verb, stdout);
        return 0;
    }
    prl_trace_mark("options");
    if (r == 0)
        prl_request_read(&run.options, &run.request);
    if (r == 0)
        r = run.options.engine ? prl_python_exec(argc, argv, &error)
                               : run_planned(&run, &error);
    if (r < 0)
        r = prl_cli_fail(&error);
    prl_trace_print(STDERR_FILENO);
    return r;
}
