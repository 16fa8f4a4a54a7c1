"""pyrootless.engine.prepare: what both doors prepare before a launch."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import pyrootless.seccomp
from pyrootless.config import find_launcher
from pyrootless.engine import network, prepare
from pyrootless.engine.prepare import Asked
from pyrootless.errors import UsageError


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    calls: list[tuple[str, str | None]] = []
    monkeypatch.setattr(prepare, "is_fresh", lambda image, root: False)

    def prepare_image(image: str, root: str | None, **options: object) -> Path:
        calls.append((image, root))
        assert options["pull"] in ("missing", "always", "never")
        return Path("/store/images/00")

    monkeypatch.setattr(prepare, "prepare_image", prepare_image)
    return calls


def asked(*values: tuple[str, str], image: str | None = "host") -> Asked:
    return Asked(values, image, ("echo", "-n", "hi"))


def test_the_launcher_gets_the_same_words(prepared: list[tuple[str, str | None]]) -> None:
    words = prepare.prepare(
        asked(("rm", "true"), ("env", "A=1"), ("root", "/r"), ("tty", "false"))
    )
    assert words == [
        "--rm=true", "--env=A=1", "--root=/r", "--tty=false", "--", "host", "echo", "-n", "hi",
    ]  # fmt: skip
    assert prepared == [("host", "/r")]


def test_rootfs_needs_the_base_template(prepared: list[tuple[str, str | None]]) -> None:
    prepare.prepare(asked(("rootfs", "true"), image="/some/tree"))
    assert prepared == [("host", None)]


def test_spec_needs_no_image(prepared: list[tuple[str, str | None]]) -> None:
    assert prepare.prepare(Asked((("spec", "c.json"),), None, ())) == ["--spec=c.json"]
    assert prepared == []


def test_a_fresh_image_is_left_alone_but_for_pull_always(
    prepared: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "is_fresh", lambda image, root: True)
    prepare.prepare(asked(("pull", "missing")))
    assert prepared == []
    prepare.prepare(asked(("pull", "always")))
    assert prepared == [("host", None)]


def test_pull_is_served_here(prepared: list[tuple[str, str | None]]) -> None:
    for policy in ("missing", "always", "never"):
        assert f"--pull={policy}" not in prepare.prepare(asked(("pull", policy)))
    with pytest.raises(UsageError, match="--pull newer: write one of missing, always, never"):
        prepare.prepare(asked(("pull", "newer")))


def test_a_platform_is_served_here(
    prepared: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh template is of whatever platform: the image is looked at."""
    monkeypatch.setattr(prepare, "is_fresh", lambda image, root: True)
    words = prepare.prepare(asked(("platform", "linux/arm64"), image="x"))
    assert "--platform=linux/arm64" not in words
    assert prepared == [("x", None)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([], None),
        ([("network", "none")], None),
        ([("network", "host")], None),
        ([("network", "auto")], "auto"),
        ([("network", "pasta:mtu=1400")], "pasta"),
        ([("network", "slirp4netns")], "slirp4netns"),
        ([("publish", "80")], "auto"),
        ([("publish-all", "true")], "auto"),
        ([("publish-all", "false")], None),
        ([("publish", "80"), ("network", "pasta")], "pasta"),
    ],
)
def test_the_network_that_is_prepared(
    values: list[tuple[str, str]],
    kind: str | None,
    prepared: list[tuple[str, str | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[str, str | None]] = []
    monkeypatch.setattr(network, "prepare_network", lambda *call: calls.append(call))
    words = prepare.prepare(asked(*values, ("root", "/store")))
    assert calls == ([] if kind is None else [(kind, "/store")])
    assert [f"--{name}={value}" for name, value in values] == words[: len(values)]


@pytest.mark.parametrize(
    "values",
    [
        (),
        (("security-opt", "seccomp=unconfined"), ("security-opt", "io-uring")),
        (("security-opt", "no-new-privileges"),),
        (("security-opt", "io-uring"), ("privileged", "true")),
        (("security-opt", "io-uring"), ("seccomp-program", "/my.bpf")),
    ],
)
def test_no_filter_is_compiled_without_need(values: tuple[tuple[str, str], ...]) -> None:
    assert prepare.compile_filter(asked(*values)) is None


def test_filters_are_compiled_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: list[tuple[str, str | None]]
) -> None:
    seen: list[Any] = []

    def resolve(profile: dict[str, Any], *, capabilities: frozenset[str], arch: str) -> Any:
        seen.append((profile["changes"], capabilities))
        return profile

    def compile_to_cache(section: dict[str, Any], directory: Path) -> tuple[Path, str]:
        (directory / "a.bpf").touch()
        return directory / "a.bpf", "sha256:x"

    fake = types.SimpleNamespace(
        load_profile=lambda path: {"changes": [str(path)]},
        allow_nested_userns=lambda profile: {"changes": [*profile["changes"], "nested"]},
        allow_io_uring=lambda profile: {"changes": [*profile["changes"], "uring"]},
        resolve_profile=resolve,
        compile_to_cache=compile_to_cache,
    )
    monkeypatch.setitem(sys.modules, "pyrootless.seccomp.profiles", fake)
    monkeypatch.setattr(pyrootless.seccomp, "profiles", fake, raising=False)
    words = prepare.prepare(
        asked(
            ("root", str(tmp_path)),
            ("security-opt", "nested-userns"),
            ("security-opt", "seccomp=/p.json"),
            ("security-opt", "io-uring"),
        )
    )
    assert words[0] == f"--seccomp-program={tmp_path.resolve()}/cache/a.bpf"
    assert seen[0][0] == ["/p.json", "nested", "uring"]


def test_a_filter_is_compiled_once_for_each_content(tmp_path: Path) -> None:
    profile = tmp_path / "p.json"
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    wish = asked(("root", str(tmp_path / "store")), ("security-opt", f"seccomp={profile}"))
    first = prepare.compile_filter(wish)
    assert first is not None
    written = first.stat().st_mtime_ns, first.with_suffix(".json").stat().st_mtime_ns
    assert prepare.compile_filter(wish) == first
    assert (first.stat().st_mtime_ns, first.with_suffix(".json").stat().st_mtime_ns) == written
    first.unlink()
    assert prepare.compile_filter(wish) == first
    assert first.is_file()
    other = tmp_path / "other.json"
    other.write_text('{"defaultAction": "SCMP_ACT_LOG"}')
    other.rename(profile)
    assert prepare.compile_filter(wish) != first


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
    found = prepare.bounding_set(asked(*values))
    assert has <= found
    assert not lacks & found


NESTED = {"security_opt": ["nested-userns"]}
WORDS: list[tuple[list[str], dict[str, Any]]] = [
    (["--cap-add=SYS_ADMIN"], {"cap_add": ["SYS_ADMIN"]}),
    (["--cap-add=sys_time", "--cap-drop=ALL"], {"cap_add": ["sys_time"], "cap_drop": ["ALL"]}),
    (["--cap-add=ALL", "--cap-drop=BPF"], {"cap_add": "all", "cap_drop": ["BPF"]}),
    (["--security-opt=nested-userns"], NESTED),
    (
        ["--security-opt=io-uring", "--cap-add=BPF"],
        {"security_opt": ["io-uring"], "cap_add": "BPF"},
    ),
    (["--pull=never"], {"pull": "never"}),
]


def program(config: bytes | str) -> tuple[str, object]:
    """The filter a config.json names, and the section it is described by."""
    document = json.loads(config)
    return document["annotations"]["io.pyrootless.seccomp.digest"], document["linux"]["seccomp"]


@pytest.mark.parametrize(("words", "options"), WORDS)
def test_python_and_the_command_line_give_the_same_filter(
    engine: Path, words: list[str], options: dict[str, Any]
) -> None:
    with pyrootless.launch("host", ["true"], **options) as child:
        from_python = program(child.config)
    printed = subprocess.run(
        [str(find_launcher()), "run", "--print-spec", "--ephemeral", *words, "host", "true"],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert from_python == program(printed.stdout)
    with pyrootless.launch("host", ["true"]) as child:
        assert (from_python == program(child.config)) == (words == ["--pull=never"])


def test_python_opens_user_namespaces_when_asked(engine: Path) -> None:
    unshare = ["unshare", "-Ur", "echo", "nested"]
    assert pyrootless.run("host", unshare, **NESTED).stdout == b"nested\n"  # type: ignore[arg-type]
    refused = pyrootless.run("host", unshare)
    assert (refused.exit_code, refused.stdout) == (1, b"")


def test_python_refuses_a_network_that_is_not_there(engine: Path) -> None:
    with pytest.raises(UsageError, match='there is no network "backend"'):
        pyrootless.launch("host", ["true"], network="backend")


def test_a_filter_is_compiled_into_the_store_that_was_named(
    engine: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"root": tmp_path / "other", **NESTED}
    with pyrootless.launch("host", ["true"], **options) as child:
        named = json.loads(child.config)["annotations"]["io.pyrootless.seccomp.program"]
    assert Path(named).parent == tmp_path / "other/cache/seccomp"
