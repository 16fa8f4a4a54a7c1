/* neutral.c: options of docker's that are taken with the values that change nothing here.
 * In: the option and its value.  Out: 0, or a sentence that says why no other value is served.
 * Never: an option that does something (its rows stand in config/merge.c). */
#include "config/options/parse.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

enum { VALUES = 3 };

static const struct {
    char option[24], values[VALUES][12], reason[160];
} rows[] = {
    {"--blkio-weight",
     {"0"},
     "only the BFQ scheduler knows weights, and nobody but its administrator chooses it: bound "
     "the rates, as in --device-read-bps /dev/sda:10m"},
    {"--cgroup-parent",
     {""},
     "groups are made where they are delegated to you: \"pyrootless doctor cgroup\" says "
     "where"},
    {"--cpu-rt-period",
     {"0"},
     "processor time of real-time programs is given out by root alone"},
    {"--cpu-rt-runtime",
     {"0"},
     "processor time of real-time programs is given out by root alone"},
    {"--cpuset-mems",
     {"0"},
     "memory nodes are not chosen here, and node 0 is the only one of most machines: bound the "
     "amount with --memory"},
    {"--disable-content-trust",
     {"true"},
     "signatures of images are not checked here: name the image by its digest, NAME@sha256:…"},
    {"--isolation", {"default"}, "the others are for Windows: leave it out"},
    {"--kernel-memory", {"0"}, "kernels have no such limit any more: --memory counts it"},
    {"--memory-swappiness",
     {"-1"},
     "how eagerly is the machine's to say: bound swap with --memory-swap"},
    {"--oom-kill-disable",
     {"false"},
     "beyond its --memory a container would then hang for ever instead of ending: leave it "
     "out"},
    {"--pid",
     {"private"},
     "a container ends as a whole with its own PID namespace, so it always has one; a second "
     "program in a container is run by \"pyrootless exec\""},
    {"--runtime", {"pyrootless"}, "containers are started by pyrootless itself: leave it out"},
};

int prl_option_neutral(const char *option, const char *text, struct prl_error *reterr)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].option, option) != 0)
            continue;
        for (size_t at = 0; at < VALUES && (at == 0 || *rows[i].values[at]); at++)
            if (strcmp(rows[i].values[at], text) == 0)
                return 0;
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option,
                         "\"%.40s\" is not served: %s", text, rows[i].reason);
    }
    return 0;
}
