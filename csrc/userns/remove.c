/* remove.c: removing a tree that containers wrote under subordinate ids.
 * In: a directory descriptor and a name below it.  Out: as prl_io_remove_tree_some.
 * Never: another process when all files are the caller's; more power than needed: the namespace
 * has the ids, and nothing else of its own.
 *
 * A copy of this process (not one that shares its memory) waits in a new user namespace until
 * its maps are written, then removes as root of these ids, and says how far it came. */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "userns/ids.h"
#include "userns/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { STACK_BYTES = 256 * 1024 };

struct job {
    int dir_fd;
    const char *name;
    unsigned budget;
    int start[2], answer[2]; /* pipes */
};

struct answer {
    int result;
    unsigned budget;
};

/* In the copy; allocates nothing, since another thread may have held the allocator's lock. */
static int remove_inside(void *data)
{
    struct job *job = data;
    char byte;
    prl_close_p(&job->start[1]);
    if (read(job->start[0], &byte, 1) != 1)
        return 1;
    struct answer answer = {.budget = job->budget};
    answer.result = prl_io_remove_tree_some(job->dir_fd, job->name, &answer.budget);
    return write(job->answer[1], &answer, sizeof answer) == (ssize_t)sizeof answer ? 0 : 1;
}

struct maps {
    struct prl_ids uids, gids;
    struct prl_idmap uid_rows[PRL_IDMAP_ROWS], gid_rows[PRL_IDMAP_ROWS];
    struct prl_mapping mapping;
};

/* All ids the caller may map; false: none but its own. */
static bool find_maps(struct maps *ret)
{
    if (prl_ids_granted(&ret->uids, &ret->gids) < 0 || !ret->uids.len || !ret->gids.len)
        return false;
    ret->mapping = (struct prl_mapping){.uids = ret->uid_rows, .gids = ret->gid_rows};
    ret->mapping.uids_len =
        prl_ids_map(PRL_IDS_MAP_RANGE, geteuid(), &ret->uids, ret->uid_rows);
    ret->mapping.gids_len =
        prl_ids_map(PRL_IDS_MAP_RANGE, getegid(), &ret->gids, ret->gid_rows);
    return true;
}

static int serve(struct job *job, pid_t pid, const struct prl_mapping *mapping,
                 unsigned *budget)
{
    struct answer answer;
    struct prl_error unneeded;
    ssize_t n;
    prl_close_p(&job->answer[1]);
    if (prl_mapping_write(pid, mapping, &unneeded) < 0)
        return -ERANGE;
    if (write(job->start[1], "", 1) != 1)
        return -errno;
    do
        n = read(job->answer[0], &answer, sizeof answer);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof answer)
        return -EIO;
    *budget = answer.budget;
    return answer.result;
}

static int run_job(struct job *job, const struct prl_mapping *mapping, unsigned *budget)
{
    void *stack = prl_sys_stack_map(STACK_BYTES);
    if (!stack)
        return -ENOMEM;
    const struct prl_sys_clone how = {
        .flags = CLONE_NEWUSER, .stack = stack, .stack_size = STACK_BYTES, .cgroup_fd = -1};
    /* No signal may end the copy half-way: a terminal sends its signals to it too. */
    pid_t pid = prl_sys_clone_masked(&how, remove_inside, job);
    int r = pid < 0 ? -errno : serve(job, pid, mapping, budget);
    prl_close_p(&job->start[1]); /* a copy that still waits ends */
    if (pid > 0)
        prl_sys_reap(pid, NULL);
    munmap(stack, STACK_BYTES);
    return r;
}

static void close_pair(int pair[2])
{
    prl_close_p(&pair[0]);
    prl_close_p(&pair[1]);
}

int prl_io_remove_tree_foreign(int dir_fd, const char *name, unsigned *budget)
{
    int r = prl_io_remove_tree_some(dir_fd, name, budget);
    struct maps maps;
    if ((r != -EACCES && r != -EPERM) || !find_maps(&maps))
        return r;
    struct job job = {.dir_fd = dir_fd,
                      .name = name,
                      .budget = *budget,
                      .start = {-1, -1},
                      .answer = {-1, -1}};
    if (pipe2(job.start, O_CLOEXEC) < 0 || pipe2(job.answer, O_CLOEXEC) < 0)
        r = -errno;
    else
        r = run_job(&job, &maps.mapping, budget);
    close_pair(job.start);
    close_pair(job.answer);
    return r;
}
