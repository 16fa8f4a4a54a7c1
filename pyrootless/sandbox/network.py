"""The network of a box that may speak to some hosts: a list held outside of it.

What comes in: hosts, as --allow-host takes them. What goes out: annotations, files of the box.
Must never: resolve or check a host itself (the launcher's own code does); let a box have a
network without a list.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pyrootless.errors import UsageError
from pyrootless.sandbox.files import Row
from pyrootless.sandbox.filter import strict_filter

_FRESH_S = 5.0
_ALLOW = "io.pyrootless.network.allow"
_KEPT = ("io.pyrootless.network", "io.pyrootless.launcher")


@dataclass(frozen=True, slots=True)
class Network:
    """What a box needs to speak to the hosts of a list and nobody else.

    Attributes:
        notes: Annotations: the filter, the helper, the addresses that may be spoken to.
        rows: /etc/hosts with their names, and a resolv.conf that names nobody.
    """

    notes: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]


def find_network(hosts: Sequence[str], root: str | None) -> Network | None:
    """The network for a list of hosts; names are looked up again after a few seconds.

    Args:
        hosts: "example.org:443", "192.0.2.0/24", "[2001:db8::1]:80"; (): no network.
        root: The store's directory; None: the user's own.

    Raises:
        UsageError: It is no list, or one of them has no meaning.
        LaunchError: A name has no address, or leads where nobody's name may lead.
        HostUnsupportedError: There is no helper for a network here.
    """
    if isinstance(hosts, str) or not all(isinstance(host, str) for host in hosts):
        raise UsageError("allow_hosts is a list of texts: HOST or HOST:PORT each")
    if not hosts:
        return None
    return _network(tuple(hosts), root, int(time.monotonic() / _FRESH_S))


@lru_cache(maxsize=64)
def _network(hosts: tuple[str, ...], root: str | None, moment: int) -> Network:
    from pyrootless.engine import find_template, open_container

    # slirp4netns becomes root of the container's user namespace, and a box has none.
    words = ["--network=pasta", *(f"--allow-host={host}" for host in hosts)]
    container = open_container([*words, "--", "host"], root)
    find_template(container, root)
    every = json.loads(container.describe())["annotations"]
    notes = {name: text for name, text in every.items() if name.startswith(_KEPT)}
    lines = ["127.0.0.1\tlocalhost box", "::1\tlocalhost"]
    for row in notes[_ALLOW].split("\n"):
        network, _port, *name = row.split(" ")
        lines += [f"{network.partition('/')[0]}\t{name[0]}"] if name else []
    text = "\n".join(dict.fromkeys(lines)) + "\n"
    rows: tuple[Row, ...] = (
        ("etc", None, 0o755),
        ("etc/hosts", text.encode(), 0o644),
        ("etc/resolv.conf", b"", 0o644),
    )
    return Network(strict_filter(root, "network") + tuple(sorted(notes.items())), rows)
