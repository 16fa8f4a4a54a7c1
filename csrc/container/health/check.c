/* check.c: see check.h.
 * In, out: as there.  Never: as there.
 * Source: moby's daemon/health.go: when a status changes, and what is kept of a result. */
#include "container/health/check.h"
#include "container/health/results.h"

#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <yyjson.h>

#define SECOND_NS UINT64_C(1000000000)

enum { RETRIES = 3, READ_AT_ONCE = 16 };

static uint64_t or_default(uint64_t given_ns, uint64_t seconds)
{
    return given_ns ? given_ns : seconds * SECOND_NS;
}

static int64_t unix_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- what is started --- */

static size_t add_word(char *words, size_t len, const char *word)
{
    memcpy(words + len, word, strlen(word) + 1);
    return len + strlen(word) + 1;
}

/* ["CMD","a","b"] or ["CMD-SHELL","line"] → words, each with its NUL; NULL: there are none. */
static char *make_words(const char *test, size_t *ret_len)
{
    static const char shell[] = "/bin/sh\0-c";
    yyjson_doc *doc = yyjson_read(test, strlen(test), 0);
    yyjson_val *list = yyjson_doc_get_root(doc), *item;
    const char *kind = yyjson_get_str(yyjson_arr_get(list, 0));
    bool line = kind && strcmp(kind, "CMD-SHELL") == 0;
    char *words = yyjson_arr_size(list) > 1 && (line || strcmp(kind ? kind : "", "CMD") == 0)
                      ? malloc(sizeof shell + strlen(test) + 1)
                      : NULL;
    size_t i, count, len = line ? sizeof shell : 0;
    if (words && line)
        memcpy(words, shell, sizeof shell);
    if (words)
        yyjson_arr_foreach(list, i, count, item)
        {
            if (i > 0 && yyjson_is_str(item))
                len = add_word(words, len, yyjson_get_str(item));
        }
    yyjson_doc_free(doc);
    *ret_len = len;
    return words;
}

void prl_health_open(struct prl_health_check *check, const struct prl_health *settings)
{
    check->settings = *settings;
    check->settings.test = NULL;
    check->words = settings->test ? make_words(settings->test, &check->words_len) : NULL;
}

void prl_health_begin(struct prl_health_check *check)
{
    if (!check->words)
        return;
    check->start_ns = prl_sys_now_ns();
    check->status = PRL_HEALTH_STARTING;
    check->failing = 0;
    check->next_ns = check->start_ns + prl_health_pause_ns(check, check->start_ns);
    prl_health_write(check);
}

uint64_t prl_health_pause_ns(const struct prl_health_check *check, uint64_t now_ns)
{
    const struct prl_health *s = &check->settings;
    bool starts =
        check->status == PRL_HEALTH_STARTING && now_ns - check->start_ns < s->start_period_ns;
    return starts ? or_default(s->start_interval_ns, 5) : or_default(s->interval_ns, 30);
}

static int start(struct prl_health_check *check, int output_fd)
{
    const int streams[] = {-1, output_fd, output_fd};
    const struct prl_execution_wish wish = {.title = PRL_EXECUTION_CHECK,
                                            .data = check->dirs->data,
                                            .id = check->id,
                                            .words = check->words,
                                            .len = check->words_len,
                                            .streams = streams};
    return prl_execution_start(&check->execution, &wish);
}

/* --- its end --- */

static void tell_status(const struct prl_health_check *check)
{
    static const char actions[][28] = {"health_status: starting", "health_status: healthy",
                                       "health_status: unhealthy"};
    const struct prl_event event = {.type = "container",
                                    .action = actions[check->status],
                                    .id = check->id,
                                    .attributes = check->attributes};
    if (check->attributes)
        prl_journal_add(check->dirs, &event);
}

/* A failure within the start period is not counted, until one went well. */
static void judge(struct prl_health_check *check, int code)
{
    const struct prl_health *s = &check->settings;
    enum prl_health_status before = check->status;
    unsigned retries = s->retries ? s->retries : RETRIES;
    bool starts =
        before == PRL_HEALTH_STARTING && check->begin_ns - check->start_ns < s->start_period_ns;
    if (code == 0) {
        check->failing = 0;
        check->status = PRL_HEALTH_HEALTHY;
    } else if (!starts && ++check->failing >= retries) {
        check->status = PRL_HEALTH_UNHEALTHY;
    }
    prl_health_write(check);
    if (check->status != before)
        tell_status(check);
}

static void finish(struct prl_health_check *check, int code)
{
    prl_close_p(&check->output_fd);
    prl_health_keep(check, check->begin_unix_ns, unix_now_ns(), code);
    check->output_len = 0;
    uint64_t now_ns = prl_sys_now_ns();
    judge(check, code);
    check->next_ns = now_ns + prl_health_pause_ns(check, now_ns);
}

static void begin(struct prl_health_check *check)
{
    int pair[2] = {-1, -1};
    check->begin_ns = prl_sys_now_ns();
    check->begin_unix_ns = unix_now_ns();
    check->deadline_ns = check->begin_ns + or_default(check->settings.timeout_ns, 30);
    check->too_long = false;
    check->output_len = 0;
    if (!check->output)
        check->output = malloc(PRL_HEALTH_OUTPUT_BYTES + 1);
    int r = check->output ? 0 : -ENOMEM;
    if (r == 0 && pipe2(pair, O_CLOEXEC) < 0)
        r = -errno;
    if (r == 0)
        r = start(check, pair[1]);
    prl_close_p(&pair[1]);
    check->output_fd = pair[0];
    if (r == 0)
        (void)fcntl(check->output_fd, F_SETFL, O_RDONLY | O_NONBLOCK);
    else
        finish(check, -1);
}

/* What is beyond the bound is read and forgotten. */
static void hear(struct prl_health_check *check)
{
    char beyond[PRL_HEALTH_OUTPUT_BYTES];
    for (int i = 0; i < READ_AT_ONCE && check->output_fd >= 0; i++) {
        size_t room = PRL_HEALTH_OUTPUT_BYTES + 1 - check->output_len;
        ssize_t n = read(check->output_fd, room ? check->output + check->output_len : beyond,
                         room ? room : sizeof beyond);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0)
            prl_close_p(&check->output_fd);
        else if (room)
            check->output_len += (size_t)n;
    }
}

/* --- the loop's part --- */

void prl_health_poll(const struct prl_health_check *check, struct pollfd fds[PRL_HEALTH_FDS])
{
    fds[0] = (struct pollfd){check->execution.pidfd, POLLIN, 0};
    fds[1] = (struct pollfd){check->output_fd, POLLIN, 0};
}

void prl_health_step(struct prl_health_check *check, const struct pollfd fds[PRL_HEALTH_FDS])
{
    uint64_t now_ns = prl_sys_now_ns();
    if (!check->words)
        return;
    if (fds[1].fd >= 0 && fds[1].revents)
        hear(check);
    if (check->execution.pid == 0) {
        if (now_ns >= check->next_ns)
            begin(check);
        return;
    }
    int code = prl_execution_reap(&check->execution);
    if (code >= 0) {
        hear(check);
        finish(check, check->too_long ? -1 : code);
    } else if (now_ns >= check->deadline_ns && !check->too_long) {
        check->too_long = true;
        kill(check->execution.pid, SIGKILL); /* its program goes with it */
    }
}

uint64_t prl_health_due_ns(const struct prl_health_check *check)
{
    uint64_t now_ns = prl_sys_now_ns();
    bool runs = check->execution.pid != 0;
    uint64_t due_ns = runs ? check->deadline_ns : check->next_ns;
    if (!check->words || (runs && check->too_long))
        return UINT64_MAX;
    return due_ns > now_ns ? due_ns - now_ns : 0;
}

void prl_health_end(struct prl_health_check *check)
{
    if (check->execution.pid > 0) {
        kill(check->execution.pid, SIGKILL);
        while (prl_execution_reap(&check->execution) < 0) {
            struct pollfd fd = {check->execution.pidfd, POLLIN, 0};
            if (poll(&fd, 1, 1000) == 0)
                break;
        }
    }
    prl_close_p(&check->output_fd);
    prl_health_forget(check);
    free(check->words);
    free(check->output);
    *check = PRL_HEALTH_NONE;
}
