"""What a container's log says, read as docker's json-file by another reader than the engine's.

In: the path of a log.  Out: its records, or the output they hold.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def records(path: Path) -> list[dict[str, Any]]:
    """Every record; one that is not whole is an error."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def output(path: Path, *streams: str) -> bytes:
    """The output of these streams, or of both; [] where there is no log."""
    if not path.exists():
        return b""
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    said = [json.loads(line) for line in whole]
    return "".join(r["log"] for r in said if not streams or r["stream"] in streams).encode()
