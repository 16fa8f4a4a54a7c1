/* relay.h: the egress filter: the process between a container's interface and its network
 * helper. In: the interface (descriptor 3), the helper's socket (4), the list of allowed
 * destinations. Out: frames, both ways.  Never: see relay.c. */
#pragma once

/* What `pyrootless _egress-filter PARENT stream|packet PORTS ALLOW` does; returns an exit
 * status. Writes one byte to standard output when it is at work. `pyrootless _egress-filter
 * inside PARENT PROGRAM ARGS…`: execute it as root of the user namespace that is descriptor 5.
 */
int prl_egress_main(char **args);
