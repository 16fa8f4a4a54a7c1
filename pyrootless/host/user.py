"""Checks of what this user has: directories, ids, helpers, devices, delegated limits.

What comes in: a `Host`.  What goes out: one `Entry` a function.
Must never: create or change anything, print.
"""

from __future__ import annotations

import stat
from pathlib import Path

from pyrootless import units
from pyrootless.host import fixes, network
from pyrootless.host.facts import Entry, Host

NETWORK_FILE_SYSTEMS = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "afs",
    "9p", "glusterfs", "orangefs", "panfs", "wekafs", "vboxsf",
})  # fmt: skip
LOW_SPACE_BYTES = 256 * 1024 * 1024
WANTED_IDS = 65536
CONTROLLERS = ("cpu", "memory", "pids")
ALL_IDS = [(0, 2**32 - 1)]
OUTER_IDS_FIX = "podman run --userns=keep-id:size=65536 …   # give the outer container more ids"
OUTER_GROUPS_FIX = "docker run --privileged …   # the outer container: its groups are read-only"
MOUNT_GROUPS_FIX = "sudo mount -t cgroup2 none /sys/fs/cgroup && pyrootless doctor cgroup"
LOCAL_STORE_FIX = "export PYROOTLESS_ROOT=/var/tmp/$USER/pyrootless   # a local disk"


def check_runtime_directory(host: Host) -> Entry:
    """Where the locks of running containers lie."""
    name = "runtime-directory"
    wanted = host.environ.get("XDG_RUNTIME_DIR", "")
    runtime = host.directories.runtime
    if not host.private(str(runtime)):
        text = (
            f"No container can start: {runtime} is not a directory of this user's only "
            "(mode 0700): another user could name processes to be ended."
        )
        return Entry(name, "missing", "now", text, f"sudo rm -r {runtime}")
    if wanted and runtime == Path(wanted) / "pyrootless":
        return Entry(name, "ok", "now", f"{runtime} is used.")
    found = (
        f"XDG_RUNTIME_DIR ({wanted}) is not usable" if wanted else "XDG_RUNTIME_DIR is unset"
    )
    return Entry(
        name,
        "ok",
        "now",
        f"{found}; {runtime} is used instead, which needs no login session.",
    )


def check_store(host: Host) -> Entry:
    """The file system under images and containers."""
    data = host.directories.data
    existing = _existing(host, data)
    mount = host.mount_of(existing)
    if mount is not None and "ro" in mount.options:
        return _store_entry("missing", f"{data} lies on a read-only file system.")
    if not host.writable(str(existing)):
        return _store_entry("missing", f"{data} cannot be written by this user.")
    if mount is not None and (mount.kind in NETWORK_FILE_SYSTEMS or mount.kind[:5] == "fuse."):
        text = (
            f"{data} lies on {mount.kind}: starts are slower, and containers write to "
            f"{_scratch(host)} instead (PYROOTLESS_SCRATCH=DIR names another)."
        )
        return _store_entry("weaker", text)
    free = host.probe.free_bytes(host.root / str(existing).lstrip("/"))
    if free is not None and free < LOW_SPACE_BYTES:
        text = f"{data} has {units.format_size(free)} free."
        return Entry("store", "weaker", "now", text, "pyrootless ps -a; pyrootless rm NAME")
    xattr = host.probe.trial("xattr store")
    if xattr is not None and not xattr.ok:
        text = f"{data} takes no user.* attributes ({xattr}): with one id (--userns=single) "
        return _store_entry("weaker", text + "all files of images are shown as root's.")
    kind = f" ({mount.kind})" if mount is not None else ""
    room = f", {units.format_size(free)} free" if free is not None else ""
    return Entry("store", "ok", "now", f"{data}{kind}{room}.")


def _scratch(host: Host) -> str:
    """Where uppers go that the store cannot take (csrc/container/state/scratch.c)."""
    given = host.environ.get("PYROOTLESS_SCRATCH", "")
    return given if given.startswith("/") else f"/var/tmp/pyrootless-{host.uid}"


def _store_entry(state: str, text: str) -> Entry:
    return Entry(
        "store", "missing" if state == "missing" else "weaker", "now", text, LOCAL_STORE_FIX
    )


def check_setuid(host: Host) -> Entry:
    """The launcher must have no privilege to give away."""
    if host.launcher is None:
        return Entry(
            "setuid",
            "missing",
            "now",
            "The native launcher `pyrootless` is not installed beside the interpreter.",
            "python3 -m pip install --force-reinstall pyrootless",
        )
    mode = host.mode(str(host.launcher)) or 0
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return Entry(
            "setuid",
            "missing",
            "now",
            f"{host.launcher} is setuid or setgid and refuses to run.",
            f"sudo chmod u-s,g-s {host.launcher}",
        )
    if host.probe.file_capabilities(host.root / str(host.launcher).lstrip("/")):
        return Entry(
            "setuid",
            "missing",
            "now",
            f"{host.launcher} carries file capabilities and refuses to run.",
            f"sudo setcap -r {host.launcher}",
        )
    return Entry("setuid", "ok", "now", f"{host.launcher} has no privilege of its own.")


def check_subordinate_ids(host: Host) -> Entry:
    """Ranges for images with many users; one id is enough for everything else."""
    counts = {kind: _subordinate_count(host, kind) for kind in ("uid", "gid")}
    name = "subordinate-ids"
    if min(counts.values()) >= WANTED_IDS:
        return Entry(name, "ok", "now", f"{min(counts.values())} subordinate ids.")
    if _is_nested(host):
        text = "An outer container maps too few ids for its programs: containers have one id."
        return Entry(name, "weaker", "now", text, OUTER_IDS_FIX)
    lacking = " and ".join(kind for kind, count in counts.items() if count < WANTED_IDS)
    if host.login is None:
        text = f"uid {host.uid} has no login name, so no subordinate ids: containers have one."
        return Entry(name, "weaker", "now", text)
    return Entry(
        name,
        "weaker",
        "now",
        f"{host.login} has fewer than {WANTED_IDS} subordinate ids ({lacking}): containers "
        "have one id. A volume that was filled with one id needs chown inside once there are "
        "many, and the other way round.",
        fixes.subordinate_ids(host.login, _first_free_id(host)),
    )


def check_newuidmap(host: Host) -> Entry:
    """The distribution's helpers that write a map of many ids."""
    entry_name, broken = "newuidmap", []
    for name in ("newuidmap", "newgidmap"):
        path = host.program(name)
        if path is None:
            return Entry(
                entry_name,
                "weaker",
                "now",
                f"{name} is not installed: containers have one id.",
                fixes.install(host.distribution, "newuidmap"),
            )
        place = f"/{path.relative_to(host.root)}"
        mount = host.mount_of(Path(place))
        privileged = (host.mode(place) or 0) & stat.S_ISUID or host.probe.file_capabilities(
            path
        )
        if not privileged:
            broken.append(f"sudo chmod u+s {place}")
        elif mount is not None and "nosuid" in mount.options:
            text = f"{place} lies on a nosuid mount and cannot work: containers have one id."
            return Entry(entry_name, "weaker", "now", text)
    if broken:
        text = "newuidmap or newgidmap lacks its privilege: containers have one id."
        return Entry(entry_name, "weaker", "now", text, " && ".join(broken))
    return Entry(entry_name, "ok", "now", "newuidmap and newgidmap are there and privileged.")


def check_fuse(host: Host) -> Entry:
    """The way out where the kernel refuses overlay mounts."""
    lacking = [name for name in ("fusermount3", "fuse-overlayfs") if host.program(name) is None]
    if host.mode("dev/fuse") is None:
        text = "There is no /dev/fuse: no fall-back where the kernel refuses overlay mounts."
        return Entry("fuse", "missing", "later", text, "sudo modprobe fuse")
    if not host.writable("dev/fuse"):
        text = "/dev/fuse cannot be opened by this user."
        return Entry("fuse", "missing", "later", text, "sudo chmod 0666 /dev/fuse")
    if lacking:
        text = f"Not installed: {', '.join(lacking)}."
        return Entry(
            "fuse", "missing", "later", text, fixes.install(host.distribution, *lacking)
        )
    return Entry("fuse", "ok", "later", "fuse-overlayfs can be used.")


def check_cgroup(host: Host) -> Entry:
    """Which controllers this user may set limits with."""
    version, delegated = _delegated_controllers(host)
    if version == "none":
        text = "No cgroup file system is mounted."
        return Entry("cgroup", "missing", "later", text, MOUNT_GROUPS_FIX)
    lacking = [name for name in CONTROLLERS if name not in delegated]
    if not lacking:
        names = ", ".join(sorted(name for name in delegated if "=" not in name))
        return Entry("cgroup", "ok", "later", f"cgroup {version}, delegated: {names}.")
    manager = _has_manager(host)
    asked = "nor to systemd's user manager" if manager else "no systemd user manager"
    return Entry(
        "cgroup",
        "weaker",
        "later",
        f"cgroup {version}, not delegated: {', '.join(lacking)} ({asked}); limits stand on "
        "weaker ground.",
        _cgroup_fix(host, lacking, delegated),
    )


def _cgroup_fix(host: Host, lacking: list[str], delegated: set[str]) -> str:
    """How to get the controllers where they are: version 1, systemd, or version 2 alone."""
    login = host.login or str(host.uid)
    points = {
        name: mount.point
        for mount in host.mounts
        for name in (*CONTROLLERS, "cpuset", "cpuacct", "blkio")
        if mount.kind == "cgroup" and name in mount.super_options.split(",")
    }
    if set(lacking) & set(points):
        wanted = {name: point for name, point in points.items() if name not in delegated}
        return fixes.own_groups_v1(login, wanted)
    manager = _has_manager(host)
    if manager or host.mode("run/systemd/system") is not None:
        return fixes.delegation(login, host.uid, manager=manager)
    trees = [mount for mount in host.mounts if mount.kind == "cgroup2"]
    top = trees[0] if trees else None
    if top is None or "ro" in top.options:
        return OUTER_GROUPS_FIX
    there = (host.read(f"{top.point}/cgroup.controllers") or "").split()
    handed = [name for name in ("cpu", "cpuset", "io", "memory", "pids") if name in there]
    real = host.mode(f"{top.point}/cgroup.type") is None
    return fixes.own_group_v2(login, top.point, handed, root=real) if handed else ""


def check_network_helpers(host: Host) -> Entry:
    """User-mode networking for containers that reach out, and what was measured of it."""
    name = "network-helpers"
    fix = fixes.install(host.distribution, "pasta")
    there = [helper for helper in network.HELPERS if host.program(helper) is not None]
    if not there:
        text = "Neither pasta nor slirp4netns: networks are none or host."
        return Entry(name, "missing", "later", text, fix)
    facts = network.read_facts(host.root / str(host.directories.cache).lstrip("/"))
    if facts is not None and set(facts.helpers) == set(there) and facts.reason:
        text = f"No network helper works here: {facts.reason}."
        return Entry(name, "missing", "later", text, fix if "pasta" not in there else "")
    known = _known_helpers(facts, there)
    if "pasta" not in there:
        text = f"Only slirp4netns is there: no published IPv6 ports. {known}"
        return Entry(name, "weaker", "later", text, fix)
    return Entry(name, "ok", "later", known)


def _known_helpers(facts: network.Facts | None, there: list[str]) -> str:
    """Which helpers there are, how fast they were, which one `auto` takes."""
    if facts is None or set(facts.helpers) != set(there) or not facts.chosen:
        return f"{' and '.join(there)}; the first --network auto measures which is the faster."
    phrases = [network.describe_helper(name, facts.helpers[name]) for name in there]
    return f"{', '.join(phrases)}; --network auto takes {facts.chosen}."


def check_tun(host: Host) -> Entry:
    """The device the network helpers need."""
    if host.mode("dev/net/tun") is None:
        text = "There is no /dev/net/tun: networks are none or host."
        return Entry("tun", "missing", "later", text, "sudo modprobe tun")
    if not host.writable("dev/net/tun"):
        text = "/dev/net/tun cannot be opened by this user."
        return Entry("tun", "missing", "later", text, "sudo chmod 0666 /dev/net/tun")
    return Entry("tun", "ok", "later", "/dev/net/tun can be opened.")


def _existing(host: Host, path: Path) -> Path:
    """The path, or its nearest ancestor that exists."""
    while host.mode(str(path)) is None and path != path.parent:
        path = path.parent
    return path


def _subordinate_count(host: Host, kind: str) -> int:
    """How many ids this user may map: those granted that its own namespace has.

    Root inside a user namespace needs no grant: it has what the namespace has.
    """
    space = _namespace_ids(host, kind)
    granted = _granted_ids(host, kind)
    if not granted and host.uid == 0 and space != ALL_IDS:
        return sum(count for _, count in space)
    overlaps = (
        min(first + count, low + size) - max(first, low)
        for first, count in granted
        for low, size in space
    )
    return sum(overlap for overlap in overlaps if overlap > 0)


def _granted_ids(host: Host, kind: str) -> list[tuple[int, int]]:
    """First id and count of each range, from the file and, failing that, from `getsubids`."""
    own = {host.login, str(host.uid)}
    rows = [row[1:] for row in _subordinate_rows(host, kind) if row[0] in own and row[2]]
    if rows or host.login is None:
        return rows
    answer = host.probe.subordinate_ids(host.login, kind) or ""
    lines = [line.split() for line in answer.splitlines()]
    return [(_number(line[-2]), _number(line[-1])) for line in lines if len(line) > 1]


def _namespace_ids(host: Host, kind: str) -> list[tuple[int, int]]:
    """The ids that exist where we are: lines "INSIDE OUTSIDE COUNT" of the kernel's map."""
    text = host.read(f"proc/self/{kind}_map") or ""
    rows = [line.split() for line in text.splitlines()]
    return [(_number(row[0]), _number(row[2])) for row in rows if len(row) == 3] or ALL_IDS


def _is_nested(host: Host) -> bool:
    """Whether this is a user namespace that lacks ids: another container's."""
    return any(_namespace_ids(host, kind) != ALL_IDS for kind in ("uid", "gid"))


def _subordinate_rows(host: Host, kind: str) -> list[tuple[str, int, int]]:
    """owner, first, count of each well-formed line of /etc/subuid or /etc/subgid."""
    fields = [line.split(":") for line in (host.read(f"etc/sub{kind}") or "").splitlines()]
    return [(row[0], _number(row[1]), _number(row[2])) for row in fields if len(row) == 3]


def _first_free_id(host: Host) -> int:
    """Where a new range can start: above every range there is, 100000 at least."""
    rows = _subordinate_rows(host, "uid") + _subordinate_rows(host, "gid")
    return max([100_000, *(first + count for _, first, count in rows)])


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _delegated_controllers(host: Host) -> tuple[str, set[str]]:
    """ "v1", "v2", "hybrid" or "none", and the controllers that a launch would find or get."""
    own = [line.split(":", 2) for line in (host.read("proc/self/cgroup") or "").splitlines()]
    paths = {fields[1]: fields[2].rstrip("/") for fields in own if len(fields) == 3}
    kinds = {mount.kind for mount in host.mounts if mount.kind in ("cgroup", "cgroup2")}
    delegated: set[str] = set()
    for mount in host.mounts:
        if mount.kind == "cgroup2" and "" in paths:
            mine = paths[""].removesuffix(f"/{fixes.LAUNCHER_GROUP}")
            for place in (mount.point + mine, *_managers_group(host, mount.point)):
                if _is_delegated(host, place):
                    delegated |= set((host.read(f"{place}/cgroup.controllers") or "").split())
        elif mount.kind == "cgroup":
            for names, path in paths.items():
                wanted = set(names.split(",")) & set(mount.super_options.split(","))
                if wanted and _has_group(host, mount.point, path):
                    delegated |= wanted
    version = {0: "none", 2: "hybrid"}.get(len(kinds), "v2" if "cgroup2" in kinds else "v1")
    return version, delegated


def _is_delegated(host: Host, place: str) -> bool:
    return host.writable(place) and host.writable(f"{place}/cgroup.procs")


def _has_group(host: Host, point: str, path: str) -> bool:
    """The own group, or one of this user's below it or below the mount (limits/host.c)."""
    if _is_delegated(host, point + path):
        return True
    return any(
        _is_delegated(host, f"{place}/{name}")
        for place in (point + path, point)
        for name in host.folders(place)
    )


def _managers_group(host: Host, point: str) -> list[str]:
    """That of systemd's user manager, which makes scopes below it for whom asks."""
    if not _has_manager(host):
        return []
    return [f"{point}/user.slice/user-{host.uid}.slice/user@{host.uid}.service"]


def _has_manager(host: Host) -> bool:
    runtime = host.environ.get("XDG_RUNTIME_DIR", "")
    return bool(runtime) and host.mode(f"{runtime}/systemd/private") is not None
