"""What containers do and use: events, statistics, health.

What comes in: containers, directories.  What goes out: what other folders use of this one, each
loaded when it is first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.engine.watching.events import check_event_filters as check_event_filters
    from pyrootless.engine.watching.events import container_event as container_event
    from pyrootless.engine.watching.events import read_events as read_events
    from pyrootless.engine.watching.stats import Figures as Figures
    from pyrootless.engine.watching.stats import Sample as Sample
    from pyrootless.engine.watching.stats import figures as figures
    from pyrootless.engine.watching.stats import take_sample as take_sample

_HOME = {
    "Figures": "stats",
    "Sample": "stats",
    "check_event_filters": "events",
    "container_event": "events",
    "figures": "stats",
    "read_events": "events",
    "take_sample": "stats",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
