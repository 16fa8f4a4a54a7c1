"""pyrootless.images.registry.credentials: docker's and podman's files, and helpers."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from pyrootless.errors import RegistryError
from pyrootless.images.registry.auth import Credential
from pyrootless.images.registry.credentials import (
    credential_files,
    erase_credential,
    find_credential,
    save_credential,
)

HELPER = """#!/bin/sh
# A credential helper that keeps one secret a file, and notes what it was asked.
read -r key
echo "$1 $key" >>"$HOME/asked"
case "$1" in
get) case "$key" in
     reg.lan) echo '{"ServerURL":"reg.lan","Username":"helped","Secret":"s"}' ;;
     token.lan) echo '{"Username":"<token>","Secret":"idt"}' ;;
     odd.lan) echo '{"Username":1}' ;;
     bad.lan) echo "the vault is shut" >&2; exit 3 ;;
     *) echo "credentials not found in native keychain"; exit 1 ;;
     esac ;;
esac
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A user with a home, a session and one helper on PATH."""
    (tmp_path / "run").mkdir()
    (tmp_path / "bin").mkdir()
    helper = tmp_path / "bin/docker-credential-test"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    return {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
    }


def pair(name: str, password: str = "pw") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:{password}".encode()).decode()}


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def name_of(found: Credential | None) -> str | None:
    return found.username if found else None


def test_nothing_anywhere(env: dict[str, str]) -> None:
    assert find_credential("reg.lan", "a/b", env) is None


def test_order_of_the_files(env: dict[str, str], tmp_path: Path) -> None:
    places = [
        (tmp_path / ".docker/config.json", "docker"),
        (tmp_path / ".config/containers/auth.json", "lasting"),
        (tmp_path / "run/containers/auth.json", "session"),
    ]
    for path, name in places:
        write(path, {"auths": {"reg.lan": pair(name)}})
        assert name_of(find_credential("reg.lan", "a", env)) == name
    given = write(tmp_path / "given.json", {"auths": {"reg.lan": pair("given")}})
    chosen = {**env, "REGISTRY_AUTH_FILE": str(given)}
    assert name_of(find_credential("reg.lan", "a", chosen)) == "given"
    given.write_text("{}")
    assert find_credential("reg.lan", "a", chosen) is None


def test_docker_config_directory(env: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "dc/config.json", {"auths": {"reg.lan": pair("moved")}})
    moved = {**env, "DOCKER_CONFIG": str(tmp_path / "dc")}
    assert name_of(find_credential("reg.lan", "a", moved)) == "moved"


def test_the_longest_key_counts(env: dict[str, str], tmp_path: Path) -> None:
    auths = {"reg.lan": pair("all"), "reg.lan/team": pair("team"), "reg.lan/team/x": pair("x")}
    write(tmp_path / "run/containers/auth.json", {"auths": auths})
    assert name_of(find_credential("reg.lan", "team/x", env)) == "x"
    assert name_of(find_credential("reg.lan", "team/y/z", env)) == "team"
    assert name_of(find_credential("reg.lan", "teams", env)) == "all"
    assert name_of(find_credential("reg.lan", "", env)) == "all"
    assert find_credential("reg.lan:5000", "team", env) is None


@pytest.mark.parametrize(
    "key",
    ["docker.io", "https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io"],
)
def test_names_of_docker_hub(env: dict[str, str], tmp_path: Path, key: str) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {key: pair("hub")}})
    assert name_of(find_credential("docker.io", "library/debian", env)) == "hub"


def test_old_keys_are_addresses(env: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {"https://reg.lan/v2/": pair("old")}})
    assert name_of(find_credential("reg.lan", "a", env)) == "old"


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (pair("a", "b:c"), Credential("a", "b:c")),
        ({**pair("a"), "identitytoken": "t"}, Credential("a", "pw", "t")),
        ({"identitytoken": "t"}, Credential(identity_token="t")),
        ({"registrytoken": "t"}, Credential(registry_token="t")),
        ({"username": "a", "password": "b"}, Credential("a", "b")),
        ({}, None),
        ({"auth": "not base64!"}, None),
        ({"auth": 3}, None),
        ("text", None),
    ],
)
def test_entries(
    env: dict[str, str], tmp_path: Path, entry: object, wanted: Credential | None
) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {"reg.lan": entry}})
    assert find_credential("reg.lan", "a", env) == wanted


def test_helpers(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / ".docker/config.json"
    write(path, {"credHelpers": {"reg.lan": "test"}, "auths": {"reg.lan": pair("file")}})
    assert find_credential("reg.lan", "a", env) == Credential("helped", "s")
    write(path, {"credsStore": "test"})
    assert find_credential("token.lan", "a", env) == Credential(identity_token="idt")
    assert find_credential("unknown.lan", "a", env) is None
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [
        "get reg.lan",
        "get token.lan",
        "get unknown.lan",
        "get https://unknown.lan",
    ]


@pytest.mark.parametrize(
    ("host", "helper", "words"),
    [
        ("bad.lan", "test", "docker-credential-test: the vault is shut"),
        ("odd.lan", "test", "not what the protocol says"),
        ("x.lan", "absent", "no such program"),
        ("x.lan", "../../bin/sh", "not the name of a helper"),
    ],
)
def test_helpers_that_fail(
    env: dict[str, str], tmp_path: Path, host: str, helper: str, words: str
) -> None:
    write(tmp_path / ".docker/config.json", {"credHelpers": {host: helper}})
    with pytest.raises(RegistryError, match=words) as caught:
        find_credential(host, "a", env)
    assert "credHelpers" in caught.value.remedy


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_broken_file_is_named(env: dict[str, str], tmp_path: Path, text: str) -> None:
    path = tmp_path / ".docker/config.json"
    path.parent.mkdir()
    path.write_text(text, encoding="latin-1")
    with pytest.raises(RegistryError, match=r"\.docker/config\.json cannot be used"):
        find_credential("reg.lan", "a", env)


def test_login_goes_to_podmans_file(env: dict[str, str], tmp_path: Path) -> None:
    path = save_credential("reg.lan", Credential("anna", "pw"), env)
    assert path == tmp_path / "run/containers/auth.json"
    assert json.loads(path.read_text()) == {"auths": {"reg.lan": pair("anna")}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["auth.json"]
    assert find_credential("reg.lan", "a", env) == Credential("anna", "pw")


def test_login_without_a_session(env: dict[str, str], tmp_path: Path) -> None:
    del env["XDG_RUNTIME_DIR"]
    path = save_credential("reg.lan", Credential("anna", "pw"), env)
    assert path == tmp_path / ".config/containers/auth.json"


def test_login_goes_to_dockers_file_when_that_is_alone(
    env: dict[str, str], tmp_path: Path
) -> None:
    docker = write(tmp_path / ".docker/config.json", {"detachKeys": "x", "auths": {"o": {}}})
    docker.chmod(0o644)
    assert save_credential("docker.io", Credential("anna", "pw"), env) == docker
    assert json.loads(docker.read_text()) == {
        "detachKeys": "x",
        "auths": {"o": {}, "https://index.docker.io/v1/": pair("anna")},
    }
    assert stat.S_IMODE(docker.stat().st_mode) == 0o600
    write(tmp_path / ".config/containers/auth.json", {})
    assert save_credential("reg.lan", Credential("anna", "pw"), env).name == "auth.json"


def test_login_with_a_helper(env: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path / ".docker/config.json", {"credsStore": "test"})
    save_credential("reg.lan", Credential("anna", "secret"), env)
    assert json.loads(path.read_text()) == {"credsStore": "test", "auths": {"reg.lan": {}}}
    verb, _, record = (tmp_path / "asked").read_text().strip().partition(" ")
    assert verb == "store"
    assert json.loads(record) == {
        "ServerURL": "reg.lan",
        "Username": "anna",
        "Secret": "secret",
    }


def test_a_linked_file_stays_a_link(env: dict[str, str], tmp_path: Path) -> None:
    real = write(tmp_path / "dotfiles/auth.json", {"auths": {}})
    (tmp_path / "run/containers").mkdir()
    link = tmp_path / "run/containers/auth.json"
    link.symlink_to(real)
    save_credential("reg.lan", Credential("anna", "pw"), env)
    assert link.is_symlink()
    assert "reg.lan" in json.loads(real.read_text())["auths"]


def test_logout_forgets_everywhere(env: dict[str, str], tmp_path: Path) -> None:
    first = write(
        tmp_path / "run/containers/auth.json",
        {"auths": {"reg.lan": pair("a"), "other": pair("b")}},
    )
    second = write(tmp_path / ".docker/config.json", {"auths": {"https://reg.lan": pair("c")}})
    assert erase_credential("reg.lan", env) == [first, second]
    assert json.loads(first.read_text()) == {"auths": {"other": pair("b")}}
    assert json.loads(second.read_text()) == {"auths": {}}
    assert erase_credential("reg.lan", env) == []


def test_logout_with_a_helper(env: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path / ".docker/config.json", {"credsStore": "test"})
    assert erase_credential("reg.lan", env) == [path]
    assert "erase reg.lan" in (tmp_path / "asked").read_text().splitlines()


def test_a_directory_that_cannot_be_written(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "run/containers").write_text("a file")
    with pytest.raises(RegistryError, match="auth.json cannot be used"):
        save_credential("reg.lan", Credential("anna", "pw"), env)


def test_files_of_nobody() -> None:
    files = credential_files({})
    assert all(str(path).startswith("/nonexistent/") for path in files.read)
