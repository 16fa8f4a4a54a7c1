"""A container that runs: attached to, entered, signalled, paused, looked at.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.engine.control.ending import kill_container as kill_container
    from pyrootless.engine.control.ending import signal_number as signal_number
    from pyrootless.engine.control.ending import stop_container as stop_container
    from pyrootless.engine.control.inside import run_inside as run_inside
    from pyrootless.engine.control.logs import LogQuery as LogQuery
    from pyrootless.engine.control.logs import log_pieces as log_pieces
    from pyrootless.engine.control.logs import read_log as read_log
    from pyrootless.engine.control.pausing import paused as paused
    from pyrootless.engine.control.pidfd import ended_within as ended_within
    from pyrootless.engine.control.ports import PublishedPort as PublishedPort
    from pyrootless.engine.control.ports import published_ports as published_ports
    from pyrootless.engine.control.processes import DEFAULT_OPTIONS as DEFAULT_OPTIONS
    from pyrootless.engine.control.processes import container_pids as container_pids
    from pyrootless.engine.control.processes import list_processes as list_processes

_HOME = {
    "DEFAULT_OPTIONS": "processes",
    "container_pids": "processes",
    "ended_within": "pidfd",
    "LogQuery": "logs",
    "list_processes": "processes",
    "log_pieces": "logs",
    "paused": "pausing",
    "PublishedPort": "ports",
    "published_ports": "ports",
    "read_log": "logs",
    "run_inside": "inside",
    "kill_container": "ending",
    "signal_number": "ending",
    "stop_container": "ending",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
