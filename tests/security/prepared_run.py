"""`pyrootless run …`, but through a prepared container: for tests that try both ways.

In: the words after the program's name, as the launcher takes them.  Out: as the launcher: the
program's output and exit status, or one line and 125, 126, 127.
Never: an option that only the launcher serves.
"""

from __future__ import annotations

import json
import os
import sys

from pyrootless.core import _containers
from pyrootless.engine.launch import find_template, open_container
from pyrootless.engine.pool.box import Box
from pyrootless.errors import PyrootlessError, UsageError


def main(words: list[str]) -> int:
    """Hold, go, collect."""
    values, image, args = _containers.parse_options("run", words[1:])
    root = next((text for name, text in values if name == "root"), None)
    options = [f"--{name}={text}" for name, text in values]
    container = open_container([*options, "--", str(image), "prepared"], root)
    find_template(container, root)
    container.create()
    box = Box(container)
    try:
        prefix = json.loads(container.config)["process"]["args"][:-1]
        container.go([*prefix, *args], None, None, (0, -1, -1))
        ending, _, out, err = container.collect(
            container.wall_limit_ns, (-1, -1), *box.hand_over()
        )
    finally:
        box.close()
    os.write(1, out)
    os.write(2, err)
    return ending[1] if ending[0] == "exit" else 128 + ending[2]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PyrootlessError as error:
        print(f"pyrootless: {error}", file=sys.stderr)
        if isinstance(error, UsageError) and not error.remedy:  # an option's is the shell's
            print("  remedy: pyrootless run --help", file=sys.stderr)
        sys.exit(error.exit_code)
