"""pyrootless.cli.run: what Python prepares before the launcher starts again."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

import pyrootless
from pyrootless.cli import run
from pyrootless.cli.run import Asked
from pyrootless.errors import HostUnsupportedError, UsageError


class Executed(Exception):
    """Instead of execve."""


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    calls: list[tuple[str, str | None]] = []
    monkeypatch.setattr(run, "prepare_image", lambda image, root: calls.append((image, root)))
    return calls


def asked(*values: tuple[str, str], image: str | None = "host") -> Asked:
    return Asked(values, image, ("echo", "-n", "hi"))


def test_the_launcher_gets_the_same_words(prepared: list[tuple[str, str | None]]) -> None:
    words = run.prepare(asked(("rm", "true"), ("env", "A=1"), ("root", "/r"), ("tty", "false")))
    assert words == [
        "--rm=true", "--env=A=1", "--root=/r", "--tty=false", "--", "host", "echo", "-n", "hi",
    ]  # fmt: skip
    assert prepared == [("host", "/r")]


def test_rootfs_needs_the_base_template(prepared: list[tuple[str, str | None]]) -> None:
    run.prepare(asked(("rootfs", "true"), image="/some/tree"))
    assert prepared == [("host", None)]


def test_spec_needs_no_image(prepared: list[tuple[str, str | None]]) -> None:
    assert run.prepare(Asked((("spec", "c.json"),), None, ())) == ["--spec=c.json"]
    assert prepared == []


def test_pull_is_served_here(prepared: list[tuple[str, str | None]]) -> None:
    assert "--pull=missing" not in run.prepare(asked(("pull", "missing")))
    with pytest.raises(UsageError, match="--pull always: .* not available in this release"):
        run.prepare(asked(("pull", "always")))


@pytest.mark.parametrize(("name", "value"), [("dns", "1.1.1.1"), ("network", "backend")])
def test_what_is_coming_is_refused_by_name(
    name: str, value: str, prepared: list[tuple[str, str | None]]
) -> None:
    with pytest.raises(UsageError, match=f"--{name} {value}: .* not available in this release"):
        run.prepare(asked((name, value)))
    assert prepared == []


@pytest.mark.parametrize("value", ["none", "host"])
def test_native_networks_pass(value: str, prepared: list[tuple[str, str | None]]) -> None:
    assert f"--network={value}" in run.prepare(asked(("network", value)))


@pytest.mark.parametrize(
    "values",
    [
        (),
        (("security-opt", "seccomp=unconfined"), ("security-opt", "io-uring")),
        (("security-opt", "no-new-privileges"),),
        (("security-opt", "io-uring"), ("privileged", "true")),
    ],
)
def test_no_filter_is_compiled_without_need(values: tuple[tuple[str, str], ...]) -> None:
    assert run.compile_filter(asked(*values)) is None


def test_filters_are_compiled_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: list[tuple[str, str | None]]
) -> None:
    seen: list[Any] = []

    def resolve(profile: dict[str, Any], *, capabilities: frozenset[str], arch: str) -> Any:
        seen.append((profile["changes"], capabilities))
        return profile

    fake = types.SimpleNamespace(
        load_profile=lambda path: {"changes": [str(path)]},
        allow_nested_userns=lambda profile: {"changes": [*profile["changes"], "nested"]},
        allow_io_uring=lambda profile: {"changes": [*profile["changes"], "uring"]},
        resolve_profile=resolve,
        compile_to_cache=lambda section, cache: (cache / "a.bpf", "sha256:x"),
    )
    monkeypatch.setitem(sys.modules, "pyrootless._seccomp", fake)
    monkeypatch.setattr(pyrootless, "_seccomp", fake, raising=False)
    words = run.prepare(
        asked(
            ("root", str(tmp_path)),
            ("security-opt", "nested-userns"),
            ("security-opt", "seccomp=/p.json"),
            ("security-opt", "io-uring"),
        )
    )
    assert words[0] == f"--seccomp-program={tmp_path.resolve()}/cache/a.bpf"
    assert seen[0][0] == ["/p.json", "nested", "uring"]


@pytest.mark.parametrize(
    ("values", "has", "lacks"),
    [
        ((), {"CAP_CHOWN", "CAP_MKNOD"}, {"CAP_SYS_ADMIN"}),
        ((("cap-add", "sys_admin"),), {"CAP_SYS_ADMIN", "CAP_CHOWN"}, set()),
        ((("cap-drop", "ALL"), ("cap-add", "CAP_CHOWN")), {"CAP_CHOWN"}, {"CAP_MKNOD"}),
        ((("cap-drop", "mknod"),), {"CAP_CHOWN"}, {"CAP_MKNOD"}),
        ((("cap-add", "ALL"), ("cap-drop", "SYS_ADMIN")), {"CAP_BPF"}, {"CAP_SYS_ADMIN"}),
    ],
)
def test_bounding_set(
    values: tuple[tuple[str, str], ...], has: set[str], lacks: set[str]
) -> None:
    found = run.bounding_set(asked(*values))
    assert has <= found
    assert not lacks & found


def test_main_becomes_the_launcher(
    monkeypatch: pytest.MonkeyPatch, prepared: list[tuple[str, str | None]]
) -> None:
    seen: list[Any] = []

    def execve(path: str, argv: list[str], environ: dict[str, str]) -> None:
        seen.extend((path, argv, environ["PYROOTLESS_PREPARED"]))
        raise Executed

    monkeypatch.delenv("PYROOTLESS_PREPARED", raising=False)
    monkeypatch.setattr(run, "find_launcher", lambda: Path("/bin/launcher"))
    monkeypatch.setattr(run, "parse", lambda args: asked(("rm", "true")))
    monkeypatch.setattr("os.execve", execve)
    with pytest.raises(Executed):
        run.main(["--rm", "host", "echo", "-n", "hi"])
    argv = ["/bin/launcher", "run", "--rm=true", "--", "host", "echo", "-n", "hi"]
    assert seen == ["/bin/launcher", argv, "1"]


def test_a_second_visit_is_an_error_and_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYROOTLESS_PREPARED", "1")
    monkeypatch.setattr(run, "find_launcher", lambda: Path("/bin/launcher"))
    with pytest.raises(HostUnsupportedError, match="twice"):
        run.main(["host"])
