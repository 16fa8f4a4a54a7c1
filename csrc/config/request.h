/* request.h: what somebody wants of a container, whoever asks.
 * In: nothing.  Out: struct prl_request.  Never: an option, a word of an API: each door makes
 * the request of its own words (config/options/request.c: of the option table), and lends the
 * calls that describe the program. */
#pragma once

#include "config/facts.h"
#include "config/template.h"

#include <sys/ioctl.h>

struct prl_request;

/* How the words of a door become a description; `request->asked` are these words. */
struct prl_request_words {
    /* What is asked of the host's resolver, before the description.  See
     * prl_config_allow_resolve. */
    int (*resolve)(const struct prl_request *request, char **ret_allow,
                   struct prl_error *reterr);
    /* The words into the spec of a template, which becomes that of a launch.  See
     * prl_config_merge. */
    int (*merge)(const struct prl_request *request, const struct prl_config_facts *facts,
                 struct prl_spec *spec, struct prl_error *reterr);
    /* The names of the containers whose volumes are taken; NULL: there are no more. */
    const char *(*volumes_from)(const struct prl_request *request, size_t index);
    /* The small files that this config.json binds.  See prl_config_files. */
    int (*files)(const struct prl_request *request, const struct prl_config_facts *facts,
                 struct prl_config_file ret[PRL_CONFIG_FILES], struct prl_error *reterr);
};

/* All zero: a container that is kept, has no name, and is described by a config.json that the
 * caller hands over.  Strings are the caller's. */
struct prl_request {
    const struct prl_request_words *words; /* NULL: config.json is there already */
    const void *asked;
    const char *template;   /* the image whose launch template is taken; NULL: none */
    const char *name;       /* NULL: none was given */
    bool named;             /* it has a name, which is made up when none was given */
    bool remove, ephemeral; /* goes with its end; nothing of it on disk */
    bool lent;       /* something of the caller's is in it, beside what its spec says is lent */
    bool any_driver; /* the kernel's overlay or, where that is refused, fuse-overlayfs */
    const char *network_of;         /* the container whose network is shared; NULL: none */
    const char *id_file, *pid_file; /* where its id and the process's go; NULL: nowhere */
    struct winsize window;          /* of the terminal it begins with; 0: it has none */
    bool interactive;               /* its standard input stays open */
    bool apart[3];                  /* its streams that are not connected to the caller's */
    bool no_signals;                /* those of the caller end the caller, and it too */
    bool background;                /* nobody waits for it here */
    bool leaves;                    /* who watches it goes, and it stays */
    bool deaf;                      /* who watches it sends it no input */
    const char *restart;            /* when it is started again: policy.h; NULL: never */
    const char *detach_keys;        /* of a terminal's front; NULL: the usual ones */
};
