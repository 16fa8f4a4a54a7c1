/* box.c: what a sandbox needs of its container: the scratch's descriptor, files, a meter, the
 * ordinary scheduling class.
 * In: prl_setup.box; NULL: nothing is done.  Out: files in the container's tree, descriptors at
 * the parent.  Never: a link followed; a file put in once the program runs. */
#include "launch/steps/setup.h"

#include "base/io.h"
#include "base/own.h"
#include "launch/steps/box.h"
#include "launch/steps/handover.h"
#include "limits/exports.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BENEATH = PRL_RESOLVE_BENEATH | PRL_RESOLVE_NO_SYMLINKS };
enum { PIECE_BYTES = 65536, LARGE_BYTES = 65536 };

/* openat2, or, if the kernel has none, a walk. The walk stays inside too: nothing hostile runs
 * yet, and the paths have no "..". */
static int PRL_CHILD_SAFE open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
    int fd = (int)prl_sys_openat2(dir_fd, path, (uint64_t)flags | O_CLOEXEC, mode, BENEATH);
    if (fd < 0 && errno == ENOSYS) /* FALLBACK: remove when kernel >= 5.6 is required */
        fd = openat(dir_fd, path, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    return fd;
}

/* In pieces that fit into the processor's cache and into one large page each. */
static int PRL_CHILD_SAFE copy_pieces(int fd, const struct prl_box_file *file,
                                      struct prl_error *reterr)
{
    char piece[PIECE_BYTES];
    for (size_t done = 0; done < file->len;) {
        size_t want = file->len - done < sizeof piece ? file->len - done : sizeof piece;
        ssize_t n = pread(file->fd, piece, want, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return prl_fail(reterr, PRL_STAGE_BOX, "pread", file->path);
        if (n == 0)
            return 0; /* it has become shorter */
        int r = prl_io_write_all(fd, piece, (size_t)n);
        if (r < 0)
            return prl_fail_with(reterr, PRL_STAGE_BOX, -r, "write", file->path);
        done += (size_t)n;
    }
    return 0;
}

/* From the page cache, if the file system can do that. */
static int PRL_CHILD_SAFE copy_file(int fd, const struct prl_box_file *file,
                                    struct prl_error *reterr)
{
    off_t done = 0;
    while ((size_t)done < file->len) {
        ssize_t n = sendfile(fd, file->fd, &done, file->len - (size_t)done);
        if (n == 0)
            return 0; /* it has become shorter */
        if (n > 0 || errno == EINTR)
            continue;
        /* FALLBACK: remove when kernel >= 6.5 is required and no outer filter hides sendfile */
        if (done == 0 && (errno == EINVAL || errno == ENOSYS || errno == EPERM))
            return copy_pieces(fd, file, reterr);
        return prl_fail(reterr, PRL_STAGE_BOX, "sendfile", file->path);
    }
    return 0;
}

static int PRL_CHILD_SAFE write_file(int fd, const struct prl_box_file *file,
                                     struct prl_error *reterr)
{
    int r = prl_io_write_all(fd, file->data, file->len);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_BOX, -r, "write", file->path) : 0;
}

static int PRL_CHILD_SAFE put_file(int dir_fd, const struct prl_box_file *file,
                                   struct prl_error *reterr)
{
    _cleanup_close_ int fd =
        open_beneath(dir_fd, file->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "open", file->path);
    int r = file->fd >= 0 ? copy_file(fd, file, reterr) : write_file(fd, file, reterr);
    if (r < 0)
        return r;
    if (fchmod(fd, file->mode & 0777) < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "fchmod", file->path);
    return 0;
}

static int PRL_CHILD_SAFE put_directory(int dir_fd, const struct prl_box_file *file,
                                        struct prl_error *reterr)
{
    bool made = mkdirat(dir_fd, file->path, 0700) == 0;
    if (!made && errno != EEXIST)
        return prl_fail(reterr, PRL_STAGE_BOX, "mkdir", file->path);
    if (!made)
        return 0; /* the image's own keeps its mode */
    _cleanup_close_ int fd = open_beneath(dir_fd, file->path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 || fchmod(fd, file->mode & 01777) < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "fchmod", file->path);
    return 0;
}

int PRL_CHILD_SAFE prl_box_put(int root_fd, const struct prl_box_file *files, size_t len,
                               struct prl_error *reterr)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < len; i++)
        r = files[i].directory ? put_directory(root_fd, &files[i], reterr)
                               : put_file(root_fd, &files[i], reterr);
    return r;
}

static bool PRL_CHILD_SAFE has_large(const struct prl_box *box)
{
    for (size_t i = 0; i < box->files_len; i++)
        if (box->files[i].len >= LARGE_BYTES)
            return true;
    return false;
}

static int PRL_CHILD_SAFE set_pages(const struct prl_setup *s, const char *option)
{
    char path[32];
    unsigned long flags = MS_REMOUNT | MS_NOSUID | MS_NODEV;
    return mount(NULL, prl_sys_fd_path(s->scratch_root_fd, path), NULL, flags, option);
}

int PRL_CHILD_SAFE prl_box_fill(struct prl_setup *s, struct prl_error *reterr)
{
    if (!s->box)
        return 0;
    /* The files that are put in may use large pages, which fill five times as fast. What the
     * program writes must not: a large page in a sparse file would count bytes that nobody
     * wrote. A kernel without large pages in a tmpfs loses nothing. */
    const struct prl_box *box = s->box;
    bool large =
        s->scratch_root_fd >= 0 && has_large(box) && set_pages(s, "huge=within_size") == 0;
    int r = prl_box_put(s->root_fd, box->files, box->files_len, reterr);
    if (r == 0 && large && set_pages(s, "huge=never") < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "mount", "the scratch with small pages");
    prl_close_p(&s->scratch_root_fd);
    if (r < 0 || !s->box->later)
        return r;
    if (prl_handover_send(s->service_fd, PRL_HANDOVER_ROOT, s->root_fd, s->served) < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "sendmsg", "root");
    return 0;
}

bool PRL_CHILD_SAFE prl_box_wants_clock(const struct prl_setup *s)
{
    return s->spec->resources.held_by[PRL_LIMIT_CPU_TIME] == PRL_BY_CLOCK;
}

/* The clock starts at the exec.  Refused to a sandbox: the parent sums what /proc tells. */
int PRL_CHILD_SAFE prl_box_meter(struct prl_setup *s, struct prl_error *reterr)
{
    if (!prl_box_wants_clock(s) && (!s->box || !s->box->meter))
        return 0;
    _cleanup_close_ int fd = prl_taskclock_open();
    if (fd < 0 && prl_box_wants_clock(s))
        return prl_fail(reterr, PRL_STAGE_LIMITS, "perf_event_open", "--cpu-time");
    if (fd >= 0 && prl_handover_send(s->service_fd, PRL_HANDOVER_CLOCK, fd, s->served) < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "sendmsg", "clock");
    return 0;
}

/* With a real-time class of its caller's it would keep every other program waiting, the monitor
 * too. */
int PRL_CHILD_SAFE prl_box_class(struct prl_setup *s, struct prl_error *reterr)
{
    if (s->box && prl_sys_be_ordinary() < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "sched_setscheduler", "the ordinary class");
    return 0;
}
