"""Every benchmark of `pytest benchmarks/` runs once, so that none rots.

In: the checkout as it is.  Out: what passed, and what was skipped for want of a peer.
Never: a statement about speed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEERS = ("bwrap", "crun", "runc", "podman", "nsenter")
SECONDS = 300


@pytest.mark.needs("busybox")
def test_each_runs_once(tmp_path: Path) -> None:
    """Only a peer may be missing, or refuse this machine."""
    words = ["-v", "-p", "no:cacheprovider", "benchmarks", "--benchmark-disable"]
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", *words, f"--basetemp={tmp_path / 'own'}"],
        cwd=ROOT,
        env={**os.environ, "PYROOTLESS_BENCH_WORK": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("benchmarks/")]
    skipped = [line.partition(" SKIPPED")[0] for line in lines if " SKIPPED" in line]
    assert [name for name in skipped if not any(peer in name for peer in PEERS)] == []
    assert sum(" PASSED" in line for line in lines) >= 25
    assert [path.name for path in tmp_path.iterdir()] == ["own"]
