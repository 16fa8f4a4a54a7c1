"""What this user has logged in to: docker's and podman's files, and credential helpers.

What comes in: the environment, the host and path of a repository.
What goes out: a `Credential`, or a file of logins with one entry more or less.
Must never: contact a registry, print a secret, lose what another program wrote into a file,
leave a file of secrets readable by others.

Sources: containers-auth.json(5), docker's config.json, the docker-credential-helpers protocol.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrootless.errors import RegistryError
from pyrootless.images.registry.auth import Credential
from pyrootless.images.registry.settings import configuration_home, home_directory

HELPER_SECONDS = 60.0
"""A helper may ask its user something."""
TOKEN_USER = "<token>"
"""A helper's user name when the secret is an identity token."""
HUB_KEYS = ("docker.io", "https://index.docker.io/v1/", "index.docker.io",
            "registry-1.docker.io")  # fmt: skip
"""Under which names Docker Hub's credential may stand."""
_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True, slots=True)
class CredentialFiles:
    """Where logins stand.

    Attributes:
        read: Files to look in; the first with an entry counts.
        podman: podman's own file, which `login` writes.
        docker: docker's file.
        given: $REGISTRY_AUTH_FILE, which replaces all others; None when unset.
    """

    read: tuple[Path, ...]
    podman: Path
    docker: Path
    given: Path | None = None

    @property
    def write(self) -> Path:
        """The file a login goes to: docker's only when it is the only one there."""
        if self.given is not None:
            return self.given
        alone = self.docker.exists() and not any(
            path.exists() for path in self.read if path != self.docker
        )
        return self.docker if alone else self.podman


def credential_files(environ: Mapping[str, str] | None = None) -> CredentialFiles:
    """The files of this user (containers-auth.json(5); docker login)."""
    env = os.environ if environ is None else environ
    directory = env.get("DOCKER_CONFIG", "")
    docker_directory = Path(directory) if directory else home_directory(env) / ".docker"
    docker = docker_directory / "config.json"
    lasting = configuration_home(env) / "containers/auth.json"
    runtime = env.get("XDG_RUNTIME_DIR", "")
    session = Path(runtime) / "containers/auth.json" if runtime.startswith("/") else None
    given = env.get("REGISTRY_AUTH_FILE", "")
    if given:
        return CredentialFiles((Path(given),), Path(given), docker, Path(given))
    podman = [path for path in (session, lasting) if path is not None]
    return CredentialFiles((*podman, docker), podman[0], docker)


def find_credential(
    host: str, repository: str, environ: Mapping[str, str] | None = None
) -> Credential | None:
    """What the user has for a repository; None: nothing.

    Args:
        host: HOST[:PORT].
        repository: Path on it; "" for the registry as a whole. The longest key counts.

    Raises:
        RegistryError: A file is not JSON, or a helper failed.
    """
    env = os.environ if environ is None else environ
    for path in credential_files(env).read:
        document = _read(path)
        if document is None:
            continue
        found = _find_in(document, host, repository, env)
        if found is not None:
            return found
    return None


def save_credential(
    host: str, credential: Credential, environ: Mapping[str, str] | None = None
) -> Path:
    """Note a login; returns the file that has it now.

    A file whose helper keeps the secrets for this host has the helper store it.

    Raises:
        RegistryError: The file cannot be read or written, or the helper failed.
    """
    env = os.environ if environ is None else environ
    path = credential_files(env).write
    key = _key_to_write(host, path, env)
    with _editing(path) as document:
        helper = _helper_for(document, host)
        auths = document.setdefault("auths", {})
        if helper:
            _store_with_helper(helper, key, credential, env)
            auths[key] = {}
        else:
            auths[key] = _entry_of(credential)
    return path


def erase_credential(host: str, environ: Mapping[str, str] | None = None) -> list[Path]:
    """Forget a login in every file; returns the files that had it.

    Raises:
        RegistryError: A file cannot be read or written, or a helper failed.
    """
    env = os.environ if environ is None else environ
    changed = []
    for path in credential_files(env).read:
        document = _read(path)
        keys = _keys_of(document or {}, host)
        helper = _helper_for(document or {}, host)
        if document is None or not (keys or _has_helper_entry(helper, host, env)):
            continue
        if helper:
            for key in _host_keys(host):
                _call_helper(helper, "erase", key, env)
        with _editing(path) as editable:
            for key in keys:
                editable.get("auths", {}).pop(key, None)
        changed.append(path)
    return changed


def _find_in(
    document: Mapping[str, Any], host: str, repository: str, env: Mapping[str, str]
) -> Credential | None:
    """Helper of the host, then entries by length of key, then the helper of all hosts."""
    helpers = _mapping(document, "credHelpers")
    for key in _host_keys(host):
        if isinstance(name := helpers.get(key), str):
            return _ask_helper(name, key, env)
    auths = {_plain_key(key): value for key, value in _mapping(document, "auths").items()}
    for key in _candidates(host, repository):
        found = _credential_of(auths.get(key))
        if found is not None:
            return found
    name = document.get("credsStore")
    if isinstance(name, str) and name:
        answers = (_ask_helper(name, key, env) for key in _host_keys(host))
        return next((answer for answer in answers if answer is not None), None)
    return None


def _candidates(host: str, repository: str) -> list[str]:
    """Keys that fit, the longest first: "h/a/b", "h/a", "h", and Hub's other names."""
    names = ["docker.io"] if host in _HUB_HOSTS else [host]
    parts = [part for part in repository.split("/") if part]
    found = ["/".join([name, *parts[:n]]) for name in names for n in range(len(parts), 0, -1)]
    return found + ([_plain_key(key) for key in HUB_KEYS] if host in _HUB_HOSTS else [host])


def _host_keys(host: str) -> tuple[str, ...]:
    return HUB_KEYS if host in _HUB_HOSTS else (host, f"https://{host}")


def _plain_key(key: str) -> str:
    """Old keys are addresses: "https://host/v1/" means "host"."""
    plain = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    return plain.removesuffix("/v1").removesuffix("/v2") if plain != key else plain


def _keys_of(document: Mapping[str, Any], host: str) -> list[str]:
    wanted = {_plain_key(key) for key in _host_keys(host)} | {host}
    return [key for key in _mapping(document, "auths") if _plain_key(key) in wanted]


def _key_to_write(host: str, path: Path, env: Mapping[str, str]) -> str:
    """docker finds Hub's login only under its old address."""
    if host not in _HUB_HOSTS:
        return host
    return HUB_KEYS[1] if path == credential_files(env).docker else "docker.io"


def _credential_of(entry: object) -> Credential | None:
    """The credential of an entry of `auths`; None for an empty or broken one."""
    if not isinstance(entry, dict):
        return None
    values = {key: value for key, value in entry.items() if isinstance(value, str) and value}
    username, password = values.get("username", ""), values.get("password", "")
    if "auth" in values:
        try:
            pair = base64.b64decode(values["auth"], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            pair = ""
        username, _, password = pair.partition(":")
        password = password.rstrip("\0")
    identity, registry = values.get("identitytoken", ""), values.get("registrytoken", "")
    if not (username or identity or registry):
        return None
    return Credential(username, password, identity, registry)


def _entry_of(credential: Credential) -> dict[str, str]:
    pair = f"{credential.username}:{credential.password}".encode()
    entry = {"auth": base64.b64encode(pair).decode()}
    if credential.identity_token:
        entry["identitytoken"] = credential.identity_token
    return entry


def _helper_for(document: Mapping[str, Any], host: str) -> str:
    helpers = _mapping(document, "credHelpers")
    names = [helpers.get(key) for key in _host_keys(host)] + [document.get("credsStore")]
    return next((name for name in names if isinstance(name, str) and name), "")


def _has_helper_entry(helper: str, host: str, env: Mapping[str, str]) -> bool:
    return bool(helper) and any(_ask_helper(helper, key, env) for key in _host_keys(host))


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


# --- helpers ---------------------------------------------------------------------------------


def _ask_helper(name: str, key: str, env: Mapping[str, str]) -> Credential | None:
    """`docker-credential-NAME get`; None when it has nothing for this key."""
    output = _call_helper(name, "get", key, env)
    if output is None:
        return None
    try:
        reply = json.loads(output)
        username, secret = reply["Username"], reply["Secret"]
    except (ValueError, KeyError, TypeError) as error:
        raise _helper_failed(name, "its answer is not what the protocol says") from error
    if not isinstance(username, str) or not isinstance(secret, str):
        raise _helper_failed(name, "its answer is not what the protocol says")
    if not secret:
        return None
    if username == TOKEN_USER:
        return Credential(identity_token=secret)
    return Credential(username, secret)


def _store_with_helper(
    name: str, key: str, credential: Credential, env: Mapping[str, str]
) -> None:
    token = credential.identity_token
    record = {
        "ServerURL": key,
        "Username": TOKEN_USER if token else credential.username,
        "Secret": token or credential.password,
    }
    _call_helper(name, "store", json.dumps(record), env)


def _call_helper(name: str, verb: str, text: str, env: Mapping[str, str]) -> str | None:
    """One call; None when it says that it has no such credential.

    Raises:
        RegistryError: It is not there, failed or did not end.
    """
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise _helper_failed(name, "this is not the name of a helper")
    try:
        done = subprocess.run(
            [f"docker-credential-{name}", verb],
            input=text,
            env=dict(env),
            capture_output=True,
            text=True,
            timeout=HELPER_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise _helper_failed(name, "there is no such program on PATH") from error
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise _helper_failed(name, str(error)) from error
    if done.returncode == 0:
        return done.stdout
    words = (done.stdout.strip() or done.stderr.strip())[:300]
    if "credentials not found" in words:
        return None
    raise _helper_failed(name, words or f"exit status {done.returncode}")


def _helper_failed(name: str, why: str) -> RegistryError:
    return RegistryError(
        f"credential helper docker-credential-{name}: {why}",
        remedy="install it, or take it out of credHelpers and credsStore in your config.json",
    )


# --- files -----------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, Any] | None:
    """A file of logins; None when there is none.

    Raises:
        RegistryError: It cannot be read or is no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if text.strip() else {}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _file_failed(path, error) from error
    if not isinstance(document, dict):
        raise _file_failed(path, "it is not a JSON object")
    return document


@contextmanager
def _editing(path: Path) -> Iterator[dict[str, Any]]:
    """The document, written back in one step with mode 0600 when the block ends well.

    A lock on the directory keeps two logins from losing each other's entry.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            document = _read(path) or {}
            yield document
            _replace(path, json.dumps(document, indent="\t").encode() + b"\n")
        finally:
            os.close(directory)
    except OSError as error:
        raise _file_failed(path, error) from error


def _replace(path: Path, data: bytes) -> None:
    target = path.resolve()  # a linked file stays a link
    handle, scratch = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(scratch).replace(target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def _file_failed(path: Path, why: object) -> RegistryError:
    return RegistryError(
        f"the file of logins {path} cannot be used: {why}",
        remedy="mend it, or name another with REGISTRY_AUTH_FILE=PATH",
    )
