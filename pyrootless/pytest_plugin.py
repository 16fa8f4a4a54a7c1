"""The plugin for pytest: the fixture `sandbox` and its marker.

What comes in: `@pytest.mark.sandbox(cpu="1s", image="host", …)`. What goes out: a `Sandbox`.
Must never: import more than pytest before a test asks for the fixture: every run of pytest on
the machine loads this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyrootless.sandbox import Sandbox

_OF_THE_BOX = frozenset(
    {"image", "rootfs", "env", "cwd", "exact", "rungs", "allow_hosts", "warm", "root"}
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "sandbox(**words): limits (cpu, wall, memory, …) and image, rootfs, env, cwd, exact, "
        "rungs, allow_hosts, warm, root of the fixture `sandbox`; the nearest marker wins, "
        "word by word",
    )


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A `pyrootless.Sandbox` for this test, made as its markers say."""
    from pyrootless.sandbox import Limits, Sandbox

    words = _words(request)
    box = {name: words.pop(name) for name in sorted(_OF_THE_BOX & words.keys())}
    try:
        limits = Limits(**words)
    except TypeError as error:
        raise pytest.UsageError(f"@pytest.mark.sandbox: {error}") from None
    with Sandbox(limits=limits, **box) as made:
        yield made


def _words(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Of all markers, the nearest last."""
    found: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("sandbox"))):
        if mark.args:
            raise pytest.UsageError("@pytest.mark.sandbox takes keywords only: cpu='1s'")
        found |= mark.kwargs
    return found
