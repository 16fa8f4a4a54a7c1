"""One more program in a running container, from Python: the launcher's `exec`.

What comes in: a container's id, a program, options as of `pyrootless exec`.
What goes out: its exit code and what it printed.
Must never: copy this process, join a namespace of the container's itself.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from pyrootless.config import find_launcher


def run_inside(
    data: str, words: Sequence[str], data_in: bytes | None, timeout: float | None
) -> subprocess.CompletedProcess[bytes]:
    """See `Child.run_inside`; data: the engine's directory, words: those after `exec`."""
    given = [] if data_in is None else ["--interactive"]
    launcher = str(find_launcher())
    return subprocess.run(
        [launcher, "exec", *given, *words],
        env={**os.environ, "PYROOTLESS_ROOT": data},
        input=data_in or b"",
        capture_output=True,
        timeout=timeout,
        check=False,
    )
