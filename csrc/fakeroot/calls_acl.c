/* calls_acl.c: access lists that name somebody.
 * In: setxattr and its kin.  Out: EOPNOTSUPP for a list that names a user or group other than
 * 0, which the kernel of a map of one id would call malformed (EINVAL): archivers go on without
 * a list that is not supported, and stop at one that is refused.
 * Never: an effect: every other attribute is the kernel's business, and what the caller changes
 * meanwhile is judged by it.  Source: acl(5), linux/posix_acl_xattr.h, setxattr(2). */
#include "fakeroot/supervisor.h"

#include <errno.h>
#include <string.h>

enum { ACL_USER = 2, ACL_GROUP = 8, MAX_ENTRIES = 256, HEAD_BYTES = 4, NAME_BYTES = 32 };

struct entry {
    uint16_t tag, permissions;
    uint32_t id;
};

/* struct xattr_args of linux/xattr.h (6.13). */
struct at_value {
    uint64_t value;
    uint32_t size, flags;
};

/* Both names are of one length or shorter: what does not fit into memory is none of them. */
static bool is_list(const struct prl_target *target, uint64_t address)
{
    static const char *const names[] = {"system.posix_acl_access", "system.posix_acl_default"};
    char text[NAME_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i]) + 1;
        if (prl_target_read(target, address, text, len) == 0 &&
            memcmp(text, names[i], len) == 0)
            return true;
    }
    return false;
}

/* A list longer than any that a person wrote names somebody. */
static bool names_somebody(const struct prl_target *target, uint64_t address, uint64_t size)
{
    struct entry entries[MAX_ENTRIES];
    if (size < HEAD_BYTES || (size - HEAD_BYTES) % sizeof *entries)
        return false;
    size -= HEAD_BYTES;
    if (size > sizeof entries)
        return true;
    if (prl_target_read(target, address + HEAD_BYTES, entries, size) < 0)
        return false;
    for (size_t i = 0; i < size / sizeof *entries; i++)
        if ((entries[i].tag == ACL_USER || entries[i].tag == ACL_GROUP) && entries[i].id != 0)
            return true;
    return false;
}

long prl_fake_attribute(struct prl_fake *fake, const struct prl_fake_request *request)
{
    (void)fake;
    const struct prl_target *target = &request->target;
    bool at = request->call == PRL_FAKE_SETXATTRAT;
    struct at_value given = {.value = request->args[2], .size = (uint32_t)request->args[3]};
    if (!is_list(target, request->args[at ? 3 : 1]))
        return PRL_FAKE_PASS;
    if (at && (request->args[5] < sizeof given ||
               prl_target_read(target, request->args[4], &given, sizeof given) < 0))
        return PRL_FAKE_PASS;
    return names_somebody(target, given.value, given.size) ? -EOPNOTSUPP : PRL_FAKE_PASS;
}
