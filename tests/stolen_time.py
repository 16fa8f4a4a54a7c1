"""A /proc/stat of a test's own: what a hypervisor took of the processors.

In: ticks before and after.  Out: words before a command of this Python, which is not static.
Never: a hypervisor that takes time on purpose: nobody can ask it to.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

# Whoever opens /proc/stat gets the next of two files.
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
static int times;
int openat(int folder, const char *path, int flags, ...)
{
    static int (*real)(int, const char *, int, ...);
    __builtin_va_list list;
    __builtin_va_start(list, flags);
    int mode = flags & O_CREAT ? __builtin_va_arg(list, int) : 0;
    __builtin_va_end(list);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "openat");
    if (strcmp(path, "/proc/stat") == 0)
        path = getenv(times++ ? "STAT_LATER" : "STAT_FIRST");
    return real(folder, path, flags, mode);
}
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));
"""


def happens() -> bool:
    """On this very machine, since its start."""
    lines = Path("/proc/stat").read_text().splitlines()
    return any(int(line.split()[8]) for line in lines if line.startswith("cpu"))


def shim(folder: Path) -> list[str]:
    """Words before a command; `shown` says what it finds."""
    path = folder / "shim.so"
    words = ["gcc", "-shared", "-fPIC", "-o", str(path), "-xc", "-"]
    subprocess.run(words, input=SHIM, text=True, check=True, timeout=60)
    return ["env", f"LD_PRELOAD={path}"]


def shown(folder: Path, first: int, later: int) -> list[str]:
    """So many ticks of each processor at the first look, and so many later."""
    return [f"STAT_FIRST={_stat(folder, first)}", f"STAT_LATER={_stat(folder, later)}"]


def _stat(folder: Path, ticks: int) -> Path:
    path = folder / f"stat-{ticks}"
    lines = [f"cpu{n} 9 0 9 9 0 0 0 {ticks} 0 0\n" for n in range(64)]
    path.write_text("cpu  9 0 9 9 0 0 0 0 0 0\n" + "".join(lines) + "intr 9\n")
    return path
