/* devices.h: the device nodes that a layer lists; none of them is in its tree.
 * In: what the list of devices says about one, its path.  Out: the same by path, for hard
 * links. Never: memory without a limit. */
#pragma once

#include <stddef.h>

/* Text of all devices together; a layer has a few kilobytes, or none. */
enum { PRL_UNPACK_DEVICES_BYTES = 4 << 20 };

struct prl_unpack_devices {
    char *text; /* head NUL path NUL … */
    size_t len, room;
};

/* A later device of the same path counts.  -EBADMSG: too many; -ENOMEM. */
int prl_unpack_devices_add(struct prl_unpack_devices *devices, const char *head,
                           const char *path);
/* NULL: no device has that path.  Good until the next is added. */
const char *prl_unpack_devices_find(const struct prl_unpack_devices *devices, const char *path);
