"""Profiles: the default's verdicts, resolving, compiling, the cache.

In: the default profile, small documents.  Out: verdicts from the emulator for our program and
for libseccomp's, resolved sections, files of the cache.  (Reading: test_seccomp_check.py; the
running kernel: test_seccomp_kernel.py.)
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import platform
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from bpf_emulator import AARCH64, I386, Call, Program

from pyrootless.errors import HostUnsupportedError, StoreError, UsageError
from pyrootless.seccomp import profiles

ALLOW, KILL = 0x7FFF0000, 0x80000000
# Ours: docker's (docker docs, "Runtime privilege and Linux capabilities") without two.
DEFAULT_CAPS = frozenset(
    "CAP_" + name
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"),
        *("NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID"),
        "SYS_CHROOT",
    )
)
SYS_ADMIN = DEFAULT_CAPS | {"CAP_SYS_ADMIN"}
NEWUSER, NEWNET, NEWNS = 0x10000000, 0x40000000, 0x20000
HIGH = 1 << 32
Document = dict[str, Any]

on_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 numbers")


def refuse(number: int) -> int:
    return 0x50000 | number


def resolved(caps: frozenset[str] = DEFAULT_CAPS, arch: str = "x86_64") -> Document:
    return profiles.resolve_profile(
        profiles.load_profile(None), capabilities=caps, arch=arch, kernel=(6, 12)
    )


def program(section: Document) -> Program:
    return Program(profiles.compile_section(section))


NUMBERS = {
    "read": 0, "ioctl": 16, "socket": 41, "socketpair": 53, "clone": 56, "ptrace": 101,
    "personality": 135, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166,
    "reboot": 169, "init_module": 175, "kexec_load": 246, "add_key": 248, "keyctl": 250,
    "unshare": 272, "perf_event_open": 298, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "bpf": 321,
    "userfaultfd": 323, "rseq": 334, "uretprobe": 335, "uprobe": 336, "io_uring_setup": 425,
    "io_uring_enter": 426, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fspick": 433,
    "clone3": 435, "mount_setattr": 442, "landlock_create_ruleset": 444, "memfd_secret": 447,
    "cachestat": 451, "fchmodat2": 452, "map_shadow_stack": 453, "statmount": 457,
    "listmount": 458, "mseal": 462, "getxattrat": 464, "open_tree_attr": 467,
    "file_getattr": 468, "syslog": 103, "settimeofday": 164, "iopl": 172, "vhangup": 153,
    "acct": 163,
    "mbind": 237, "kcmp": 312, "swapon": 167, "quotactl": 179, "lookup_dcookie": 212,
    "sethostname": 170, "fanotify_init": 300,
}  # fmt: skip
"""x86-64, from uapi asm/unistd_64.h: the test's own, so that a wrong number is seen."""

EPERM, ENOSYS, EAFNOSUPPORT = (
    refuse(n) for n in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT)
)
VERDICTS: list[tuple[str, tuple[int, ...], int]] = [
    ("read", (), ALLOW),
    ("ptrace", (), ALLOW),
    ("process_vm_readv", (), ALLOW),
    ("name_to_handle_at", (), ALLOW),
    ("chroot", (), ALLOW),
    *((name, (), ALLOW) for name in ("rseq", "uretprobe", "uprobe", "memfd_secret", "mseal")),
    *((name, (), ALLOW) for name in ("cachestat", "fchmodat2", "map_shadow_stack")),
    *((name, (), ALLOW) for name in ("getxattrat", "file_getattr")),
    ("landlock_create_ruleset", (), ALLOW),
    *((name, (), EPERM) for name in ("mount", "umount2", "pivot_root", "setns", "unshare")),
    *((name, (), EPERM) for name in ("open_tree", "open_tree_attr", "move_mount", "fsopen")),
    *((name, (), EPERM) for name in ("fspick", "mount_setattr", "bpf", "perf_event_open")),
    *((name, (), EPERM) for name in ("userfaultfd", "open_by_handle_at", "kexec_load")),
    *((name, (), EPERM) for name in ("init_module", "reboot", "syslog", "settimeofday")),
    *((name, (), EPERM) for name in ("iopl", "vhangup", "acct", "mbind", "kcmp", "swapon")),
    *((name, (), EPERM) for name in ("quotactl", "lookup_dcookie", "sethostname")),
    ("fanotify_init", (), EPERM),
    *((name, (), ENOSYS) for name in ("clone3", "io_uring_setup", "io_uring_enter")),
    *((name, (), ENOSYS) for name in ("keyctl", "add_key", "statmount", "listmount")),
    ("clone", (0x01200011,), ALLOW),
    ("clone", (0x003D0F00,), ALLOW),
    ("clone", (HIGH | 0x11,), ALLOW),
    *(("clone", (flag | 0x11,), EPERM) for flag in (NEWUSER, NEWNET, NEWNS)),
    *(("clone", (1 << bit,), EPERM) for bit in (25, 26, 27, 29)),
    ("clone", (HIGH | NEWUSER,), EPERM),
    *(("socket", (family, 1), ALLOW) for family in (1, 2, 10)),
    *(("socket", (family, 3), EAFNOSUPPORT) for family in (0, 4, 15, 17, 29, 31, 38, 40, 44)),
    ("socket", (99,), EAFNOSUPPORT),
    ("socket", (HIGH | 2,), EAFNOSUPPORT),
    *(("socket", (16, 3, protocol), ALLOW) for protocol in (0, 2, 4, 9, 15, 16)),
    *(("socket", (16, 3, protocol), EAFNOSUPPORT) for protocol in (6, 12, 17, 20, 21)),
    ("socket", (16, 3, HIGH | 12), EAFNOSUPPORT),
    ("socketpair", (1, 1), ALLOW),
    ("socketpair", (38, 1), EAFNOSUPPORT),
    ("ioctl", (0, 0x5401), ALLOW),
    ("ioctl", (0, 0x5411), ALLOW),
    ("ioctl", (0, 0x5413), ALLOW),
    ("ioctl", (0, 0xFFFFFFFF80045430), ALLOW),
    *(("ioctl", (0, high | 0x5412), EPERM) for high in (0, HIGH, 0xFFFFFFFF << 32)),
    *(("ioctl", (0, high | 0x541C), EPERM) for high in (0, HIGH, 1 << 63)),
    *(("personality", (value,), ALLOW) for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)),
    ("personality", ((1 << 64) - 1,), ALLOW),
    ("personality", (0x40000,), EPERM),
    ("personality", (0x400000,), EPERM),
    ("personality", (1,), ENOSYS),
]


@on_x86_64
@pytest.mark.parametrize(("name", "args", "verdict"), VERDICTS)
def test_the_default_profile(name: str, args: tuple[int, ...], verdict: int) -> None:
    assert program(resolved()).run(Call(NUMBERS[name], args)) == verdict


@on_x86_64
@pytest.mark.parametrize(
    ("capability", "names"),
    [
        ("CAP_SYS_ADMIN", ("mount", "umount2", "setns", "fsopen", "open_tree_attr", "bpf")),
        ("CAP_SYS_ADMIN", ("perf_event_open", "syslog", "quotactl", "sethostname")),
        ("CAP_BPF", ("bpf",)),
        ("CAP_PERFMON", ("perf_event_open",)),
        ("CAP_DAC_READ_SEARCH", ("open_by_handle_at",)),
        ("CAP_SYS_BOOT", ("reboot",)),
        ("CAP_SYS_MODULE", ("init_module",)),
        ("CAP_SYS_PACCT", ("acct",)),
        ("CAP_SYS_PTRACE", ("kcmp",)),
        ("CAP_SYS_RAWIO", ("iopl",)),
        ("CAP_SYS_TIME", ("settimeofday",)),
        ("CAP_SYS_TTY_CONFIG", ("vhangup",)),
        ("CAP_SYS_NICE", ("mbind",)),
        ("CAP_SYSLOG", ("syslog",)),
    ],
)
def test_a_capability_opens_its_calls(capability: str, names: tuple[str, ...]) -> None:
    without, given = program(resolved()), program(resolved(DEFAULT_CAPS | {capability}))
    for name in names:
        assert without.run(Call(NUMBERS[name])) == EPERM
        assert given.run(Call(NUMBERS[name])) == ALLOW


@on_x86_64
def test_sys_admin_opens_no_user_namespace() -> None:
    given = program(resolved(SYS_ADMIN))
    for name in ("clone", "unshare"):
        assert given.run(Call(NUMBERS[name], (NEWNET | NEWNS,))) == ALLOW
        assert given.run(Call(NUMBERS[name], (NEWUSER | NEWNS,))) == EPERM
        assert given.run(Call(NUMBERS[name], (HIGH | NEWUSER,))) == EPERM
    for name, verdict in (("clone3", ENOSYS), ("pivot_root", EPERM), ("kexec_load", EPERM)):
        assert given.run(Call(NUMBERS[name])) == verdict


@on_x86_64
def test_chroot_needs_its_capability() -> None:
    assert program(resolved(frozenset())).run(Call(NUMBERS["chroot"])) == EPERM


@on_x86_64
def test_nested_userns_variant() -> None:
    profile = profiles.allow_nested_userns(profiles.load_profile(None))
    given = program(profiles.resolve_profile(profile, capabilities=DEFAULT_CAPS, arch="x86_64"))
    for name in ("clone", "unshare", "clone3", "mount", "pivot_root", "setns", "umount2"):
        assert given.run(Call(NUMBERS[name], (NEWUSER,))) == ALLOW, name
    assert given.run(Call(NUMBERS["io_uring_setup"])) == ENOSYS
    assert given.run(Call(NUMBERS["bpf"])) == EPERM


@on_x86_64
def test_io_uring_variant() -> None:
    original = profiles.load_profile(None)
    profile = profiles.allow_io_uring(original)
    assert original == profiles.load_profile(None), "the argument was changed"
    given = program(profiles.resolve_profile(profile, capabilities=DEFAULT_CAPS, arch="x86_64"))
    assert given.run(Call(NUMBERS["io_uring_setup"])) == ALLOW
    assert given.run(Call(NUMBERS["clone"], (NEWUSER,))) == EPERM


def boundaries(args: list[Document]) -> list[int]:
    """Values around those one argument is compared with, high bits too."""
    found = {0, 1, (1 << 64) - 1, 0xFFFFFFFF, HIGH}
    for arg in args:
        bases = {arg["value"], arg.get("valueTwo", 0), arg["value"] ^ arg.get("valueTwo", 0)}
        for base in bases:
            found |= {base - 1, base, base + 1, base | HIGH, base | 1 << 63, base ^ 0xFFFFFFFF}
    return sorted(value for value in found if 0 <= value < 1 << 64)


def vectors(section: Document) -> dict[str, list[tuple[int, ...]]]:
    """Call name → argument vectors that hit every boundary of its rules."""
    compared: dict[str, dict[int, list[Document]]] = {}
    for call in section["syscalls"]:
        for name, arg in itertools.product(call["names"], call.get("args", ())):
            compared.setdefault(name, {}).setdefault(arg["index"], []).append(arg)
    found = {}
    for name, by_index in compared.items():
        axes = [boundaries(by_index.get(index, [])) for index in range(3)]
        axes = [axis if index in by_index else [0, 7] for index, axis in enumerate(axes)]
        found[name] = list(itertools.product(*axes))
    return found


ALL_NUMBERS = (
    *range(601),
    *(1000, 0x3FFFFFFF, 0x40000000, 0x40000001, 0x4000003B, 0x40000200, 0x7FFFFFFF),
    *(0x80000000, 0xFFFFFFFE, 0xFFFFFFFF),
)


@on_x86_64
@pytest.mark.parametrize("caps", [frozenset(), DEFAULT_CAPS, SYS_ADMIN], ids=len)
@pytest.mark.parametrize("optimize", [1, 2], ids=["linear", "tree"])
def test_equal_to_libseccomp(caps: frozenset[str], optimize: int) -> None:
    """Every number with plain arguments, then each call with rules at every boundary."""
    section = resolved(caps)
    ours = program(section)
    theirs = Program(profiles.compile_with_libseccomp(section, optimize=optimize))
    plain: list[tuple[int, ...]] = [(0,) * 6, ((1 << 64) - 1,) * 6, (1, 2, 3, 4, 5, 6)]
    for number, args in itertools.product(ALL_NUMBERS, plain):
        for arch in (0xC000003E, I386, AARCH64, 0, 0xFFFFFFFF):
            call = Call(number, args, arch)
            assert ours.run(call) == theirs.run(call), call
    for name, rows in vectors(section).items():
        for args in rows:
            call = Call(NUMBERS[name], args)
            assert ours.run(call) == theirs.run(call), (name, call)


@on_x86_64
def test_it_is_several_times_shorter_than_libseccomps() -> None:
    section = resolved()
    linear = Program(profiles.compile_with_libseccomp(section, optimize=1))
    assert len(program(section)) * 3 < len(linear)
    steps = [program(section).trace(Call(number))[1] for number in range(0, 470, 7)]
    assert max(steps) < 30


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "riscv64", "loongarch64", "ppc64le"])
def test_every_architecture_compiles(arch: str) -> None:
    audit = profiles._ARCHITECTURES[arch].audit
    filter_ = program(resolved(arch=arch))
    assert filter_.run(Call(435, arch=audit)) == ENOSYS
    assert filter_.run(Call(439, arch=audit)) == ALLOW  # faccessat2
    assert filter_.run(Call(467, arch=audit)) == EPERM  # open_tree_attr
    assert filter_.run(Call(439, arch=I386)) == KILL


def test_aarch64_is_equal_to_libseccomp() -> None:
    section = resolved(arch="aarch64")
    ours = program(section)
    theirs = Program(profiles.compile_with_libseccomp(section, optimize=1))
    unknown = set(profiles._NEW_NUMBERS.values())
    for number in set(range(601)) - unknown:
        call = Call(number, (1, 1, 1), AARCH64)
        assert ours.run(call) == theirs.run(call), number


def test_every_name_of_the_default_profile_is_a_call() -> None:
    audits = [machine.audit for machine in profiles._ARCHITECTURES.values()]
    names = {n for call in profiles.load_profile(None)["syscalls"] for n in call["names"]}
    assert [n for n in sorted(names) if all(profiles._number(a, n) == -1 for a in audits)] == []


def test_rules_of_one_call_never_overlap() -> None:
    """With any set of capabilities: else runtimes would read the profile differently."""
    profile = profiles.load_profile(None)
    caps = sorted({c for call in profile["syscalls"] for c in _caps_of(call)})
    for chosen in [
        (),
        caps,
        *itertools.combinations(caps, 1),
        *itertools.combinations(caps, 2),
    ]:
        unconditional: dict[str, int] = {}
        conditional: set[str] = set()
        section = resolved(frozenset(chosen))
        for call in section["syscalls"]:
            for name in call["names"]:
                if "args" in call:
                    conditional.add(name)
                elif call["action"] == "SCMP_ACT_ERRNO":
                    assert name not in unconditional, (name, chosen)
                    unconditional[name] = 1
        assert not conditional & unconditional.keys()


def _caps_of(call: Document) -> list[str]:
    return [
        *call.get("includes", {}).get("caps", ()),
        *call.get("excludes", {}).get("caps", ()),
    ]


def test_the_document_names_what_is_refused() -> None:
    text = (Path(__file__).parents[3] / "docs" / "seccomp.md").read_text()
    told = set(re.findall(r"[a-z_0-9]+", text))
    refused = {
        name
        for call in profiles.load_profile(None)["syscalls"]
        for name in call["names"]
        if call["action"] == "SCMP_ACT_ERRNO"
    }
    assert sorted(refused - told) == []


def one_call(**fields: object) -> Document:
    """A docker-form profile with a single rule for `bpf`."""
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ALLOW", **fields}],
    }


def is_kept(fields: Document, caps: tuple[str, ...] = (), arch: str = "x86_64") -> bool:
    section = profiles.resolve_profile(
        one_call(**fields), capabilities=frozenset(caps), arch=arch, kernel=(5, 11)
    )
    return bool(section["syscalls"])


@pytest.mark.parametrize(
    ("fields", "caps", "kept"),
    [
        ({}, (), True),
        ({"includes": {}}, (), True),
        ({"includes": {"caps": ["CAP_BPF"]}}, (), False),
        ({"includes": {"caps": ["CAP_BPF"]}}, ("CAP_BPF",), True),
        ({"includes": {"caps": ["CAP_BPF", "CAP_KILL"]}}, ("CAP_BPF",), False),
        ({"excludes": {"caps": ["CAP_BPF", "CAP_KILL"]}}, ("CAP_BPF",), False),
        ({"excludes": {"caps": ["CAP_BPF"]}}, ("CAP_KILL",), True),
        ({"includes": {"arches": ["arm64"]}}, (), False),
        ({"includes": {"arches": ["arm64", "amd64"]}}, (), True),
        ({"excludes": {"arches": ["amd64"]}}, (), False),
        ({"includes": {"minKernel": "5.11"}}, (), True),
        ({"includes": {"minKernel": "5.12"}}, (), False),
        ({"includes": {"minKernel": "4.20"}}, (), True),
        ({"excludes": {"minKernel": "5.11"}}, (), False),
        ({"excludes": {"minKernel": "6.0"}}, (), True),
    ],
)
def test_conditions_of_rules(fields: Document, caps: tuple[str, ...], kept: bool) -> None:
    """docker's meaning: includes wants all, excludes is any."""
    assert is_kept(fields, caps) is kept


def test_the_section_is_oci_and_nothing_else() -> None:
    profile = one_call(
        name="reboot", comment="why", errnoRet=5, action="SCMP_ACT_ERRNO", includes={}, args=[]
    )
    del profile["syscalls"][0]["names"]
    profile |= {"archMap": [{"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": None}]}
    profile |= {"defaultErrnoRet": 38, "flags": ["SECCOMP_FILTER_FLAG_LOG"]}
    section = profiles.resolve_profile(profile, capabilities=frozenset(), arch="arm64")
    assert section == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_AARCH64"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}],
    }
    again = profiles.resolve_profile(section, capabilities=frozenset(), arch="aarch64")
    assert again == section


def test_a_list_of_architectures_is_kept() -> None:
    profile = one_call() | {"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]}
    section = profiles.resolve_profile(profile, capabilities=frozenset(), arch="x86_64")
    assert section["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]


@on_x86_64
def test_several_architectures() -> None:
    section = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [{"names": ["getpid", "file_getattr"], "action": "SCMP_ACT_ALLOW"}],
    }
    filter_ = program(section)
    assert filter_.run(Call(39)) == ALLOW
    assert filter_.run(Call(20, arch=I386)) == ALLOW
    assert filter_.run(Call(39, arch=I386)) == EPERM
    assert filter_.run(Call(39 | 0x40000000)) == KILL
    assert filter_.run(Call(183, arch=AARCH64)) == KILL


def test_an_unknown_machine() -> None:
    with pytest.raises(HostUnsupportedError, match=r"'vax' \(known: x86_64"):
        resolved(arch="vax")


def test_an_unresolved_profile_is_not_compiled() -> None:
    with pytest.raises(UsageError, match="resolve_profile first"):
        profiles.compile_section(profiles.load_profile(None))


@on_x86_64
def test_contradicting_rules_are_named() -> None:
    low = {"index": 0, "op": "SCMP_CMP_LT", "value": 10}
    three = {"index": 0, "op": "SCMP_CMP_EQ", "value": 3}
    section = one_call(args=[low])
    section["syscalls"].append({"names": ["bpf"], "action": "SCMP_ACT_LOG", "args": [three]})
    with pytest.raises(UsageError, match=r"^syscalls\[0\], syscalls\[1\]: bpf: one call can"):
        profiles.compile_section(section)


@on_x86_64
def test_actions_and_names() -> None:
    actions = {
        "SCMP_ACT_KILL": 0, "SCMP_ACT_KILL_THREAD": 0, "SCMP_ACT_KILL_PROCESS": KILL,
        "SCMP_ACT_TRAP": 0x30000, "SCMP_ACT_ERRNO": 0x50001, "SCMP_ACT_TRACE": 0x7FF00001,
        "SCMP_ACT_NOTIFY": 0x7FC00000, "SCMP_ACT_LOG": 0x7FFC0000,
    }  # fmt: skip
    for action, verdict in actions.items():
        section = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["bpf", "no_such_call", "socketcall"], "action": action}],
        }
        assert program(section).run(Call(321)) == verdict, action
        assert program(section).run(Call(322)) == ALLOW


@on_x86_64
def test_one_argument_compared_twice_is_two_rules() -> None:
    """As runc does it, surprising as it is: libseccomp takes one comparison per argument."""
    two = [{"index": 0, "op": "SCMP_CMP_EQ", "value": value} for value in (3, 9)]
    filter_ = program(one_call(args=two))
    verdicts = [filter_.run(Call(321, (value,))) for value in (3, 4, 9)]
    assert verdicts == [ALLOW, EPERM, ALLOW]


def test_the_cache(tmp_path: Path) -> None:
    section = one_call()
    path, digest = profiles.compile_to_cache(section, tmp_path / "cache")
    code = path.read_bytes()
    assert code == profiles.compile_section(section)
    assert digest == "sha256:" + hashlib.sha256(code).hexdigest()
    assert path == tmp_path / "cache" / "seccomp" / f"{digest.removeprefix('sha256:')}.bpf"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    inode = path.stat().st_ino
    assert profiles.compile_to_cache(section, tmp_path / "cache") == (path, digest)
    assert path.stat().st_ino == inode, "an equal file was written again"
    path.write_bytes(code[:-8])
    profiles.compile_to_cache(section, tmp_path / "cache")
    assert path.read_bytes() == code, "a damaged file was kept"
    assert sorted(os.listdir(path.parent)) == [path.name, path.with_suffix(".json").name]
    assert json.loads(path.with_suffix(".json").read_bytes()) == section


def test_the_cache_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "seccomp").write_text("a file where the directory should be")
    with pytest.raises(StoreError, match=r"seccomp filter .*/seccomp/[0-9a-f]{64}\.bpf: "):
        profiles.compile_to_cache(one_call(), tmp_path)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StoreError, match="No space left on device"):
        profiles.compile_to_cache(one_call(), tmp_path)
    assert os.listdir(tmp_path / "seccomp") == []
