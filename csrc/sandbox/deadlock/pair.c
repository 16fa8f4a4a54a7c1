/* pair.c: do two boxes that talk to each other wait for each other for ever?
 * In: from the monitor of each, the span of time in which nothing in its box ran.  Out: yes if
 * both spans share a moment: then neither can wake the other, and nobody else is there.
 * Never: a decision from two looks at different times: the box that was seen waiting first may
 * have been woken before the other was looked at.
 *
 * Then the side PRL_PAIR_ENDED is ended; the other one finds the end of its input and decides.
 * A side that has left does nothing for ever: whichever side still waits is ended.
 *
 * Who ended the conversation?  The end of a pipe reaches the other box only when this process
 * closes its own end of it.  So PRL_PAIR_ENDED asks first: only a box that waits in a call for
 * what can no longer come needed it.  A box that fails without ever waiting failed by itself,
 * whichever of the two was reaped first. */
#include "sandbox/deadlock/pair.h"

#include "base/own.h"
#include "base/sys.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

enum answer { NOT_ASKED, ASKED, WAITS, WAITS_NOT };

struct span {
    uint64_t from_ns, to_ns;
};

struct prl_sandbox_pair {
    pthread_mutex_t turn;
    pthread_cond_t answered;
    struct span still[PRL_PAIR_SIDES];
    enum answer answer; /* of PRL_PAIR_OTHER */
    int bell_fd;
};

struct prl_sandbox_pair *prl_sandbox_pair_new(void)
{
    struct prl_sandbox_pair *pair = malloc(sizeof *pair);
    if (!pair)
        return NULL;
    *pair = (struct prl_sandbox_pair){
        .turn = PTHREAD_MUTEX_INITIALIZER,
        .answered = PTHREAD_COND_INITIALIZER,
        .still = {{1, 0}, {1, 0}},
        .bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    if (pair->bell_fd >= 0)
        return pair;
    free(pair);
    return NULL;
}

void prl_sandbox_pair_free(struct prl_sandbox_pair *pair)
{
    if (!pair)
        return;
    prl_close_p(&pair->bell_fd);
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

bool prl_sandbox_pair_ask(struct prl_sandbox_pair *pair)
{
    pthread_mutex_lock(&pair->turn);
    if (pair->answer == NOT_ASKED) {
        pair->answer = ASKED;
        eventfd_write(pair->bell_fd, 1); /* a counter at 0 takes it */
    }
    while (pair->answer == ASKED)
        pthread_cond_wait(&pair->answered, &pair->turn);
    bool waits = pair->answer == WAITS;
    pthread_mutex_unlock(&pair->turn);
    return waits;
}

int prl_sandbox_pair_bell(const struct prl_sandbox_pair *pair, unsigned side)
{
    return side == PRL_PAIR_OTHER ? pair->bell_fd : -1;
}

bool prl_sandbox_pair_asked(struct prl_sandbox_pair *pair, unsigned side)
{
    pthread_mutex_lock(&pair->turn);
    bool asked = side == PRL_PAIR_OTHER && pair->answer == ASKED;
    pthread_mutex_unlock(&pair->turn);
    return asked;
}

static void answer(struct prl_sandbox_pair *pair, enum answer is)
{
    if (pair->answer == WAITS || pair->answer == WAITS_NOT)
        return;
    pair->answer = is;
    pthread_cond_broadcast(&pair->answered);
}

void prl_sandbox_pair_answer(struct prl_sandbox_pair *pair, bool waits)
{
    pthread_mutex_lock(&pair->turn);
    answer(pair, waits ? WAITS : WAITS_NOT);
    pthread_mutex_unlock(&pair->turn);
}

void prl_sandbox_pair_leave(struct prl_sandbox_pair *pair, unsigned side)
{
    pthread_mutex_lock(&pair->turn);
    if (side == PRL_PAIR_OTHER)
        answer(pair, WAITS_NOT);
    pair->still[side] = (struct span){prl_sys_now_ns(), UINT64_MAX};
    pthread_mutex_unlock(&pair->turn);
}
