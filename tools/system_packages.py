"""What a build from source needs of the system, and the one line that installs it.

In: a compiler's name, the host's /etc/os-release.  Out: the missing parts, and the command for
this distribution.  Never: installing anything, importing the package, printing.
"""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

INSTALL = {
    "apt": "apt-get install -y",
    "dnf": "dnf install -y",
    "apk": "apk add",
    "pacman": "pacman -S --needed",
    "zypper": "zypper install -y",
}

FAMILY = {
    "debian": "apt",
    "ubuntu": "apt",
    "fedora": "dnf",
    "rhel": "dnf",
    "centos": "dnf",
    "alpine": "apk",
    "arch": "pacman",
    "suse": "zypper",
    "opensuse": "zypper",
}


@dataclass(frozen=True)
class Part:
    """One thing a build needs.

    Attributes:
        name: what is missing, in words a person can search for.
        packages: package names by package manager (keys of `INSTALL`).
    """

    name: str
    packages: dict[str, str]


COMPILER = Part(
    "a C compiler (gcc)",
    {
        "apt": "gcc libc6-dev",
        "dnf": "gcc glibc-devel",
        "apk": "gcc musl-dev linux-headers",
        "pacman": "gcc",
        "zypper": "gcc glibc-devel",
    },
)
PYTHON = Part(
    "Python.h",
    {
        "apt": "python3-dev",
        "dnf": "python3-devel",
        "apk": "python3-dev",
        "pacman": "python",
        "zypper": "python3-devel",
    },
)
SECCOMP = Part(
    "seccomp.h (libseccomp)",
    {
        "apt": "libseccomp-dev",
        "dnf": "libseccomp-devel",
        "apk": "libseccomp-dev",
        "pacman": "libseccomp",
        "zypper": "libseccomp-devel",
    },
)
YYJSON = Part(
    "yyjson.h (yyjson)",
    {
        "apt": "libyyjson-dev",
        "dnf": "yyjson-devel",
        "apk": "yyjson-dev",
        "pacman": "yyjson",
        "zypper": "yyjson-devel",
    },
)


def package_manager(os_release: str) -> str | None:
    """The package manager a distribution uses.

    Args:
        os_release: text of /etc/os-release.

    Returns: a key of `INSTALL`; None when the distribution is not known.
    Source: os-release(5), "ID", "ID_LIKE".
    """
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    names = [fields.get("ID", ""), *fields.get("ID_LIKE", "").strip('"').split()]
    for name in names:
        family = FAMILY.get(name.strip('"').split("-")[0])
        if family:
            return family
    return None


def has_header(compiler: tuple[str, ...], header: str) -> bool:
    """Whether the compiler finds a header in its own search path."""
    done = subprocess.run(
        [*compiler, "-E", "-x", "c", "-o", "/dev/null", "-"],
        input=f"#include <{header}>\n".encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode == 0


def missing_parts(compiler: tuple[str, ...], *, has_yyjson: bool) -> list[Part]:
    """The parts a build needs and does not find here, in the order of the table above."""
    if shutil.which(compiler[0]) is None:
        return [COMPILER, PYTHON, SECCOMP, *([] if has_yyjson else [YYJSON])]
    include = Path(sysconfig.get_paths()["include"])
    found = {
        COMPILER.name: has_header(compiler, "stdio.h"),
        PYTHON.name: (include / "Python.h").exists(),
        SECCOMP.name: has_header(compiler, "seccomp.h"),
        YYJSON.name: has_yyjson or has_header(compiler, "yyjson.h"),
    }
    return [part for part in (COMPILER, PYTHON, SECCOMP, YYJSON) if not found[part.name]]


def explain_missing(parts: list[Part], os_release: str) -> str:
    """One sentence on what is missing, then the one line that installs it."""
    manager = package_manager(os_release)
    names = ", ".join(part.name for part in parts)
    head = f"pyrootless cannot be built here: missing {names}."
    if manager is None:
        return f"{head}\nInstall them with your distribution's package manager and try again."
    packages = " ".join(part.packages[manager] for part in parts)
    return f"{head}\nInstall what is missing with:\n\n    sudo {INSTALL[manager]} {packages}\n"
