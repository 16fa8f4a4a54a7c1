"""What a stage is after each of its steps.

What comes in: an image, or nothing.  What goes out: `State` values, one after the other.
Must never: touch a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pyrootless.images import HistoryEntry, ImageConfig
from pyrootless.images.archive import StoredLayer

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
COMMENT = "buildkit.dockerfile.v0"
"""Of a history entry, as docker's builder writes it: tools tell by it how to read the text."""


@dataclass(frozen=True, slots=True)
class State:
    """A stage between two steps.

    Attributes:
        config: Of the image it would be; layers and history are in it.
        layers: The lowest first.
        key: Digest of all that made its files.
        args: Build arguments that were declared, in order.
        stamps: For each layer made here, when: the last one is the image's time.
        cmd_set: CMD was written in this stage.
    """

    config: ImageConfig
    layers: tuple[StoredLayer, ...] = ()
    key: str = ""
    args: Mapping[str, str | None] = field(default_factory=dict)
    created: str = ""
    cmd_set: bool = False

    @property
    def env(self) -> dict[str, str]:
        """Variables of the image."""
        return dict(entry.partition("=")[::2] for entry in self.config.env)

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Of the layers."""
        return tuple(layer.diff_id for layer in self.layers)

    @property
    def cwd(self) -> str:
        """Where programs start and relative paths count from."""
        return self.config.working_dir or "/"

    def lookup(self, name: str) -> str | None:
        """A variable as instructions see it: ENV hides ARG."""
        env = self.env
        return env[name] if name in env else self.args.get(name)

    def with_config(self, history: str, config: ImageConfig) -> State:
        """After an instruction that changes the configuration alone."""
        entry = HistoryEntry(created_by=history, comment=COMMENT, empty_layer=True)
        return replace(self, config=replace(config, history=(*config.history, entry)))

    def with_layer(self, history: str, layer: StoredLayer, key: str, created: str) -> State:
        """After an instruction that changed files."""
        entry = HistoryEntry(created=created, created_by=history, comment=COMMENT)
        config = replace(self.config, history=(*self.config.history, entry))
        return replace(
            self, config=config, layers=(*self.layers, layer), key=key, created=created
        )


def make_key(parent: str, *parts: object) -> str:
    """The key of a step on another one."""
    text = repr((parent, *parts)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()


def set_variables(env: Sequence[str], pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Variables changed in their place, new ones at the end."""
    merged = dict(entry.partition("=")[::2] for entry in env) | dict(pairs)
    return tuple(f"{name}={value}" for name, value in merged.items())
