/* sandbox_pair.c: do two boxes that talk to each other wait for each other for ever?
 * In: from the monitor of each, the span of time in which nothing in its box ran.  Out: yes
 * when both spans share a moment: then neither can wake the other, and nobody else is there.
 * Never: a guess from two looks at different times: the one that was seen to wait first may
 * have been woken before the other was looked at.
 *
 * Side PRL_PAIR_ENDED is ended for it; the other then finds the end of its input and decides.
 * A side that has left does nothing for ever: whoever waits still is ended, whichever it is. */
#include "sandbox_pair.h"

#include "base/sys.h"

#include <pthread.h>
#include <stdlib.h>

struct span {
    uint64_t from_ns, to_ns;
};

struct prl_sandbox_pair {
    pthread_mutex_t turn;
    struct span still[PRL_PAIR_SIDES];
};

struct prl_sandbox_pair *prl_sandbox_pair_new(void)
{
    struct prl_sandbox_pair *pair = malloc(sizeof *pair);
    if (pair)
        *pair = (struct prl_sandbox_pair){PTHREAD_MUTEX_INITIALIZER, {{1, 0}, {1, 0}}};
    return pair;
}

void prl_sandbox_pair_free(struct prl_sandbox_pair *pair)
{
    free(pair);
}

static bool share_a_moment(const struct span *a, const struct span *b)
{
    return a->from_ns <= a->to_ns && b->from_ns <= b->to_ns && a->from_ns <= b->to_ns &&
           b->from_ns <= a->to_ns;
}

bool prl_sandbox_pair_still(struct prl_sandbox_pair *pair, unsigned side, uint64_t from_ns,
                            uint64_t to_ns)
{
    struct span *mine = &pair->still[side], *other = &pair->still[!side];
    pthread_mutex_lock(&pair->turn);
    *mine = (struct span){from_ns, to_ns};
    bool ended =
        share_a_moment(mine, other) && (side == PRL_PAIR_ENDED || other->to_ns == UINT64_MAX);
    pthread_mutex_unlock(&pair->turn);
    return ended;
}

void prl_sandbox_pair_leave(struct prl_sandbox_pair *pair, unsigned side)
{
    pthread_mutex_lock(&pair->turn);
    pair->still[side] = (struct span){prl_sys_now_ns(), UINT64_MAX};
    pthread_mutex_unlock(&pair->turn);
}
