"""What a build is asked for, and those who answer its questions.

What comes in: nothing.  What goes out: values and interfaces.
Must never: hold global state; decide anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pyrootless.build.context import Context


class Secrets(Protocol):
    """Gives secrets to `RUN --mount=type=secret`."""

    def secret(self, name: str) -> bytes | None:
        """A secret's bytes; None: there is none of this name."""


class Agents(Protocol):
    """Gives sockets of ssh agents to `RUN --mount=type=ssh`."""

    def agent(self, name: str) -> str | None:
        """The path of an agent's socket; None: there is none of this name."""


class Progress(Protocol):
    """Hears how a build goes on.  Called from several threads."""

    def began(self, vertex: int, title: str) -> None:
        """A step, stage or other piece of work begins."""

    def wrote(self, vertex: int, line: str) -> None:
        """Its program wrote a line."""

    def ended(self, vertex: int, *, cached: bool = False, failure: str = "") -> None:
        """It is done; cached: nothing had to be done."""

    def warned(self, text: str) -> None:
        """Something about the Dockerfile that should be told."""


@dataclass(frozen=True, slots=True)
class NoSecrets:
    """Neither secrets nor agents."""

    def secret(self, _name: str) -> bytes | None:
        """None."""
        return None

    def agent(self, _name: str) -> str | None:
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class GivenSecrets:
    """Secrets and sockets of agents by name."""

    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    agents: Mapping[str, str] = field(default_factory=dict)

    def secret(self, name: str) -> bytes | None:
        """As of `Secrets`."""
        return self.secrets.get(name)

    def agent(self, name: str) -> str | None:
        """As of `Agents`."""
        return self.agents.get(name)


@dataclass(frozen=True, slots=True)
class Quiet:
    """A `Progress` that says nothing."""

    def began(self, vertex: int, title: str) -> None:
        """Nothing."""

    def wrote(self, vertex: int, line: str) -> None:
        """Nothing."""

    def ended(self, vertex: int, *, cached: bool = False, failure: str = "") -> None:
        """Nothing."""

    def warned(self, text: str) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One build.

    Attributes:
        dockerfile: Its text.
        name: Of the Dockerfile, for messages.
        context: What COPY and ADD read.
        args: Build arguments.
        target: A stage's name or number; "": the last one.
        labels: For the image, beside those of the Dockerfile.
        platform: "OS/ARCHITECTURE"; "": this machine's.
        network: What RUN has, as of `run --network`.
        no_cache: Steps are done although they were done before.
        no_cache_stages: The same for stages of these names.
        pull: Registries are asked for newer base images.
        contexts: Named contexts: name → files, or the name of an image as
            "docker-image://NAME".
        secrets, agents: Who has them.
        progress: Who hears of it.
        epoch: Seconds since 1970 that stand for every time; None: times are what they are.
        userns: Map of ids: "auto", "single" or "range".
        words: Words of `run` that hold for every RUN, as "--memory=1g".
        parallel: Stages under way at once.
    """

    dockerfile: str
    context: Context
    name: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    network: str = "none"
    no_cache: bool = False
    no_cache_stages: Sequence[str] = ()
    pull: bool = False
    contexts: Mapping[str, Context | str] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=NoSecrets)
    agents: Agents = field(default_factory=NoSecrets)
    progress: Progress = field(default_factory=Quiet)
    epoch: int | None = None
    userns: str = "auto"
    words: Sequence[str] = ()
    parallel: int = 4
