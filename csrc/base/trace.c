/* trace.c: the clock readings of one launch.
 * In: names of steps as they end.  Out: a table on a descriptor.  Never: an allocation, a lock;
 * more than one launch at a time.
 *
 * The child writes into the same memory as its parent, which sleeps meanwhile.  Where the
 * parent works for the child (a served launch) the marks of both mix, in the order of time. */
#include "base/trace.h"

#include "base/sys.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARKS = 96 };

static struct {
    bool on;
    unsigned len;
    uint64_t begin_ns;
    struct mark {
        const char *name;
        uint64_t end_ns;
        bool in_child;
    } marks[MARKS];
} trace;

void prl_trace_begin(void)
{
    const char *asked = getenv("PYROOTLESS_TRACE");
    trace.on = asked && strcmp(asked, "1") == 0;
    if (trace.on)
        trace.begin_ns = prl_sys_now_ns();
}

static void PRL_CHILD_SAFE add(const char *name, bool in_child)
{
    unsigned at = __atomic_fetch_add(&trace.len, 1, __ATOMIC_RELAXED);
    if (at < MARKS)
        trace.marks[at] = (struct mark){name, prl_sys_now_ns(), in_child};
}

void prl_trace_mark(const char *name)
{
    if (trace.on)
        add(name, false);
}

void PRL_CHILD_SAFE prl_trace_mark_child(const char *name)
{
    if (trace.on)
        add(name, true);
}

static void print_row(int fd, const char *who, const char *name, uint64_t ns)
{
    dprintf(fd, "pyrootless: trace: %-8s %-12s %8llu.%01llu us\n", who, name,
            (unsigned long long)(ns / 1000), (unsigned long long)(ns / 100 % 10));
}

void prl_trace_print(int fd)
{
    if (!trace.on)
        return;
    unsigned len = trace.len < MARKS ? trace.len : MARKS;
    uint64_t before_ns = trace.begin_ns;
    for (unsigned i = 0; i < len; i++) {
        const struct mark *m = &trace.marks[i];
        print_row(fd, m->in_child ? "child" : "launcher", m->name, m->end_ns - before_ns);
        before_ns = m->end_ns;
    }
    print_row(fd, "both", "total", before_ns - trace.begin_ns);
}
