"""A store of their own for the tests that start containers in this process."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def session_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared once, by the first test that starts a container."""
    base = tmp_path_factory.mktemp("engine-unit")
    (base / "run").mkdir(mode=0o700)
    return base


@pytest.fixture
def engine(session_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point this process at the session's store; holds DATA as `store`, RUNTIME as `run`."""
    monkeypatch.setenv("PYROOTLESS_ROOT", str(session_store / "store"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session_store / "run"))
    return session_store
