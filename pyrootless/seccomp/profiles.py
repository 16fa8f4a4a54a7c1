"""Seccomp profiles: a profile in docker's or OCI's form → a compiled filter in the cache.

    load_profile(None) → resolve_profile(…) → compile_to_cache(…)

What comes in: a profile file (None: the default, seccomp/default.json beside this file), the
capabilities and the architecture of the container.
What goes out: the OCI `linux.seccomp` section, and the struct sock_filter array for it.
Must never: install a filter, run on the launch path, loosen a profile it does not understand.

libseccomp gives the numbers of the names.  The program itself is written by `bpf.py` (a range
tree, several times cheaper to install than libseccomp's linear form); sections for several
architectures, or for one that `bpf.py` does not know, libseccomp writes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.errors import HostUnsupportedError, StoreError, UsageError
from pyrootless.seccomp import bpf
from pyrootless.seccomp._cffi import ffi, lib
from pyrootless.seccomp.changes import allow_calls, replace_rules
from pyrootless.seccomp.check import ACTIONS, check_profile, parse_profile
from pyrootless.seccomp.shared import refuse_shared

DEFAULT_PROFILE = Path(__file__).with_name("default.json")
STRICT_CHANGES = Path(__file__).with_name("strict.json")
NETWORK_CHANGES = Path(__file__).with_name("network.json")
_PROFILE_BYTES_MAX = 4 * 1024 * 1024
_OPEN = (ACTIONS["SCMP_ACT_ALLOW"], ACTIONS["SCMP_ACT_LOG"])
_DEFAULT_ERRNO = 1  # EPERM: runtime-spec, defaultErrnoRet and errnoRet


@dataclass(frozen=True)
class _Architecture:
    """One machine: its names in OCI sections and docker's profiles, its AUDIT_ARCH number."""

    scmp: str
    docker: str
    audit: int
    x32: bool = False


# Little-endian 64-bit machines whose clone() takes its flags first (what bpf.py and the
# default profile presume).  Source: uapi linux/audit.h.
_ARCHITECTURES = {
    "x86_64": _Architecture("SCMP_ARCH_X86_64", "amd64", 0xC000003E, x32=True),
    "aarch64": _Architecture("SCMP_ARCH_AARCH64", "arm64", 0xC00000B7),
    "riscv64": _Architecture("SCMP_ARCH_RISCV64", "riscv64", 0xC00000F3),
    "loongarch64": _Architecture("SCMP_ARCH_LOONGARCH64", "loongarch64", 0xC0000102),
    "ppc64le": _Architecture("SCMP_ARCH_PPC64LE", "ppc64le", 0xC0000015),
}

# Calls that the installed libseccomp may be too old to know.  From 424 on a call has the same
# number on every architecture above.  Source: uapi asm-generic/unistd.h, Linux 6.19.
_NEW_NUMBERS = {
    "memfd_secret": 447,
    "process_mrelease": 448,
    "futex_waitv": 449,
    "set_mempolicy_home_node": 450,
    "cachestat": 451,
    "fchmodat2": 452,
    "map_shadow_stack": 453,
    "futex_wake": 454,
    "futex_wait": 455,
    "futex_requeue": 456,
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
    "mseal": 462,
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_getattr": 468,
    "file_setattr": 469,
    "listns": 470,
}
_NEW_NUMBERS_OF_X86_64 = {"uretprobe": 335, "uprobe": 336}

_NAMESPACE_CALLS = frozenset(
    (
        *("clone", "clone3", "unshare", "setns", "chroot", "pivot_root", "mount", "umount"),
        *("umount2", "fsopen", "fsconfig", "fsmount", "fspick", "open_tree", "open_tree_attr"),
        *("move_mount", "mount_setattr", "sethostname", "setdomainname"),
    )
)
_IO_URING_CALLS = frozenset(["io_uring_setup", "io_uring_enter", "io_uring_register"])


def load_profile(path: str | os.PathLike[str] | None) -> dict[str, Any]:
    """A checked profile, in docker's form or as a plain OCI section.

    Args:
        path: The profile's file; None for the default profile.

    Raises:
        UsageError: The file cannot be read, is no profile, or one of its fields is wrong (the
            message names file and field).
    """
    chosen = DEFAULT_PROFILE if path is None else path
    try:
        return parse_profile(_read_profile(chosen))
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"seccomp profile {os.fspath(chosen)}: {reason}") from error
    except UsageError as error:
        raise UsageError(f"seccomp profile {os.fspath(chosen)}: {error}") from None


def resolve_profile(
    profile: dict[str, Any],
    *,
    capabilities: frozenset[str],
    arch: str,
    kernel: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """The OCI `linux.seccomp` section of a profile for one container.

    Args:
        profile: From `load_profile`, or such a document of your own.
        capabilities: The container's bounding set, as "CAP_SYS_ADMIN".
        arch: The machine, as `os.uname().machine`; "amd64" and "arm64" are taken too.
        kernel: Major and minor, for minKernel conditions; None for the running kernel's.

    Returns:
        defaultAction, defaultErrnoRet, architectures (the native one alone, unless the profile
        itself lists `architectures`), flags and listener fields if given, and syscalls whose
        conditions on capabilities, architecture and kernel hold.

    Raises:
        UsageError: A field is wrong.
        HostUnsupportedError: No filter is known for this machine.
    """
    checked = check_profile(profile)
    machine = _machine(arch)
    version = kernel or _running_kernel()
    kept = ("defaultAction", "defaultErrnoRet", "flags", "listenerPath", "listenerMetadata")
    section: dict[str, Any] = {key: checked[key] for key in kept if key in checked}
    section["architectures"] = checked.get("architectures") or [machine.scmp]
    section["syscalls"] = [
        _plain_call(call)
        for call in checked.get("syscalls", ())
        if _is_included(call.get("includes", {}), capabilities, machine, version)
        and not _is_excluded(call.get("excludes", {}), capabilities, machine, version)
    ]
    return section


def allow_nested_userns(profile: dict[str, Any]) -> dict[str, Any]:
    """The profile with user namespaces allowed, and what a program does inside its own.

    That is clone and clone3 with every flag, unshare, setns, both mount interfaces,
    pivot_root, chroot and the host's name.  The kernel still asks for the capability in the
    namespace that owns the object.
    """
    return allow_calls(profile, _NAMESPACE_CALLS)


def allow_io_uring(profile: dict[str, Any]) -> dict[str, Any]:
    """The profile with the three io_uring calls allowed."""
    return allow_calls(profile, _IO_URING_CALLS)


def strict_profile(network: bool = False) -> dict[str, Any]:
    """The sandbox's: the default profile as changed by `REFUSALS` and seccomp/strict.json.

    With `network` seccomp/network.json changes that, for boxes that may speak to some hosts.
    """
    profile = refuse_shared(load_profile(None))
    for path in (STRICT_CHANGES, NETWORK_CHANGES)[: 1 + network]:
        profile = replace_rules(profile, load_profile(path)["syscalls"])
    return profile


def compile_section(section: dict[str, Any]) -> bytes:
    """The classic BPF program (struct sock_filter array) of an OCI `linux.seccomp` section.

    Rules of one call are alternatives, conditions of one rule must all hold; a rule that
    compares one argument twice counts as one rule per comparison (as runc does).  A rule whose
    verdict is the default's is left out, the first rule without conditions beats all others
    of its call (as in libseccomp).  Rules that contradict each other are refused: which of
    them libseccomp obeys depends on their order and operators.  Names the machine does not
    have are skipped.  Calls of other architectures (x32 among them) kill the process.

    Raises:
        UsageError: A field is wrong, or two rules contradict each other.
        HostUnsupportedError: No filter is known for this machine.
    """
    document = check_profile(section)
    if "archMap" in document or any(
        "includes" in call or "excludes" in call for call in document.get("syscalls", ())
    ):
        raise UsageError("a profile in docker's form must go through resolve_profile first")
    named = document.get("architectures", ())
    audit = _audit_number(named[0]) if named else int(lib.seccomp_arch_native())
    machine = next((m for m in _ARCHITECTURES.values() if m.audit == audit), None)
    if machine is None or len(named) > 1:
        return compile_with_libseccomp(section)
    default = _verdict(document, "defaultAction", "defaultErrnoRet")
    rules = _rules(document)
    numbered = _numbered(rules, machine, default)
    try:
        return bpf.assemble(numbered, default=default, audit_arch=audit, x32=machine.x32)
    except bpf.OverlapError as overlap:
        raise UsageError(_contradiction(rules, audit, overlap.number)) from None
    except (bpf.SizeError, RecursionError) as error:
        raise UsageError(f"syscalls: too many conditions ({error}), simplify them") from None


def compile_with_libseccomp(section: dict[str, Any], *, optimize: int = 2) -> bytes:
    """The same program as libseccomp writes it: for several architectures, and for tests.

    Where several rules of one call compare by order (LT LE GT GE) or NE, libseccomp 2.6 can
    give a verdict no rule asks for, or never return; `bpf.py` does neither.

    Args:
        section: An OCI `linux.seccomp` section.
        optimize: libseccomp's SCMP_FLTATR_CTL_OPTIMIZE: 1 linear, 2 binary tree.

    Raises:
        UsageError: A field is wrong, two rules contradict each other, or libseccomp refuses.
    """
    document = check_profile(section)
    default = _verdict(document, "defaultAction", "defaultErrnoRet")
    context = lib.seccomp_init(default)
    if context == ffi.NULL:
        raise UsageError(f"defaultAction: libseccomp refuses {document['defaultAction']}")
    try:
        lib.seccomp_attr_set(context, lib.SCMP_FLTATR_ACT_BADARCH, bpf.KILL_PROCESS)
        lib.seccomp_attr_set(context, lib.SCMP_FLTATR_CTL_OPTIMIZE, optimize)
        _choose_architectures(context, document.get("architectures", ()))
        named = document.get("architectures", ())
        several = any(_audit_number(name) != lib.seccomp_arch_native() for name in named)
        for rule in _rules(document):
            if rule.verdict != default:
                _add_rule(context, rule, several, default in _OPEN)
        return _export(context)
    finally:
        lib.seccomp_release(context)


def compile_to_cache(section: dict[str, Any], cache_dir: Path) -> tuple[Path, str]:
    """Compile a section into `cache_dir`/seccomp/HEX.bpf (mode 0600, HEX the SHA-256).

    HEX.json beside it is the section, for the config.json that names the program.

    The file appears whole or not at all; an equal one is left alone, a damaged one replaced.

    Returns:
        The file's path, and "sha256:HEX" of its bytes.

    Raises:
        UsageError: See `compile_section`.
        StoreError: The cache cannot be written.
    """
    program = compile_section(section)
    digest = hashlib.sha256(program).hexdigest()
    directory = cache_dir / "seccomp"
    path = directory / f"{digest}.bpf"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (path.is_file() and path.read_bytes() == program):
            write_whole(path, program)
        write_whole(path.with_suffix(".json"), json.dumps(section).encode())
    except OSError as error:
        raise StoreError(
            f"seccomp filter {path}: {error.strerror or error}",
            remedy="check the free space and the owner of that directory",
        ) from error
    return path, f"sha256:{digest}"


@dataclass(frozen=True)
class _NamedRule:
    """One rule of a section, its names not yet turned into numbers."""

    where: str
    names: tuple[str, ...]
    verdict: int
    conditions: tuple[bpf.Condition, ...]


def _read_profile(path: str | os.PathLike[str]) -> bytes:
    # O_NONBLOCK: opening a FIFO must not wait for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UsageError("not a regular file")
        text = file.read(_PROFILE_BYTES_MAX + 1)
    if len(text) > _PROFILE_BYTES_MAX:
        raise UsageError(f"larger than {_PROFILE_BYTES_MAX} bytes")
    return text


def _machine(arch: str) -> _Architecture:
    for name, machine in _ARCHITECTURES.items():
        if arch in (name, machine.docker):
            return machine
    known = ", ".join(_ARCHITECTURES)
    raise HostUnsupportedError(f"seccomp: unknown architecture {arch!r} (known: {known})")


def _running_kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(d for d in minor if d.isdigit()))


def _is_included(
    wanted: dict[str, Any],
    capabilities: frozenset[str],
    machine: _Architecture,
    kernel: tuple[int, int],
) -> bool:
    """All capabilities, the architecture and the kernel are there (docker's `includes`)."""
    arches = wanted.get("arches", ())
    return (
        capabilities.issuperset(wanted.get("caps", ()))
        and (not arches or machine.docker in arches)
        and _is_at_least(kernel, wanted.get("minKernel", "0.0"))
    )


def _is_excluded(
    unwanted: dict[str, Any],
    capabilities: frozenset[str],
    machine: _Architecture,
    kernel: tuple[int, int],
) -> bool:
    """Any of the capabilities, the architecture or the kernel is there (`excludes`)."""
    return (
        not capabilities.isdisjoint(unwanted.get("caps", ()))
        or machine.docker in unwanted.get("arches", ())
        or ("minKernel" in unwanted and _is_at_least(kernel, unwanted["minKernel"]))
    )


def _is_at_least(kernel: tuple[int, int], version: str) -> bool:
    major, minor = version.split(".")
    return kernel >= (int(major), int(minor))


def _plain_call(call: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {"names": list(call.get("names") or [call["name"]])}
    kept = ("action", "errnoRet", "args")
    plain |= {key: call[key] for key in kept if call.get(key) not in (None, [])}
    return plain


def _verdict(table: dict[str, Any], action_key: str, errno_key: str) -> int:
    action = table[action_key]
    takes_errno = action in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
    data = table.get(errno_key, _DEFAULT_ERRNO) if takes_errno else 0
    return ACTIONS[action] | int(data)


def _rules(document: dict[str, Any]) -> list[_NamedRule]:
    found: list[_NamedRule] = []
    for number, call in enumerate(document.get("syscalls", ())):
        names = tuple(call.get("names") or [call["name"]])
        verdict = _verdict(call, "action", "errnoRet")
        conditions = tuple(
            bpf.Condition(
                arg["index"],
                arg["op"].removeprefix("SCMP_CMP_"),
                arg["value"],
                arg.get("valueTwo", 0),
            )
            for arg in call.get("args", ())
        )
        repeats = len({condition.index for condition in conditions}) < len(conditions)
        for alternative in [(c,) for c in conditions] if repeats else [conditions]:
            found.append(_NamedRule(f"syscalls[{number}]", names, verdict, alternative))
    return found


def _numbered(rules: list[_NamedRule], machine: _Architecture, default: int) -> list[bpf.Rule]:
    numbered: list[bpf.Rule] = []
    for rule in rules:
        for name in rule.names if rule.verdict != default else ():
            number = _number(machine.audit, name)
            if number >= 0:
                numbered.append(bpf.Rule(number, rule.verdict, rule.conditions))
    return numbered


def _contradiction(rules: list[_NamedRule], audit: int, number: int) -> str:
    """Names the call and its rules, for a message."""
    concerned = {
        rule.where: name
        for rule in rules
        for name in rule.names
        if _number(audit, name) == number
    }
    name = next(iter(concerned.values()))
    return (
        f"{', '.join(concerned)}: {name}: one call can meet rules with different verdicts; "
        "make their conditions exclude each other"
    )


def _number(audit: int, name: str) -> int:
    """The call's number; -1: unknown; below: libseccomp's stand-in for another machine's."""
    number = int(lib.seccomp_syscall_resolve_name_arch(audit, name.encode()))
    if number == -1 and any(machine.audit == audit for machine in _ARCHITECTURES.values()):
        number = _NEW_NUMBERS.get(name, -1)
        if audit == _ARCHITECTURES["x86_64"].audit:
            number = _NEW_NUMBERS_OF_X86_64.get(name, number)
    return number


def _audit_number(scmp_name: str) -> int:
    name = scmp_name.removeprefix("SCMP_ARCH_").lower()
    audit = int(lib.seccomp_arch_resolve_name(name.encode()))
    if audit == 0:
        raise UsageError(f"architectures: libseccomp does not know {scmp_name}")
    return audit


def _choose_architectures(context: object, named: list[str]) -> None:
    """The native architecture is always there, as in other runtimes; one alone is alone."""
    native = int(lib.seccomp_arch_native())
    wanted = [_audit_number(name) for name in named]
    for audit in wanted:
        if audit != native:
            _must(lib.seccomp_arch_add(context, audit), f"architectures: {named}")
    if len(wanted) == 1 and wanted[0] != native:
        _must(lib.seccomp_arch_remove(context, native), f"architectures: {named}")


def _add_rule(context: object, rule: _NamedRule, several: bool, open_default: bool) -> None:
    comparisons = [
        {
            "arg": c.index,
            "op": getattr(lib, f"SCMP_CMP_{c.op}"),
            "datum_a": c.value,
            "datum_b": c.value_two,
        }
        for c in rule.conditions
    ]
    array = ffi.new("struct scmp_arg_cmp[]", comparisons)
    for name in rule.names:
        number = _number(int(lib.seccomp_arch_native()), name)
        if number == -1 or (not several and number < 0):
            continue
        code = lib.seccomp_rule_add_array(context, rule.verdict, number, len(array), array)
        if code == -errno.EFAULT and several and not open_default:
            continue  # too new for libseccomp to translate: the default's verdict then
        _must(code, f"{rule.where}: {name}")


def _must(code: int, what: str) -> None:
    if code == -errno.EEXIST:
        raise UsageError(f"{what}: an earlier rule gives the same call another verdict")
    if code < 0:
        raise UsageError(f"{what}: libseccomp: {os.strerror(-code)}")


def _export(context: object) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        _must(lib.seccomp_export_bpf(context, fd), "writing the program")
        file.seek(0)
        program = file.read()
    if len(program) > 8 * bpf.MAX_INSTRUCTIONS:
        raise UsageError(
            f"the profile needs {len(program) // 8} instructions, "
            f"the kernel takes {bpf.MAX_INSTRUCTIONS}: simplify its conditions"
        )
    return program


def write_whole(path: Path, content: bytes) -> None:
    """A file of the cache, mode 0600: it appears whole and lasting, or not at all."""
    fd, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)  # mode 0600, close-on-exec
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
