/* results.c: see results.h.
 * In, out: as there.  Never: as there.
 * Source: Docker Engine API, "State.Health". */
#include "container/health/results.h"

#include "base/io.h"
#include "base/own.h"
#include "container/log/exports.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char words[][12] = {"starting", "healthy", "unhealthy"};

/* "Health check exceeded timeout (1.5s)", "…: what it had said". */
static char *output_of(const struct prl_health_check *check)
{
    size_t len = check->output_len;
    bool cut = len > PRL_HEALTH_OUTPUT_BYTES;
    uint64_t limit_ns = check->deadline_ns - check->begin_ns;
    int shown = (int)(cut ? PRL_HEALTH_OUTPUT_BYTES : len);
    if (!check->too_long)
        return prl_io_format("%.*s%s", shown, check->output ? check->output : "",
                             cut ? "..." : "");
    return prl_io_format("Health check exceeded timeout (%gs)%s%.*s%s",
                         (double)(limit_ns / 1000000) / 1000, len ? ": " : "", shown,
                         check->output, cut ? "..." : "");
}

void prl_health_keep(struct prl_health_check *check, int64_t start_ns, int64_t end_ns, int code)
{
    if (check->results_len == PRL_HEALTH_RESULTS) {
        free(check->results[0].output);
        memmove(check->results, check->results + 1,
                (PRL_HEALTH_RESULTS - 1) * sizeof *check->results);
        check->results_len--;
    }
    check->results[check->results_len++] = (struct prl_health_result){
        .start_ns = start_ns, .end_ns = end_ns, .exit_code = code, .output = output_of(check)};
}

void prl_health_forget(struct prl_health_check *check)
{
    for (unsigned i = 0; i < check->results_len; i++)
        free(check->results[i].output);
    check->results_len = 0;
}

static size_t put_time(int64_t ns, char *out)
{
    const struct timespec time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    size_t len = prl_log_time(&time, true, out);
    out[len] = '\0';
    return len;
}

static char *show_result(const struct prl_health_result *result)
{
    char start[40], end[40];
    const char *output = result->output ? result->output : "";
    _cleanup_free_ char *text = malloc(6 * strlen(output) + 1);
    if (!text)
        return NULL;
    put_time(result->start_ns, start);
    put_time(result->end_ns, end);
    text[prl_log_escape(output, strlen(output), text)] = '\0';
    return prl_io_format("{\"Start\":\"%s\",\"End\":\"%s\",\"ExitCode\":%d,\"Output\":\"%s\"}",
                         start, end, result->exit_code, text);
}

void prl_health_write(const struct prl_health_check *check)
{
    char *text = prl_io_format("{\"Status\":\"%s\",\"FailingStreak\":%u,\"Log\":[",
                               words[check->status], check->failing);
    for (unsigned i = 0; text && i < check->results_len; i++) {
        _cleanup_free_ char *one = show_result(&check->results[i]);
        char *longer = one ? prl_io_format("%s%s%s", text, i ? "," : "", one) : NULL;
        free(text);
        text = longer;
    }
    _cleanup_free_ char *whole = text ? prl_io_format("%s]}\n", text) : NULL;
    free(text);
    if (!whole)
        return;
    unlinkat(check->dir_fd, "health.json.new", 0);
    if (prl_io_write_file(check->dir_fd, "health.json.new", whole, strlen(whole),
                          O_CREAT | O_EXCL, 0600) == 0)
        (void)renameat(check->dir_fd, "health.json.new", check->dir_fd, "health.json");
}
