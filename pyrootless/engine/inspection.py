"""A container as a JSON object in docker's words.

What comes in: a container and its config.json.  What goes out: plain dictionaries.
Must never: change anything; fail because a part of a configuration is missing.

Source: Docker Engine API 1.45, ContainerInspect. What docker has no word for: "Limits" (what
holds each limit, and how exactly), "Usage" (what was used, after the end), and "Annotations",
as they lie in config.json.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pyrootless.core import _containers
from pyrootless.engine.containers import Container, read_config, read_health, read_status
from pyrootless.engine.mount_points import inspect_mount, read_mounts
from pyrootless.held import held_limits
from pyrootless.images import signal_name

NOTE = "io.pyrootless."
LABEL = "io.pyrootless.label."
_METERS = {
    "io_read_bytes": "io",
    "io_write_bytes": "io",
    "cpu_ns": "cpu-time",
    "throttled_ns": "cpu",
    "memory_stall_ns": "version2",
    "cpu_stall_ns": "version2",
    "io_stall_ns": "version2",
    "oom_kills": "memory",
    "pids_refused": "pids",
}
"""Who counts what may well be 0.  Of the others 0 means that nobody counted."""


def inspect_container(container: Container) -> dict[str, Any]:
    """The object that `docker container inspect` prints, as far as it has a meaning here."""
    config = read_config(container.directory)
    process, linux = _object(config, "process"), _object(config, "linux")
    notes = _object(config, "annotations")
    return {
        "Id": container.id,
        "Created": _time(container.created_unix_ns),
        "Path": container.command[0] if container.command else "",
        "Args": list(container.command[1:]),
        "State": _state(container),
        "RestartCount": container.restarts,
        "Image": container.image,
        "Name": f"/{container.name}" if container.name else "",
        "MountLabel": "",
        **_log(container, notes),
        "Mounts": [inspect_mount(item) for item in read_mounts(config)],
        "Config": _config(config, container),
        "HostConfig": {
            "AutoRemove": notes.get(f"{NOTE}remove") == "1",
            "RestartPolicy": _policy(str(notes.get(f"{NOTE}restart", "no"))),
            "ReadonlyRootfs": bool(_object(config, "root").get("readonly", False)),
            "CapAdd": _object(process, "capabilities").get("bounding", []),
            "MaskedPaths": linux.get("maskedPaths", []),
            "ReadonlyPaths": linux.get("readonlyPaths", []),
            **_resources(_object(linux, "resources")),
            "LogConfig": _log_config(notes),
        },
        "Limits": {
            limit.name: {"HeldBy": limit.rung, "Exactness": limit.exactness}
            for limit in held_limits(notes)
        },
        "Usage": _usage(read_status(container.directory), notes),
        "Annotations": {key: value for key, value in notes.items() if not _is_label(key)},
    }


def _state(container: Container) -> dict[str, Any]:
    """A signal shows as the exit code a shell would see."""
    signal = container.signal or 0
    code = container.exit_code if container.exit_code is not None else signal and 128 + signal
    return {
        "Status": container.state,
        "Running": container.has_monitor,
        "Paused": container.state == "paused",
        "Restarting": container.state == "restarting",
        "OOMKilled": container.ended_by == "oom",
        "Dead": False,
        "Pid": container.pid,
        "ExitCode": code,
        "Error": container.error,
        "StartedAt": _time(container.started_unix_ns),
        "FinishedAt": _time(container.ended_unix_ns),
        "EndedBy": container.ended_by,
        **_health(container),
    }


def _health(container: Container) -> dict[str, Any]:
    """Docker has no member for a container that nothing checks."""
    health = read_health(container.directory)
    return {"Health": health} if health else {}


def _log(container: Container, notes: dict[str, Any]) -> dict[str, Any]:
    """Where the log is, and how much of the output a full disk swallowed."""
    lost = _containers.log_lost(str(container.directory))
    in_files = _log_config(notes)["Type"] in ("json-file", "k8s-file")
    path = {"LogPath": str(container.directory / "log") if in_files else ""}
    return path | ({"LogLostBytes": lost} if lost else {})


def _log_config(notes: dict[str, Any]) -> dict[str, Any]:
    words = {"max-size": "log.max-size", "max-file": "log.max-file"}
    given = {word: notes.get(f"{NOTE}{note}") for word, note in words.items()}
    return {
        "Type": notes.get(f"{NOTE}log.driver", "json-file"),
        "Config": {word: str(value) for word, value in given.items() if value is not None},
    }


def _policy(text: str) -> dict[str, Any]:
    """ "on-failure:3" as docker has it."""
    name, _, most = text.partition(":")
    return {"Name": name, "MaximumRetryCount": int(most) if most.isdigit() else 0}


def _resources(resources: dict[str, Any]) -> dict[str, Any]:
    """0 is docker's word for "not limited"."""
    memory, cpu = _object(resources, "memory"), _object(resources, "cpu")
    return {
        "Memory": memory.get("limit", 0),
        "MemoryReservation": memory.get("reservation", 0),
        "MemorySwap": memory.get("swap", 0),
        "CpuQuota": cpu.get("quota", 0),
        "CpuPeriod": cpu.get("period", 0),
        "CpuShares": cpu.get("shares", 0),
        "CpusetCpus": cpu.get("cpus", ""),
        "PidsLimit": _object(resources, "pids").get("limit", 0),
    }


def _usage(status: dict[str, Any], notes: dict[str, Any]) -> dict[str, Any]:
    """Before the end there is none; None: nobody measured it."""
    own = ("wall_ns", "user_ns", "system_ns", "max_rss_bytes")
    meters = _meters(notes)
    measured = {
        key: value if value or _METERS.get(key, "") in meters else None
        for key, value in _object(status, "usage").items()
    }
    return {**{key: status[key] for key in own if key in status}, **measured}


def _meters(notes: dict[str, Any]) -> set[str]:
    """What counted: controllers by the names of version 2, "version2", "memory", "cpu-time"."""
    found = set()
    for line in str(notes.get(f"{NOTE}limits.cgroups", "")).splitlines():
        version, controllers, _path = line.split(" ", 2)
        found |= {"io" if name == "blkio" else name for name in controllers.split(",")}
        found |= {"version2"} if version == "2" else set()
    if notes.get(f"{NOTE}limits.memory") == "watchdog":
        found.add("memory")
    if f"{NOTE}limits.cpu-time" in notes:  # whoever holds that limit counts
        found.add("cpu-time")
    return found


def _config(config: dict[str, Any], container: Container) -> dict[str, Any]:
    process, user = _object(config, "process"), _object(_object(config, "process"), "user")
    notes = _object(config, "annotations")
    return {
        "Hostname": config.get("hostname", ""),
        "User": f"{user.get('uid', 0)}:{user.get('gid', 0)}",
        "Tty": bool(process.get("terminal", False)),
        "OpenStdin": notes.get(f"{NOTE}interactive") == "1",
        "Env": process.get("env", []),
        "Cmd": list(container.command),
        "Image": container.image,
        "WorkingDir": process.get("cwd", ""),
        "Labels": {
            key.removeprefix(LABEL): value for key, value in notes.items() if _is_label(key)
        },
        "StopSignal": _stop_signal(notes),
        "StopTimeout": notes.get(f"{NOTE}stop-timeout", ""),
        **_healthcheck(notes),
    }


def _stop_signal(notes: dict[str, Any]) -> str:
    """By name; "" where none was asked for."""
    text = str(notes.get(f"{NOTE}stop-signal", ""))
    return signal_name(int(text)) if text.isdigit() else text


def _healthcheck(notes: dict[str, Any]) -> dict[str, Any]:
    numbers = {
        "Interval": "interval-ns",
        "Timeout": "timeout-ns",
        "StartPeriod": "start-period-ns",
        "StartInterval": "start-interval-ns",
        "Retries": "retries",
    }
    try:
        test = json.loads(notes[f"{NOTE}health.test"])
    except (KeyError, TypeError, ValueError):
        return {}
    given = {key: str(notes.get(f"{NOTE}health.{name}")) for key, name in numbers.items()}
    found = {key: int(value) for key, value in given.items() if value.isdigit()}
    return {"Healthcheck": {"Test": test, **found}}


def _object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _is_label(key: str) -> bool:
    return key.startswith(LABEL)


def _time(unix_ns: int) -> str:
    """RFC 3339 with nanoseconds; 0 is Go's zero time, as docker shows it."""
    if unix_ns == 0:
        return "0001-01-01T00:00:00Z"
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{rest:09d}".rstrip("0").rstrip(".") + "Z"
