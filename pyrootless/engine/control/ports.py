"""The published ports of a running container.

What comes in: a container's network annotations.  What goes out: `PublishedPort` values.
Must never: guess: what is shown is what the network helper was told.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pyrootless.engine.containers import Container, read_annotations

_NOTE = "io.pyrootless.network"
_IPV6_ADDRESSES = Path("/proc/net/if_inet6")


@dataclass(frozen=True, slots=True, order=True)
class PublishedPort:
    """One port of a container and where the host listens for it.

    Attributes:
        port: Inside.
        protocol: "tcp" or "udp".
        address: Of the host; "0.0.0.0" or "::" for all.
        host_port: Of the host.
    """

    port: int
    protocol: Literal["tcp", "udp"]
    address: str
    host_port: int

    @property
    def place(self) -> str:
        """ "0.0.0.0:8080" or "[::]:8080"."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.host_port}"


def published_ports(container: Container) -> list[PublishedPort]:
    """Every published port, by its number; none when the container does not run."""
    if not container.has_processes:
        return []
    return parse_ports(read_annotations(container), both=_has_ipv6())


def parse_ports(notes: Mapping[str, object], *, both: bool) -> list[PublishedPort]:
    """The ports of annotations ("tcp|udp ADDRESS|* HOST_PORT CONTAINER_PORT COUNT" a line).

    Args:
        notes: Annotations of a config.json.
        both: pasta listens on IPv6 too where there is no address.
    """
    found = []
    every = ["0.0.0.0", "::"] if both and notes.get(_NOTE) == "pasta" else ["0.0.0.0"]
    for line in str(notes.get(f"{_NOTE}.ports", "")).splitlines():
        with suppress(ValueError):  # not ours: the launch would have refused it
            protocol, address, host, port, count = line.split(" ")
            found += [
                PublishedPort(
                    int(port) + i, "udp" if protocol == "udp" else "tcp", place, int(host) + i
                )
                for i in range(int(count))
                for place in (every if address == "*" else [address])
            ]
    return sorted(found)


def _has_ipv6() -> bool:
    try:
        return bool(_IPV6_ADDRESSES.read_bytes())
    except OSError:
        return False
