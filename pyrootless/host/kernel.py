"""Checks of what the kernel permits: namespaces, AppArmor, overlay, /proc, filters, terminals.

What comes in: a `Host`.  What goes out: one `Entry` a function.
Must never: try anything itself (the probe did), write, print.
"""

from __future__ import annotations

import re

from pyrootless.host import fixes
from pyrootless.host.facts import Entry, Host, State, Trial

NAMESPACE_KINDS = ("mount", "pid", "ipc", "uts", "cgroup", "network")
OUTER_FIX = (
    "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined …   # or: podman run --security-opt unmask=ALL …"
)
RESTRICTION = "kernel.apparmor_restrict_unprivileged_userns"


def check_user_namespaces(host: Host) -> Entry:
    """May this user create a user namespace and map itself into it?"""
    trial = host.probe.trial("user")
    name = "user-namespaces"
    if trial is not None and trial.ok:
        return Entry(name, "ok", "now", "This user can create user namespaces.")
    found, fix = _why_no_user_namespace(host, trial)
    state: State = "unknown" if trial is None else "missing"
    return Entry(name, state, "now", f"No container can start: {found}.", fix)


def _why_no_user_namespace(host: Host, trial: Trial | None) -> tuple[str, str]:
    """The causes that can be told apart, the most certain first: (what was found, fix)."""
    if host.integer("proc/sys/user/max_user_namespaces") == 0:
        return (
            "user.max_user_namespaces is 0",
            fixes.sysctl("user.max_user_namespaces", 28633),
        )
    if host.uid != 0 and host.integer("proc/sys/kernel/unprivileged_userns_clone") == 0:
        return (
            "kernel.unprivileged_userns_clone is 0",
            fixes.sysctl("kernel.unprivileged_userns_clone", 1),
        )
    if _apparmor_restricts(host):
        return f"{RESTRICTION} is 1", fixes.sysctl(RESTRICTION, 0)
    if _outer_container(host):
        return "an outer container refuses user namespaces to what runs in it", OUTER_FIX
    if profile := _confinement(host):
        return f"this program runs under the AppArmor profile {profile}", _profile_fix(profile)
    reason = "it could not be tried" if trial is None else f"the kernel answered {trial}"
    return reason, "unshare --user --map-root-user true   # the same without this program"


def check_namespaces(host: Host) -> Entry:
    """The other kinds of namespace, each created inside a fresh user namespace."""
    trials = {kind: host.probe.trial(f"namespace {kind}") for kind in NAMESPACE_KINDS}
    refused = [f"{kind} ({trial})" for kind, trial in trials.items() if trial and not trial.ok]
    if _no_user_namespace(host) or None in trials.values():
        return _untried("namespaces")
    if not refused:
        kinds = ", ".join(NAMESPACE_KINDS)
        return Entry("namespaces", "ok", "now", f"Created for a test: {kinds}.")
    return Entry(
        "namespaces",
        "missing",
        "now",
        f"No container can start: refused are {'; '.join(refused)}.",
        "sysctl user | grep max_   # a limit of 0 refuses; else the kernel was built without",
    )


def check_apparmor(host: Host) -> Entry:
    """Ubuntu's rule since 23.10: the namespace is created, but without its powers."""
    if host.read("sys/module/apparmor/parameters/enabled") != "Y":
        return Entry("apparmor", "ok", "now", "AppArmor is not active on this machine.")
    powers = host.probe.trial("powers")
    if powers is not None and powers.ok:
        return Entry("apparmor", "ok", "now", "AppArmor lets this user's namespaces work.")
    profile = _confinement(host)
    if profile and not _apparmor_restricts(host):
        found = f"this program runs under the AppArmor profile {profile}"
        fix = _profile_fix(profile)
        return Entry("apparmor", "missing", "now", f"No container can start: {found}.", fix)
    if not _apparmor_restricts(host):
        return Entry("apparmor", "ok", "now", "AppArmor does not restrict user namespaces.")
    launcher = str(host.launcher or "/usr/local/bin/pyrootless")
    return Entry(
        "apparmor",
        "missing",
        "now",
        f"No container can start: {RESTRICTION} is 1, and there is no profile for {launcher}.",
        f"{fixes.apparmor(launcher)}\n# or for every program:\n{fixes.sysctl(RESTRICTION, 0)}",
    )


def check_overlay(host: Host) -> Entry:
    """Overlay mounts in a user namespace, with the upper in memory and in the store."""
    memory = host.probe.trial("overlay tmpfs")
    store = host.probe.trial("overlay store")
    if _powerless(host) or memory is None:
        return _untried("overlay")
    if not memory.ok:
        loaded = re.search(r"\boverlay$", host.read("proc/filesystems") or "", re.MULTILINE)
        return Entry(
            "overlay",
            "missing",
            "now",
            f"Images cannot be mounted, only --rootfs DIR works: {memory}.",
            ""
            if loaded
            else "sudo modprobe overlay && echo overlay | "
            "sudo tee /etc/modules-load.d/overlay.conf",
        )
    if store is not None and not store.ok:
        return Entry(
            "overlay",
            "weaker",
            "now",
            f"The store's file system takes no overlay ({store}): containers write to "
            "a scratch directory.",
            "export PYROOTLESS_ROOT=/var/tmp/$USER/pyrootless   # a local disk",
        )
    return Entry("overlay", "ok", "now", "The kernel mounts overlays for this user.")


def check_proc(host: Host) -> Entry:
    """A new /proc needs one that is not partly hidden; the same holds for /sys."""
    proc, sysfs = host.probe.trial("proc"), host.probe.trial("sysfs")
    if _powerless(host) or proc is None:
        return _untried("proc")
    if proc.ok and (sysfs is None or sysfs.ok):
        return Entry("proc", "ok", "now", "A container gets a /proc and a /sys of its own.")
    hidden = [mount.point for mount in host.mounts if mount.point.startswith("/proc/")]
    why = (
        f"{', '.join(hidden[:3])} is mounted over" if hidden else f"the kernel answered {proc}"
    )
    if proc.ok:
        return Entry("proc", "missing", "now", f"/sys cannot be mounted: {sysfs}.", OUTER_FIX)
    return Entry("proc", "missing", "now", f"A new /proc cannot be mounted: {why}.", OUTER_FIX)


def check_seccomp(host: Host) -> Entry:
    """Filters of system calls, and the verdicts the default profile uses."""
    trial = host.probe.trial("seccomp")
    if trial is None:
        return _untried("seccomp")
    if not trial.ok:
        return Entry(
            "seccomp",
            "missing",
            "now",
            f"The filter cannot be installed: {trial}; a container needs "
            "--security-opt seccomp=unconfined.",
            "grep SECCOMP_FILTER /boot/config-$(uname -r)   # the kernel must have it built in",
        )
    actions = (host.read("proc/sys/kernel/seccomp/actions_avail") or "").split()
    if actions and "kill_process" not in actions:
        return Entry(
            "seccomp", "weaker", "now", "Refused foreign calls end one thread, not the program."
        )
    return Entry("seccomp", "ok", "now", "Filters can be installed.")


def check_fake_root(host: Host) -> Entry:
    """Can a filter hand a call to a supervisor?  Source: seccomp(2), Linux 5.0 and 5.5."""
    actions = (host.read("proc/sys/kernel/seccomp/actions_avail") or "").split()
    if "user_notif" in actions:
        return Entry("fake-root", "ok", "now", "Claimed owners and users can be remembered.")
    return Entry(
        "fake-root",
        "weaker",
        "now",
        "With one id, changes of owner and user fail in containers: the kernel hands no system "
        "calls to a supervisor.",
        "pyrootless run --fake-root=silent …   # they succeed, and nothing is remembered",
    )


def check_landlock(host: Host) -> Entry:
    """The second fence around the engine's files and the host's abstract sockets."""
    abi = host.probe.landlock_abi()
    if abi >= 6:
        return Entry("landlock", "ok", "now", f"Landlock is there, ABI {abi}.")
    if abi > 0:
        return Entry(
            "landlock",
            "ok",
            "now",
            f"Landlock is there, ABI {abi}; signals and sockets are fenced from ABI 6.",
        )
    modules = host.read("sys/kernel/security/lsm")
    fix = (
        f"add lsm=landlock,{modules} to the kernel's command line"
        if modules and "landlock" not in modules.split(",")
        else ""
    )
    return Entry(
        "landlock", "weaker", "now", "No second fence: only namespaces and filter confine.", fix
    )


def check_kernel(host: Host) -> Entry:
    """The release, and the oldest one that is tried."""
    release = host.read("proc/sys/kernel/osrelease")
    match = re.match(r"(\d+)\.(\d+)", release or "")
    if match is None:
        return Entry("kernel", "unknown", "now", "The kernel's release cannot be read.")
    if (int(match[1]), int(match[2])) < (5, 11):
        return Entry(
            "kernel",
            "weaker",
            "now",
            f"Linux {release} is older than 5.11, the first with overlay mounts for users.",
        )
    return Entry("kernel", "ok", "now", f"Linux {release}.")


def check_tty(host: Host) -> Entry:
    """Terminals: whether the kernel still lets a program type into one, and free ones."""
    used, limit = (
        host.integer("proc/sys/kernel/pty/nr"),
        host.integer("proc/sys/kernel/pty/max"),
    )
    if used is not None and limit is not None and used >= limit:
        return Entry(
            "tty",
            "missing",
            "now",
            f"-t cannot work: all {limit} pseudo-terminals are in use.",
            fixes.sysctl("kernel.pty.max", 2 * limit),
        )
    if host.integer("proc/sys/dev/tty/legacy_tiocsti") == 0:
        return Entry("tty", "ok", "now", "The kernel refuses input pushed into terminals.")
    return Entry(
        "tty",
        "ok",
        "now",
        "The kernel lets programs push input into their terminal (TIOCSTI); containers may "
        "not, by their filter and their own terminal.",
    )


def check_perf(host: Host) -> Entry:
    """The performance counters that can count a whole tree's CPU time."""
    level = host.integer("proc/sys/kernel/perf_event_paranoid")
    if level is None:
        return Entry("perf", "missing", "later", "The kernel has no performance counters.")
    if level <= 2:
        return Entry("perf", "ok", "later", f"perf_event_paranoid is {level}.")
    return Entry(
        "perf",
        "weaker",
        "later",
        f"perf_event_paranoid is {level}: CPU time of a whole tree needs another way.",
        fixes.sysctl("kernel.perf_event_paranoid", 2),
    )


def _apparmor_restricts(host: Host) -> bool:
    return host.uid != 0 and host.integer(f"proc/sys/{RESTRICTION.replace('.', '/')}") == 1


def _confinement(host: Host) -> str:
    """The AppArmor profile this program is held to ("NAME (enforce)"); "": none."""
    if host.read("sys/module/apparmor/parameters/enabled") != "Y":
        return ""
    profile, _, mode = (host.read("proc/self/attr/current") or "").partition(" ")
    return profile if mode == "(enforce)" else ""


def _profile_fix(profile: str) -> str:
    return (
        f"grep -rl 'profile {profile}' /etc/apparmor.d   # add to it: userns, capability,\n"
        f"sudo apparmor_parser -r /etc/apparmor.d/…   # or: sudo aa-complain {profile}"
    )


def _outer_container(host: Host) -> bool:
    marks = (".dockerenv", "run/.containerenv")
    if any(host.mode(mark) is not None for mark in marks):
        return True
    return (
        re.search(r"^Seccomp:\s*2", host.read("proc/self/status") or "", re.MULTILINE)
        is not None
    )


def _no_user_namespace(host: Host) -> bool:
    trial = host.probe.trial("user")
    return trial is None or not trial.ok


def _powerless(host: Host) -> bool:
    """Trials inside a user namespace say nothing when it cannot be had or has no powers."""
    powers = host.probe.trial("powers")
    return _no_user_namespace(host) or powers is None or not powers.ok


def _untried(name: str) -> Entry:
    return Entry(
        name,
        "unknown",
        "now",
        "Could not be tried without a working user namespace.",
        "pyrootless doctor user-namespaces apparmor",
    )
