"""Platforms: which machine an image is for, and which of several fits this one best.

What comes in: the words of an index, of `--platform`, of this machine (uname, /proc/cpuinfo).
What goes out: `Platform` values and their order of preference.
Must never: guess a machine's variant; without facts the least variant is taken.

Words are Go's (GOOS, GOARCH), as the OCI image specification demands ("Image Index", platform).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pyrootless.errors import UsageError

_ALIASES = {
    "x86_64": ("amd64", ""), "x86-64": ("amd64", ""), "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"), "armel": ("arm", "v6"), "armv8l": ("arm", "v8"),
    "armv7l": ("arm", "v7"), "armv6l": ("arm", "v6"), "armv5tel": ("arm", "v5"),
    "i386": ("386", ""), "i486": ("386", ""), "i586": ("386", ""), "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}  # fmt: skip
"""What machines and people call architectures → Go's word and variant."""

_DEFAULT_VARIANTS = {"arm": "v7", "arm64": "v8", "amd64": "v1"}
"""Variant that is meant when none is written."""

_LEVELS = (
    ("v2", {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    ("v3", {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}),
    ("v4", {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}),
)
"""amd64 variant → what /proc/cpuinfo must name beside the level below (x86-64 psABI, 3.1.1)."""

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system, architecture and variant, in Go's words.

    Attributes:
        os: "linux".
        architecture: "amd64", "arm64", "arm", …
        variant: "v7", …; "" for the one that is usual.
    """

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        parts = (self.os, self.architecture, self.variant)
        return "/".join(part for part in parts if part)


def parse_platform(text: str) -> Platform:
    """The platform meant by "linux/arm64/v8", "linux/amd64", "arm64" or "aarch64".

    Raises:
        UsageError: It has no such form.
    """
    parts = text.split("/")
    if not 1 <= len(parts) <= 3 or not all(_WORD.fullmatch(part) for part in parts):
        raise UsageError(
            f'"{text[:96]}" is not a platform; write OS/ARCHITECTURE[/VARIANT], as in '
            "linux/arm64 or linux/arm/v7"
        )
    if len(parts) == 1:
        parts.insert(0, "linux")
    return normalize(Platform(parts[0], parts[1], parts[2] if len(parts) > 2 else ""))


def normalize(platform: Platform) -> Platform:
    """The same platform in one spelling: Go's words, "" for the usual variant."""
    architecture = platform.architecture.lower()
    architecture, implied = _ALIASES.get(architecture, (architecture, ""))
    variant = platform.variant.lower() or implied
    if variant.isdigit():
        variant = f"v{variant}"
    if variant == _DEFAULT_VARIANTS.get(architecture):
        variant = ""
    return Platform(platform.os.lower(), architecture, variant)


def host_platform(
    machine: str | None = None, cpu_flags: frozenset[str] | None = None
) -> Platform:
    """This machine's own platform, with the best variant it can run.

    Args:
        machine: As `uname -m` says; None: ask.
        cpu_flags: Words of /proc/cpuinfo; None: read them where they decide.
    """
    found = normalize(Platform("linux", os.uname().machine if machine is None else machine))
    if found.architecture != "amd64":
        return found
    flags = _read_cpu_flags() if cpu_flags is None else cpu_flags
    variant = ""
    for level, needed in _LEVELS:
        if not needed <= flags:
            break
        variant = level
    return Platform("linux", "amd64", variant)


def runnable(platform: Platform) -> list[Platform]:
    """Every platform that runs on this one, the best first; all normalized.

    An older variant runs on a newer one; a 64-bit x86 or ARM machine runs its 32-bit programs.
    Source: containerd, platforms.Only, whose order this is.
    """
    best = normalize(platform)
    found = [Platform(best.os, best.architecture, name) for name in _variants(best)]
    if best.architecture == "amd64":
        found.append(Platform(best.os, "386"))
    if best.architecture == "arm64":
        found += runnable(Platform(best.os, "arm", "v8"))
    return [normalize(item) for item in found]


def _variants(best: Platform) -> list[str]:
    """Variants from this one down to the first; itself alone where they have no order."""
    usual = _DEFAULT_VARIANTS.get(best.architecture, "")
    least = 5 if best.architecture == "arm" else 8 if best.architecture == "arm64" else 1
    number = (best.variant or usual).removeprefix("v")
    if not usual or not number.isdecimal() or len(number) > 2 or int(number) < least:
        return [best.variant]
    return [f"v{level}" for level in range(int(number), least - 1, -1)]


def _read_cpu_flags() -> frozenset[str]:
    """Flags of the first processor; none where they cannot be read."""
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as stream:
            for line in stream:
                name, _, words = line.partition(":")
                if name.strip() == "flags":
                    return frozenset(words.split())
    except OSError:
        pass
    return frozenset()
