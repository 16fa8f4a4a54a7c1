"""A log on a disk that is full: the container goes on, and the log and `inspect` say it.

In: a store on a small file system in memory.  Out: the container's end, its log, `inspect`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.timeout(120), pytest.mark.needs("user-namespaces", "unshare")]

SCRIPT = """
mount -t tmpfs -o size=3m tmpfs "$PYROOTLESS_ROOT" || exit 99
P="$1"; GO="$2"
head -c 1000000 /dev/zero > "$PYROOTLESS_ROOT/ballast"
"$P" run -d --name=box -v "$GO:/go" host sh -c '
    yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 7100000
    : > /go/filled
    while [ ! -e /go/now ]; do sleep 0.05; done
    echo after; exit 7' || exit 98
until [ -e "$GO/filled" ] && [ -s "$PYROOTLESS_ROOT"/containers/*/log.lost ]; do
    sleep 0.05
done
rm "$PYROOTLESS_ROOT/ballast"
: > "$GO/now"
"$P" wait box
"$P" logs box 2>&1 | grep -x -e after -e '.*bytes of output had no room'
"$P" inspect -f '{{.LogLostBytes}} {{.State.ExitCode}}' box
"""


def test_a_full_disk_is_told_and_harms_nothing(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    root = tmp_path / "store"
    root.mkdir(mode=0o700)
    (tmp_path / "go").mkdir()
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", SCRIPT, "sh", str(launcher), str(tmp_path / "go")],
        env={**engine_environment, "PYROOTLESS_ROOT": str(root)},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    # More than once: a note may have had room where the next line of the program had none.
    told = [line for line in lines if line.endswith("bytes of output had no room")]
    assert (lines[1], lines.count("after"), len(told) >= 1) == ("7", 1, True)
    lost, code = lines[-1].split(" ")
    assert int(lost) > 1_000_000 and code == "7"
    assert sum(int(line.split()[1]) for line in told) == int(lost)
