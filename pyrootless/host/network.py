"""What is known of this machine's network helpers: DATA/cache/network.json.

What comes in: the file that engine/network.py writes and the launcher reads
(csrc/config/network/facts.c), the programs that are installed.
What goes out: `Facts`, as text and back.
Must never: run a helper, write the file.

The facts hold for one kernel release and for the very files of the helpers: an upgrade of
either makes them stale.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1
HELPERS = ("pasta", "slirp4netns")
DIRECTORIES = ("/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin")
"""Where the launcher looks too, in this order (csrc/base/process/helper.c)."""


@dataclass(frozen=True, slots=True)
class Helper:
    """One program.

    Attributes:
        path: Where it is.
        stamp: Changes with the file: "MTIME_S.NS SIZE".
        version: As it names itself.
        gateway: pasta: it can lend an address that leads to the host.
        upload_bytes_per_s: From a container to this host; None: not measured.
        problem: Why it does not work here; "": it does, or was not tried.
    """

    path: str
    stamp: str
    version: str = ""
    gateway: bool = False
    upload_bytes_per_s: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """The helpers of one machine.

    Attributes:
        kernel: Release of the kernel they were tried on.
        helpers: Name → helper; only what is installed.
        chosen: What `--network auto` takes; "": not tried, or none works.
        reason: Why none works; "": one does, or not tried.
    """

    kernel: str
    helpers: dict[str, Helper] = field(default_factory=dict)
    chosen: str = ""
    reason: str = ""


def facts_path(cache: Path) -> Path:
    """The file below the store's cache directory."""
    return cache / "network.json"


def encode_facts(facts: Facts) -> str:
    """The file's text."""
    return json.dumps({"version": VERSION, **asdict(facts)}, indent=2) + "\n"


def read_facts(cache: Path) -> Facts | None:
    """What the file says; None: there is none that can be read."""
    try:
        value: dict[str, Any] = json.loads(facts_path(cache).read_bytes())
        helpers = {name: Helper(**given) for name, given in value["helpers"].items()}
        if value["version"] != VERSION:
            return None
        return Facts(value["kernel"], helpers, value["chosen"], value["reason"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def find_programs() -> dict[str, tuple[str, str]]:
    """Name → (path, stamp) of each helper that is installed."""
    found = {}
    for name in HELPERS:
        for directory in DIRECTORIES:
            path = f"{directory}/{name}"
            if os.access(path, os.X_OK):
                found[name] = (path, _stamp(path))
                break
    return found


def _stamp(path: str) -> str:
    facts = Path(path).stat()
    seconds, ns = divmod(facts.st_mtime_ns, 1_000_000_000)
    return f"{seconds}.{ns:09d} {facts.st_size}"


def is_current(facts: Facts) -> bool:
    """Whether kernel and helpers are still those that were looked at."""
    known = {name: (helper.path, helper.stamp) for name, helper in facts.helpers.items()}
    return facts.kernel == os.uname().release and known == find_programs()


def describe_helper(name: str, helper: Helper) -> str:
    """One phrase for a person: "pasta (820 MB/s out)"."""
    if helper.problem:
        return f"{name} (does not work: {helper.problem})"
    if helper.upload_bytes_per_s is None:
        return f"{name} (not measured)"
    return f"{name} ({helper.upload_bytes_per_s / 1e6:.0f} MB/s out)"
