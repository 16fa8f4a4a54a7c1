"""What this user and kernel permit: the entries of `pyrootless doctor`.

What comes in: a `Host` (facts.py) and the names asked for.
What goes out: a list of `Entry`, in the order of CHECKS.
Must never: judge by the kernel's version where a trial can answer, change the machine.

CHECKS is the one list of names; the remedies of csrc/base/remedy.c point into it, and
docs/doctor.md has a section for each.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping

from pyrootless.errors import UsageError
from pyrootless.host import kernel, user
from pyrootless.host.facts import Entry, Host, Need, State, this_host

__all__ = ["CHECKS", "Entry", "Host", "Need", "State", "examine", "is_fit", "this_host"]

CHECKS: Mapping[str, Callable[[Host], Entry]] = {
    "user-namespaces": kernel.check_user_namespaces,
    "namespaces": kernel.check_namespaces,
    "apparmor": kernel.check_apparmor,
    "overlay": kernel.check_overlay,
    "proc": kernel.check_proc,
    "seccomp": kernel.check_seccomp,
    "fake-root": kernel.check_fake_root,
    "landlock": kernel.check_landlock,
    "kernel": kernel.check_kernel,
    "runtime-directory": user.check_runtime_directory,
    "store": user.check_store,
    "setuid": user.check_setuid,
    "tty": kernel.check_tty,
    "subordinate-ids": user.check_subordinate_ids,
    "newuidmap": user.check_newuidmap,
    "fuse": user.check_fuse,
    "cgroup": user.check_cgroup,
    "network-helpers": user.check_network_helpers,
    "tun": user.check_tun,
    "perf": kernel.check_perf,
}


def examine(host: Host, names: Iterable[str] = ()) -> list[Entry]:
    """The entries asked for, all when none is named, always in the order of CHECKS.

    Raises:
        UsageError: A name that is not in CHECKS.
    """
    wanted = set(names)
    for name in sorted(wanted - set(CHECKS)):
        near = difflib.get_close_matches(name, CHECKS, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else f"; there are: {', '.join(CHECKS)}"
        raise UsageError(f'doctor has no entry "{name}"{hint}')
    return [check(host) for name, check in CHECKS.items() if not wanted or name in wanted]


def is_fit(entries: Iterable[Entry]) -> bool:
    """True when nothing that is needed now is missing; weaker and untried things may be."""
    return not any(entry.needed == "now" and entry.state == "missing" for entry in entries)
