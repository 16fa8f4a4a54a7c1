"""Reading profiles: every wrong field is named by its path, every right one survives.

In: documents with one thing wrong each, files that are none.  Out: UsageError texts.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyrootless.errors import UsageError
from pyrootless.seccomp import profiles
from pyrootless.seccomp.check import check_profile, parse_profile

ERRNO = "SCMP_ACT_ERRNO"


def call(**fields: object) -> dict[str, Any]:
    return {
        "defaultAction": ERRNO,
        "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", **fields}],
    }


def arg(**fields: object) -> dict[str, Any]:
    return call(args=[{"index": 0, "op": "SCMP_CMP_EQ", "value": 1, **fields}])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "profile: []: should be an object"),
        ({}, "defaultAction: is missing"),
        ({"defaultAction": "allow"}, "defaultAction: 'allow': should be one of SCMP_ACT_KILL "),
        ({"defaultAction": ["SCMP_ACT_ALLOW"]}, "defaultAction: ['SCMP_ACT_ALLOW']: should be"),
        ({"defaultAction": ERRNO, "defaultErrno": "EWHAT"}, "defaultErrno: 'EWHAT': should be"),
        ({"defaultAction": ERRNO, "defaultErrnoRet": 4096}, "defaultErrnoRet: 4096 is above"),
        ({"defaultAction": ERRNO, "defaultErrnoRet": -1}, "defaultErrnoRet: -1: should be a"),
        ({"defaultAction": ERRNO, "defaultErrnoRet": True}, "defaultErrnoRet: True: should be"),
        ({"defaultAction": ERRNO, "defaultErrnoRet": 1.0}, "defaultErrnoRet: 1.0: should be a"),
        (
            {"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1},
            "defaultErrnoRet: has no meaning for SCMP_ACT_ALLOW, leave it out",
        ),
        (
            {"defaultAction": ERRNO, "defaultErrno": "EPERM", "defaultErrnoRet": 38},
            "defaultErrno: contradicts defaultErrnoRet",
        ),
        (
            {"defaultAction": ERRNO, "archMap": [], "architectures": []},
            "archMap: give either architectures or archMap",
        ),
        ({"defaultAction": ERRNO, "archMap": [{}]}, "archMap[0].architecture: is missing"),
        (
            {"defaultAction": ERRNO, "architectures": ["x86_64"]},
            "architectures[0]: 'x86_64': should be a name as SCMP_ARCH_X86_64",
        ),
        ({"defaultAction": ERRNO, "flags": ["LOG"]}, "flags[0]: 'LOG': should be"),
        ({"defaultAction": ERRNO, "syscalls": {}}, "syscalls: {}: should be a list"),
        (
            {"defaultAction": ERRNO, "sysCalls": []},
            "sysCalls: unknown field; known here: defaultAction, ",
        ),
        (call(include={}), "syscalls[0].include: unknown field; known here: name, names, "),
        (call(action=None), "syscalls[0].action: is missing"),
        (call(name="read"), "syscalls[0]: give either name or names"),
        (call(names=None), "syscalls[0]: give either name or names"),
        (call(names="read"), "syscalls[0].names: 'read': should be a list"),
        (call(names=["read", 7]), "syscalls[0].names[1]: 7: should be the name of a system"),
        (call(names=["a\0b"]), "syscalls[0].names[0]: 'a\\x00b': should be the name"),
        (call(errnoRet=1), "syscalls[0].errnoRet: has no meaning for SCMP_ACT_ALLOW"),
        (call(includes={"cap": []}), "syscalls[0].includes.cap: unknown field; known here: ca"),
        (
            call(excludes={"caps": ["SYS_ADMIN"]}),
            "syscalls[0].excludes.caps[0]: 'SYS_ADMIN': should be a capability as CAP_",
        ),
        (call(includes={"minKernel": 4.8}), "syscalls[0].includes.minKernel: 4.8: should be a"),
        (call(includes={"minKernel": "4"}), "syscalls[0].includes.minKernel: '4': should be a"),
        (arg(index=6), "syscalls[0].args[0].index: 6: should be a whole number from 0 to 5"),
        (arg(op="EQ"), "syscalls[0].args[0].op: 'EQ': should be one of SCMP_CMP_NE "),
        (arg(op=None), "syscalls[0].args[0].op: is missing"),
        (arg(value=1 << 64), "syscalls[0].args[0].value: 18446744073709551616: should be a"),
        (arg(value="1"), "syscalls[0].args[0].value: '1': should be a whole number"),
        (arg(valuetwo=1), "syscalls[0].args[0].valuetwo: unknown field; known here: index"),
    ],
)
def test_wrong_fields(document: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_profile(document)
    assert str(caught.value).startswith(message)


def test_right_fields_survive_and_null_is_absent() -> None:
    document = call(
        args=None, comment="why", includes={"caps": ["CAP_BPF"], "arches": None}, excludes={}
    )
    checked = check_profile(document)
    assert checked["syscalls"] == [
        {
            "names": ["read"],
            "action": "SCMP_ACT_ALLOW",
            "comment": "why",
            "includes": {"caps": ["CAP_BPF"]},
            "excludes": {},
        }
    ]


def test_names_of_errors_as_podman_writes_them() -> None:
    document = call(action=ERRNO, errno="EINVAL") | {"defaultErrno": "ENOSYS"}
    checked = check_profile(document)
    assert checked["defaultErrnoRet"] == 38
    assert checked["syscalls"][0]["errnoRet"] == 22
    assert "errno" not in checked["syscalls"][0]


def test_a_trace_verdict_carries_sixteen_bits() -> None:
    document = {"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 0xFFFF}
    assert check_profile(document)["defaultErrnoRet"] == 0xFFFF


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON: Expecting value (line 1)"),
        (b'{"defaultAction":\n', "not JSON: Expecting value (line 2)"),
        (b'"\xff"', "not UTF-8 text (byte 1)"),
        (b"[" * 100_000, "not JSON that can be read: nested too deep"),
        (b'{"defaultAction": ' + b"9" * 10_000 + b"}", "not JSON that can be read"),
    ],
)
def test_text_that_is_no_profile(text: bytes, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_profile(text)
    assert str(caught.value).startswith(message)


def test_the_message_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(arg(index=9)))
    with pytest.raises(UsageError) as caught:
        profiles.load_profile(path)
    wanted = f"seccomp profile {path}: syscalls[0].args[0].index: 9: should be"
    assert str(caught.value).startswith(wanted)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"seccomp profile .*/none: No such file or directory"):
        profiles.load_profile(tmp_path / "none")


def test_a_fifo_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match=r"seccomp profile .*/fifo: not a regular file"):
        profiles.load_profile(tmp_path / "fifo")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"seccomp profile .*: (not a regular|Is a directory)"):
        profiles.load_profile(tmp_path)


def test_a_huge_file(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(UsageError, match=r"seccomp profile .*/huge: larger than 4194304 bytes"):
        profiles.load_profile(path)


def test_the_default_profile_is_read() -> None:
    assert profiles.load_profile(None)["defaultErrnoRet"] == 38
