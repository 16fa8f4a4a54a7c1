"""answers.json is what a real Docker Engine says: `make test-docker`, as root, some minutes.

In: an engine in namespaces of its own (docker_engine.py), commands.txt.
Out: each command whose answer is another one; PYROOTLESS_RECORD=1 writes answers.json anew.
Never: in the default run.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import box_images
import command_lines
import docker_engine
import pytest

PROGRAMS = docker_engine.ROOT / "build" / "docker"


@pytest.mark.context_root
@pytest.mark.needs("docker-engine", "busybox")
def test_answers_are_a_docker_engines(tmp_path: Path) -> None:
    box_images.write_archive(tmp_path / "box.tar")
    (tmp_path / "commands").mkdir()
    programs = docker_engine.unpack(PROGRAMS)
    with docker_engine.started(programs, tmp_path / "engine") as env:
        words = ["docker", "load", "-q", "-i", str(tmp_path / "box.tar")]
        subprocess.run(words, env=env, stdout=subprocess.DEVNULL, timeout=120, check=True)
        answers = command_lines.ask_all('docker "$@"', tmp_path / "commands", env)
    if os.environ.get("PYROOTLESS_RECORD") == "1":
        command_lines.record(answers)
    assert list(command_lines.differences(answers, command_lines.recorded())) == []
