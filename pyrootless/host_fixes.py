"""The commands that mend what `doctor` finds, by distribution.

What comes in: a distribution family and what is missing.
What goes out: a command line for an administrator (or the user), or "".
Must never: run anything.
"""

from __future__ import annotations

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


def delegation() -> str:
    """Let the systemd user manager hand every controller to its units."""
    return (
        "sudo mkdir -p /etc/systemd/system/user@.service.d && "
        "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | "
        "sudo tee /etc/systemd/system/user@.service.d/delegate.conf && "
        "sudo systemctl daemon-reload"
    )
