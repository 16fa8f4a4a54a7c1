/* check.h: is the program that is about to begin set up as it was asked?
 * In: a spec, and the pid of a process that is stopped right after its exec.  Out: 0, or the
 * first thing, by name, that was asked for and not applied. Never: trust in what the launch
 * did: every answer is the kernel's (/proc, prlimit). */
#pragma once

#include "base/error.h"

struct prl_verify {
    const struct prl_spec *spec;
    pid_t pid;            /* as this side sees it; stopped, and not reaped */
    unsigned filters;     /* that its set-up was to load */
    unsigned descriptors; /* above 2 that it may hold: those of the small init or the start
                             barrier */
    const void *program;  /* the filter as it was loaded; NULL: none */
    size_t program_bytes;
};

int prl_verify(const struct prl_verify *v, struct prl_error *reterr);

/* --- between the files of this room --- */

enum { PRL_VERIFY_TEXT = 64 };

/* "NAME: asked for ASKED, the kernel has FOUND". */
int prl_verify_differs(const char *name, const char *asked, const char *found,
                       struct prl_error *reterr);
/* What cannot be read is not verified. */
int prl_verify_unread(const char *name, int errnum, struct prl_error *reterr);
/* A file of /proc/PID, malloc'd. */
int prl_verify_read(const struct prl_verify *v, const char *name, char **ret,
                    struct prl_error *reterr);
/* status.c: ids, groups, capabilities, no_new_privs, filters, mask of new files. */
int prl_verify_status(const struct prl_verify *v, struct prl_error *reterr);
/* mounts.c: mounts, their flags, masks, read-only paths, and that there are no others.
 */
int prl_verify_mounts(const struct prl_verify *v, struct prl_error *reterr);
/* groups.c: control groups and the limits in them. */
int prl_verify_groups(const struct prl_verify *v, struct prl_error *reterr);
