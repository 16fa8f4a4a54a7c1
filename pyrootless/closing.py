"""`with` for what has a close().

What comes in: a class with close(), or an asynchronous one.  What goes out: the end of the
`with` block closes it.  Must never: hide the block's exception.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """A `with` block that ends with close()."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
