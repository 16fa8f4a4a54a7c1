"""`pyrootless logout [HOST]`: remove a stored login.

What comes in: a registry's host.  What goes out: which files had the login, a line each.
Must never: contact the registry.
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.images.registry import erase_credential, parse_host


def main(args: list[str]) -> int:
    """Forget one login; see the file's head."""
    parser = Parser(prog="pyrootless logout", description="Remove a stored login.")
    parser.add_argument(
        "host", metavar="HOST", nargs="?", default="docker.io", help="default: docker.io"
    )
    host = parse_host(parser.parse_args(args).host)
    changed = erase_credential(host)
    for path in changed:
        print(f"logged out of {host}; taken out of {path}")
    if not changed:
        print(f"not logged in to {host}")
    return 0
