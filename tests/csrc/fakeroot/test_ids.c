// sources: csrc/fakeroot/ids.c
/* The rules for ids: a table, and the kernel itself where the caller may change its own. */
#include "fakeroot/ids.h"

#include "check.h"

#include <errno.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP PRL_IDS_KEEP

static struct prl_fakeroot_ids user(uint32_t real, uint32_t effective, uint32_t saved)
{
    struct prl_fakeroot_ids ids = prl_ids_root();
    prl_ids_setresuid(&ids, real, effective, saved);
    return ids;
}

static int is(const struct prl_fakeroot_quad *q, uint32_t r, uint32_t e, uint32_t s,
              uint32_t fs)
{
    return q->real == r && q->effective == e && q->saved == s && q->fs == fs;
}

TEST(root_becomes_anybody)
{
    struct prl_fakeroot_ids ids = prl_ids_root();
    CHECK_INT(prl_ids_setuid(&ids, 1000), 0);
    CHECK(is(&ids.uid, 1000, 1000, 1000, 1000));
    CHECK_INT(ids.capable, 0);
    CHECK_INT(prl_ids_setuid(&ids, 0), -EPERM);
    CHECK(is(&ids.uid, 1000, 1000, 1000, 1000));
}

TEST(seteuid_keeps_the_way_back)
{
    struct prl_fakeroot_ids ids = user(KEEP, 1000, KEEP);
    CHECK(is(&ids.uid, 0, 1000, 0, 1000));
    CHECK_INT(ids.capable, 0);
    CHECK_INT(prl_ids_setgroups(&ids, NULL, 0), -EPERM);
    CHECK_INT(prl_ids_setresuid(&ids, KEEP, 0, KEEP), 0);
    CHECK_INT(ids.capable, 1);
}

TEST(minus_one_is_no_user)
{
    struct prl_fakeroot_ids ids = prl_ids_root();
    CHECK_INT(prl_ids_setuid(&ids, KEEP), -EINVAL);
    CHECK_INT(prl_ids_setgid(&ids, KEEP), -EINVAL);
}

TEST(setreuid_moves_the_saved_id)
{
    struct prl_fakeroot_ids ids = user(1, 2, 3);
    CHECK_INT(prl_ids_setreuid(&ids, KEEP, 3), 0);
    CHECK(is(&ids.uid, 1, 3, 3, 3));
    CHECK_INT(prl_ids_setreuid(&ids, 2, KEEP), -EPERM);
}

TEST(kept_capabilities_take_effect_by_capset)
{
    struct prl_fakeroot_ids ids = prl_ids_root();
    ids.keep_caps = 1;
    CHECK_INT(prl_ids_setresuid(&ids, 33, 33, 33), 0);
    CHECK_INT(prl_ids_setresgid(&ids, 33, 33, 33), -EPERM);
    CHECK_INT(prl_ids_capset(&ids, true, true), 0);
    CHECK_INT(prl_ids_setresgid(&ids, 33, 33, 33), 0);
    prl_ids_exec(&ids);
    CHECK_INT(ids.permitted + ids.capable + ids.keep_caps, 0);
    CHECK_INT(prl_ids_capset(&ids, true, false), -EPERM);
}

TEST(exec_gives_root_its_capabilities_again)
{
    struct prl_fakeroot_ids ids = prl_ids_root();
    CHECK_INT(prl_ids_capset(&ids, false, false), 0);
    CHECK_INT(prl_ids_setuid(&ids, 5), -EPERM);
    prl_ids_exec(&ids);
    CHECK_INT(prl_ids_setuid(&ids, 5), 0);
}

TEST(setfsuid_answers_the_former_one)
{
    struct prl_fakeroot_ids ids = user(1, 2, 3);
    CHECK_INT(prl_ids_setfsuid(&ids, 3), 2);
    CHECK_INT(prl_ids_setfsuid(&ids, 9), 3);
    CHECK_INT(prl_ids_setfsuid(&ids, KEEP), 3);
}

TEST(groups_are_sorted_and_bounded)
{
    const uint32_t given[3] = {30, 10, 20};
    uint32_t many[PRL_IDS_GROUPS + 1] = {0};
    struct prl_fakeroot_ids ids = prl_ids_root();
    CHECK_INT(prl_ids_setgroups(&ids, given, 3), 0);
    CHECK_INT(ids.groups[0] * 10000 + ids.groups[1] * 100 + ids.groups[2], 102030);
    CHECK_INT(prl_ids_setgroups(&ids, many, PRL_IDS_GROUPS + 1), -EINVAL);
    CHECK_INT(ids.groups_len, 3);
}

TEST(chown_by_a_user)
{
    static const struct {
        uint32_t owner[2], wanted[2];
        int result;
    } rows[] = {
        {{33, 33}, {KEEP, 44}, 0},      /* a group of ours */
        {{33, 33}, {33, 33}, 0},        /* nothing changes */
        {{33, 33}, {KEEP, 45}, -EPERM}, /* a group of others */
        {{33, 33}, {34, KEEP}, -EPERM}, /* given away */
        {{34, 44}, {KEEP, 44}, -EPERM}, /* somebody else's file */
        {{34, 34}, {KEEP, KEEP}, 0},
    };
    const uint32_t groups[1] = {44};
    struct prl_fakeroot_ids ids = prl_ids_root();
    prl_ids_setgroups(&ids, groups, 1);
    prl_ids_setgid(&ids, 33);
    prl_ids_setuid(&ids, 33);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(prl_ids_may_chown(&ids, rows[i].owner, rows[i].wanted), rows[i].result);
}

/* One trial: a starting state, and a call with its arguments. */
struct trial {
    uint32_t start[3], args[3];
    long call; /* SYS_setuid, SYS_setreuid, SYS_setresuid */
};

struct outcome {
    int result;
    uint32_t quad[4];
};

static struct outcome by_kernel(const struct trial *t)
{
    struct outcome out = {0};
    uint32_t *q = out.quad;
    syscall(SYS_setresuid, t->start[0], t->start[1], t->start[2]);
    out.result = (int)syscall(t->call, t->args[0], t->args[1], t->args[2]) < 0 ? -errno : 0;
    syscall(SYS_getresuid, &q[0], &q[1], &q[2]);
    q[3] = (uint32_t)setfsuid((uid_t)-1);
    return out;
}

static struct outcome by_rules(const struct trial *t)
{
    struct prl_fakeroot_ids ids = user(t->start[0], t->start[1], t->start[2]);
    const uint32_t *a = t->args;
    int r = t->call == SYS_setuid     ? prl_ids_setuid(&ids, a[0])
            : t->call == SYS_setreuid ? prl_ids_setreuid(&ids, a[0], a[1])
                                      : prl_ids_setresuid(&ids, a[0], a[1], a[2]);
    return (struct outcome){r, {ids.uid.real, ids.uid.effective, ids.uid.saved, ids.uid.fs}};
}

/* Trial number n of one state: 4 of setuid, 16 of setreuid, 64 of setresuid. */
static struct trial trial_of(int state, int n)
{
    struct trial t = {
        .start = {(uint32_t)state % 3, (uint32_t)state / 3 % 3, (uint32_t)state / 9}};
    t.call = n < 4 ? SYS_setuid : n < 20 ? SYS_setreuid : SYS_setresuid;
    n -= n < 4 ? 0 : n < 20 ? 4 : 20;
    for (int i = 0; i < 3; i++, n /= 4)
        t.args[i] = (uint32_t)(n % 4) - 1;
    return t;
}

/* The kernel's answer to a trial, asked by a process of its own. */
static int agrees(const struct trial *t)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct outcome real = by_kernel(t), claimed = by_rules(t);
        _exit(memcmp(&real, &claimed, sizeof real) != 0);
    }
    waitpid(pid, &status, 0);
    return status == 0;
}

TEST(the_kernel_agrees)
{
    if (geteuid() != 0) {
        printf("skip the_kernel_agrees: only root may change its ids\n");
        return;
    }
    for (int state = 0; state < 27; state++)
        for (int n = 0; n < 84; n++) {
            struct trial t = trial_of(state, n);
            if (!agrees(&t))
                printf("  state %d trial %d\n", state, n);
            CHECK(agrees(&t));
        }
}

TEST(who_a_program_is_at_first)
{
    struct prl_fakeroot_ids ids, root = prl_ids_root();
    CHECK_INT(prl_ids_executed("0,0", &ids), 0);
    CHECK(memcmp(&ids, &root, sizeof ids) == 0);
    CHECK_INT(prl_ids_executed("7,8,50,44", &ids), 0);
    CHECK(is(&ids.uid, 7, 7, 7, 7) && is(&ids.gid, 8, 8, 8, 8));
    CHECK_INT(ids.groups_len, 2);
    CHECK(ids.groups[0] == 44 && ids.groups[1] == 50);
    CHECK(!ids.capable && !ids.permitted);
    CHECK_INT(prl_ids_executed("0,8", &ids), 0);
    CHECK(ids.capable && ids.permitted && ids.gid.real == 8);
    static const char *const bad[] = {"", "7", "7,", ",8", "a,8", "7,8;", "4294967295,0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(prl_ids_executed(bad[i], &ids), -EINVAL);
}
