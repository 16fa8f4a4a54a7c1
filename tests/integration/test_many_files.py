"""A layer of very many tiny files: bounded memory, whatever their number.

In: a tar stream that is made while it is read, never whole anywhere.
Out: the peak memory of the importing process, which does not follow the number of files.
100,000 stand for a million: ten times as many as the 10,000 they are compared with.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tar_builder import END, directory, member

SECONDS = 120
FEW, MANY = 10_000, 100_000
IN_ONE_DIRECTORY = 1000
GROWTH_BYTES = 12 << 20


def archive(count: int) -> Iterator[bytes]:
    """Tiny files, each tenth with another owner."""
    for at in range(0, count, IN_ONE_DIRECTORY):
        folder = f"d{at // IN_ONE_DIRECTORY}"
        files = (
            member(f"{folder}/file-{number}", b"x", uid=33 if number % 10 == 0 else 0)
            for number in range(IN_ONE_DIRECTORY)
        )
        yield directory(folder) + b"".join(files)
    yield END


def import_peak(launcher: Path, env: dict[str, str], count: int) -> int:
    """Bytes of memory the import had at its peak."""
    words = [str(launcher), "import", "-", f"many:{count}"]
    with subprocess.Popen(
        words, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stdin
        for part in archive(count):
            process.stdin.write(part)
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.mark.slow
def test_memory_does_not_follow_the_number_of_files(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    own = {"PYROOTLESS_ROOT": f"{tmp_path}/store", "XDG_RUNTIME_DIR": f"{tmp_path}/run"}
    env = {**engine_environment, **own}
    few = import_peak(launcher, env, FEW)
    many = import_peak(launcher, env, MANY)
    facts = [
        json.loads(path.read_text())
        for path in (tmp_path / "store/layers").glob("*/layer.json")
    ]
    assert sorted((row["entries"], row["foreign"]) for row in facts) == [
        (FEW + FEW // IN_ONE_DIRECTORY, FEW // 10),
        (MANY + MANY // IN_ONE_DIRECTORY, MANY // 10),
    ]
    assert many - few < GROWTH_BYTES
    words = [str(launcher), "image", "prune", "-a", "-f"]
    subprocess.run(words, env=env, capture_output=True, timeout=SECONDS, check=True)
    assert list((tmp_path / "store/layers").iterdir()) == []
