"""Which thread is a container's parent.

The kernel kills a container when the *thread* that started it ends (PR_SET_PDEATHSIG in
prctl(2)), so one started from a short-lived thread would die with it. The main thread lives as
long as the process; for every other one, one thread that never ends starts the container.

What comes in: a function. What goes out: what it returned or raised.
Must never: start a container in a thread that may end before it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

_lock = threading.Lock()
_jobs: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]] | None = None


def call_in_lasting_thread(function: Callable[[], None]) -> None:
    """Run function in a thread that lasts as long as the process, and wait for it.

    Raises:
        Exception: Whatever function raises.
    """
    if threading.current_thread() is threading.main_thread():
        function()
        return
    future: Future[None] = Future()
    _queue().put((function, future))
    future.result()


def _queue() -> queue.SimpleQueue[tuple[Callable[[], None], Future[None]]]:
    global _jobs
    with _lock:
        if _jobs is None:
            _jobs = queue.SimpleQueue()
            thread = threading.Thread(target=_serve, args=(_jobs,), name="pyrootless")
            thread.daemon = True
            thread.start()
        return _jobs


def _serve(jobs: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]]) -> None:
    while True:
        function, future = jobs.get()
        try:
            function()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)
        del function, future  # or they keep the container alive until the next launch
