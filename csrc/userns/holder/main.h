/* main.h: the holder's process, for the launcher that becomes one.
 * In: DIR UIDS GIDS SECONDS.  Out: its exit status.  Never: a return while it is of use. */
#pragma once

int prl_holder_main(char **argv);
