"""Changes to an image's configuration, written as Dockerfile instructions (`--change`).

What comes in: a configuration and instructions like `CMD ["/bin/sh"]` or `ENV A=b`.
What goes out: the changed configuration.
Must never: run anything, expand a variable, take a word for an instruction it does not know.

Source: Dockerfile reference, the instructions that need no build; docker-import(1) and
podman-import(1), --change (which also writes `CMD=/bin/sh`).
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import replace

from pyrootless.errors import UsageError
from pyrootless.images.config import ImageConfig
from pyrootless.images.signals import parse_signal

_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)", re.DOTALL)
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
MAX_PORT = 65535


def apply_changes(config: ImageConfig, changes: Iterable[str]) -> ImageConfig:
    """The configuration after every change, in the order given.

    Raises:
        UsageError: An instruction that is unknown or malformed.
    """
    for change in changes:
        match = _INSTRUCTION.fullmatch(change)
        apply = _APPLY.get(match[1].upper()) if match else None
        if match is None or apply is None:
            known = ", ".join(_APPLY)
            raise UsageError(
                f'"{change[:80]}" is no change; write one of {known} and its value'
            )
        value = match[2].strip()
        if not value:
            raise UsageError(f'"{change[:80]}": a value is missing')
        config = apply(config, value)
    return config


def _command(value: str) -> tuple[str, ...]:
    """The exec form is JSON; any other text goes to a shell."""
    return _json_texts(value) or ("/bin/sh", "-c", value)


def _json_texts(value: str) -> tuple[str, ...]:
    """A JSON list of texts; () when it is something else."""
    try:
        found = json.loads(value)
    except ValueError:
        return ()
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        return ()
    return tuple(found)


def _words(instruction: str, value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError as error:
        raise UsageError(f"{instruction} {value[:80]}: {error}".lower()) from None


def _pairs(instruction: str, value: str) -> dict[str, str]:
    """`A=b "C=d e"`, or the old form `A all the rest`."""
    first = value.split(None, 1)
    if "=" not in first[0]:
        if len(first) < 2:
            raise UsageError(f"{instruction} {value[:80]}: write NAME=VALUE")
        return {first[0]: first[1]}
    found = dict(word.partition("=")[::2] for word in _words(instruction, value))
    if "" in found:
        raise UsageError(f"{instruction} {value[:80]}: a name is missing")
    return found


def _env(config: ImageConfig, value: str) -> ImageConfig:
    merged = dict(entry.partition("=")[::2] for entry in config.env) | _pairs("ENV", value)
    return replace(config, env=tuple(f"{name}={text}" for name, text in merged.items()))


def _label(config: ImageConfig, value: str) -> ImageConfig:
    return replace(config, labels={**config.labels, **_pairs("LABEL", value)})


def _expose(config: ImageConfig, value: str) -> ImageConfig:
    ports = set(config.exposed_ports)
    for word in _words("EXPOSE", value):
        ports |= set(_ports(word))
    return replace(config, exposed_ports=tuple(sorted(ports)))


def _ports(word: str) -> list[str]:
    """ "80", "53/udp", "8000-8003" → "80/tcp" and so on."""
    match = _PORT.fullmatch(word)
    first = int(match[1]) if match else 0
    last = int(match[2] or match[1]) if match else 0
    if match is None or not 1 <= first <= last <= MAX_PORT:
        raise UsageError(f"EXPOSE {word[:40]}: write PORT[/tcp|udp|sctp], as in 80 or 53/udp")
    return [f"{port}/{(match[3] or 'tcp').lower()}" for port in range(first, last + 1)]


def _volume(config: ImageConfig, value: str) -> ImageConfig:
    paths = _json_texts(value) or tuple(_words("VOLUME", value))
    return replace(config, volumes=tuple(sorted({*config.volumes, *paths})))


def _workdir(config: ImageConfig, value: str) -> ImageConfig:
    """A relative path counts from the one before."""
    joined = posixpath.join("/", config.working_dir or "/", value)
    return replace(config, working_dir=posixpath.normpath(joined).replace("//", "/"))


def _stop_signal(config: ImageConfig, value: str) -> ImageConfig:
    parse_signal(value)
    return replace(config, stop_signal=value)


_APPLY: dict[str, Callable[[ImageConfig, str], ImageConfig]] = {
    "CMD": lambda config, value: replace(config, cmd=_command(value)),
    "ENTRYPOINT": lambda config, value: replace(config, entrypoint=_command(value)),
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "STOPSIGNAL": _stop_signal,
    "USER": lambda config, value: replace(config, user=value),
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
