"""`pyrootless info [--json]`: this machine, the store, and how limits would be enforced here.

What comes in: the engine's directories, the host.  What goes out: lines or JSON.
Must never: start a container, change the store, judge (`pyrootless doctor` does).
"""

from __future__ import annotations

import json
import os
import platform
from typing import Any

import pyrootless
from pyrootless import units
from pyrootless.cli import Parser
from pyrootless.config import Directories, find_directories, find_launcher
from pyrootless.core import _containers
from pyrootless.defaults import read_defaults
from pyrootless.engine import list_found
from pyrootless.errors import HostUnsupportedError
from pyrootless.host import doctor
from pyrootless.images.store import Store

ENTRIES = ("overlay", "subordinate-ids", "seccomp", "landlock", "network-helpers", "cgroup")
"""The doctor's entries that are shown, each with its sentence."""
BUILT_IN = {
    "limits": "strict",
    "log-driver": "json-file",
    "network": "none",
    "storage-driver": "auto",
    "userns": "auto",
}
"""Options whose values decide much, as they are without config.toml."""
STORAGE = ("storage", "tmpfs", "exact")
"""The form of the root decides and not the host: with --ephemeral it is held."""


def main(args: list[str]) -> int:
    """Print the facts; see the file's head."""
    parser = Parser(
        prog="pyrootless info", description="Show this machine, the store, and limits."
    )
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    options = parser.parse_args(args)
    facts = gather_facts(find_directories(options.root))
    print(json.dumps(facts, indent=2) if options.json else format_facts(facts))
    return 0


def gather_facts(directories: Directories) -> dict[str, dict[str, Any]]:
    """Everything `info` shows, by section."""
    return {
        "host": _host(),
        "store": _store(directories),
        "limits": {
            name: {"held_by": enforcement, "exactness": exactness}
            for name, enforcement, exactness in (*_containers.offered_enforcement(), STORAGE)
        },
        "options": _options(),
        "doctor": _doctor(directories),
    }


def format_facts(facts: dict[str, dict[str, Any]]) -> str:
    """A section after the other, a line a fact."""
    limits = {
        name: f"{held['held_by']} ({held['exactness']})"
        for name, held in facts["limits"].items()
    }
    lines: list[str] = []
    for section, rows in {**facts, "limits": limits}.items():
        wide = max(len(key) for key in rows)
        lines += [f"{section}:", *(f"  {key:<{wide}}  {value}" for key, value in rows.items())]
    return "\n".join(lines)


def _host() -> dict[str, Any]:
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = ""
    return {
        "version": pyrootless.__version__,
        "kernel": platform.release(),
        "system": system,
        "machine": platform.machine(),
        "processors": os.cpu_count() or 0,
        "memory": units.format_size(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
    }


def _store(directories: Directories) -> dict[str, Any]:
    """Images that cannot be read are counted; `images` says what is wrong with them."""
    damaged: list[Exception] = []
    images = Store(directories).images(damaged.append)
    containers = list_found(directories)
    running = sum(item.running for item in containers)
    return {
        "data": str(directories.data),
        "runtime": str(directories.runtime),
        "images": len(images) + len(damaged),
        "containers": len(containers),
        "running": running,
        "stopped": len(containers) - running,
    }


def _options() -> dict[str, str]:
    """Values of options that a command line does not give, and from where."""
    defaults = read_defaults()
    given: dict[str, list[str]] = {}
    for word in defaults.words:
        name, _, value = word.partition("=")
        given.setdefault(name, []).append(value)
    rows = {name: f"{value} (built in)" for name, value in BUILT_IN.items()}
    rows |= {name: f"{', '.join(values)} ({defaults.path})" for name, values in given.items()}
    return rows


def _doctor(directories: Directories) -> dict[str, str]:
    try:
        launcher = find_launcher()
    except HostUnsupportedError:
        launcher = None
    machine = doctor.this_host(directories, launcher)
    return {
        entry.name: f"{entry.state}: {entry.consequence}"
        for entry in doctor.examine(machine, ENTRIES)
    }
