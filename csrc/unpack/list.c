/* list.c: the layer's lists: one line about one path.
 * In: text and a path.  Out: a file beside tree/, made with its first line.
 * Never: memory that grows with the layer, a line without its end. */
#include "unpack/parts.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <string.h>

static int flush(struct prl_unpack_list *list, struct prl_error *reterr)
{
    if (list->fd < 0)
        list->fd = openat(list->layer_fd, list->name,
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (list->fd < 0)
        return prl_fail(reterr, PRL_STAGE_LAYER, "openat", list->name);
    int r = prl_io_write_all(list->fd, list->buf, list->len);
    list->written_bytes += list->len;
    list->len = 0;
    if (r >= 0 && list->written_bytes > PRL_UNPACK_LIST_BYTES)
        return prl_failf(reterr, PRL_STAGE_LAYER, EBADMSG, "list",
                         "the archive's list of %s is longer than any image's", list->name);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_LAYER, -r, "write", list->name) : 0;
}

int prl_unpack_list_add(struct prl_unpack_list *list, const char *head, const char *path,
                        struct prl_error *reterr)
{
    size_t head_len = strlen(head);
    if (sizeof list->buf - list->len < head_len + 2 + 3 * PATH_MAX) {
        int r = flush(list, reterr);
        if (r < 0)
            return r;
    }
    memcpy(list->buf + list->len, head, head_len);
    list->len += head_len;
    list->buf[list->len++] = ' ';
    list->len += prl_unpack_path_encode(path[0] ? path : ".", list->buf + list->len);
    list->buf[list->len++] = '\n';
    list->lines++;
    return 0;
}

int prl_unpack_list_finish(struct prl_unpack_list *list, struct prl_error *reterr)
{
    int r = list->len > 0 ? flush(list, reterr) : 0;
    if (r >= 0 && list->fd >= 0 && close(steal_fd(&list->fd)) < 0)
        return prl_fail(reterr, PRL_STAGE_LAYER, "close", list->name);
    return r;
}
