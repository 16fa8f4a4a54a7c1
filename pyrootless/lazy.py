"""Names of a package that are loaded when they are first used.

What comes in: the package, and which of its modules has each name.
What goes out: the package's `__getattr__` and `__dir__` (PEP 562).
Must never: import a module before one of its names is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping


def exports(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__, __dir__ = exports(__name__, homes)`.

    Args:
        package: The dotted name of the package.
        homes: Public name → the module of the package that has it.
    """

    def getattr_of(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    def dir_of() -> list[str]:
        return sorted(homes)

    return getattr_of, dir_of
