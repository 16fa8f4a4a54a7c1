/* container.h: one container from what is asked for to its end, for every door: container.c. */
#pragma once

#include "cgroup.h"
#include "cli/neighbour.h"
#include "cli/recall.h"
#include "cli/request.h"

#include <limits.h>

struct prl_container {
    const struct prl_dirs *dirs;
    const struct prl_request *request;
    const char *launcher; /* path of the native launcher; NULL: this program is it */
    struct prl_state state;
    char *allow;                     /* the list of destinations, resolved; NULL: none */
    struct prl_neighbour *neighbour; /* whose network it shares; NULL: nobody's */
    char *json;                      /* config.json, malloc'd */
    size_t json_len;
    char *brief; /* the same with "{}" for the template's linux.seccomp; NULL: json is read */
    size_t brief_len;
    struct prl_spec *spec;
    struct prl_cgroup_host host; /* as far as it was looked at */
    struct prl_limits_plan plan; /* all zero: nothing is limited */
    struct prl_child child;
    bool may_wait, unmade, lost, stale, scratch_known; /* see container.c */
    char scratch[PATH_MAX];                            /* "": there is none */
    struct prl_recall recall;
};

/* c is all zero.  dirs and request outlive it; the request may be filled later. */
void prl_container_begin(struct prl_container *c, const struct prl_dirs *dirs,
                         const struct prl_request *request);
/* The template of `image`, locked, and read unless an earlier start is recalled.  1: it is not
 * here or stale. */
int prl_container_template(struct prl_container *c, const char *image, struct prl_template *ret,
                           struct prl_error *reterr);
/* The description alone (--print-spec): without a directory its upper lies in a tmpfs. */
int prl_container_describe(struct prl_container *c, struct prl_template *template,
                           struct prl_error *reterr);
/* Make sure that c->json is there, once the container is created. */
int prl_container_text(struct prl_container *c, struct prl_error *reterr);
const char *prl_container_scratch(struct prl_container *c); /* NULL: there is none */
/* Directory, config.json, spec.  template NULL: c->json is the config.json already (--spec).
 * With recall.flat the template is locked and not read.  On failure nothing is left. */
int prl_container_create(struct prl_container *c, const struct prl_template *template,
                         struct prl_error *reterr);
/* Launch; on failure the container still has to be finished (stale: and made anew). */
int prl_container_start(struct prl_container *c, const struct prl_stdio *stdio,
                        struct prl_error *reterr);
/* The same up to the gate (prl_launch_held). */
int prl_container_hold(struct prl_container *c, const struct prl_stdio *stdio,
                       struct prl_error *reterr);
/* Kill and reap if it still runs, record, remove what must go.  status NULL: it never ran. */
int prl_container_finish(struct prl_container *c, const struct prl_status *status,
                         struct prl_error *reterr);
/* Free memory and descriptors, and end nothing: for either side of a fork. */
void prl_container_free(struct prl_container *c);
