"""pyrootless.errors: records become exceptions with the right class, text and exit code."""

from __future__ import annotations

import errno

import pytest

from pyrootless import errors


def make(stage: str, errnum: int, klass: str = "LaunchError") -> errors.PyrootlessError:
    record = (stage, errnum, "mount", "/proc", False)
    return errors.error_from_record(record, klass, "proc", "do this")


def test_launch_error_is_an_oserror_with_its_facts() -> None:
    record = ("mounts", errno.EPERM, "mount", "/proc", False)
    error = errors.LaunchError.from_record(record, "do this")
    assert isinstance(error, OSError)
    assert (error.stage, error.syscall, error.errno) == ("mounts", "mount", errno.EPERM)
    assert (error.filename, error.remedy) == ("/proc", "do this")
    assert str(error) == "mounts: mount(/proc): Operation not permitted\n  remedy: do this"


def test_a_sentence_is_not_wrapped_in_a_call() -> None:
    record = ("state", errno.EEXIST, "symlink", "name is taken", True)
    assert str(errors.LaunchError.from_record(record, "")) == "state: name is taken"


@pytest.mark.parametrize("klass", ["LaunchError", "HostUnsupportedError"])
def test_a_name_with_a_space_does_not_hide_the_reason(klass: str) -> None:
    record = ("rootfs", errno.EACCES, "open", "/my tree", False)
    error = errors.error_from_record(record, klass, "", "")
    assert str(error) == "rootfs: open(/my tree): Permission denied"


def test_a_name_in_an_error_gives_no_order_to_the_terminal() -> None:
    error = errors.IntegrityError("no \x1b]0;x\x07 \x9b2J\u202e\udcff\n\tä", remedy="say \x08")
    assert str(error) == ("no \\x1b]0;x\\x07 \\x9b2J\\u202e\\udcff\n\tä\n  remedy: say \\x08")


def test_an_option_speaks_for_itself() -> None:
    record = ("options", errno.EINVAL, "--memory", "12x is no size", False)
    error = errors.error_from_record(record, "UsageError", "", "unused")
    assert isinstance(error, errors.UsageError)
    assert isinstance(error, ValueError)
    assert str(error) == "--memory: 12x is no size"


def test_what_was_asked_of_an_image_has_its_remedy() -> None:
    error = make("mounts", errno.ELOOP, "UsageError")
    assert isinstance(error, errors.UsageError)
    assert (error.remedy, str(error).splitlines()[1:]) == ("do this", ["  remedy: do this"])


@pytest.mark.parametrize(
    ("stage", "errnum", "code"),
    [
        ("exec", errno.ENOENT, 127),
        ("exec", errno.ENOTDIR, 127),
        ("exec", errno.EACCES, 126),
        ("exec", errno.ENOEXEC, 126),
        ("mounts", errno.ENOENT, 125),
        ("clone", errno.EPERM, 125),
    ],
)
def test_exit_codes(stage: str, errnum: int, code: int) -> None:
    assert make(stage, errnum).exit_code == code


@pytest.mark.parametrize(
    ("klass", "kind"),
    [
        ("LaunchError", errors.LaunchError),
        ("HostUnsupportedError", errors.HostUnsupportedError),
        ("StoreError", errors.StoreError),
        ("ContainerStateError", errors.ContainerStateError),
        ("UsageError", errors.UsageError),
        ("", errors.LaunchError),
    ],
)
def test_the_row_names_the_class(klass: str, kind: type[errors.PyrootlessError]) -> None:
    assert type(make("rootfs", errno.EPERM, klass)) is kind


def test_host_errors_point_to_doctor() -> None:
    error = make("mounts", errno.EPERM, "HostUnsupportedError")
    assert isinstance(error, errors.HostUnsupportedError)
    assert (error.check, error.remedy) == ("proc", "do this")
    assert str(error).splitlines() == [
        "mounts: mount(/proc): Operation not permitted",
        "  remedy: do this",
        "  more: pyrootless doctor proc",
    ]


def test_build_error_has_line_and_instruction() -> None:
    error = errors.BuildError("no such stage", line=3, instruction="FROM x")
    assert (error.line, error.instruction, error.exit_code) == (3, "FROM x", 1)
