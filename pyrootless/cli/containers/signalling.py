"""What `stop` and `kill` share: each container of a list, the failures told and counted.

What comes in: names or ids, what to do with one.  What goes out: lines, an exit code.
Must never: stop at the first failure.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from pyrootless.config import Directories, find_directories
from pyrootless.errors import ContainerStateError


def for_each(
    root: str | None, wanted: Sequence[str], act: Callable[[Directories, str], None]
) -> int:
    """0, or 1 when one of them failed."""
    directories, code = find_directories(root), 0
    for word in wanted:
        try:
            act(directories, word)
        except ContainerStateError as error:
            sys.stderr.write(f"pyrootless: {error}\n")
            code = 1
        else:
            print(word)
    return code
