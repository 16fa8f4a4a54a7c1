"""Instructions that change the image's configuration alone.

What comes in: a state and an instruction.  What goes out: the next state.
Must never: touch a file.

Source: Dockerfile reference; the history's texts are as docker's builder writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

from pyrootless.build import dockerfile as ins
from pyrootless.build.dockerfile import (
    Expanded,
    Rules,
    WordError,
    expand,
    expand_document,
)
from pyrootless.build.state import State, set_variables
from pyrootless.errors import BuildError
from pyrootless.images import Healthcheck, parse_signal

PREDEFINED = frozenset(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)
"""Arguments that need no ARG, and stand neither in the history nor in a key."""
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_MAX_PORT = 65535


class Expander:
    """Puts variables into the texts of one instruction."""

    def __init__(
        self, file: ins.Dockerfile, step: ins.Instruction, lookup: Callable[[str], str | None]
    ) -> None:
        self._file = file
        self._step = step
        self._lookup = lookup
        self.unset: list[str] = []

    def text(self, text: str) -> str:
        """One word.  Raises BuildError."""
        return self._expand(text).text

    def words(self, text: str) -> tuple[str, ...]:
        """Words, split after expansion.  Raises BuildError."""
        return self._expand(text).words

    def document(self, text: str) -> str:
        """A here-document: quotes stay.  Raises BuildError."""
        try:
            found = expand_document(text, self._lookup, self._file.escape)
        except WordError as error:
            raise self.wrong(str(error)) from None
        self.unset += found.unset
        return found.text

    def wrong(self, message: str, token: str = "") -> BuildError:
        """What is wrong with the instruction."""
        return self._file.source.failure(message, self._step.place, token)

    def _expand(self, text: str) -> Expanded:
        try:
            found = expand(text, self._lookup, Rules(self._file.escape))
        except WordError as error:
            raise self.wrong(str(error), text) from None
        self.unset += found.unset
        return found


def apply_metadata(state: State, step: ins.Instruction, words: Expander) -> State:
    """The state after ENV, LABEL, USER, EXPOSE, VOLUME, CMD, ENTRYPOINT, SHELL, STOPSIGNAL,
    HEALTHCHECK, ONBUILD or MAINTAINER.

    Raises:
        BuildError: A value has no meaning.
    """
    return _APPLY[step.place.instruction](state, step, words)


def is_metadata(step: ins.Instruction) -> bool:
    """Whether an instruction leaves the files alone."""
    return step.place.instruction in _APPLY


def _env(state: State, step: ins.Env, words: Expander) -> State:
    """One line sees the variables from before it."""
    pairs = [(words.text(pair.name), words.text(pair.value or "")) for pair in step.pairs]
    if any(not name for name, _ in pairs):
        raise words.wrong("a name is empty")
    config = replace(state.config, env=set_variables(state.config.env, pairs))
    said = " ".join(f"{name}={value}" for name, value in pairs)
    return state.with_config(f"ENV {said}", config)


def _label(state: State, step: ins.Label, words: Expander) -> State:
    pairs = [(words.text(pair.name), words.text(pair.value or "")) for pair in step.pairs]
    config = replace(state.config, labels={**state.config.labels, **dict(pairs)})
    said = " ".join(f"{name}={value}" for name, value in pairs)
    return state.with_config(f"LABEL {said}", config)


def _user(state: State, step: ins.Text, words: Expander) -> State:
    user = words.text(step.text)
    return state.with_config(f"USER {user}", replace(state.config, user=user))


def _stop_signal(state: State, step: ins.Text, words: Expander) -> State:
    text = words.text(step.text)
    try:
        parse_signal(text)
    except ValueError as error:
        raise words.wrong(str(error.args[0]), text) from None
    return state.with_config(f"STOPSIGNAL {text}", replace(state.config, stop_signal=text))


def _maintainer(state: State, step: ins.Text, words: Expander) -> State:
    return state.with_config(f"MAINTAINER {step.text}", replace(state.config, author=step.text))


def _expose(state: State, step: ins.Listing, words: Expander) -> State:
    found = [word for text in step.words for word in words.words(text)]
    ports = [port for word in found for port in _ports(word, words)]
    merged = tuple(sorted({*state.config.exposed_ports, *ports}))
    said = " ".join(f"{port}:{{}}" for port in sorted(ports))
    return state.with_config(f"EXPOSE map[{said}]", replace(state.config, exposed_ports=merged))


def _ports(word: str, words: Expander) -> list[str]:
    match = _PORT.fullmatch(word)
    first = int(match[1]) if match else 0
    last = int(match[2] or match[1]) if match else 0
    if match is None or not 1 <= first <= last <= _MAX_PORT:
        raise words.wrong(f'"{word[:40]}" is no port: write 80, 53/udp or 8000-8010', word)
    kind = (match[3] or "tcp").lower()
    return [f"{port}/{kind}" for port in range(first, last + 1)]


def _volume(state: State, step: ins.Listing, words: Expander) -> State:
    found = [words.text(text) for text in step.words]
    if "" in found:
        raise words.wrong("a path is empty")
    merged = tuple(sorted({*state.config.volumes, *found}))
    said = " ".join(found)
    return state.with_config(f"VOLUME [{said}]", replace(state.config, volumes=merged))


def _command(command: ins.Command, state: State) -> tuple[str, ...]:
    """A shell gets what is in shell form."""
    if not command.shell:
        return command.words
    return (*(state.config.shell or ("/bin/sh", "-c")), command.words[0])


def quoted(words: tuple[str, ...]) -> str:
    """As Go writes a list with %q."""
    return "[" + " ".join(json.dumps(word, ensure_ascii=False) for word in words) + "]"


def _cmd(state: State, step: ins.Program, words: Expander) -> State:
    cmd = _command(step.command, state)
    made = state.with_config(f"CMD {quoted(cmd)}", replace(state.config, cmd=cmd))
    return replace(made, cmd_set=True)


def _entrypoint(state: State, step: ins.Program, words: Expander) -> State:
    """The base image's CMD was written for another program."""
    found = _command(step.command, state)
    config = replace(state.config, entrypoint=found)
    if not state.cmd_set:
        config = replace(config, cmd=())
    return state.with_config(f"ENTRYPOINT {quoted(found)}", config)


def _shell(state: State, step: ins.Shell, words: Expander) -> State:
    said = " ".join(step.words)
    return state.with_config(f"SHELL [{said}]", replace(state.config, shell=step.words))


def _health(state: State, step: ins.Health, words: Expander) -> State:
    if step.command is None:
        test: tuple[str, ...] = ("NONE",)
    elif step.command.shell:
        test = ("CMD-SHELL", step.command.words[0])
    else:
        test = ("CMD", *step.command.words)
    check = Healthcheck(
        test, step.interval_ns, step.timeout_ns, step.start_period_ns, step.start_interval_ns,
        step.retries,
    )  # fmt: skip
    config = replace(state.config, healthcheck=check)
    return state.with_config(f"HEALTHCHECK {quoted(test)}", config)


def _on_build(state: State, step: ins.OnBuild, words: Expander) -> State:
    config = replace(state.config, on_build=(*state.config.on_build, step.text))
    return state.with_config(f"ONBUILD {step.text}", config)


_APPLY: dict[str, Callable[..., State]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _health,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _on_build,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
}
