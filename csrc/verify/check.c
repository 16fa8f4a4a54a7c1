/* check.c: the list of what is read back, and its short items.
 * In: a stopped process.  Out: 0 or the first difference.
 * Never: a difference that is passed over; what the kernel tells nobody (the rules of Landlock,
 * the text of a filter, the values of sysctls) is not claimed (SECURITY.md, "Read back"). */
#include "verify/check.h"

#include "base/io.h"
#include "base/own.h"
#include "base/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_BYTES = 64, FILE_MAX_BYTES = 4 << 20, LINK_BYTES = 64 };

int prl_verify_differs(const char *name, const char *asked, const char *found,
                       struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_VERIFY, EPROTO, "--verify",
                     "%s: asked for %s, the kernel has %s", name, asked, found);
}

int prl_verify_unread(const char *name, int errnum, struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_VERIFY, errnum, "--verify", "%s cannot be read back: %s",
                     name, strerror(errnum));
}

int prl_verify_read(const struct prl_verify *v, const char *name, char **ret,
                    struct prl_error *reterr)
{
    char path[PATH_BYTES];
    size_t len;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)v->pid, name);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : prl_io_read_stream(fd, FILE_MAX_BYTES, ret, &len);
    return r < 0 ? prl_verify_unread(name, -r, reterr) : 0;
}

static int read_namespace(const char *process, const char *name, char *ret)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%s/ns/%s", process, name);
    ssize_t n = readlink(path, ret, LINK_BYTES - 1);
    if (n < 0)
        return -errno;
    ret[n] = '\0';
    return 0;
}

/* A namespace of its own where one was asked for, else the caller's. */
static int check_namespaces(const struct prl_verify *v, struct prl_error *reterr)
{
    static const struct {
        uint64_t flag;
        char name[8];
    } rows[] = {
        {CLONE_NEWUSER, "user"},     {CLONE_NEWNS, "mnt"},  {CLONE_NEWPID, "pid"},
        {CLONE_NEWIPC, "ipc"},       {CLONE_NEWUTS, "uts"}, {CLONE_NEWNET, "net"},
        {CLONE_NEWCGROUP, "cgroup"},
    };
    char process[24], ours[LINK_BYTES], theirs[LINK_BYTES], name[PRL_VERIFY_TEXT];
    snprintf(process, sizeof process, "%d", (int)v->pid);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool own = v->spec->namespaces & rows[i].flag;
        snprintf(name, sizeof name, "%s namespace", rows[i].name);
        int r = read_namespace("self", rows[i].name, ours);
        if (r == 0)
            r = read_namespace(process, rows[i].name, theirs);
        if (r == -ENOENT && !own) /* a kernel without this kind */
            continue;
        if (r < 0)
            return prl_verify_unread(name, -r, reterr);
        if (own == (strcmp(ours, theirs) == 0))
            return prl_verify_differs(name, own ? "a new one" : "the caller's",
                                      own ? "the caller's" : "another", reterr);
    }
    return 0;
}

/* Enforcement may lower what was asked (launch/steps/rlimits.c): then less is right too. */
static bool is_lowered(const struct prl_resources *res, int resource)
{
    return (resource == RLIMIT_NPROC && res->held_by[PRL_LIMIT_PIDS] == PRL_BY_NPROC) ||
           (resource == RLIMIT_DATA && res->held_by[PRL_LIMIT_MEMORY] == PRL_BY_WATCHDOG);
}

static int check_rlimit(const struct prl_verify *v, int resource, uint64_t soft, uint64_t hard,
                        struct prl_error *reterr)
{
    struct rlimit found;
    char name[PRL_VERIFY_TEXT], asked[PRL_VERIFY_TEXT], has[PRL_VERIFY_TEXT];
    snprintf(name, sizeof name, "resource limit %d", resource);
    if (prlimit(v->pid, resource, NULL, &found) < 0)
        return prl_verify_unread(name, errno, reterr);
    bool lowered = is_lowered(&v->spec->resources, resource);
    bool good = lowered ? found.rlim_cur <= soft && found.rlim_max <= hard
                        : found.rlim_cur == soft && found.rlim_max == hard;
    if (good)
        return 0;
    snprintf(asked, sizeof asked, "%" PRIu64 ":%" PRIu64, soft, hard);
    snprintf(has, sizeof has, "%" PRIu64 ":%" PRIu64, (uint64_t)found.rlim_cur,
             (uint64_t)found.rlim_max);
    return prl_verify_differs(name, asked, has, reterr);
}

static int check_rlimits(const struct prl_verify *v, struct prl_error *reterr)
{
    const struct prl_process *p = &v->spec->process;
    const struct prl_resources *res = &v->spec->resources;
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->rlimits_len; i++)
        r = check_rlimit(v, p->rlimits[i].resource, p->rlimits[i].soft, p->rlimits[i].hard,
                         reterr);
    if (r == 0 && is_lowered(res, RLIMIT_NPROC))
        r = check_rlimit(v, RLIMIT_NPROC, res->nproc, res->nproc, reterr);
    if (r == 0 && is_lowered(res, RLIMIT_DATA))
        r = check_rlimit(v, RLIMIT_DATA, res->memory_bytes, res->memory_bytes, reterr);
    return r;
}

static int check_descriptors(const struct prl_verify *v, struct prl_error *reterr)
{
    char path[PATH_BYTES], found[PRL_VERIFY_TEXT] = "";
    unsigned more = 0;
    /* Not "fd", which is for the process's own user alone. */
    snprintf(path, sizeof path, "/proc/%d/fdinfo", (int)v->pid);
    DIR *dir = opendir(path);
    if (!dir)
        return prl_verify_unread("fdinfo", errno, reterr);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || strtol(e->d_name, NULL, 10) <= 2)
            continue;
        if (++more > v->descriptors)
            snprintf(found, sizeof found, "%.20s too", e->d_name);
    }
    closedir(dir);
    return more > v->descriptors
               ? prl_verify_differs("descriptors", "0, 1 and 2 only", found, reterr)
               : 0;
}

static int check_oom_score(const struct prl_verify *v, struct prl_error *reterr)
{
    _cleanup_free_ char *text = NULL;
    char asked[PRL_VERIFY_TEXT];
    if (!v->spec->process.has_oom_score_adj)
        return 0;
    int r = prl_verify_read(v, "oom_score_adj", &text, reterr);
    if (r < 0)
        return r;
    text[strcspn(text, "\n")] = '\0';
    snprintf(asked, sizeof asked, "%d", v->spec->process.oom_score_adj);
    return strcmp(text, asked) == 0 ? 0
                                    : prl_verify_differs("oom_score_adj", asked, text, reterr);
}

/* The kernel does not show filters to an ordinary user. So the bytes that were loaded are
 * hashed here, and the number of filters shows that the kernel took them (status.c). */
static int check_program(const struct prl_verify *v, struct prl_error *reterr)
{
    char digest[PRL_SHA256_TEXT] = "none";
    const char *asked = v->spec->seccomp_digest;
    if (!asked)
        return 0;
    if (v->program)
        prl_sha256(v->program, v->program_bytes, digest);
    return strcmp(asked, digest) == 0
               ? 0
               : prl_verify_differs("seccomp filter", asked, digest, reterr);
}

int prl_verify(const struct prl_verify *v, struct prl_error *reterr)
{
    static int (*const items[])(const struct prl_verify *, struct prl_error *) = {
        check_program,     prl_verify_status, check_namespaces,  check_rlimits,
        check_descriptors, check_oom_score,   prl_verify_mounts, prl_verify_groups,
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof items / sizeof *items; i++)
        r = items[i](v, reterr);
    return r;
}
