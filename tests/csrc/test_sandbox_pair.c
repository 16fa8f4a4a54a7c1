// sources: csrc/sandbox_pair.c csrc/base/*.c
/* test_sandbox_pair.c: when two boxes wait for each other.
 * In: spans of time.  Out: which side is ended.  Never: a box. */
#include "sandbox_pair.h"

#include "check.h"

static struct prl_sandbox_pair *pair;

static bool student(uint64_t from_ns, uint64_t to_ns)
{
    return prl_sandbox_pair_still(pair, PRL_PAIR_ENDED, from_ns, to_ns);
}

static bool judge(uint64_t from_ns, uint64_t to_ns)
{
    return prl_sandbox_pair_still(pair, PRL_PAIR_OTHER, from_ns, to_ns);
}

TEST(spans_that_share_a_moment_end_the_one)
{
    pair = prl_sandbox_pair_new();
    CHECK(!student(10, 20));
    CHECK(!judge(20, 30)); /* it only tells */
    CHECK(student(10, 25));
    CHECK(student(30, 40));
    CHECK(!student(31, 40));
    prl_sandbox_pair_free(pair);
}

TEST(one_after_the_other_is_a_conversation)
{
    pair = prl_sandbox_pair_new();
    CHECK(!student(10, 20));
    CHECK(!judge(21, 30));
    CHECK(!student(1, 0)); /* it ran */
    CHECK(!judge(21, 40));
    CHECK(!student(41, 50));
    prl_sandbox_pair_free(pair);
}

TEST(nothing_is_known_in_the_beginning)
{
    pair = prl_sandbox_pair_new();
    CHECK(!student(0, UINT64_MAX - 1));
    prl_sandbox_pair_free(pair);
}

TEST(who_is_left_alone_is_ended_whichever_it_is)
{
    pair = prl_sandbox_pair_new();
    CHECK(!judge(10, 20));
    prl_sandbox_pair_leave(pair, PRL_PAIR_ENDED);
    CHECK(!judge(10, 20)); /* before it was alone */
    CHECK(judge(10, UINT64_MAX - 1));
    prl_sandbox_pair_free(pair);
    pair = prl_sandbox_pair_new();
    prl_sandbox_pair_leave(pair, PRL_PAIR_OTHER);
    CHECK(!student(1, 0));
    CHECK(student(10, UINT64_MAX - 1));
    prl_sandbox_pair_free(pair);
}
