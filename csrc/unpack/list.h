/* list.h: the layer's lists: one line about one path.
 * In: text and a path.  Out: a file beside tree/, made with its first line.
 * Never: memory that grows with the layer. */
#pragma once

#include "base/error.h"
#include "unpack/path.h"

/* Text of one list on disk: twenty times what real layers have. A link can make a short name of
 * the archive a long path here. */
enum { PRL_UNPACK_LIST_ROOM = 32768, PRL_UNPACK_LIST_BYTES = 256 << 20 };

struct prl_unpack_list {
    const char *name; /* of the file */
    int layer_fd;     /* borrowed */
    int fd;           /* -1: nothing was written yet */
    uint64_t lines, written_bytes;
    size_t len;
    char buf[PRL_UNPACK_LIST_ROOM];
};

/* HEAD, a space, the path encoded, a newline.  The root is ".". */
int prl_unpack_list_add(struct prl_unpack_list *list, const char *head, const char *path,
                        struct prl_error *reterr);
/* Write what is left and close. */
int prl_unpack_list_finish(struct prl_unpack_list *list, struct prl_error *reterr);
