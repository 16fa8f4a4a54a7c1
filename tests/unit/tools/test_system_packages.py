"""What a build says when the system lacks something."""

from __future__ import annotations

import pytest
import system_packages as packages


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("ID=debian\nVERSION_ID=13\n", "apt"),
        ("ID=linuxmint\nID_LIKE=ubuntu\n", "apt"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ("ID=alpine\n", "apk"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "zypper"),
        ("ID=manjaro\nID_LIKE=arch\n", "pacman"),
        ("ID=plan9\n", None),
        ("", None),
        ("no equals sign\n", None),
    ],
)
def test_package_manager(release: str, expected: str | None) -> None:
    assert packages.package_manager(release) == expected


def test_the_one_line() -> None:
    text = packages.explain_missing([packages.PYTHON, packages.SECCOMP], "ID=debian\n")
    assert text == (
        "pyrootless cannot be built here: missing Python.h, seccomp.h (libseccomp).\n"
        "Install what is missing with:\n\n"
        "    sudo apt-get install -y python3-dev libseccomp-dev\n"
    )


def test_an_unknown_distribution_gets_the_names() -> None:
    text = packages.explain_missing([packages.YYJSON], "")
    assert "yyjson.h (yyjson)" in text
    assert "sudo" not in text


def test_every_part_has_a_package_everywhere() -> None:
    for part in (packages.COMPILER, packages.PYTHON, packages.SECCOMP, packages.YYJSON):
        assert set(part.packages) == set(packages.INSTALL)


def test_no_compiler_means_everything_is_named() -> None:
    missing = packages.missing_parts(("no-such-compiler",), has_yyjson=True)
    assert missing == [packages.COMPILER, packages.PYTHON, packages.SECCOMP]
