"""The commands that mend what `doctor` finds, by distribution.

What comes in: a distribution family and what is missing.
What goes out: a command line for an administrator (or the user), or "".
Must never: run anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_INSTALL = {
    "debian": "sudo apt-get install {}",
    "ubuntu": "sudo apt-get install {}",
    "fedora": "sudo dnf install {}",
    "arch": "sudo pacman -S {}",
    "alpine": "sudo apk add {}",
    "suse": "sudo zypper install {}",
}

_PACKAGES = {
    "newuidmap": {"debian": "uidmap", "ubuntu": "uidmap", "fedora": "shadow-utils",
                  "arch": "shadow", "alpine": "shadow-subids", "suse": "shadow"},
    "fuse-overlayfs": {},
    "fusermount3": {"debian": "fuse3", "ubuntu": "fuse3", "fedora": "fuse3", "arch": "fuse3",
                    "alpine": "fuse3", "suse": "fuse3"},
    "pasta": {"debian": "passt", "ubuntu": "passt", "fedora": "passt", "arch": "passt",
              "alpine": "passt", "suse": "passt"},
}  # fmt: skip
"""Program → package, where the name differs from the program's."""

LAUNCHER_GROUP = "pyrootless-launcher"
"""The group of version 2 that launchers stand in, so that the one above is free for
containers' (csrc/limits/files.h)."""

APPARMOR_PROFILE_PATH = "/etc/apparmor.d/pyrootless"


def install(distribution: str, *programs: str) -> str:
    """The command that installs these programs; "" when the distribution is not known."""
    if distribution not in _INSTALL:
        return ""
    names = [_PACKAGES.get(name, {}).get(distribution, name) for name in programs]
    return _INSTALL[distribution].format(" ".join(dict.fromkeys(names)))


def sysctl(name: str, value: int | str) -> str:
    """Set a sysctl now and after the next boot."""
    return (
        f"sudo sysctl -w {name}={value} && "
        f"echo {name}={value} | sudo tee /etc/sysctl.d/90-pyrootless.conf"
    )


def apparmor(launcher: str) -> str:
    """Install and load the profile that allows this launcher user namespaces."""
    return (
        f"sudo tee {APPARMOR_PROFILE_PATH} <<'EOF' && "
        f"sudo apparmor_parser -r {APPARMOR_PROFILE_PATH}\n{apparmor_profile(launcher)}EOF"
    )


def apparmor_profile(launcher: str) -> str:
    """An AppArmor profile (4.0 abi) for one executable: unconfined, with `userns` allowed."""
    return (
        "abi <abi/4.0>,\n"
        "include <tunables/global>\n"
        "\n"
        f'profile pyrootless "{launcher}" flags=(unconfined) {{\n'
        "  userns,\n"
        "  include if exists <local/pyrootless>\n"
        "}\n"
    )


def subordinate_ids(login: str, first: int) -> str:
    """Give a user one range of 65536 ids that starts at `first`."""
    ids = f"{first}-{first + 65535}"
    return f"sudo usermod --add-subuids {ids} --add-subgids {ids} {login}"


def delegation(login: str, uid: int, *, manager: bool) -> str:
    """Let the systemd user manager hand every controller to its units.

    Args:
        login: The user.
        uid: Its number.
        manager: Whether its manager runs now, where this user's programs find it.
    """
    delegate = (
        "sudo mkdir -p /etc/systemd/system/user@.service.d && "
        "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | "
        "sudo tee /etc/systemd/system/user@.service.d/delegate.conf && "
        "sudo systemctl daemon-reload"
    )
    if manager:
        return f"{delegate}\n# then log out everywhere and in again: the manager starts again"
    linger = f"sudo loginctl enable-linger {login}"
    return f"{delegate}\n{linger}\nexport XDG_RUNTIME_DIR=/run/user/{uid}"


def own_groups_v1(login: str, points: Mapping[str, str]) -> str:
    """A directory of the user's own below each controller of version 1, until the next boot.

    Args:
        login: The user.
        points: Controller → where its hierarchy is mounted.
    """
    places = {name: f"{point}/{login}" for name, point in points.items()}
    words = " ".join(dict.fromkeys(places.values()))
    lines = [f"sudo mkdir -p {words}"]
    if "cpuset" in points:  # a new one has no processors, and takes no process
        lines += [
            f"sudo cp {points['cpuset']}/cpuset.{kind} {places['cpuset']}/cpuset.{kind}"
            for kind in ("cpus", "mems")
        ]
    return "\n".join([*lines, f"sudo chown -R {login}: {words}"])


def own_group_v2(login: str, place: str, controllers: Sequence[str], *, root: bool) -> str:
    """A group of the user's own of version 2, which the calling shell moves into.

    Args:
        login: The user.
        place: The group above it.
        controllers: What is handed down.
        root: It is the machine's root group, which may have processes beside groups.
    """
    handed = " ".join(f"+{name}" for name in controllers)
    own, inner = f"{place}/{login}", f"{place}/{login}/{LAUNCHER_GROUP}"
    aside = (
        f"sudo sh -c 'mkdir -p {place}/rest; for p in $(cat {place}/cgroup.procs); do "
        f"echo $p > {place}/rest/cgroup.procs; done'"
    )
    lines = [
        f"echo '{handed}' | sudo tee {place}/cgroup.subtree_control",
        f"sudo mkdir -p {inner}",
        f"echo '{handed}' | sudo tee {own}/cgroup.subtree_control",
        f"sudo chown -R {login}: {own}",
        f"echo $$ | sudo tee {inner}/cgroup.procs   # in each shell that starts containers",
    ]
    return "\n".join(lines if root else [aside, *lines])
