/* logs.c: `pyrootless logs`: what a container has written, from argv to the two streams.
 * In: argv, a container.  Out: its standard output and error, on those of this process.
 * Never: an interpreter; an escape that its terminal did not get from the container. */
#include "cli/verbs.h"
#include "config/options/exports.h"
#include "container/log/exports.h"

#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_tail(const char *text, int64_t *ret, struct prl_error *reterr)
{
    char *end;
    *ret = -1;
    if (!text || !*text || strcmp(text, "all") == 0)
        return 0;
    long long lines = strtoll(text, &end, 10);
    if (*end)
        return prl_failf(
            reterr, PRL_STAGE_OPTIONS, EINVAL, "--tail",
            "\"%.40s\" is no number of lines: write for example --tail 100, or all", text);
    *ret = lines < 0 ? -1 : lines;
    return 0;
}

static int read_query(const struct prl_options *o, struct prl_log_query *ret,
                      struct prl_error *reterr)
{
    const char *since = prl_options_get(o, "since"), *until = prl_options_get(o, "until");
    *ret = (struct prl_log_query){.since_ns = INT64_MIN,
                                  .until_ns = INT64_MAX,
                                  .timestamps = prl_options_flag(o, "timestamps"),
                                  .details = prl_options_flag(o, "details"),
                                  .out = true,
                                  .err = true,
                                  .follow = prl_options_flag(o, "follow")};
    int r = read_tail(prl_options_get(o, "tail"), &ret->tail, reterr);
    if (r == 0 && since && *since)
        r = prl_value_moment("--since", since, &ret->since_ns, reterr);
    if (r == 0 && until && *until)
        r = prl_value_moment("--until", until, &ret->until_ns, reterr);
    return r;
}

static int show(struct prl_log_follow *follow, struct prl_error *reterr)
{
    struct prl_log_text text;
    int r;
    while ((r = prl_log_follow_next(follow, &text)) > 0 || r == -EINTR) {
        int w = r > 0 ? prl_io_write_all(text.stream, text.bytes, text.len) : 0;
        if (w < 0)
            return prl_fail_with(reterr, PRL_STAGE_STATE, -w, "write", "standard output");
    }
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_STATE, -r, "read", "log of the container")
                 : 0;
}

static int logs(const struct prl_options *o, struct prl_error *reterr)
{
    static struct prl_dirs dirs = {.data_fd = -1, .runtime_fd = -1};
    struct prl_listed row = {0};
    struct prl_log_query query;
    struct prl_log_follow *follow;
    int r = read_query(o, &query, reterr);
    if (r == 0)
        r = prl_dirs_open(prl_options_get(o, "root"), &dirs, reterr);
    if (r == 0)
        r = prl_state_look_up(&dirs, o->image, &row, reterr);
    if (r < 0)
        return r;
    r = prl_log_follow_open(&dirs, &row, &query, &follow, reterr);
    free(row.directory);
    if (r < 0)
        return r;
    r = show(follow, reterr);
    prl_log_follow_close(follow);
    return r;
}

int prl_logs_main(int argc, char **argv)
{
    struct prl_options options;
    struct prl_error error;
    int r = prl_options_parse(PRL_VERB_LOGS, argc - 2, argv + 2, &options, &error);
    if (r == 0 && options.help) {
        prl_options_print_help(PRL_VERB_LOGS, stdout);
        return 0;
    }
    if (r == 0)
        r = logs(&options, &error);
    return r < 0 ? prl_cli_fail(&error) : 0;
}
