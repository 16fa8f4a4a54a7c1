"""pyrootless.host.doctor: every entry, on fake machines with a fake kernel."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pyrootless.config import Directories
from pyrootless.errors import UsageError
from pyrootless.host import doctor, fixes
from pyrootless.host.facts import Entry, Host, KernelProbe, Trial, parse_mount
from pyrootless.host.network import Facts, Helper, encode_facts, facts_path

OK = Trial()
TRIALS = ("user", "powers", "proc", "sysfs", "seccomp", "overlay tmpfs", "overlay store",
          "xattr store", "namespace mount", "namespace pid", "namespace ipc", "namespace uts",
          "namespace cgroup", "namespace network")  # fmt: skip


@dataclass
class FakeKernel:
    """A kernel where everything works, but for what a test takes away."""

    refused: dict[str, Trial] = field(default_factory=dict)
    untried: set[str] = field(default_factory=set)
    abi: int = 7
    locked: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    free: int | None = 10 * 2**30
    capable: set[str] = field(default_factory=set)
    ranges: str | None = None

    def trial(self, name: str) -> Trial | None:
        assert name in TRIALS
        return None if name in self.untried else self.refused.get(name, OK)

    def landlock_abi(self) -> int:
        return self.abi

    def writable(self, path: Path) -> bool:
        return path.exists() and not any(str(path).endswith(end) for end in self.locked)

    def private(self, path: Path) -> bool:
        return not any(str(path).endswith(end) for end in self.foreign)

    def free_bytes(self, path: Path) -> int | None:
        return self.free

    def file_capabilities(self, path: Path) -> bool:
        return path.name in self.capable

    def subordinate_ids(self, login: str, kind: str) -> str | None:
        return self.ranges


MOUNTS = (
    "22 1 0:21 / /proc rw,relatime - proc proc rw",
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
)


def put(root: Path, name: str, text: str = "", mode: int = 0o644) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def box(tmp_path: Path, kernel: FakeKernel) -> Host:
    """A healthy Debian with everything installed."""
    root = tmp_path / "root"
    put(root, "etc/os-release", 'NAME="Debian"\nID=debian\n')
    put(root, "proc/self/mountinfo", "\n".join(MOUNTS))
    put(root, "proc/sys/kernel/osrelease", "6.18.1-test\n")
    put(root, "proc/sys/kernel/seccomp/actions_avail", "kill_process errno user_notif allow")
    put(root, "proc/sys/kernel/perf_event_paranoid", "2\n")
    put(root, "proc/sys/dev/tty/legacy_tiocsti", "0")
    put(root, "proc/filesystems", "nodev\tproc\nnodev\toverlay\n")
    put(root, "dev/fuse")
    put(root, "dev/net/tun")
    put(root, "etc/subuid", "alice:100000:65536\nbob:165536:65536\n")
    put(root, "etc/subgid", "1000:100000:65536\n")
    for name in ("newuidmap", "newgidmap"):
        put(root, f"usr/bin/{name}", mode=0o4755)
    for name in ("pasta", "fusermount3", "fuse-overlayfs", "pyrootless"):
        put(root, f"usr/bin/{name}", mode=0o755)
    (root / "home/alice").mkdir(parents=True)
    (root / "run/user/1000").mkdir(parents=True)
    return Host(
        root=root,
        probe=kernel,
        directories=Directories(Path("/home/alice/store"), Path("/run/user/1000/pyrootless")),
        uid=1000,
        login="alice",
        environ={"XDG_RUNTIME_DIR": "/run/user/1000"},
        launcher=Path("/usr/bin/pyrootless"),
    )


def one(box: Host, name: str) -> Entry:
    (entry,) = doctor.examine(box, [name])
    assert entry.name == name
    assert entry.consequence.endswith(".")
    return entry


def delegated(box: Host) -> None:
    """cgroup v2 with a delegated directory."""
    put(box.root, "proc/self/cgroup", "0::/user.slice/box\n")
    mounts = (*MOUNTS, "31 1 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
    put(box.root, "proc/self/mountinfo", "\n".join(mounts))
    put(box.root, "sys/fs/cgroup/user.slice/box/cgroup.controllers", "cpu io memory pids\n")
    put(box.root, "sys/fs/cgroup/user.slice/box/cgroup.procs", "1\n")


def test_a_healthy_machine_is_ok_throughout(box: Host) -> None:
    delegated(box)
    entries = doctor.examine(box)
    assert [(entry.name, entry.fix) for entry in entries if entry.state != "ok"] == []
    assert [entry.name for entry in entries] == list(doctor.CHECKS)
    assert doctor.is_fit(entries)


def test_order_is_of_the_table_and_unknown_names_are_refused(box: Host) -> None:
    names = [entry.name for entry in doctor.examine(box, ["tun", "kernel", "tun"])]
    assert names == ["kernel", "tun"]
    with pytest.raises(UsageError, match=r'did you mean "overlay"\?'):
        doctor.examine(box, ["overlays"])


def test_only_what_is_needed_now_and_missing_makes_unfit() -> None:
    def entry(state: doctor.State, needed: doctor.Need) -> Entry:
        return Entry("x", state, needed, "x.")

    assert not doctor.is_fit([entry("missing", "now")])
    assert doctor.is_fit(
        [entry("missing", "later"), entry("weaker", "now"), entry("unknown", "now")]
    )


@pytest.mark.parametrize(
    ("files", "found", "fix"),
    [
        (
            {"proc/sys/user/max_user_namespaces": "0\n"},
            "user.max_user_namespaces is 0",
            "sudo sysctl -w user.max_user_namespaces=28633",
        ),
        (
            {"proc/sys/kernel/unprivileged_userns_clone": "0\n"},
            "kernel.unprivileged_userns_clone is 0",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
            "apparmor_restrict_unprivileged_userns is 1",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ({".dockerenv": ""}, "an outer container refuses", "--security-opt seccomp=unconfined"),
        (
            {"proc/self/status": "Name:\tx\nSeccomp:\t2\n"},
            "an outer container refuses",
            "--security-opt seccomp=unconfined",
        ),
        ({}, "the kernel answered unshare: Operation not permitted", "unshare --user"),
    ],
)
def test_why_there_is_no_user_namespace(
    box: Host, kernel: FakeKernel, files: dict[str, str], found: str, fix: str
) -> None:
    kernel.refused["user"] = Trial("unshare", errno.EPERM)
    for name, text in files.items():
        put(box.root, name, text)
    entry = one(box, "user-namespaces")
    assert entry.state == "missing"
    assert found in entry.consequence
    assert fix in entry.fix


def test_without_user_namespace_the_rest_is_unknown(box: Host, kernel: FakeKernel) -> None:
    kernel.refused["user"] = Trial("unshare", errno.EPERM)
    states = {entry.name: entry.state for entry in doctor.examine(box)}
    assert {states[name] for name in ("namespaces", "overlay", "proc")} == {"unknown"}
    assert not doctor.is_fit(doctor.examine(box))


def test_a_probe_that_did_not_run_is_unknown(box: Host, kernel: FakeKernel) -> None:
    kernel.untried = set(TRIALS)
    names = ("user-namespaces", "namespaces", "overlay", "proc", "seccomp")
    assert {one(box, name).state for name in names} == {"unknown"}


def test_a_refused_namespace_is_named(box: Host, kernel: FakeKernel) -> None:
    kernel.refused["namespace network"] = Trial("unshare", errno.ENOSPC)
    entry = one(box, "namespaces")
    assert entry.state == "missing"
    assert "network (unshare: No space left on device)" in entry.consequence


def test_ubuntu_takes_the_powers_away(box: Host, kernel: FakeKernel) -> None:
    put(box.root, "sys/module/apparmor/parameters/enabled", "Y\n")
    put(box.root, "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
    assert one(box, "apparmor").state == "ok"  # a profile lets this program through
    kernel.refused["powers"] = Trial("mount tmpfs", errno.EACCES)
    entry = one(box, "apparmor")
    assert entry.state == "missing"
    assert 'profile pyrootless "/usr/bin/pyrootless" flags=(unconfined) {' in entry.fix
    assert "sudo apparmor_parser -r /etc/apparmor.d/pyrootless" in entry.fix
    assert one(box, "overlay").state == "unknown"


def test_overlay_missing_from_the_kernel(box: Host, kernel: FakeKernel) -> None:
    kernel.refused["overlay tmpfs"] = Trial("mount overlay", errno.ENODEV)
    put(box.root, "proc/filesystems", "nodev\tproc\n")
    entry = one(box, "overlay")
    assert (entry.state, "modprobe overlay" in entry.fix) == ("missing", True)
    assert "mount overlay: No such device" in entry.consequence


def test_overlay_not_on_the_store(box: Host, kernel: FakeKernel) -> None:
    kernel.refused["overlay store"] = Trial("mount overlay", errno.EINVAL)
    entry = one(box, "overlay")
    assert (entry.state, "scratch directory" in entry.consequence) == ("weaker", True)


def test_masked_proc_of_an_outer_container(box: Host, kernel: FakeKernel) -> None:
    kernel.refused["proc"] = Trial("mount proc", errno.EPERM)
    hidden = "30 22 0:5 / /proc/kcore rw - tmpfs tmpfs rw"
    put(box.root, "proc/self/mountinfo", "\n".join((*MOUNTS, hidden)))
    entry = one(box, "proc")
    assert entry.state == "missing"
    assert "/proc/kcore is mounted over" in entry.consequence
    assert "systempaths=unconfined" in entry.fix


def test_seccomp(box: Host, kernel: FakeKernel) -> None:
    put(box.root, "proc/sys/kernel/seccomp/actions_avail", "kill_thread errno allow")
    assert one(box, "seccomp").state == "weaker"
    kernel.refused["seccomp"] = Trial("seccomp", errno.EINVAL)
    assert one(box, "seccomp").state == "missing"


def test_fake_root(box: Host) -> None:
    assert one(box, "fake-root").state == "ok"
    put(box.root, "proc/sys/kernel/seccomp/actions_avail", "kill_process errno allow")
    assert one(box, "fake-root").state == "weaker"


def test_landlock(box: Host, kernel: FakeKernel) -> None:
    kernel.abi = 3
    assert "ABI 3" in one(box, "landlock").consequence
    kernel.abi = 0
    put(box.root, "sys/kernel/security/lsm", "capability,yama\n")
    entry = one(box, "landlock")
    assert (entry.state, "lsm=landlock,capability,yama" in entry.fix) == ("weaker", True)
    assert doctor.is_fit([entry])


@pytest.mark.parametrize(
    ("release", "state"),
    [("5.11.0", "ok"), ("6.1.0-18-amd64", "ok"), ("5.10.0-28", "weaker"), ("", "unknown")],
)
def test_kernel(box: Host, release: str, state: str) -> None:
    put(box.root, "proc/sys/kernel/osrelease", release)
    assert one(box, "kernel").state == state


def test_terminals_can_run_out(box: Host) -> None:
    put(box.root, "proc/sys/kernel/pty/nr", "64")
    put(box.root, "proc/sys/kernel/pty/max", "64")
    entry = one(box, "tty")
    assert (entry.state, "kernel.pty.max=128" in entry.fix) == ("missing", True)


def test_perf(box: Host) -> None:
    put(box.root, "proc/sys/kernel/perf_event_paranoid", "4")
    entry = one(box, "perf")
    assert (entry.state, "perf_event_paranoid=2" in entry.fix) == ("weaker", True)


def test_runtime_directory_falls_back(box: Host, kernel: FakeKernel) -> None:
    cron = replace(
        box, environ={}, directories=Directories(Path("/home"), Path("/tmp/pyrootless-1000"))
    )
    assert one(cron, "runtime-directory").state == "ok"
    (box.root / "tmp/pyrootless-1000").mkdir(parents=True)
    kernel.foreign = {"/tmp/pyrootless-1000"}
    entry = one(cron, "runtime-directory")
    assert (entry.state, entry.fix) == ("missing", "sudo rm -r /tmp/pyrootless-1000")


@pytest.mark.parametrize("how", ["mode", "link", "dangling", "file"])
def test_a_directory_that_others_could_have_filled_is_not_private(
    box: Host, tmp_path: Path, how: str
) -> None:
    probe, place = KernelProbe(box.directories), tmp_path / "runtime"
    assert probe.private(place)  # to be made
    if how == "file":
        place.touch(mode=0o700)
    else:
        (tmp_path / "there").mkdir(mode=0o700)
        assert probe.private(tmp_path / "there")
    if how == "mode":
        place.mkdir()
        place.chmod(0o777)
    if how in ("link", "dangling"):
        place.symlink_to("there" if how == "link" else "nowhere")
    assert not probe.private(place)


@pytest.mark.parametrize(
    ("line", "state", "words"),
    [
        ("40 27 0:9 / /home rw - nfs4 server:/home rw", "weaker", "lies on nfs4"),
        ("40 27 0:9 / /home rw - fuse.sshfs x rw", "weaker", "lies on fuse.sshfs"),
        ("40 27 0:9 / /home rw - lustre x rw", "weaker", "lies on lustre"),
        ("40 27 0:9 / /home ro - ext4 /dev/b ro", "missing", "read-only"),
        ("40 27 0:9 / /hom rw - nfs4 server:/home rw", "ok", "(ext4)"),
        ("40 27 0:9 / /home rw - xfs /dev/b rw", "ok", "(xfs)"),
    ],
)
def test_store_by_file_system(box: Host, line: str, state: str, words: str) -> None:
    put(box.root, "proc/self/mountinfo", "\n".join((*MOUNTS, line)))
    entry = one(box, "store")
    assert (entry.state, words in entry.consequence) == (state, True), entry


def test_store_full_unwritable_without_attributes(box: Host, kernel: FakeKernel) -> None:
    kernel.refused["xattr store"] = Trial("setxattr", errno.EOPNOTSUPP)
    assert "user.* attributes" in one(box, "store").consequence
    kernel.free = 4096
    assert "has 4KiB free" in one(box, "store").consequence
    kernel.locked = {"/home/alice"}
    assert one(box, "store").state == "missing"


def test_a_confining_profile_is_named(box: Host, kernel: FakeKernel) -> None:
    """As aa-exec or a confined service has it; the sysctl of Ubuntu is not needed for it."""
    kernel.refused = {"user": Trial("unshare", errno.EACCES)}
    kernel.untried = {"powers"}
    put(box.root, "sys/module/apparmor/parameters/enabled", "Y\n")
    for text in ("unconfined\n", "tight (complain)\n"):
        put(box.root, "proc/self/attr/current", text)
        assert one(box, "apparmor").state == "ok"
    put(box.root, "proc/self/attr/current", "tight (enforce)\n")
    for name in ("apparmor", "user-namespaces"):
        entry = one(box, name)
        assert entry.state == "missing"
        assert entry.consequence == (
            "No container can start: this program runs under the AppArmor profile tight."
        )
        assert "sudo aa-complain tight" in entry.fix


def test_setuid_launcher_is_refused(box: Host, kernel: FakeKernel) -> None:
    kernel.capable = {"pyrootless"}
    assert "setcap -r" in one(box, "setuid").fix
    (box.root / "usr/bin/pyrootless").chmod(0o4755)
    assert one(box, "setuid").fix == "sudo chmod u-s,g-s /usr/bin/pyrootless"
    assert one(replace(box, launcher=None), "setuid").state == "missing"


def test_subordinate_ids_by_name_number_and_directory_service(
    box: Host, kernel: FakeKernel
) -> None:
    assert one(box, "subordinate-ids").state == "ok"  # subuid by name, subgid by number
    put(box.root, "etc/subgid", "bob:200000:65536\nmalformed\nalice:x:y\n")
    entry = one(box, "subordinate-ids")
    assert entry.state == "weaker"
    assert entry.fix == (
        "sudo usermod --add-subuids 265536-331071 --add-subgids 265536-331071 alice"
    )
    kernel.ranges = "0: alice 2000000 65536\n"
    assert one(box, "subordinate-ids").state == "ok"
    kernel.ranges = "0: alice 2000000 10\n"
    assert one(box, "subordinate-ids").state == "weaker"


def test_a_uid_without_name_cannot_get_ids(box: Host) -> None:
    put(box.root, "etc/subuid", "")
    put(box.root, "etc/subgid", "")
    entry = one(replace(box, login=None), "subordinate-ids")
    assert (entry.state, entry.fix) == ("weaker", "")


def test_ids_that_an_outer_container_does_not_map_do_not_count(box: Host) -> None:
    for kind in ("uid", "gid"):
        put(box.root, f"proc/self/{kind}_map", "  1000  1000  1\n")
    entry = one(box, "subordinate-ids")
    assert (entry.state, entry.fix.split()[:2]) == ("weaker", ["podman", "run"])
    for kind in ("uid", "gid"):
        put(box.root, f"proc/self/{kind}_map", "  0 1000 1\n  100000 300000 65536\n")
    assert one(box, "subordinate-ids").consequence == "65536 subordinate ids."


def test_root_in_a_user_namespace_has_the_namespaces_ids(box: Host) -> None:
    inside = replace(box, uid=0, login="root")
    assert one(inside, "subordinate-ids").state == "weaker"  # real root, and no grant
    for kind in ("uid", "gid"):
        put(box.root, f"proc/self/{kind}_map", "  0 1000 1\n  1 100000 65535\n")
    assert one(inside, "subordinate-ids").state == "ok"


def test_newuidmap(box: Host, kernel: FakeKernel) -> None:
    (box.root / "usr/bin/newgidmap").chmod(0o755)
    assert one(box, "newuidmap").fix == "sudo chmod u+s /usr/bin/newgidmap"
    kernel.capable = {"newgidmap"}
    assert one(box, "newuidmap").state == "ok"
    nosuid = "27 1 254:0 / / rw,nosuid - ext4 /dev/vda rw"
    put(box.root, "proc/self/mountinfo", nosuid)
    assert "nosuid" in one(replace(box), "newuidmap").consequence
    (box.root / "usr/bin/newuidmap").unlink()
    assert one(box, "newuidmap").fix == "sudo apt-get install uidmap"


def test_fuse(box: Host, kernel: FakeKernel) -> None:
    (box.root / "usr/bin/fusermount3").unlink()
    assert one(box, "fuse").fix == "sudo apt-get install fuse3"
    kernel.locked = {"dev/fuse"}
    assert one(box, "fuse").fix == "sudo chmod 0666 /dev/fuse"
    (box.root / "dev/fuse").unlink()
    assert one(box, "fuse").fix == "sudo modprobe fuse"


def test_cgroup_v2(box: Host, kernel: FakeKernel) -> None:
    assert one(box, "cgroup").state == "missing"
    delegated(box)
    assert "v2, delegated: cpu, io, memory, pids" in one(replace(box), "cgroup").consequence
    kernel.locked = {"box/cgroup.procs"}
    entry = one(replace(box), "cgroup")
    assert entry.state == "weaker"
    put(box.root, "run/user/1000/systemd/private")
    entry = one(replace(box), "cgroup")
    lacking = "not delegated: cpu, memory, pids (nor to systemd's user manager)"
    assert lacking in entry.consequence
    assert "Delegate=cpu cpuset io memory pids" in entry.fix
    manager = f"sys/fs/cgroup/user.slice/user-{box.uid}.slice/user@{box.uid}.service"
    put(box.root, f"{manager}/cgroup.controllers", "cpu memory pids\n")
    put(box.root, f"{manager}/cgroup.procs")
    assert one(replace(box), "cgroup").state == "ok"


def test_cgroup_v1_counts_writable_controllers(box: Host, kernel: FakeKernel) -> None:
    names = ("cpu", "memory", "pids")
    lines = [f"4{n} 1 0:3{n} / /sys/fs/cgroup/{k} rw - cgroup cgroup rw,{k}"
             for n, k in enumerate(names)]  # fmt: skip
    put(box.root, "proc/self/mountinfo", "\n".join((*MOUNTS, *lines)))
    put(box.root, "proc/self/cgroup", "".join(f"{n}:{k}:/box\n" for n, k in enumerate(names)))
    for name in names:
        put(box.root, f"sys/fs/cgroup/{name}/box/cgroup.procs")
    assert "cgroup v1, delegated: cpu, memory, pids" in one(box, "cgroup").consequence
    kernel.locked = {"memory/box"}
    assert "not delegated: memory" in one(replace(box), "cgroup").consequence
    put(box.root, "sys/fs/cgroup/memory/student/cgroup.procs")
    assert one(replace(box), "cgroup").state == "ok"


def test_a_group_that_its_launcher_left_for_the_one_below_counts(box: Host) -> None:
    delegated(box)
    put(box.root, "proc/self/cgroup", "0::/user.slice/box/pyrootless-launcher\n")
    assert one(box, "cgroup").state == "ok"


def test_the_fix_of_cgroup_v1_makes_what_a_launch_finds(box: Host, kernel: FakeKernel) -> None:
    names = ("cpu", "cpuset", "memory", "pids")
    lines = [f"4{n} 1 0:3{n} / /sys/fs/cgroup/{k} rw - cgroup cgroup rw,{k}"
             for n, k in enumerate(names)]  # fmt: skip
    put(box.root, "proc/self/mountinfo", "\n".join((*MOUNTS, *lines)))
    put(box.root, "proc/self/cgroup", "".join(f"{n}:{k}:/\n" for n, k in enumerate(names)))
    for name in names:
        put(box.root, f"sys/fs/cgroup/{name}/cgroup.procs")
    for kind in ("cpus", "mems"):
        put(box.root, f"sys/fs/cgroup/cpuset/cpuset.{kind}", "0-3\n")
    kernel.locked = {f"{name}/cgroup.procs" for name in names}
    entry = one(box, "cgroup")
    assert entry.state == "weaker" and "systemd" not in entry.fix
    run_as_root(box, entry.fix)
    assert (box.root / "sys/fs/cgroup/cpuset/alice/cpuset.mems").read_text() == "0-3\n"
    for name in names:  # the kernel makes these
        put(box.root, f"sys/fs/cgroup/{name}/alice/cgroup.procs")
    assert one(replace(box), "cgroup").state == "ok"


@pytest.mark.parametrize("kind", ["root", "namespace"])
def test_the_fix_of_cgroup_v2_without_systemd_makes_what_a_launch_finds(
    box: Host, kernel: FakeKernel, kind: str
) -> None:
    delegated(box)
    put(box.root, "proc/self/cgroup", "0::/\n")
    top = "sys/fs/cgroup"
    put(box.root, f"{top}/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n")
    put(box.root, f"{top}/cgroup.procs")
    put(box.root, f"{top}/cgroup.subtree_control")
    if kind == "namespace":  # the machine's root group alone has no type
        put(box.root, f"{top}/cgroup.type", "domain\n")
    kernel.locked = {"fs/cgroup/cgroup.procs"}
    entry = one(box, "cgroup")
    assert ("rest/cgroup.procs" in entry.fix) == (kind == "namespace")
    run_as_root(box, entry.fix)
    handed = "+cpu +cpuset +io +memory +pids\n"
    for place in (top, f"{top}/alice"):
        assert (box.root / place / "cgroup.subtree_control").read_text() == handed
    entered = box.root / top / "alice/pyrootless-launcher/cgroup.procs"
    assert entered.read_text().strip().isdigit()
    put(box.root, "proc/self/cgroup", "0::/alice/pyrootless-launcher\n")
    put(box.root, f"{top}/alice/cgroup.controllers", "cpuset cpu io memory pids\n")
    put(box.root, f"{top}/alice/cgroup.procs")
    assert one(replace(box), "cgroup").state == "ok"


def test_the_fix_of_cgroup_v2_with_systemd_starts_a_manager_where_there_is_none(
    box: Host, kernel: FakeKernel
) -> None:
    delegated(box)
    kernel.locked = {"box/cgroup.procs"}
    (box.root / "run/systemd/system").mkdir(parents=True)
    without = one(replace(box), "cgroup").fix.splitlines()
    assert "Delegate=cpu cpuset io memory pids" in without[0]
    lines = ["sudo loginctl enable-linger alice", "export XDG_RUNTIME_DIR=/run/user/1000"]
    assert without[1:] == lines
    put(box.root, "run/user/1000/systemd/private")
    with_one = one(replace(box), "cgroup").fix.splitlines()
    assert with_one[0] == without[0] and "log out everywhere" in with_one[1]


def test_groups_that_are_read_only_or_not_mounted_have_a_fix_too(
    box: Host, kernel: FakeKernel
) -> None:
    assert one(box, "cgroup").fix.startswith("sudo mount -t cgroup2 ")
    delegated(box)
    mounts = (*MOUNTS, "31 1 0:28 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw")
    put(box.root, "proc/self/mountinfo", "\n".join(mounts))
    kernel.locked = {"cgroup.procs"}
    assert one(replace(box), "cgroup").fix.startswith("docker run --privileged")


def run_as_root(box: Host, fix: str) -> None:
    """The lines of a fix, below the box's root; nobody changes owners."""
    text = fix.replace("/sys/", f"{box.root}/sys/").replace("sudo ", "")
    text = text.replace("chown -R alice: ", "test -d ")
    for line in text.splitlines():
        words = line.split("   #")[0].split() if line.startswith("test -d") else None
        if words is None:
            subprocess.run(["sh", "-ec", line], check=True, capture_output=True)
        else:
            assert all(Path(word).is_dir() for word in words[2:])


def test_what_was_measured_of_the_network_helpers(box: Host) -> None:
    put(box.root, "usr/bin/pasta", mode=0o755)
    put(box.root, "usr/bin/slirp4netns", mode=0o755)
    assert one(box, "network-helpers").consequence.startswith(
        "pasta and slirp4netns; the first "
    )
    fast = Helper("/usr/bin/pasta", "1 2", upload_bytes_per_s=500_000_000)
    slow = Helper("/usr/bin/slirp4netns", "1 2", upload_bytes_per_s=90_000_000)
    facts = Facts("6.1", {"pasta": fast, "slirp4netns": slow}, chosen="pasta")
    cache = box.root / str(box.directories.cache).lstrip("/")
    cache.mkdir(parents=True)
    facts_path(cache).write_text(encode_facts(facts))
    assert one(box, "network-helpers").consequence == (
        "pasta (500 MB/s out), slirp4netns (90 MB/s out); --network auto takes pasta."
    )
    none = replace(facts, chosen="", reason="pasta: no tun; slirp4netns: no tun")
    facts_path(cache).write_text(encode_facts(none))
    entry = one(box, "network-helpers")
    assert entry.state == "missing"
    assert "pasta: no tun; slirp4netns: no tun" in entry.consequence


def test_network_helpers_and_tun(box: Host, kernel: FakeKernel) -> None:
    (box.root / "usr/bin/pasta").unlink()
    assert one(box, "network-helpers").fix == "sudo apt-get install passt"
    put(box.root, "usr/bin/slirp4netns", mode=0o755)
    assert one(box, "network-helpers").state == "weaker"
    kernel.locked = {"net/tun"}
    assert one(box, "tun").fix == "sudo chmod 0666 /dev/net/tun"
    (box.root / "dev/net/tun").unlink()
    assert one(box, "tun").fix == "sudo modprobe tun"


@pytest.mark.parametrize(
    ("text", "family", "command"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "ubuntu", "sudo apt-get install uidmap"),
        (
            'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
            "fedora",
            "sudo dnf install shadow-utils",
        ),
        ("ID=arch\n", "arch", "sudo pacman -S shadow"),
        ("ID=alpine\n", "alpine", "sudo apk add shadow-subids"),
        ('ID="opensuse-leap"\n', "suse", "sudo zypper install shadow"),
        ('ID=odd\nID_LIKE="weird suse"\n', "suse", "sudo zypper install shadow"),
        ("ID=nixos\n", "", ""),
    ],
)
def test_distribution_decides_the_command(
    box: Host, text: str, family: str, command: str
) -> None:
    put(box.root, "etc/os-release", text)
    assert box.distribution == family
    assert fixes.install(family, "newuidmap") == command


def test_mountinfo_is_read_with_its_escapes() -> None:
    mount = parse_mount(r"1 2 0:3 / /a\040b\134c rw,nosuid shared:1 - tmpfs none rw,size=1k")
    assert mount is not None
    assert (mount.point, mount.kind, mount.super_options) == ("/a b\\c", "tmpfs", "rw,size=1k")
    assert mount.options == {"rw", "nosuid"}
    assert parse_mount("") is None
    assert parse_mount("1 2 3 - x") is None


def test_the_real_probe_answers_and_leaves_nothing(tmp_path: Path) -> None:
    """Whatever this machine permits: every trial has an answer, and the store is as before."""
    directories = Directories(tmp_path / "data", tmp_path / "run").make()
    mounts = Path("/proc/self/mountinfo").read_text()
    probe = KernelProbe(directories)
    answers = {name: probe.trial(name) for name in TRIALS}
    assert [name for name, answer in answers.items() if answer is None] == []
    assert probe.trial("no such trial") is None
    assert list(directories.temporary.iterdir()) == []
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert probe.free_bytes(tmp_path) is not None
    assert not probe.file_capabilities(tmp_path)
    assert stat.S_ISDIR(os.stat(tmp_path).st_mode)
