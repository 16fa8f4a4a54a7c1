/* devices.c: the device nodes that a layer lists; none of them is in its tree.
 * In: heads and paths.  Out: the head of a path.
 * Never: a search that the archive's budget does not cover (place.c spends it by length). */
#include "unpack/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int prl_unpack_devices_add(struct prl_unpack_devices *devices, const char *head,
                           const char *path)
{
    size_t head_len = strlen(head) + 1, path_len = strlen(path) + 1;
    size_t need = devices->len + head_len + path_len;
    if (need > PRL_UNPACK_DEVICES_BYTES)
        return -EBADMSG;
    if (need > devices->room) {
        size_t room = need > 2 * devices->room ? need : 2 * devices->room;
        char *more = realloc(devices->text, room);
        if (!more)
            return -ENOMEM;
        devices->text = more;
        devices->room = room;
    }
    memcpy(devices->text + devices->len, head, head_len);
    memcpy(devices->text + devices->len + head_len, path, path_len);
    devices->len = need;
    return 0;
}

const char *prl_unpack_devices_find(const struct prl_unpack_devices *devices, const char *path)
{
    const char *found = NULL, *end = devices->text + devices->len;
    for (const char *head = devices->text; head < end;) {
        const char *at = head + strlen(head) + 1;
        if (strcmp(at, path) == 0)
            found = head;
        head = at + strlen(at) + 1;
    }
    return found;
}
