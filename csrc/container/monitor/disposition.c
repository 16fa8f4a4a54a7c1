/* disposition.c: /proc/PID/status, stat and wchan, read for one signal.
 * In: a pid that is not reaped, a signal.  Out: a prl_disposition.
 * Never: a judgement, a guess: what cannot be read is zero.  Source: proc_pid_status(5),
 * proc_pid_stat(5), proc_pid_wchan(5). */
#include "container/monitor/disposition.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
    STATUS_MAX_BYTES = 4 << 20, /* a line of 65536 groups is in it */
    STARTSTACK_FIELD = 28,      /* counted from 1 */
    LOOKS = 3,
};

static char *read_of(pid_t pid, const char *name)
{
    char path[40], *text = NULL;
    size_t len;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return prl_io_read_file(AT_FDCWD, path, STATUS_MAX_BYTES, &text, &len) < 0 ? NULL : text;
}

/* The address of the stack's begin is drawn anew at each exec.  Shown to those alone who may
 * look into the process (PTRACE_MODE_READ), else 0. */
static uint64_t image_of(pid_t pid)
{
    _cleanup_free_ char *stat = read_of(pid, "stat");
    const char *field = stat ? strrchr(stat, ')') : NULL; /* field 2 ends with it */
    for (int number = 2; field && number < STARTSTACK_FIELD; number++)
        field = strchr(field + 1, ' ');
    return field ? strtoull(field, NULL, 10) : 0;
}

static bool has_signal(const char *status, const char *field, int signal)
{
    const char *mask = strstr(status, field);
    return mask && strtoull(mask + strlen(field), NULL, 16) >> (signal - 1) & 1;
}

static uint64_t number_of(const char *status, const char *field)
{
    const char *number = strstr(status, field);
    return number ? strtoull(number + strlen(field), NULL, 10) : 0;
}

/* The kernel function that it sleeps in, shown as the image is. */
static bool in_sigwait(pid_t pid)
{
    _cleanup_free_ char *function = read_of(pid, "wchan");
    return function && strstr(function, "sigtimedwait");
}

static void read_status(const char *status, int signal, struct prl_disposition *ret)
{
    const char *state = strstr(status, "\nState:\t");
    if (!state || !strstr(status, "\nSigCgt:"))
        return;
    bool caught = has_signal(status, "\nSigCgt:", signal);
    bool ignored = has_signal(status, "\nSigIgn:", signal);
    bool blocked = has_signal(status, "\nSigBlk:", signal);
    ret->busy = state[8] == 'R' || state[8] == 'D';
    ret->pending =
        has_signal(status, "\nSigPnd:", signal) || has_signal(status, "\nShdPnd:", signal);
    ret->runs = number_of(status, "\nvoluntary_ctxt_switches:") +
                number_of(status, "\nnonvoluntary_ctxt_switches:");
    ret->caught = caught && !blocked;
    ret->defaults = !caught && !ignored && !blocked && !ret->pending;
}

void prl_disposition_take(pid_t pid, int signal, struct prl_disposition *ret)
{
    uint64_t image = image_of(pid);
    for (int i = 0; i < LOOKS; i++) { /* again when an exec came in between */
        _cleanup_free_ char *status = read_of(pid, "status");
        *ret = (struct prl_disposition){.image = image_of(pid)};
        if (status)
            read_status(status, signal, ret);
        ret->sigwait = ret->defaults && in_sigwait(pid);
        if (ret->image == image)
            return;
        image = ret->image;
    }
}
