/* pressure.c: what the machine did to a run: pressure and stolen time.
 * In: /proc/pressure, /proc/stat.  Out: differences.  Never: a judgement.
 * Source: Documentation/accounting/psi.rst, proc_stat(5).  What a kernel does not have is 0. */
#include "base/io.h"
#include "sandbox/parts.h"

#include "container/monitor/exports.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t read_stall_ns(const char *path)
{
    char text[256];
    unsigned long long us = 0;
    const char *total =
        prl_io_read_text(AT_FDCWD, path, text, sizeof text) > 0 ? strstr(text, "total=") : NULL;
    return total && sscanf(total, "total=%llu", &us) == 1 ? us * 1000u : 0;
}

static uint64_t read_steal_ns(void)
{
    char text[512];
    unsigned long long ticks = 0;
    if (prl_io_read_text(AT_FDCWD, "/proc/stat", text, sizeof text) <= 0)
        return 0;
    (void)sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks);
    return ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

void prl_sandbox_noise_read(struct prl_sandbox_noise *ret)
{
    *ret = (struct prl_sandbox_noise){
        .cpu_stall_ns = read_stall_ns("/proc/pressure/cpu"),
        .memory_stall_ns = read_stall_ns("/proc/pressure/memory"),
        .io_stall_ns = read_stall_ns("/proc/pressure/io"),
        .steal_ns = read_steal_ns(),
    };
}

void prl_sandbox_noise_since(const struct prl_sandbox_noise *before,
                             struct prl_sandbox_noise *ret)
{
    struct prl_sandbox_noise now;
    prl_sandbox_noise_read(&now);
    *ret = (struct prl_sandbox_noise){
        .cpu_stall_ns = now.cpu_stall_ns - before->cpu_stall_ns,
        .memory_stall_ns = now.memory_stall_ns - before->memory_stall_ns,
        .io_stall_ns = now.io_stall_ns - before->io_stall_ns,
        .steal_ns = now.steal_ns - before->steal_ns,
    };
}
