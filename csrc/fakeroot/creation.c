/* creation.c: files that a claimed user makes belong to that user.
 * In: a call that may make a file.  Out: the kernel makes it; then a claim on the new file.
 * Never: a file made here; a claim on a file that was there before the call.
 *
 * The kernel carries the call out, so its end is not seen.  It need not be: whoever looks at
 * the new file's owner asks the supervisor, and before any answer the announced files are
 * claimed. This is the only reason why the filter asks about renames, too. */
#include "fakeroot/supervisor.h"

#include "base/own.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Claim it if it is there.  True: it is settled. */
static bool settle_one(struct prl_fake *fake, const struct prl_birth *birth)
{
    struct prl_claim claim;
    _cleanup_close_ int fd =
        openat(birth->parent_fd, birth->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (!prl_claims_get(&fake->claims, fd, &claim)) {
        claim = (struct prl_claim){.uid = birth->uid, .gid = birth->gid};
        (void)prl_claims_set(&fake->claims, fd, &claim); /* it then shows the true owner */
    }
    return true;
}

static void forget(struct prl_births *births, size_t index)
{
    prl_close_p(&births->list[index].parent_fd);
    births->list[index] = births->list[--births->len];
}

/* A thread that makes another call has ended the former one: what is not there now was not
 * made. */
void prl_births_settle(struct prl_fake *fake, pid_t caller)
{
    struct prl_births *births = &fake->births;
    for (size_t i = births->len; i-- > 0;)
        if (settle_one(fake, &births->list[i]) || births->list[i].thread == caller)
            forget(births, i);
}

/* Where the call says the new name is: directory and address of the path. */
static void named_place(const struct prl_fake_request *request, int *ret_dir,
                        uint64_t *ret_path)
{
    const uint64_t *a = request->args;
    switch (request->call) {
    case PRL_FAKE_CREATE_AT:
        *ret_dir = (int)a[0];
        *ret_path = a[1];
        return;
    case PRL_FAKE_SYMLINK:
        *ret_dir = AT_FDCWD;
        *ret_path = a[1];
        return;
    case PRL_FAKE_SYMLINKAT:
        *ret_dir = (int)a[1];
        *ret_path = a[2];
        return;
    case PRL_FAKE_BIND:
        *ret_dir = AT_FDCWD;
        *ret_path = a[1] + offsetof(struct sockaddr_un, sun_path);
        return;
    default:
        *ret_dir = AT_FDCWD;
        *ret_path = a[0];
    }
}

/* Addresses of other families, and names without a file. */
static bool is_file_socket(const struct prl_fake_request *request)
{
    char head[offsetof(struct sockaddr_un, sun_path) + 1];
    sa_family_t family;
    if (prl_target_read(&request->target, request->args[1], head, sizeof head) < 0)
        return false;
    memcpy(&family, head, sizeof family);
    return family == AF_UNIX && head[sizeof head - 1] != '\0';
}

static uint32_t group_of_birth(struct prl_fake *fake, int parent,
                               const struct prl_fakeroot_ids *ids)
{
    struct stat st;
    struct prl_claim claim;
    if (fstat(parent, &st) < 0 || !(st.st_mode & S_ISGID))
        return ids->gid.fs;
    return prl_claims_get(&fake->claims, parent, &claim) ? claim.gid : st.st_gid;
}

long prl_fake_birth(struct prl_fake *fake, const struct prl_fake_request *request)
{
    const struct prl_fakeroot_ids *ids = prl_fake_ids(fake, request);
    struct prl_births *births = &fake->births;
    struct prl_birth birth = {.thread = request->target.pid};
    uint64_t path;
    int dir_fd;
    if ((ids->uid.fs == 0 && ids->gid.fs == 0) ||
        (request->call == PRL_FAKE_BIND && !is_file_socket(request)))
        return PRL_FAKE_PASS;
    named_place(request, &dir_fd, &path);
    _cleanup_close_ int parent = prl_target_parent(&request->target, dir_fd, path, birth.name);
    if (parent < 0 || !prl_target_alive(&request->target) ||
        faccessat(parent, birth.name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return PRL_FAKE_PASS;
    if (births->len == PRL_BIRTHS_MAX)
        forget(births, 0);
    birth.uid = ids->uid.fs;
    birth.gid = group_of_birth(fake, parent, ids);
    birth.parent_fd = steal_fd(&parent);
    births->list[births->len++] = birth;
    return PRL_FAKE_PASS;
}
