"""`pyrootless port CONTAINER [PORT[/PROTO]]`: where the ports of a container are published.

What comes in: a container.  What goes out: `80/tcp -> 0.0.0.0:8080` a line, as with docker.
Must never: change anything.
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.config import find_directories
from pyrootless.engine import PublishedPort, find_container, published_ports
from pyrootless.errors import ContainerStateError, UsageError


def main(args: list[str]) -> int:
    """Print the ports; see the file's head."""
    parser = Parser(
        prog="pyrootless port", description="Show where the ports of a container are published."
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    parser.add_argument("port", metavar="PORT[/PROTO]", nargs="?", help="only this one")
    words = parser.parse_args(args)
    found = published_ports(find_container(find_directories(words.root), words.container))
    if words.port is None:
        lines = [f"{item.port}/{item.protocol} -> {item.place}" for item in found]
    else:
        lines = _places(found, words.port, words.container)
    print("".join(f"{line}\n" for line in lines), end="")
    return 0


def _places(found: list[PublishedPort], wanted: str, shown: str) -> list[str]:
    number, _, protocol = wanted.partition("/")
    protocol = protocol or "tcp"
    if not (number.isascii() and number.isdigit()) or protocol not in ("tcp", "udp", "sctp"):
        raise UsageError(f'"{wanted}" is no port; write PORT or PORT/PROTO, as in 80 or 53/udp')
    asked = (int(number), protocol)
    places = [item.place for item in found if (item.port, item.protocol) == asked]
    if not places:
        raise ContainerStateError(
            f"no public port '{number}/{protocol}' published for {shown}",
            remedy=f"see what is: pyrootless port {shown}",
        )
    return places
