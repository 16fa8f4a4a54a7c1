"""What a container uses: one sample in docker's form, and the figures that a table shows.

What comes in: a container; what the kernel counts for its control groups and processes.
What goes out: docker's object of statistics; percentages and sums of two of them.
Must never: guess: what nobody counts is left out; take the word of a group of somebody else's.

Source: Docker Engine API 1.45, ContainerStats; docker's calculateCPUPercentUnix.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyrootless.engine import Container, read_annotations
from pyrootless.engine.watching.usage import (
    Block,
    Groups,
    processor_ns,
    read_networks,
    read_processes,
)

Sample = dict[str, Any]

_NEVER = "0001-01-01T00:00:00Z"
_BLOCK_LISTS = (
    "io_service_bytes_recursive",
    "io_serviced_recursive",
    "io_queue_recursive",
    "io_service_time_recursive",
    "io_wait_time_recursive",
    "io_merged_recursive",
    "io_time_recursive",
    "sectors_recursive",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a row of `stats` shows.

    Attributes:
        cpu_percent: Of one processor, between two samples.
        memory_bytes: Without the cache that the kernel may take back.
        memory_limit_bytes: The container's, or the machine's.
        memory_percent: One of the other.
        received_bytes, sent_bytes: Of all its network interfaces, since its start.
        read_bytes, written_bytes: Of block devices, since its start.
        pids: Processes and threads.
    """

    cpu_percent: float
    memory_bytes: int
    memory_limit_bytes: int
    memory_percent: float
    received_bytes: int
    sent_bytes: int
    read_bytes: int
    written_bytes: int
    pids: int


def take_sample(container: Container, before: Sample | None = None) -> Sample:
    """One sample; of a container that does not run all is 0.

    Args:
        container: From `find_container` or `describe`.
        before: The sample before this one, whose processor times are kept beside.

    Returns:
        Docker's object. "summed" is ours: what was summed over the processes, because no
        control group counts it: of "cpu", "memory", "pids", "io".
    """
    own = {"name": f"/{container.name}", "id": container.id}
    nothing = {"read": _NEVER, "preread": _NEVER, "pids_stats": {}, "cpu_stats": _no_cpu()}
    empty = {"precpu_stats": _no_cpu(), "memory_stats": {}, "num_procs": 0, "storage_stats": {}}
    lists = {"blkio_stats": dict.fromkeys(_BLOCK_LISTS)}
    if container.state != "running":
        return {**nothing, **empty, **lists, **own, "summed": ()}
    measured = _measure(container)
    earlier = before or {"read": _NEVER, "cpu_stats": _no_cpu()}
    return {
        "read": datetime.fromtimestamp(time.time(), UTC).isoformat().replace("+00:00", "Z"),
        "preread": earlier["read"],
        "num_procs": 0,
        "storage_stats": {},
        "precpu_stats": earlier["cpu_stats"],
        **measured,
        **own,
    }


def figures(sample: Sample) -> Figures:
    """What a table shows of a sample that was taken with the one before it."""
    memory = sample["memory_stats"]
    inner = memory.get("stats", {})
    cache = inner.get("total_inactive_file", inner.get("inactive_file", 0))
    used = max(0, memory.get("usage", 0) - cache)
    limit = memory.get("limit", 0)
    nets = sample.get("networks", {}).values()
    entries = sample["blkio_stats"]["io_service_bytes_recursive"] or []
    return Figures(
        cpu_percent=_cpu_percent(sample["cpu_stats"], sample["precpu_stats"]),
        memory_bytes=used,
        memory_limit_bytes=limit,
        memory_percent=100 * used / limit if limit else 0.0,
        received_bytes=sum(net["rx_bytes"] for net in nets),
        sent_bytes=sum(net["tx_bytes"] for net in nets),
        read_bytes=sum(e["value"] for e in entries if e["op"].lower() == "read"),
        written_bytes=sum(e["value"] for e in entries if e["op"].lower() == "write"),
        pids=sample["pids_stats"].get("current", 0),
    )


def _cpu_percent(now: Mapping[str, Any], before: Mapping[str, Any]) -> float:
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    return 100 * used / passed * now.get("online_cpus", 1) if used > 0 and passed > 0 else 0.0


def _measure(container: Container) -> Sample:
    """From its control groups; what they do not count, from its processes."""
    groups = Groups.of(read_annotations(container))
    lacking = groups.lacking()
    sums = read_processes(container.pid) if lacking else None
    cpu = groups.cpu()
    memory, pids, block = groups.memory(), groups.pids(), groups.block()
    if sums is not None:
        cpu = {"cpu_usage": _cpu_usage(sums.user_ns, sums.system_ns), **cpu}
        memory = memory or {"usage": sums.memory_bytes, "stats": {}}
        pids = pids or {"current": sums.threads}
        block = block or Block(sums.read_bytes, sums.written_bytes).entries()
    memory.setdefault("limit", _memory_limit(container))
    lists: dict[str, Any] = {name: [] for name in _BLOCK_LISTS}
    return {
        "pids_stats": pids,
        "blkio_stats": lists | {"io_service_bytes_recursive": block or []},
        "cpu_stats": {
            "throttling_data": _no_cpu()["throttling_data"],
            **cpu,
            "system_cpu_usage": processor_ns(),
            "online_cpus": len(os.sched_getaffinity(0)),
        },
        "memory_stats": memory,
        "summed": lacking,
        **_networks(container),
    }


def _networks(container: Container) -> dict[str, Any]:
    """Docker has no member for a container that shares the host's network."""
    found = read_networks(container.pid)
    return {"networks": found} if found else {}


def _cpu_usage(user_ns: int, system_ns: int) -> dict[str, int]:
    return {
        "total_usage": user_ns + system_ns,
        "usage_in_kernelmode": system_ns,
        "usage_in_usermode": user_ns,
    }


def _no_cpu() -> dict[str, Any]:
    return {
        "cpu_usage": _cpu_usage(0, 0),
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    }


def _memory_limit(container: Container) -> int:
    """What was asked for, however it is enforced, or what the machine has."""
    from pyrootless.engine import read_config

    limit = 0
    with suppress(KeyError, TypeError, ValueError):
        limit = int(read_config(container.directory)["linux"]["resources"]["memory"]["limit"])
    machine = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            machine = int(line.split()[1]) * 1024
    return min(limit, machine) if limit > 0 else machine
