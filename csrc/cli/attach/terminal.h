/* terminal.h: the terminal of who watches a container, raw and back.
 * In: descriptor 0.  Out: its settings as they were, however this process ends, but by SIGKILL.
 * Never: a second terminal: what a fatal signal's handler needs is one for all. */
#pragma once

#include <stdint.h>

/* Raw from here on; nothing happens where 0 is no terminal. */
void prl_terminal_raw(void);
/* Again, should the shell have had it meanwhile. */
void prl_terminal_raw_again(void);
void prl_terminal_close(void);
/* rows << 16 | columns of the caller's terminal; 0: there is none. */
uint32_t prl_terminal_size(void);
