// sources: csrc/config/life/policy.c csrc/base/error.c csrc/base/remedy.c

/* test_policy.c: docker's words for when a container is started again, and its pauses.
 * In: words, ends.  Out: exact answers. */
#include "check.h"
#include "config/life/policy.h"

#include <errno.h>

static struct prl_policy parsed(const char *text)
{
    struct prl_policy policy;
    const char *wrong;
    if (prl_policy_parse(text, &policy, &wrong) < 0)
        policy.kind = (enum prl_policy_kind) - 1;
    return policy;
}

TEST(words)
{
    CHECK_INT(parsed("no").kind, PRL_POLICY_NO);
    CHECK_INT(parsed("always").kind, PRL_POLICY_ALWAYS);
    CHECK_INT(parsed("unless-stopped").kind, PRL_POLICY_UNLESS_STOPPED);
    CHECK_INT(parsed("on-failure").kind, PRL_POLICY_ON_FAILURE);
    CHECK_INT(parsed("on-failure").most, 0);
    CHECK_INT(parsed("on-failure:7").most, 7);
}

TEST(words_without_a_meaning)
{
    static const char *const wrong[] = {"",
                                        "never",
                                        "always:3",
                                        "no:1",
                                        "on-failure:",
                                        "on-failure:-1",
                                        "on-failure:x",
                                        "alway",
                                        "on-failure:10000000000"};
    struct prl_policy policy;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *why = NULL;
        CHECK_INT(prl_policy_parse(wrong[i], &policy, &why), -EINVAL);
        CHECK(why != NULL);
    }
}

TEST(again_or_not)
{
    const struct prl_status good = {.ended_by = PRL_ENDED_EXIT, .exit_code = 0},
                            bad = {.ended_by = PRL_ENDED_EXIT, .exit_code = 1},
                            killed = {
                                .ended_by = PRL_ENDED_SIGNAL, .exit_code = -1, .signal = 9};
    const struct prl_policy no = parsed("no"), always = parsed("always"),
                            failure = parsed("on-failure"), twice = parsed("on-failure:2");
    CHECK(!prl_policy_again(&no, &bad, 0));
    CHECK(prl_policy_again(&always, &good, 1000));
    CHECK(!prl_policy_again(&failure, &good, 0));
    CHECK(prl_policy_again(&failure, &bad, 1000));
    CHECK(prl_policy_again(&failure, &killed, 0));
    CHECK(prl_policy_again(&twice, &bad, 1));
    CHECK(!prl_policy_again(&twice, &bad, 2));
}

TEST(pauses_double_up_to_a_minute_and_begin_anew_after_a_good_run)
{
    static const uint64_t MS = 1000000, S = 1000000000;
    uint64_t pause_ns = 0, sum = 0;
    for (int i = 0; i < 4; i++)
        sum += pause_ns = prl_policy_pause_ns(pause_ns, 0);
    CHECK(sum == (100 + 200 + 400 + 800) * MS);
    for (int i = 0; i < 20; i++)
        pause_ns = prl_policy_pause_ns(pause_ns, 9 * S);
    CHECK(pause_ns == 60 * S);
    CHECK(prl_policy_pause_ns(pause_ns, 10 * S) == 100 * MS);
}
