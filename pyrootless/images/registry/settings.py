"""Where registries are and how far they are trusted: one TOML file of the user's own.

What comes in: $XDG_CONFIG_HOME/pyrootless/registries.toml (docs/registries.md describes it).
What goes out: `RegistrySettings`: mirrors, aliases, insecure hosts, patience, certificates.
Must never: contact anything, pass over a key it does not know, trust a host nobody named.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pyrootless.errors import UsageError

FILE_NAME = "registries.toml"

REAL_HOSTS = {"docker.io": "registry-1.docker.io"}
"""Domain of a reference → the host that serves it, where the two differ."""

SEARCH_HOSTS = {"docker.io": "index.docker.io"}
"""Domain → the host that searches for it, where it is another one."""

_TABLES = ("insecure", "mirrors", "aliases", "patience")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a registry may take.

    Attributes:
        connect_seconds: To connect, TLS included.
        window_seconds: A reply may be silent for this long, and no longer.
        window_bytes: What must arrive within each such span of waiting.
        tries: How often one thing is asked for, the first time included.
        pause_seconds: Before the second try; doubles with each, and varies by half.
        pause_limit_seconds: The longest pause; also caps what Retry-After asks for.
    """

    connect_seconds: float = 10.0
    window_seconds: float = 30.0
    window_bytes: int = 30 * 1024
    tries: int = 5
    pause_seconds: float = 0.5
    pause_limit_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place that a repository may be fetched from.

    Attributes:
        host: HOST[:PORT] to connect to.
        path: The repository's path there.
    """

    host: str
    path: str


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """What the file says; without a file, the defaults.

    Attributes:
        insecure: HOST[:PORT] or ranges of addresses: TLS is not verified, plain HTTP will do.
        mirrors: Prefix ("docker.io", "docker.io/library") → places that are tried first.
        aliases: Short name → full name, without a tag.
        patience: Bounds of every exchange.
        certificates: Directories in which HOST[:PORT]/{*.crt,*.cert,*.key} are looked for.
    """

    insecure: frozenset[str] = frozenset()
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    patience: Patience = Patience()
    certificates: tuple[Path, ...] = ()

    def is_insecure(self, host: str) -> bool:
        """Whether unverified TLS and plain HTTP are allowed: loopback, or listed."""
        name = host_name(host)
        if host in self.insecure or name in self.insecure or is_loopback(name):
            return True
        address = _address(name)
        ranges = (entry for entry in self.insecure if "/" in entry)
        return address is not None and any(
            address in ipaddress.ip_network(entry, strict=False) for entry in ranges
        )

    def endpoints(self, domain: str, path: str) -> tuple[Endpoint, ...]:
        """Where to fetch a repository, in order: mirrors of its longest prefix, then itself."""
        name = f"{domain}/{path}"
        known = [prefix for prefix in self.mirrors if f"{name}/".startswith(f"{prefix}/")]
        found = []
        if known:
            prefix = max(known, key=len)
            rest = name[len(prefix) :].strip("/")
            for place in self.mirrors[prefix]:
                host, _, below = place.partition("/")
                found.append(Endpoint(host, "/".join(part for part in (below, rest) if part)))
        return (*found, Endpoint(REAL_HOSTS.get(domain, domain), path))

    def expand_alias(self, text: str) -> str:
        """A name as typed, its alias replaced: "tools:2" → "registry.lan/team/tools:2"."""
        ends = [at for at in (text.find(":"), text.find("@")) if at >= 0]
        end = min(ends, default=len(text))
        full = self.aliases.get(text[:end])
        return f"{full}{text[end:]}" if full else text


def load_settings(environ: Mapping[str, str] | None = None) -> RegistrySettings:
    """The user's settings; the defaults when there is no file.

    Raises:
        UsageError: The file cannot be read or says something that has no meaning.
    """
    env = os.environ if environ is None else environ
    path = configuration_home(env) / "pyrootless" / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return parse_settings(text, path, certificate_directories(env))


def parse_settings(
    text: str, path: Path = Path(FILE_NAME), certificates: tuple[Path, ...] = ()
) -> RegistrySettings:
    """Settings from the text of the file.

    Args:
        path: Named in errors.
        certificates: See RegistrySettings.

    Raises:
        UsageError: Not TOML, an unknown key, or a value of the wrong kind; names the key.
    """
    try:
        document = _parse_toml(text) if text else {}
        _check_keys(document, _TABLES, "")
        return RegistrySettings(
            insecure=frozenset(_hosts(document.get("insecure", []))),
            mirrors={
                key.strip("/"): _texts(value, f'mirrors."{key}"')
                for key, value in _table(document, "mirrors").items()
            },
            aliases={
                key: _text(value, f"aliases.{key}")
                for key, value in _table(document, "aliases").items()
            },
            patience=_patience(_table(document, "patience")),
            certificates=certificates,
        )
    except ValueError as error:  # tomllib.TOMLDecodeError is one
        raise UsageError(f"{path}: {error}; see docs/registries.md") from error


def _parse_toml(text: str) -> dict[str, Any]:
    import tomllib  # most users have no such file

    return tomllib.loads(text)


def configuration_home(environ: Mapping[str, str]) -> Path:
    """$XDG_CONFIG_HOME, or ~/.config; relative values count as unset (XDG base directories)."""
    given = environ.get("XDG_CONFIG_HOME", "")
    if given.startswith("/"):
        return Path(given)
    return home_directory(environ) / ".config"


def home_directory(environ: Mapping[str, str]) -> Path:
    """$HOME; without one a path that does not exist, so that nothing is found there."""
    home = environ.get("HOME", "")
    return Path(home) if home.startswith("/") else Path("/nonexistent")


def certificate_directories(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where certs.d may be, the user's own first (containers-certs.d(5), docker's certs.d)."""
    own = configuration_home(environ) / "containers/certs.d"
    return (own, Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


def parse_host(text: str) -> str:
    """HOST[:PORT] as a person types it: "https://Reg.lan:5000/" means "reg.lan:5000".

    Raises:
        UsageError: It has a path, or is no host.
    """
    host = text.removeprefix("https://").removeprefix("http://").rstrip("/").lower()
    if host in ("index.docker.io", "index.docker.io/v1", "registry-1.docker.io"):
        return "docker.io"
    if not re.fullmatch(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", host):
        raise UsageError(f'"{text}" is not a registry\'s host; write HOST[:PORT]')
    return host


def host_name(host: str) -> str:
    """HOST of HOST[:PORT], an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def is_loopback(name: str) -> bool:
    """Whether a host's name or address is this machine."""
    address = _address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _check_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f'there is no key "{where}{key}"; known: {", ".join(known)}')


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f'"{key}" is not a table')
    return value


def _text(value: object, key: str) -> str:
    if not isinstance(value, str) or not value.strip("/"):
        raise ValueError(f'"{key}" is not a name in quotes')
    if "://" in value:
        raise ValueError(f'"{key}": write HOST[:PORT][/PATH] without {value.split("/")[0]}//')
    return value.strip("/")


def _texts(value: object, key: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f'"{key}" is not a list')
    return tuple(_text(item, key) for item in value)


def _hosts(value: object) -> tuple[str, ...]:
    """Entries of `insecure`: HOST[:PORT], or a range of addresses."""
    if not isinstance(value, list):
        raise ValueError('"insecure" is not a list')
    for item in value:
        text = _text(item, "insecure")
        if "/" in text:
            ipaddress.ip_network(text, strict=False)  # ValueError names what it is not
    return tuple(item.strip("/") for item in value)


def _patience(table: Mapping[str, Any]) -> Patience:
    """The table [patience]; keys are the attributes of Patience with "-" for "_"."""
    kinds = {row.name.replace("_", "-"): row.type for row in fields(Patience)}
    _check_keys(table, tuple(kinds), "patience.")
    values: dict[str, Any] = {}
    for key, value in table.items():
        whole = kinds[key] == "int"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise ValueError(f'"patience.{key}" is not a {"whole " if whole else ""}number')
        if value < 0 or (value == 0 and key in ("tries", "connect-seconds", "window-seconds")):
            raise ValueError(f'"patience.{key}" is too small: {value}')
        values[key.replace("-", "_")] = value
    return Patience(**values)
