// sources: csrc/steps/mounts.c csrc/base/*.c
/* test_mounts_claim.c: when the second task may hide what is to be hidden in /sys.
 * In: how far both tasks are.  Out: whether it takes that over. */
#include "check.h"
#include "steps/steps.h"

static const char *const none[] = {NULL};
static const char *const in_sys[] = {"/proc/sys", "/sys/kernel", NULL};

/* Two mounts waited, and both are made. */
static struct prl_spec spec;
static struct prl_setup setup;

static void fresh(void)
{
    spec = (struct prl_spec){.readonly_paths = none};
    setup = (struct prl_setup){
        .spec = &spec, .mounts_late_len = 2, .late_done = 3, .masks_repeat = true};
}

static bool is_claimed(void)
{
    prl_mounts_claim(&setup);
    return setup.sys_claimed;
}

TEST(all_mounts_are_made)
{
    fresh();
    CHECK(is_claimed());
}

/* The first task mounts it later, over what would have been hidden. */
TEST(a_mount_that_failed_is_made_by_the_first_task)
{
    for (unsigned done = 0; done < 3; done++) {
        fresh();
        setup.late_done = done;
        CHECK(!is_claimed());
    }
    fresh();
    setup.mounts_late_len = setup.late_done = 0;
    CHECK(!is_claimed());
}

TEST(the_first_task_has_not_made_its_own_masks)
{
    fresh();
    setup.masks_repeat = false;
    CHECK(!is_claimed());
}

TEST(somebody_looks_at_the_mounts_or_makes_sys_read_only)
{
    fresh();
    setup.served = true;
    CHECK(!is_claimed());
    fresh();
    spec.readonly_paths = in_sys;
    CHECK(!is_claimed());
}
