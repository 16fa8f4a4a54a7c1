"""Builds: a Dockerfile and a context → an image of the store.

    >>> import pyrootless
    >>> image = pyrootless.build(".", tag="app:1")  # doctest: +SKIP

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  The package can be called: `pyrootless.build(…)` is `pyrootless.build.build`.
Must never: decide anything.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.build.builder import Built as Built
    from pyrootless.build.builder import build as build
    from pyrootless.build.builder import build_image as build_image
    from pyrootless.build.builder import check as check
    from pyrootless.build.cache import CacheRow as CacheRow
    from pyrootless.build.cache import list_cache as list_cache
    from pyrootless.build.cache import prune_cache as prune_cache
    from pyrootless.build.context import Context as Context
    from pyrootless.build.context import DirectoryContext as DirectoryContext
    from pyrootless.build.dockerfile import parse_dockerfile as parse_dockerfile
    from pyrootless.build.output import Output as Output
    from pyrootless.build.output import parse_output as parse_output
    from pyrootless.build.places import open_directory as open_directory
    from pyrootless.build.places import open_place as open_place
    from pyrootless.build.request import GivenSecrets as GivenSecrets
    from pyrootless.build.request import Progress as Progress
    from pyrootless.build.request import Quiet as Quiet
    from pyrootless.build.request import Request as Request

_HOME = {
    "Built": "builder",
    "CacheRow": "cache",
    "Context": "context",
    "DirectoryContext": "context",
    "GivenSecrets": "request",
    "Output": "output",
    "Progress": "request",
    "Quiet": "request",
    "Request": "request",
    "build": "builder",
    "build_image": "builder",
    "check": "builder",
    "list_cache": "cache",
    "open_directory": "places",
    "open_place": "places",
    "parse_dockerfile": "dockerfile",
    "parse_output": "output",
    "prune_cache": "cache",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)


class _Callable(ModuleType):
    """The package as the function that people call."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """`pyrootless.build.build`."""
        from pyrootless.build.builder import build

        return build(*args, **options)


sys.modules[__name__].__class__ = _Callable
