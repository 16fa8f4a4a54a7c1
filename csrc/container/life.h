/* life.h: one container from what is asked for to its end, for every door: life.c. */
#pragma once

#include "config/network/shared.h"
#include "config/request.h"
#include "container/donors.h"
#include "container/state/volumes/store.h"
#include "limits/exports.h"

#include <limits.h>

struct prl_container {
    const struct prl_dirs *dirs;
    const struct prl_request *request;
    const char *launcher; /* path of the native launcher; NULL: this program is it */
    struct prl_state state;
    char *allow; /* the list of destinations, resolved; NULL: none */
    struct prl_shared_network *shared_network; /* whose network it shares; NULL: nobody's */
    struct prl_donor *donors;                  /* whose volumes it takes */
    size_t donors_len;
    struct prl_held_volumes volumes; /* its own of the store */
    char *json;                      /* config.json */
    size_t json_len;
    struct prl_spec *spec;
    struct prl_cgroup_host host; /* as far as it was looked at */
    struct prl_limits_plan plan; /* all zero: nothing is limited */
    struct prl_child child;
    char *attributes; /* for its events (container/events/journal.h); NULL: it is none's
                         business */
    bool scratch_known;
    char scratch[PATH_MAX]; /* "": there is none */
};

/* c is all zero.  dirs and request outlive it; the request may be filled later. */
void prl_container_begin(struct prl_container *c, const struct prl_dirs *dirs,
                         const struct prl_request *request);
/* The description alone (--print-spec): without a directory its upper lies in a tmpfs. */
int prl_container_describe(struct prl_container *c, const struct prl_template *template,
                           struct prl_error *reterr);
/* Directory, config.json, spec.  template NULL: c->json is the config.json already (--spec).
 * On failure nothing is left. */
int prl_container_create(struct prl_container *c, const struct prl_template *template,
                         struct prl_error *reterr);
/* It is made, and starts when somebody retakes it. */
int prl_container_leave(struct prl_container *c, struct prl_error *reterr);
/* One that was made before, by name, id or the begin of one: config.json, spec, and of the
 * request what they say.  1: it runs already, and c->state has its id and name.  On failure it
 * is as it was. */
int prl_container_retake(struct prl_container *c, const char *text, struct prl_request *request,
                         struct prl_error *reterr);
/* Its config.json once more, as it is on disk. */
int prl_container_reload(struct prl_container *c, struct prl_error *reterr);
/* Launch; on failure the container still has to be finished. */
int prl_container_start(struct prl_container *c, const struct prl_stdio *stdio,
                        struct prl_error *reterr);
/* The same up to the start barrier (prl_launch_held). */
int prl_container_hold(struct prl_container *c, const struct prl_stdio *stdio,
                       struct prl_error *reterr);
/* Kill and reap if it still runs, record, remove what must go.  status NULL: it never ran. */
int prl_container_finish(struct prl_container *c, const struct prl_status *status,
                         struct prl_error *reterr);
/* It ended, and is started again: its end is written down alone. */
int prl_container_record(struct prl_container *c, const struct prl_status *status,
                         struct prl_error *reterr);
/* The same of one that could not be started, and why. */
int prl_container_fail(struct prl_container *c, const struct prl_error *error,
                       struct prl_error *reterr);
/* Free memory and descriptors, and end nothing: for either side of a fork. */
void prl_container_free(struct prl_container *c);
