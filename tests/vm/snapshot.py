"""A machine's saved state: booted once, so that every later start takes a second.

In: the image.  Out: a directory of the cache with the disk, the memory, and what they fit.
Never: a state that is used with another image, qemu or shape than it was made by.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from base import CACHE, Failure, checked, log
from control import Qmp
from image import require_image
from machine import (
    BOOT_SECONDS,
    STATE_CAPABILITIES,
    Machine,
    Shape,
    Start,
    disk_file,
    make_overlay,
)

SAVE_SECONDS = 300


def directory_of(shape: Shape) -> Path:
    """Where a shape's state lies."""
    return CACHE / "snapshots" / f"{shape.cpus}cpu-{shape.memory_mib}m"


def facts_of(shape: Shape) -> dict[str, str]:
    """What a saved state belongs to."""
    return {
        "recipe": require_image().recipe,
        "qemu": checked(["qemu-system-x86_64", "--version"]).splitlines()[0],
        "hardware": hashlib.sha256(repr(shape.words()).encode()).hexdigest()[:16],
    }


def find_snapshot(shape: Shape) -> Path | None:
    """The directory of a state that fits; None: there is none."""
    path = directory_of(shape)
    try:
        row: dict[str, Any] = json.loads((path / "meta.json").read_text())
    except FileNotFoundError:
        return None
    fits = all(row.get(name) == value for name, value in facts_of(shape).items())
    return path if fits else None


def make_snapshot(shape: Shape, *, force: bool) -> None:
    """Boot, warm up, save memory and disk."""
    label = f"{shape.cpus} CPUs, {shape.memory_mib} MiB"
    if find_snapshot(shape) and not force:
        log(f"snapshot {label} is up to date")
        return
    began = time.monotonic()
    path = directory_of(shape)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        make_overlay(CACHE / "base.raw", path / "disk.qcow2")
        booted = _save(shape, path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    seconds = round(time.monotonic() - began, 1)
    row = {**facts_of(shape), "boot_seconds": booted, "seconds": seconds}
    (path / "meta.json").write_text(json.dumps(row, indent=1) + "\n")
    log(f"snapshot {label} made in {seconds} s (the boot took {booted} s)")


def _save(shape: Shape, path: Path) -> float:
    """Boot a machine on the snapshot's disk and save it.  Returns the boot's seconds."""
    machine = Machine.start(shape, Start(path / "disk.qcow2"))
    try:
        machine.root("/usr/local/lib/vm/warm-up", limit=BOOT_SECONDS)
        qmp = Qmp(machine.rundir / "qmp", machine.alive)
        qmp("stop")
        qmp("migrate-set-capabilities", capabilities=STATE_CAPABILITIES)
        qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        qmp("migrate", uri=f"file:{path / 'state'}")
        qmp.wait_transfer(SAVE_SECONDS)
        with contextlib.suppress(Failure):  # it may end before it answers
            qmp("quit")
        assert machine.process is not None
        machine.process.wait(30)
        # What the boot wrote is in the machine's own file: it belongs to the snapshot.
        checked(["qemu-img", "commit", "-q", disk_file(machine.rundir)])
        return float(machine.info["boot_seconds"])
    finally:
        machine.stop()
