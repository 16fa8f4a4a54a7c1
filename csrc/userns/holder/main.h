/* main.h: the process that the launcher becomes as an id-map holder; returns its exit status.
 */
#pragma once

int prl_holder_main(char **argv); /* DIR UIDS GIDS SECONDS */
