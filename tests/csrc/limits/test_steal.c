// sources: csrc/limits/steal.c csrc/base/io.c
/* test_steal.c: time that a hypervisor took, out of the text of /proc/stat.
 * In: texts, masks of processors.  Out: nanoseconds; what is left of a clock without it. */
#include "check.h"

#include "limits/steal.h"

#define TICK 10000000u

static const char three[] = "cpu  9 9 9 9 9 9 9 60 9 9\n"
                            "cpu0 1 2 3 4 5 6 7 10 9 9\n"
                            "cpu1 1 2 3 4 5 6 7 20 9 9\n"
                            "cpu12 1 2 3 4 5 6 7 30 9 9\n";

static uint64_t stolen(const char *text, unsigned first, unsigned second)
{
    const unsigned char mask[] = {(unsigned char)first, (unsigned char)second};
    return prl_steal_parse(text, mask, sizeof mask, TICK);
}

TEST(processors_of_the_mask_alone)
{
    CHECK_INT(stolen(three, 0xff, 0xff), 60 * TICK);
    CHECK_INT(stolen(three, 1, 0), 10 * TICK);
    CHECK_INT(stolen(three, 2, 0x10), 50 * TICK);
    CHECK_INT(stolen(three, 4, 0x01), 0);
}

TEST(texts_that_say_nothing)
{
    CHECK_INT(stolen("", 0xff, 0xff), 0);
    CHECK_INT(stolen("cpu0 1 2 3\n", 0xff, 0xff), 0);
    CHECK_INT(stolen("cpu0 1 2 3 4 5 6 7 10", 0xff, 0xff), 10 * TICK);
    CHECK_INT(stolen("cpu999999 1 2 3 4 5 6 7 10\n", 0xff, 0xff), 0);
}

TEST(a_clock_without_what_was_taken)
{
    CHECK_INT(prl_steal_corrected(100, 0, 0), 100);
    CHECK_INT(prl_steal_corrected(100, 0, 30), 70);
    CHECK_INT(prl_steal_corrected(100, 90, 30), 90);
    CHECK_INT(prl_steal_corrected(100, 90, 300), 90);
    CHECK_INT(prl_steal_corrected(100, 0, 300), 0);
    CHECK_INT(prl_steal_corrected(100, 120, 0), 120);
}
