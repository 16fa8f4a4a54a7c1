"""A process that is waited for by its descriptor (pidfd_open(2)).

What comes in: the descriptor.  What goes out: whether it ended in time.
Must never: reap.
"""

from __future__ import annotations

import math
import select


def ended_within(descriptor: int, seconds: float | None) -> bool:
    """True once the process has ended; False after so many seconds. None: no limit."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    # Up, not down: who waits until a moment must not wake before it.
    timeout_ms = None if seconds is None else max(0, math.ceil(seconds * 1000))
    return bool(poll.poll(timeout_ms))
