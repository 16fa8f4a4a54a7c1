// sources: csrc/base/**/*.c csrc/sandbox/deadlock/pair.c
/* test_sandbox_pair.c: when two boxes wait for each other.
 * In: spans of time.  Out: which side is ended.  Never: a box. */
#include "sandbox/deadlock/pair.h"

#include "check.h"

#include <poll.h>
#include <pthread.h>

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

static void *asks(void *waits)
{
    *(bool *)waits = prl_sandbox_pair_ask(pair);
    return NULL;
}

/* The question is put by a thread, and answered when it is seen. */
static void ask_and_tell(bool answer)
{
    bool waits = !answer;
    pthread_t thread;
    struct pollfd bell = {prl_sandbox_pair_bell(pair, PRL_PAIR_OTHER), POLLIN, 0};
    CHECK(poll(&bell, 1, 0) == 0 && !prl_sandbox_pair_asked(pair, PRL_PAIR_OTHER));
    pthread_create(&thread, NULL, asks, &waits);
    CHECK(poll(&bell, 1, -1) == 1);
    CHECK(prl_sandbox_pair_asked(pair, PRL_PAIR_OTHER));
    CHECK(!prl_sandbox_pair_asked(pair, PRL_PAIR_ENDED));
    prl_sandbox_pair_answer(pair, answer);
    pthread_join(thread, NULL);
    CHECK(!prl_sandbox_pair_asked(pair, PRL_PAIR_OTHER));
    CHECK(waits == answer);
}

TEST(who_has_ended_is_told_whether_it_is_waited_for)
{
    for (int answer = 0; answer < 2; answer++) {
        pair = prl_sandbox_pair_new();
        CHECK(prl_sandbox_pair_bell(pair, PRL_PAIR_ENDED) == -1);
        ask_and_tell(answer);
        prl_sandbox_pair_answer(pair, !answer); /* the first one stays */
        prl_sandbox_pair_leave(pair, PRL_PAIR_OTHER);
        CHECK(prl_sandbox_pair_ask(pair) == answer);
        prl_sandbox_pair_free(pair);
    }
}

TEST(who_has_left_waits_for_nobody)
{
    pair = prl_sandbox_pair_new();
    prl_sandbox_pair_leave(pair, PRL_PAIR_OTHER);
    CHECK(!prl_sandbox_pair_ask(pair));
    prl_sandbox_pair_free(pair);
    prl_sandbox_pair_free(NULL);
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
