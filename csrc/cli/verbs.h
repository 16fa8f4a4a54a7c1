/* verbs.h: the verbs of the native launcher. */
#pragma once

#include "prl.h"

struct prl_container;

/* `pyrootless run …` and `create …`; argv[0] is the program, argv[1] the verb.  Returns the
 * exit status. */
int prl_run_main(int argc, char **argv);
/* `pyrootless exec …`: the same for a running container. */
int prl_exec_main(int argc, char **argv);
/* `pyrootless attach …`: its streams here. */
int prl_attach_main(int argc, char **argv);
/* `pyrootless wait …`: until they have ended. */
int prl_wait_main(int argc, char **argv);
/* `pyrootless logs …`: what it has written. */
int prl_logs_main(int argc, char **argv);
/* `pyrootless start …` and `restart …`: of containers that were made before. */
int prl_start_main(int argc, char **argv);
/* `pyrootless pause …`, `unpause`, `rename`, `update`: of containers that are there. */
int prl_change_main(int argc, char **argv);
/* `pyrootless unshare …`: becomes the program; returns the exit status of a failure. */
int prl_unshare_main(int argc, char **argv);
/* `run -t`, `run -d`, `start`: a monitor that stays.  Finishes the container itself.  0: it
 * ended; PRL_ATTACH_DETACHED: it goes on. */
int prl_run_kept(struct prl_container *container, struct prl_status *ret,
                 struct prl_error *reterr);
/* "pyrootless: …" with its remedy on standard error; returns the exit status for it. */
int prl_cli_fail(const struct prl_error *error);
/* The same as a warning: the program ended, and its own exit status stands; what could not be
 * recorded or removed after it the next command takes away. */
void prl_cli_warn(const struct prl_error *error);
