/* steal.c: time that a hypervisor took; see steal.h.
 * In, out, never: as there.  Source: proc_stat(5): columns of "cpuN" in ticks, the eighth is
 * steal; Documentation/virt/kvm/x86/msr.rst, MSR_KVM_STEAL_TIME. */
#include "limits/steal.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TEXT_BYTES = 128 << 10, /* the lines of a thousand processors, which come first */
    HIDDEN_TICKS = 2,       /* less than one tick of a processor shows as none; few programs use
                             * more than two at once */
};
enum { UNKNOWN, CLEAN, HAPPENS };

static int seen; /* the last answer; HAPPENS stays */

static uint64_t tick_ns(void)
{
    return 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t prl_steal_parse(const char *text, const unsigned char *mask, unsigned mask_bytes,
                         uint64_t tick_ns)
{
    uint64_t sum = 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        unsigned number;
        unsigned long long ticks;
        line += *line == '\n';
        if (strncmp(line, "cpu ", 4) != 0 && /* their sum */
            sscanf(line, "cpu%u %*u %*u %*u %*u %*u %*u %*u %llu", &number, &ticks) == 2 &&
            number / 8 < mask_bytes && (mask[number / 8] >> number % 8 & 1))
            sum += ticks * tick_ns;
    }
    return sum;
}

static uint64_t read_ns(void)
{
    cpu_set_t mask;
    _cleanup_free_ char *text = malloc(TEXT_BYTES);
    if (!text || prl_io_read_text(AT_FDCWD, "/proc/stat", text, TEXT_BYTES) <= 0)
        return 0;
    char *end = strstr(text, "\nintr");
    if (end)
        *end = '\0';
    if (sched_getaffinity(0, sizeof mask, &mask) < 0)
        memset(&mask, 0xff, sizeof mask);
    uint64_t ns =
        prl_steal_parse(text, (const unsigned char *)&mask, (unsigned)sizeof mask, tick_ns());
    if (__atomic_load_n(&seen, __ATOMIC_RELAXED) != HAPPENS)
        __atomic_store_n(&seen, ns ? HAPPENS : CLEAN, __ATOMIC_RELAXED);
    return ns;
}

uint64_t prl_steal_begin(void)
{
    return __atomic_load_n(&seen, __ATOMIC_RELAXED) == CLEAN ? 0 : read_ns();
}

uint64_t prl_steal_since(uint64_t before_ns)
{
    uint64_t now_ns = read_ns();
    return now_ns ? now_ns - before_ns + HIDDEN_TICKS * tick_ns() : 0;
}

bool prl_steal_happens(void)
{
    if (__atomic_load_n(&seen, __ATOMIC_RELAXED) == UNKNOWN)
        (void)read_ns();
    return __atomic_load_n(&seen, __ATOMIC_RELAXED) == HAPPENS;
}

uint64_t prl_steal_corrected(uint64_t clock_ns, uint64_t least_ns, uint64_t stolen_ns)
{
    uint64_t own_ns = clock_ns > stolen_ns ? clock_ns - stolen_ns : 0;
    return own_ns > least_ns ? own_ns : least_ns;
}
