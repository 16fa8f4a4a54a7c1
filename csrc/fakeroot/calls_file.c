/* calls_file.c: the owner that a file is said to have.
 * In: one call of the stat, chown or mknod family.  Out: its result.
 * Never: content read or written; a file removed or renamed; a file made, except the empty one
 * that stands for a device, and that only for a process that holds CAP_MKNOD.
 * Source: stat(2), statx(2), chown(2), mknod(2). */
#include "fakeroot/supervisor.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { CAP_MKNOD = 27, STATX_SYNC = 0x6000 };

/* Which file a call names. */
struct place {
    int dir_fd;
    uint64_t path; /* address; 0: none */
    int flags;     /* AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH */
};

static struct place place_of(const struct prl_fake_request *request)
{
    const uint64_t *a = request->args;
    const int known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    switch (request->call) {
    case PRL_FAKE_FSTAT:
    case PRL_FAKE_FCHOWN:
        return (struct place){(int)a[0], 0, AT_EMPTY_PATH};
    case PRL_FAKE_LSTAT:
    case PRL_FAKE_LCHOWN:
        return (struct place){AT_FDCWD, a[0], AT_SYMLINK_NOFOLLOW};
    case PRL_FAKE_FSTATAT:
        return (struct place){(int)a[0], a[1], (int)a[3] & known};
    case PRL_FAKE_STATX:
        return (struct place){(int)a[0], a[1], (int)a[2] & known};
    case PRL_FAKE_FCHOWNAT:
        return (struct place){(int)a[0], a[1], (int)a[4] & known};
    default:
        return (struct place){AT_FDCWD, a[0], 0};
    }
}

static int read_path(const struct prl_fake_request *request, const struct place *place,
                     char path[PATH_MAX])
{
    path[0] = '\0';
    if (!place->path && place->flags & AT_EMPTY_PATH)
        return 0;
    return prl_target_path(&request->target, place->path, path);
}

/* An O_PATH descriptor of the file, for a process that is still there. */
static int open_place(const struct prl_fake_request *request)
{
    char path[PATH_MAX];
    const struct place place = place_of(request);
    int r = read_path(request, &place, path);
    if (r < 0)
        return r;
    _cleanup_close_ int fd = prl_target_open(&request->target, place.dir_fd, path, place.flags);
    if (fd >= 0 && !prl_target_alive(&request->target))
        return -ESRCH;
    return steal_fd(&fd);
}

static mode_t device_mode(mode_t mode, char type)
{
    return (mode & ~(mode_t)S_IFMT) | (type == 'c' ? S_IFCHR : S_IFBLK);
}

static int write_stat(const struct prl_fake_request *request, int fd,
                      const struct prl_claim *claim)
{
    struct stat st;
    uint64_t address = request->args[request->call == PRL_FAKE_FSTATAT ? 2 : 1];
    if (syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) < 0)
        return -errno;
    st.st_uid = claim->uid;
    st.st_gid = claim->gid;
    if (claim->type && S_ISREG(st.st_mode)) {
        st.st_mode = device_mode(st.st_mode, claim->type);
        st.st_rdev = makedev(claim->major, claim->minor);
    }
    return prl_target_write(&request->target, address, &st, sizeof st);
}

static int write_statx(const struct prl_fake_request *request, int fd,
                       const struct prl_claim *claim)
{
    struct statx stx;
    int flags = AT_EMPTY_PATH | ((int)request->args[2] & STATX_SYNC);
    if (syscall(SYS_statx, fd, "", flags, (unsigned)request->args[3] | STATX_TYPE, &stx) < 0)
        return -errno;
    stx.stx_uid = claim->uid;
    stx.stx_gid = claim->gid;
    if (claim->type && S_ISREG(stx.stx_mode)) {
        stx.stx_mode = (uint16_t)device_mode(stx.stx_mode, claim->type);
        stx.stx_rdev_major = claim->major;
        stx.stx_rdev_minor = claim->minor;
    }
    return prl_target_write(&request->target, request->args[4], &stx, sizeof stx);
}

/* Most files have no claim: that is found out first, and cheaply. */
static bool may_have_claim(const struct prl_fake *fake, const struct prl_fake_request *request)
{
    char path[PATH_MAX];
    const struct place place = place_of(request);
    if (!prl_side_empty(fake->claims.side))
        return true;
    return read_path(request, &place, path) == 0 &&
           prl_target_glance(&request->target, place.dir_fd, path, place.flags,
                             PRL_OWNER_XATTR);
}

/* Whatever goes wrong is the kernel's to say, in its own words: it does the call then. */
long prl_fake_stat(struct prl_fake *fake, const struct prl_fake_request *request)
{
    struct prl_claim claim;
    if (!may_have_claim(fake, request))
        return PRL_FAKE_PASS;
    _cleanup_close_ int fd = open_place(request);
    if (fd < 0 || !prl_claims_get(&fake->claims, fd, &claim))
        return PRL_FAKE_PASS;
    int r = request->call == PRL_FAKE_STATX ? write_statx(request, fd, &claim)
                                            : write_stat(request, fd, &claim);
    return r < 0 ? PRL_FAKE_PASS : 0;
}

/* The claim on a file, or what the kernel says of its owner. */
static int owner_of(struct prl_fake *fake, int fd, struct prl_claim *ret)
{
    struct stat st;
    if (prl_claims_get(&fake->claims, fd, ret))
        return 0;
    if (fstat(fd, &st) < 0)
        return -errno;
    *ret = (struct prl_claim){.uid = st.st_uid, .gid = st.st_gid};
    return 0;
}

static int change_owner(struct prl_fake *fake, const struct prl_fakeroot_ids *ids, int fd,
                        const uint32_t wanted[2])
{
    struct prl_claim claim;
    int r = owner_of(fake, fd, &claim);
    if (r < 0)
        return r;
    r = prl_ids_may_chown(ids, (const uint32_t[2]){claim.uid, claim.gid}, wanted);
    if (r < 0)
        return r;
    /* What else a change of owner does: the bits for set-id fall, the time of change moves, a
     * read-only mount refuses. */
    if (fchownat(fd, "", PRL_IDS_KEEP, PRL_IDS_KEEP, AT_EMPTY_PATH) < 0)
        return -errno;
    if (wanted[0] != PRL_IDS_KEEP)
        claim.uid = wanted[0];
    if (wanted[1] != PRL_IDS_KEEP)
        claim.gid = wanted[1];
    r = prl_claims_set(&fake->claims, fd, &claim);
    return r == -EACCES ? -EPERM : r;
}

long prl_fake_chown(struct prl_fake *fake, const struct prl_fake_request *request)
{
    bool at = request->call == PRL_FAKE_FCHOWNAT;
    const uint32_t wanted[2] = {(uint32_t)request->args[at ? 2 : 1],
                                (uint32_t)request->args[at ? 3 : 2]};
    if (at && (int)request->args[4] & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    _cleanup_close_ int fd = open_place(request);
    if (fd < 0)
        return fd;
    return change_owner(fake, prl_fake_ids(fake, request), fd, wanted);
}

static int make_device(struct prl_fake *fake, int parent, const char *name, mode_t mode,
                       const struct prl_claim *claim)
{
    _cleanup_close_ int fd =
        openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int r = prl_claims_set(&fake->claims, fd, claim);
    if (r < 0)
        unlinkat(parent, name, 0);
    return r == -EOPNOTSUPP ? -EPERM : r;
}

/* A process without CAP_MKNOD, or an overlay's whiteout (0:0), is the kernel's. */
long prl_fake_mknod(struct prl_fake *fake, const struct prl_fake_request *request)
{
    bool at = request->call == PRL_FAKE_MKNODAT;
    const uint64_t *a = request->args + at;
    const struct prl_fakeroot_ids *ids = prl_fake_ids(fake, request);
    char name[NAME_MAX + 1];
    uint64_t caps = 0, mask = 0;
    mode_t mode = (mode_t)a[1];
    unsigned device = (unsigned)a[2];
    if (!prl_target_status(&request->target, "\nCapEff:", 16, &caps) ||
        !(caps >> CAP_MKNOD & 1) || !ids->capable || device == 0 ||
        !prl_target_status(&request->target, "\nUmask:", 8, &mask))
        return PRL_FAKE_PASS;
    _cleanup_close_ int parent =
        prl_target_parent(&request->target, at ? (int)request->args[0] : AT_FDCWD, a[0], name);
    if (parent < 0)
        return parent;
    if (!prl_target_alive(&request->target))
        return -ESRCH;
    const struct prl_claim claim = {
        .uid = ids->uid.fs,
        .gid = ids->gid.fs,
        .type = S_ISCHR(mode) ? 'c' : 'b',
        .major = device >> 8 & 0xfff, /* the kernel's 32-bit form of a device number */
        .minor = (device & 0xff) | (device >> 12 & 0xfff00),
    };
    return make_device(fake, parent, name, mode & 07777 & ~(mode_t)mask, &claim);
}
