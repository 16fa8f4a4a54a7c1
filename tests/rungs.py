"""A rung of the ladder of limits, and how a container is started on it.

In: its name, words before the launcher that leave the stronger rungs out, an environment.
Out: what the launcher says, and what `inspect` says of a container after its end.
Never: a container that is left.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NO_GROUPS = ("bwrap", "--dev-bind", "/", "/", "--tmpfs", "/sys/fs/cgroup")
WEAKER = ("--limits=best-effort",)


@dataclass(frozen=True)
class Rung:
    """One rung.

    Attributes:
        options: Of every `run`.
    """

    name: str
    before: tuple[str, ...]
    launcher: Path
    env: dict[str, str]
    options: tuple[str, ...] = ()

    def words(self, *words: str) -> list[str]:
        """A command line of `pyrootless`."""
        return [*self.before, str(self.launcher), *words]

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.words(*words),
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`run --rm`."""
        return self.call("run", "--rm", *self.options, *words)

    def kept(self, name: str, *words: str) -> dict[str, Any]:
        """`run` of a container that is kept: what `inspect` says after its end."""
        self.call("run", f"--name={name}", *self.options, *words)
        found = self.call("inspect", name)
        self.call("rm", name)
        inspected: dict[str, Any] = json.loads(found.stdout)[0]
        return inspected


def environment_for(name: str, environment: dict[str, str]) -> dict[str, str]:
    """The engine's environment; on version 2 systemd's manager is asked where it listens."""
    if name != "cgroup2":
        return environment
    runtime = os.environ.get("XDG_RUNTIME_DIR", environment["XDG_RUNTIME_DIR"])
    return environment | {"XDG_RUNTIME_DIR": runtime}
