"""What the kernel counts: files of control groups, of processes, of network interfaces.

What comes in: a container's annotations, the number of its process 1.
What goes out: numbers in docker's members.
Must never: fail because a container ended meanwhile: what is gone counts nothing.

Source: the kernel's cgroup-v1 and cgroup-v2 documents; proc(5).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.engine.control import container_pids

_NOTE = "io.pyrootless."
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_UNLIMITED = 1 << 60
"""Version 1 of control groups says "no limit" with a number beyond any memory."""


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes of block devices."""

    read: int
    written: int
    major: int = 0
    minor: int = 0

    def entries(self) -> list[dict[str, Any]]:
        """As docker lists them."""
        place = {"major": self.major, "minor": self.minor}
        return [
            {**place, "op": "read", "value": self.read},
            {**place, "op": "write", "value": self.written},
        ]


@dataclass(frozen=True, slots=True)
class Processes:
    """Sums over the processes of a container.

    Attributes:
        user_ns, system_ns: Processor time of those that live, and of the dead they waited for.
        memory_bytes: What they share is divided among them, where the kernel says so.
        threads: Of all.
        read_bytes, written_bytes: Of block devices, of those that live.
    """

    user_ns: int
    system_ns: int
    memory_bytes: int
    threads: int
    read_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True)
class Groups:
    """A container's own control groups.

    Attributes:
        places: Controller → (version, directory); names are those of version 2, and "cpuacct".
    """

    places: Mapping[str, tuple[int, Path]]

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> Groups:
        """From the annotation that the launch wrote."""
        places: dict[str, tuple[int, Path]] = {}
        for line in str(notes.get(f"{_NOTE}limits.cgroups", "")).splitlines():
            version, controllers, path = line.split(" ", 2)
            names = {"io" if n == "blkio" else n for n in controllers.split(",")}
            if version == "2":
                names |= {"cpuacct"}  # every group of version 2 counts it
            if Path(path).is_dir():
                places |= dict.fromkeys(names, (int(version), Path(path)))
        return cls(places)

    def lacking(self) -> tuple[str, ...]:
        """What none of them counts."""
        needed = {"cpuacct": "cpu", "memory": "memory", "pids": "pids", "io": "io"}
        return tuple(word for name, word in needed.items() if name not in self.places)

    def cpu(self) -> dict[str, Any]:
        """ "cpu_usage" and "throttling_data", as far as they are counted."""
        found: dict[str, Any] = {}
        version, place = self.places.get("cpuacct", (0, Path()))
        if version == 2:
            stat = _pairs(place / "cpu.stat")
            user, system = stat.get("user_usec", 0) * 1000, stat.get("system_usec", 0) * 1000
            found["cpu_usage"] = _usage(stat.get("usage_usec", 0) * 1000, user, system)
        if version == 1:
            stat = _pairs(place / "cpuacct.stat")
            user, system = stat.get("user", 0) * _TICK_NS, stat.get("system", 0) * _TICK_NS
            found["cpu_usage"] = _usage(_number(place / "cpuacct.usage"), user, system)
        version, place = self.places.get("cpu", (0, Path()))
        if version:
            stat = _pairs(place / "cpu.stat")
            waited = stat.get("throttled_time", stat.get("throttled_usec", 0) * 1000)
            found["throttling_data"] = {
                "periods": stat.get("nr_periods", 0),
                "throttled_periods": stat.get("nr_throttled", 0),
                "throttled_time": waited,
            }
        return found

    def memory(self) -> dict[str, Any]:
        """ "usage", "max_usage", "stats", "limit"; {}: nobody counts."""
        version, place = self.places.get("memory", (0, Path()))
        if not version:
            return {}
        now, limit, most = "memory.current", "memory.max", "memory.peak"
        if version == 1:
            now, limit = "memory.usage_in_bytes", "memory.limit_in_bytes"
            most = "memory.max_usage_in_bytes"
        found: dict[str, Any] = {
            "usage": _number(place / now),
            "stats": _pairs(place / "memory.stat"),
        }
        peak, least = _number(place / most), _number(place / limit)
        found |= {"max_usage": peak} if peak else {}
        return found | ({"limit": least} if 0 < least < _UNLIMITED else {})

    def pids(self) -> dict[str, int]:
        """ "current" and "limit"; {}: nobody counts."""
        version, place = self.places.get("pids", (0, Path()))
        if not version:
            return {}
        found = {"current": _number(place / "pids.current")}
        limit = _number(place / "pids.max")
        return {**found, "limit": limit} if limit else found

    def block(self) -> list[dict[str, Any]] | None:
        """Bytes by device; None: nobody counts."""
        version, place = self.places.get("io", (0, Path()))
        if version == 2:
            return [entry for line in _lines(place / "io.stat") for entry in _io_stat(line)]
        if version == 1:
            lines = _lines(place / "blkio.throttle.io_service_bytes_recursive")
            return [entry for line in lines for entry in _service_bytes(line)]
        return None


def read_processes(first: int) -> Processes:
    """Sums over the processes in a pid namespace.

    Args:
        first: The container's process 1, as the host sees it.
    """
    user = system = memory = threads = read = written = 0
    for pid in container_pids(first):
        with suppress(OSError, ValueError, IndexError):
            cells = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            user += (int(cells[11]) + int(cells[13])) * _TICK_NS
            system += (int(cells[12]) + int(cells[14])) * _TICK_NS
            threads += int(cells[17])
            memory += _memory_of(pid)
        with suppress(OSError, ValueError):
            counted = _pairs(Path(f"/proc/{pid}/io"), ":")
            read += counted.get("read_bytes", 0)
            written += counted.get("write_bytes", 0)
    return Processes(user, system, memory, threads, read, written)


def read_networks(first: int) -> dict[str, dict[str, int]]:
    """Interfaces of a process's network namespace, without the loopback; {}: it is our own."""
    try:
        own, theirs = (Path(f"/proc/{who}/ns/net").stat().st_ino for who in ("self", first))
        if own == theirs:
            return {}
        lines = Path(f"/proc/{first}/net/dev").read_text().splitlines()[2:]
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, _, counted = line.partition(":")
        cells = [int(cell) for cell in counted.split()]
        if name.strip() != "lo" and len(cells) >= 12:
            words = ("bytes", "packets", "errors", "dropped")
            received = {f"rx_{word}": cells[at] for at, word in enumerate(words)}
            sent = {f"tx_{word}": cells[8 + at] for at, word in enumerate(words)}
            found[name.strip()] = received | sent
    return found


def processor_ns() -> int:
    """Time of all processors of this machine since its start, idle or not."""
    cells = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    return sum(int(cell) for cell in cells) * _TICK_NS


def _memory_of(pid: int) -> int:
    """PSS; RSS where the kernel does not show it."""
    with suppress(OSError, KeyError):
        return _pairs(Path(f"/proc/{pid}/smaps_rollup"), ":")["Pss"] * 1024
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def _usage(total: int, user: int, system: int) -> dict[str, int]:
    return {
        "total_usage": total,
        "usage_in_kernelmode": system,
        "usage_in_usermode": user,
    }


def _io_stat(line: str) -> list[dict[str, Any]]:
    """ "8:0 rbytes=1 wbytes=2 …"."""
    device, *words = line.split()
    counted = dict(word.split("=", 1) for word in words if "=" in word)
    major, _, minor = device.partition(":")
    read, written = int(counted.get("rbytes", 0)), int(counted.get("wbytes", 0))
    return Block(read, written, int(major), int(minor)).entries()


def _service_bytes(line: str) -> list[dict[str, Any]]:
    """ "8:0 Read 4096"; a line of a sum has no device."""
    words = line.split()
    if len(words) != 3 or ":" not in words[0]:
        return []
    major, _, minor = words[0].partition(":")
    place = {"major": int(major), "minor": int(minor)}
    return [{**place, "op": words[1].lower(), "value": int(words[2])}]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _number(path: Path) -> int:
    """0: there is none, or "max"."""
    text = "".join(_lines(path)[:1])
    return int(text) if text.isdigit() else 0


def _pairs(path: Path, separator: str | None = None) -> dict[str, int]:
    """ "NAME NUMBER …" a line."""
    found = {}
    for line in _lines(path):
        name, *rest = line.split(separator, 1)
        number = rest[0].split()[0] if rest and rest[0].split() else ""
        if number.isdigit():
            found[name.strip()] = int(number)
    return found
