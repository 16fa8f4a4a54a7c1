/* lowers.c: from which directory the overlay's layers can be named, and how.
 * In: a spec's lower directories.  Out: of each path, where its name begins, which is the same
 * place in all: before it is the directory they lie in; 0: there is none, and each is named by
 * its descriptor.
 * Never: a name that tells more of the host than a layer's digest; a name with a letter that
 * divides the overlay's options. */
#include "spec/parts.h"

#include <string.h>

/* The kernel takes one page of options; what is reserved is for the upper and the rest. */
enum { DIGEST_DIGITS = 64, ROOM_BYTES = 4096, RESERVED_BYTES = 256 };

/* Of "…/DIGEST/WORD", as the store lays its layers: "DIGEST/WORD"; NULL: of another form. */
static const char *name_of(const char *path)
{
    const char *word = strrchr(path, '/');
    if (!word || word - path < DIGEST_DIGITS + 2)
        return NULL;
    const char *name = word - DIGEST_DIGITS;
    if (name[-1] != '/' || strspn(name, "0123456789abcdef") != DIGEST_DIGITS)
        return NULL;
    size_t len = strspn(word + 1, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && word[1 + len] == '\0' ? name : NULL;
}

/* All in one directory, and short enough together. */
static bool are_beside(const struct prl_rootfs *root, size_t begin)
{
    size_t used = RESERVED_BYTES;
    for (size_t i = 0; i < root->lowers_len; i++) {
        const char *path = root->lowers[i], *name = name_of(path);
        if (!name || (size_t)(name - path) != begin ||
            strncmp(path, root->lowers[0], begin) != 0)
            return false;
        used += strlen(name) + 1;
    }
    return used <= ROOM_BYTES;
}

/* One layer is where the mount is made from; of several, what they lie in is. */
size_t prl_spec_lowers_begin(const struct prl_rootfs *root)
{
    const char *first = root->lowers_len ? root->lowers[0] : "", *name = name_of(first);
    if (root->lowers_len == 1)
        return strlen(first);
    size_t begin = name ? (size_t)(name - first) : 0;
    return begin && are_beside(root, begin) ? begin : 0;
}
