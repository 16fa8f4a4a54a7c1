"""A few threads that prepare containers and take ended ones apart, beside the callers.

The kernel kills a container when the thread that built it ends (spawner.py), so these threads
last as long as the process. There are as many as processors, at most four, each made when all
others are busy, and all pools share them.

What comes in: functions. What goes out: their work, done some time later.
Must never: keep a function, or what it holds, after it was called; let one end its thread.
"""

from __future__ import annotations

import os
import queue
import threading
import warnings
from collections.abc import Callable

_MOST_THREADS = 4

_lock = threading.Lock()
_jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
_threads = 0
_owner = 0
_idle = threading.Semaphore(0)
"""Counts threads that wait for work, so that another is made only when none does."""


def submit(job: Callable[[], None]) -> None:
    """Have a function called by a lasting thread. It reports its failures itself.

    Raises:
        RuntimeError: No thread can be started, and there is none.
    """
    global _jobs, _threads, _owner, _idle
    if not _idle.acquire(blocking=False) or _owner != os.getpid():
        with _lock:
            if _owner != os.getpid():  # a fork has none of its parent's threads
                _jobs, _idle = queue.SimpleQueue(), threading.Semaphore(0)
                _threads, _owner = 0, os.getpid()
            if _threads < most_threads():
                _start(_threads + 1)
    _jobs.put(job)


def _start(number: int) -> None:
    """One more thread; where there can be none, those that there are do its work later.

    Raises:
        RuntimeError: There are none.
    """
    global _threads
    name, arguments = f"pyrootless-builder-{number}", (_jobs, _idle)
    try:
        threading.Thread(target=_serve, args=arguments, name=name, daemon=True).start()
    except RuntimeError:
        if _threads == 0:
            raise
    else:
        _threads = number


def most_threads() -> int:
    """As many as processors this process may use; a start is work of the kernel."""
    return max(1, min(_MOST_THREADS, len(os.sched_getaffinity(0))))


def _serve(jobs: queue.SimpleQueue[Callable[[], None]], idle: threading.Semaphore) -> None:
    while True:
        job: Callable[[], None] | None = jobs.get()
        try:
            assert job is not None
            job()
        except Exception as error:
            warnings.warn(f"pyrootless: {error}", RuntimeWarning, stacklevel=1)
        job = None  # or it lives until the next one
        idle.release()
