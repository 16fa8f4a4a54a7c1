"""pyrootless: containers for users who are not root.

    >>> import pyrootless
    >>> result = pyrootless.run("host", ["uname", "-s"])
    >>> result.text
    'Linux\\n'

What comes in: names. What goes out: the public names, each loaded when it is first used.
Must never: read a file or import anything heavy at import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyrootless.engine.asynchronous import AsyncChild as AsyncChild
    from pyrootless.engine.asynchronous import launch_async as launch_async
    from pyrootless.engine.asynchronous import run_async as run_async
    from pyrootless.engine.child import Child as Child
    from pyrootless.engine.launch import launch as launch
    from pyrootless.engine.launch import run as run
    from pyrootless.engine.pool.asynchronous import AsyncPool as AsyncPool
    from pyrootless.engine.pool.prepared import Pool as Pool
    from pyrootless.errors import BuildError as BuildError
    from pyrootless.errors import ContainerStateError as ContainerStateError
    from pyrootless.errors import HostUnsupportedError as HostUnsupportedError
    from pyrootless.errors import IntegrityError as IntegrityError
    from pyrootless.errors import LaunchError as LaunchError
    from pyrootless.errors import PyrootlessError as PyrootlessError
    from pyrootless.errors import RegistryError as RegistryError
    from pyrootless.errors import StoreError as StoreError
    from pyrootless.errors import UsageError as UsageError
    from pyrootless.result import Result as Result
    from pyrootless.sandbox.limits import Limits as Limits
    from pyrootless.sandbox.session import Sandbox as Sandbox

__version__ = "0.1.0"

_HOME = {
    "BuildError": "pyrootless.errors",
    "ContainerStateError": "pyrootless.errors",
    "HostUnsupportedError": "pyrootless.errors",
    "IntegrityError": "pyrootless.errors",
    "LaunchError": "pyrootless.errors",
    "PyrootlessError": "pyrootless.errors",
    "RegistryError": "pyrootless.errors",
    "StoreError": "pyrootless.errors",
    "UsageError": "pyrootless.errors",
    "Limits": "pyrootless.sandbox.limits",
    "Result": "pyrootless.result",
    "Sandbox": "pyrootless.sandbox.session",
    "AsyncChild": "pyrootless.engine.asynchronous",
    "launch_async": "pyrootless.engine.asynchronous",
    "run_async": "pyrootless.engine.asynchronous",
    "Child": "pyrootless.engine.child",
    "launch": "pyrootless.engine.launch",
    "run": "pyrootless.engine.launch",
    "Pool": "pyrootless.engine.pool.prepared",
    "AsyncPool": "pyrootless.engine.pool.asynchronous",
}
"""Public name → module that has it. PEP 562."""

_ROOMS = ("build", "sandbox")
"""Packages that are public as a whole: `pyrootless.sandbox.run`, `pyrootless.build(…)`."""

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"pyrootless.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'pyrootless' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
