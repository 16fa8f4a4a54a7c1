/* helper.h: run a program of the distribution (newuidmap, …) and wait for it, not for ever.
 * In: argv with an absolute path.  Out: its exit status and the begin of what it said.
 * Never: a shell, PATH, the caller's standard input or output. */
#pragma once

#include "base/error.h"

#include <sys/types.h>

enum { PRL_HELPER_SECONDS = 20 }; /* then it is killed: a directory service may be slow */
enum { HELPER_PATIENCE_MS = 10000 };

struct prl_helper_result {
    int exit_code;       /* 128+n when a signal ended it */
    char complaint[200]; /* first line of standard error; "" when it said nothing */
};

/* 0 when the program ran to its end, whatever that was; -errno when it could not be run;
 * -ETIME: it hung and was killed. */
int prl_helper_run(const char *const argv[], struct prl_helper_result *ret);
/* The beginning of its standard output, as text. -EIO: it failed; else as above. */
int prl_helper_read(const char *const argv[], char *buf, size_t size);
/* Wait for a lasting helper that is about to end by itself; after HELPER_PATIENCE_MS it is
 * killed.  Reaps it. */
void prl_helper_end(pid_t pid);
/* Start a program that lasts as long as the calling thread: its end kills it.  It may not gain
 * privileges, and has no descriptor of ours but these, which become 0 to 5; -1: /dev/null.
 * Without a copy of the caller's memory.  Filled: *ret, to be reaped by the caller. */
struct prl_helper_start {
    const char *const *argv; /* with an absolute path; NULL-terminated */
    int fds[6];
};
int prl_helper_start(const struct prl_helper_start *how, pid_t *ret);
/* Why a helper gave up: the last line of what it said that is no warning.  Cuts the text. */
const char *prl_helper_last_line(char *text);
/* The absolute path of a program in the directories where distributions keep them, into buf (64
 * bytes); NULL: not installed. */
const char *prl_helper_find(const char *name, char *buf);
