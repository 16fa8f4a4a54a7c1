"""What the sandbox's tests share: a store for this process, and C programs compiled once.

In: the run's store.  Out: the environment pointing at it; static programs.
Never: a change outside temporary directories.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def engine(engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """This process uses the run's store too."""
    for name in ("PYROOTLESS_ROOT", "XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.setenv(name, engine_environment[name])


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """C text → a static program, each compiled once."""
    made: dict[str, Path] = {}

    def compile_text(text: str) -> Path:
        if text not in made:
            source = tmp_path_factory.mktemp("c") / "p.c"
            source.write_text(text)
            program = source.with_suffix("")
            words = ["gcc", "-O1", "-w", "-pthread", "-static", "-o", program, source]
            subprocess.run(words, check=True, timeout=120)
            made[text] = program
        return made[text]

    return compile_text
