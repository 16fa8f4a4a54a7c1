/* claims.c: claims in extended attributes, or in the side table for files that take none.
 * In, out: as in claims.h.  Never: a name: everything goes by descriptor.  Source: xattr(7). */
#include "fakeroot/claims.h"

#include "fakeroot/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static bool get_key(const struct prl_claims *claims, int fd, struct prl_side_key *ret)
{
    struct statx stx;
    if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &stx) < 0)
        return false;
    uint64_t device = makedev(stx.stx_dev_major, stx.stx_dev_minor);
    bool born = stx.stx_mask & STATX_BTIME;
    *ret = (struct prl_side_key){
        .device = device == claims->root_device ? 0 : device,
        .inode = stx.stx_ino,
        .born_ns =
            born ? (uint64_t)stx.stx_btime.tv_sec * 1000000000u + stx.stx_btime.tv_nsec : 0,
    };
    return true;
}

static void get_device(const char *path, struct prl_claim *claim)
{
    char text[PRL_DEVICE_BYTES];
    ssize_t n = getxattr(path, PRL_DEVICE_XATTR, text, sizeof text);
    if (n > 0)
        (void)prl_device_decode(text, (size_t)n, claim); /* malformed: no device */
}

bool prl_claims_get(const struct prl_claims *claims, int fd, struct prl_claim *ret)
{
    char path[32];
    unsigned char bytes[64];
    struct prl_side_key key;
    memset(ret, 0, sizeof *ret);
    ssize_t n = getxattr(prl_target_file(fd, path), PRL_OWNER_XATTR, bytes, sizeof bytes);
    if (n >= 0 && prl_owner_decode(bytes, (size_t)n, ret) == 0) {
        get_device(path, ret);
        return true;
    }
    return !prl_side_empty(claims->side) && get_key(claims, fd, &key) &&
           prl_side_get(claims->side, &key, ret);
}

static int set_side(struct prl_claims *claims, int fd, const struct prl_claim *claim)
{
    struct prl_side_key key;
    if (!get_key(claims, fd, &key))
        return -errno;
    return prl_side_put(claims->side, &key, claim);
}

/* Which kinds of file the kernel gives user attributes: xattr(7). */
static bool takes_attributes(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static int set_attributes(const char *path, const struct prl_claim *claim)
{
    unsigned char owner[PRL_OWNER_BYTES];
    char device[PRL_DEVICE_BYTES];
    size_t len = prl_owner_encode(claim, owner);
    if (claim->type &&
        setxattr(path, PRL_DEVICE_XATTR, device, prl_device_encode(claim, device), 0) < 0)
        return -errno;
    if (len == 0 && !claim->type)
        return removexattr(path, PRL_OWNER_XATTR) == 0 || errno == ENODATA ? 0 : -errno;
    return setxattr(path, PRL_OWNER_XATTR, owner, len, 0) < 0 ? -errno : 0;
}

int prl_claims_set(struct prl_claims *claims, int fd, const struct prl_claim *claim)
{
    char path[32];
    int r = -EOPNOTSUPP;
    if (takes_attributes(fd))
        r = set_attributes(prl_target_file(fd, path), claim);
    if (r == -EOPNOTSUPP && !claim->type)
        r = set_side(claims, fd, claim);
    return r;
}
