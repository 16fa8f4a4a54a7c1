"""`pyrootless completion bash|zsh|fish`: the completions, for the shell's own start file.

What comes in: the shell's name.  What goes out: its completions on standard output.
Must never: make them: they are generated from the option table when a release is built.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyrootless
from pyrootless.cli import Parser
from pyrootless.errors import HostUnsupportedError

FILES = {
    "bash": ("bash/pyrootless", "share/bash-completion/completions/pyrootless"),
    "zsh": ("zsh/_pyrootless", "share/zsh/site-functions/_pyrootless"),
    "fish": ("fish/pyrootless.fish", "share/fish/vendor_completions.d/pyrootless.fish"),
}
"""Shell → place below completions/ of the source, place below the prefix of an installation."""


def main(args: list[str]) -> int:
    """Print one shell's completions; see the file's head."""
    parser = Parser(
        prog="pyrootless completion",
        description="Print completions, as in: pyrootless completion bash > "
        "~/.local/share/bash-completion/completions/pyrootless",
    )
    parser.add_argument("shell", choices=sorted(FILES))
    sys.stdout.write(read_completion(parser.parse_args(args).shell))
    return 0


def read_completion(shell: str) -> str:
    """The text for a shell.

    Raises:
        HostUnsupportedError: It was not installed.
    """
    package = Path(pyrootless.__file__).parent
    source, installed = FILES[shell]
    prefixes = [Path(sys.prefix), *package.parents[:5]]
    places = [package / "completions" / source, package.parent / "completions" / source]
    for place in [*places, *(prefix / installed for prefix in prefixes)]:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise HostUnsupportedError(
        f"the completions for {shell} were not installed with this package",
        remedy="install it again: python3 -m pip install --force-reinstall pyrootless",
    )
