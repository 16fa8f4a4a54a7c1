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
    {"--volume-driver",
     {"local"},
     "volumes lie in your store: options of theirs are given to \"pyrootless volume create "
     "--opt\""},
    {"--runtime", {"pyrootless"}, "containers are started by pyrootless itself: leave it out"},
};

/* Digits or "*" at *at, *at after them. */
static bool take_device_number(const char **at)
{
    size_t len = **at == '*' ? 1 : strspn(*at, "0123456789");

    *at += len;
    return len > 0;
}

/* "c 42:* rwm": docker's form. */
static bool is_device_rule(const char *text)
{
    const char *at = text + (strlen(text) > 1 ? 2 : 0);

    return *text && strchr("abc", text[0]) && text[1] == ' ' && take_device_number(&at) &&
           *at++ == ':' && take_device_number(&at) && *at++ == ' ' && *at &&
           !at[strspn(at, "rwm")];
}

static int check_form(const char *option, const char *text, struct prl_error *reterr)
{
    size_t len = strlen(text);

    if (strcmp(option, "--device-cgroup-rule") == 0 && !is_device_rule(text))
        return prl_failf(
            reterr, PRL_STAGE_OPTIONS, EINVAL, option,
            "\"%.40s\" is not TYPE MAJOR:MINOR rwm: write for example 'c 42:* rwm'", text);
    if (strcmp(option, "--blkio-weight-device") == 0 &&
        (len < 2 || strcmp(text + len - 2, ":0") != 0))
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option,
                         "\"%.40s\" is not served: only the BFQ scheduler knows weights; bound "
                         "the rates, as in --device-read-bps /dev/sda:10m",
                         text);
    return 0;
}

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
    return check_form(option, text, reterr);
}
