"""Checks a seccomp profile's JSON text and document, field by field.

What comes in: the bytes of a profile, in docker's form (archMap, includes, excludes; podman's
errno names too) or as the `linux.seccomp` section of an OCI configuration.
What goes out: the document as a plain dict in which every field has its right type, range and
spelling, `null` and empty optional fields removed.
Must never: fill in defaults, choose between rules, open a file.  An unknown field is an error
and not ignored: a misspelt "includes" would turn a condition into an unconditional permission.

Source: OCI runtime-spec config-linux.md "Seccomp"; docker docs "Seccomp security profiles".
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable
from typing import Any

from pyrootless.errors import UsageError

ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
"""Action name → SECCOMP_RET_* (uapi linux/seccomp.h)."""
OPERATORS = tuple(f"SCMP_CMP_{op}" for op in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))
ERRNO_MAX = 4095
"""MAX_ERRNO: the kernel cuts larger values down to it without a word."""
_DATA_MAX = 0xFFFF  # SECCOMP_RET_DATA, what SCMP_ACT_TRACE hands to the tracer

_Check = Callable[[object, str], Any]


def parse_profile(text: bytes) -> dict[str, Any]:
    """The checked document of a profile's JSON text.

    Raises:
        UsageError: It is no JSON, or a field is wrong; the text begins with the field's path,
            as in `syscalls[3].args[0].op: ...`.
    """
    try:
        document = json.loads(text)
    except UnicodeDecodeError as error:
        raise UsageError(f"not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"not JSON: {error.msg} (line {error.lineno})") from None
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        raise UsageError(
            "not JSON that can be read: nested too deep or absurdly large"
        ) from None
    return check_profile(document)


def check_profile(document: object) -> dict[str, Any]:
    """The checked copy of a profile that is already a document.

    Raises:
        UsageError: A field is missing, unknown, or of the wrong type or range.
    """
    profile = _table(document, "", _PROFILE, required=("defaultAction",))
    _check_errno(profile, "", "defaultAction", "defaultErrnoRet", "defaultErrno")
    if "architectures" in profile and "archMap" in profile:
        raise UsageError("archMap: give either architectures or archMap")
    for number, call in enumerate(profile.get("syscalls", ())):
        where = f"syscalls[{number}]"
        if ("name" in call) == ("names" in call):
            raise UsageError(f"{where}: give either name or names")
        _check_errno(call, f"{where}.", "action", "errnoRet", "errno")
    return profile


def _check_errno(
    table: dict[str, Any], where: str, action_key: str, number_key: str, name_key: str
) -> None:
    """errnoRet belongs to ERRNO and TRACE; podman's errno name is turned into the number."""
    action = table[action_key]
    if name_key in table:
        number = table.pop(name_key)
        if table.setdefault(number_key, number) != number:
            raise UsageError(f"{where}{name_key}: contradicts {number_key}")
    if number_key not in table:
        return
    limits = {"SCMP_ACT_ERRNO": ERRNO_MAX, "SCMP_ACT_TRACE": _DATA_MAX}
    if action not in limits:
        raise UsageError(f"{where}{number_key}: has no meaning for {action}, leave it out")
    if table[number_key] > limits[action]:
        raise UsageError(f"{where}{number_key}: {table[number_key]} is above {limits[action]}")


def _fail(where: str, value: object, wanted: str) -> UsageError:
    shown = repr(value)
    return UsageError(f"{where or 'profile'}: {shown[:60]}: should be {wanted}")


def _table(
    value: object, where: str, fields: dict[str, _Check], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _fail(where, value, "an object")
    prefix = f"{where}." if where else ""
    checked: dict[str, Any] = {}
    for key, member in value.items():
        if key not in fields:
            known = ", ".join(fields)
            raise UsageError(f"{prefix}{key[:60]}: unknown field; known here: {known}")
        if member is not None:
            checked[key] = fields[key](member, prefix + key)
    for key in required:
        if key not in checked:
            raise UsageError(f"{prefix}{key}: is missing")
    return checked


def _list(item: _Check) -> _Check:
    def check(value: object, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise _fail(where, value, "a list")
        return [item(member, f"{where}[{number}]") for number, member in enumerate(value)]

    return check


def _number(maximum: int) -> _Check:
    def check(value: object, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
            raise _fail(where, value, f"a whole number from 0 to {maximum}")
        return value

    return check


def _one_of(choices: tuple[str, ...]) -> _Check:
    def check(value: object, where: str) -> str:
        if value not in choices:
            raise _fail(where, value, "one of " + " ".join(choices))
        return str(value)

    return check


def _pattern(expression: str, wanted: str) -> _Check:
    def check(value: object, where: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(expression, value):
            raise _fail(where, value, wanted)
        return value

    return check


def _errno_name(value: object, where: str) -> int:
    if not isinstance(value, str) or not isinstance(getattr(errno, value, None), int):
        raise _fail(where, value, 'the name of an error, as "EPERM"')
    number = getattr(errno, value)
    assert isinstance(number, int)
    return number


def _condition(value: object, where: str) -> dict[str, Any]:
    return _table(value, where, _CONDITION, required=("index", "value", "op"))


def _filter(value: object, where: str) -> dict[str, Any]:
    return _table(value, where, _FILTER)


def _syscall(value: object, where: str) -> dict[str, Any]:
    return _table(value, where, _SYSCALL, required=("action",))


def _arch_entry(value: object, where: str) -> dict[str, Any]:
    return _table(value, where, _ARCH_ENTRY, required=("architecture",))


_text = _pattern(r"(?s).*", "text")
_name = _pattern(r"[A-Za-z0-9_]{1,64}", "the name of a system call")
_action = _one_of(tuple(ACTIONS))
_architecture = _pattern(r"SCMP_ARCH_[A-Z0-9_]{1,20}", "a name as SCMP_ARCH_X86_64")
_CONDITION: dict[str, _Check] = {
    "index": _number(5),
    "value": _number(2**64 - 1),
    "valueTwo": _number(2**64 - 1),
    "op": _one_of(OPERATORS),
}
_FILTER: dict[str, _Check] = {
    "caps": _list(_pattern(r"CAP_[A-Z0-9_]{1,40}", "a capability as CAP_SYS_ADMIN")),
    "arches": _list(_pattern(r"[a-z0-9_]{1,20}", "an architecture as amd64")),
    "minKernel": _pattern(r"[0-9]{1,4}\.[0-9]{1,4}", "a kernel version as 4.8"),
}
_SYSCALL: dict[str, _Check] = {
    "name": _name,
    "names": _list(_name),
    "action": _action,
    "errnoRet": _number(_DATA_MAX),
    "errno": _errno_name,
    "args": _list(_condition),
    "comment": _text,
    "includes": _filter,
    "excludes": _filter,
}
_ARCH_ENTRY: dict[str, _Check] = {
    "architecture": _architecture,
    "subArchitectures": _list(_architecture),
}
_PROFILE: dict[str, _Check] = {
    "defaultAction": _action,
    "defaultErrnoRet": _number(_DATA_MAX),
    "defaultErrno": _errno_name,
    "architectures": _list(_architecture),
    "archMap": _list(_arch_entry),
    "flags": _list(_pattern(r"SECCOMP_FILTER_FLAG_[A-Z_]{1,40}", "SECCOMP_FILTER_FLAG_...")),
    "listenerPath": _text,
    "listenerMetadata": _text,
    "comment": _text,
    "syscalls": _list(_syscall),
}
