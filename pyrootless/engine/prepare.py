"""What a launch needs beyond the launcher: images, compiled filters, the user's own defaults.

The same for both doors: `pyrootless run` (cli/containers/run.py) and Python's `launch`.

What comes in: the words after `run`.
What goes out: the words that the core serves alone: with `--seccomp-program` for a filter that
had to be compiled, and without what was served here.
Must never: give an option a meaning (the table in csrc/config/options/table.c does), start a
container.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pyrootless.config import find_directories
from pyrootless.defaults import read_defaults
from pyrootless.errors import HostUnsupportedError, UsageError
from pyrootless.images import launch_name, prepare_image

if TYPE_CHECKING:
    from pyrootless.images import Announce

REINSTALL = "install it again: python3 -m pip install --force-reinstall pyrootless"

_OURS = ("pull", "platform", "quiet", "gpus")
"""The engine options that are served here and must not reach the launcher again."""
_PULLS = ("missing", "always", "never")


@dataclass(frozen=True, slots=True)
class Asked:
    """A parsed command line.

    Attributes:
        values: (option's name, value) in the order given; "true" or "false" for flags.
        image: None with --spec; a directory with --rootfs.
        args: Program and arguments.
    """

    values: tuple[tuple[str, str], ...]
    image: str | None
    args: tuple[str, ...]

    def last(self, name: str) -> str | None:
        """Last value of an option; None when it was not given."""
        given = [value for key, value in self.values if key == name]
        return given[-1] if given else None

    def all(self, name: str) -> list[str]:
        """Every value of an option, in the order given."""
        return [value for key, value in self.values if key == name]


def parse(args: Sequence[str], defaults: bytes = b"") -> Asked:
    """The command line by the one table of options, which is C's.

    Args:
        defaults: `Defaults.packed`: values of options that the words do not give.
    """
    values, image, rest = _core().parse_options("run", list(args), defaults)
    return Asked(tuple(values), image, tuple(rest))


def keep_defaults(root: str | None) -> bytes:
    """Read config.toml, and write down what it says where the launcher reads it.

    Returns:
        `Defaults.packed`.

    Raises:
        UsageError: The file cannot be read, or says something that has no meaning.
        StoreError: The store cannot be written.
    """
    from pyrootless.seccomp.profiles import write_whole

    defaults = read_defaults()
    if not defaults.stamp:
        return b""
    try:
        parse([*(f"--{word}" for word in defaults.words), "--", "host"])
    except UsageError as error:
        raise UsageError(
            f"{defaults.path}: {error}; see docs/configuration.md", remedy=error.remedy
        ) from error
    write_whole(find_directories(root).make().cache / "options", defaults.note)
    return defaults.packed


def prepare(asked: Asked, announce: Announce | None = None) -> list[str]:
    """Make everything ready that the launch needs; the words after `run` for the core.

    Args:
        asked: The command line.
        announce: As for `prepare_image`.

    Raises:
        UsageError: An option this release does not serve, an image that is not there.
        RegistryError: The image could not be fetched.
        StoreError: The store cannot be written.
    """
    check_pull(asked)
    kind = network_kind(asked)
    if kind is not None:
        from pyrootless.engine.network import prepare_network  # starts programs; only here

        prepare_network(kind, asked.last("root"))
    image = asked.image
    if asked.last("spec") is None:
        image = prepared_image(asked, announce)
    program = compile_filter(asked)
    options = [f"--{name}={value}" for name, value in asked.values if name not in _OURS]
    options = with_devices(asked, options, announce)
    if program is not None:
        options.insert(0, f"--seccomp-program={program}")
    words = [] if image is None else ["--", image, *asked.args]
    return options + words


def with_devices(asked: Asked, options: Sequence[str], announce: Announce | None) -> list[str]:
    """The options with what --gpus and named devices stand for.

    Raises:
        UsageError: There is no such device.
    """
    gpus = asked.last("gpus")
    named = [value for value in asked.all("device") if not value.startswith("/")]
    if gpus is None and not named:
        return list(options)
    from pyrootless.host import edits_of, names_of_gpus  # only here

    names = names_of_gpus(gpus) if gpus is not None else []
    names += [value for value in named if "/" in value and "=" in value]
    edits = edits_of(names)
    if edits.hooks and announce is not None:
        announce.hooks_left_out(edits.hooks)
    replaced = {f"--device={name}" for name in names}
    return [word for word in options if word not in replaced] + list(edits.words)


def prepared_image(asked: Asked, announce: Announce | None) -> str | None:
    """The word for the image by which the core finds it, with its launch template ready."""
    own_root = asked.last("rootfs") == "true"
    image, root = asked.image or "host", asked.last("root")
    wanted = "host" if own_root else image
    pull, platform = asked.last("pull") or "missing", asked.last("platform")
    if pull != "always" and platform is None and is_fresh(wanted, root):
        return asked.image
    directory = prepare_image(wanted, root, pull=pull, platform=platform, announce=announce)
    return image if own_root else launch_name(image, root, directory)


def is_fresh(image: str, root: str | None) -> bool:
    """Whether the image's launch template is there and no source of it has changed."""
    return bool(_core().Container(["--", image], root).load_template(image))


def network_kind(asked: Asked) -> str | None:
    """The helper a launch needs: "pasta", "slirp4netns", "auto"; None: none.

    As prl_config_network_kind has it (csrc/config/network/helper.c).
    """
    publishes = asked.all("publish") or asked.last("publish-all") == "true"
    needs_helper = publishes or asked.all("allow-host")
    network = asked.last("network") or ("auto" if needs_helper else "none")
    kind = network.partition(":")[0]
    return None if kind in ("none", "host", "container") else kind


def check_pull(asked: Asked) -> None:
    """Refuse a --pull that is no policy.

    Raises:
        UsageError: It is none.
    """
    for name, value in asked.values:
        if name == "pull" and value not in _PULLS:
            raise UsageError(f"--pull {value}: write one of {', '.join(_PULLS)}")


def compile_filter(asked: Asked) -> Path | None:
    """The compiled filter of --security-opt; None when the template's own serves."""
    wishes = asked.all("security-opt")
    files = [wish.removeprefix("seccomp=") for wish in wishes if wish.startswith("seccomp=")]
    chosen = files[-1] if files else "builtin"
    if chosen == "unconfined" or asked.last("privileged") == "true":
        return None
    if asked.last("seccomp-program") is not None:
        return None
    changes = [wish for wish in wishes if wish in ("nested-userns", "io-uring")]
    if chosen == "builtin" and not changes and not asked.all("cap-add"):
        return None
    path = None if chosen == "builtin" else Path(chosen)
    directory = find_directories(asked.last("root")).make().cache
    version = (0, 0) if path is None else _version(path)
    wish = (path, version, tuple(changes), bounding_set(asked), directory)
    program = _compile(*wish)
    if not program.is_file():  # the cache was emptied since
        _compile.cache_clear()
        program = _compile(*wish)
    return program


@cache
def _compile(
    profile_path: Path | None,
    version: tuple[int, int],
    changes: tuple[str, ...],
    capabilities: frozenset[str],
    directory: Path,
) -> Path:
    """The filter in the cache; `version` tells one content of profile_path from the next."""
    from pyrootless.seccomp import profiles  # loads libseccomp; only here

    profile = profiles.load_profile(profile_path)
    if "nested-userns" in changes:
        profile = profiles.allow_nested_userns(profile)
    if "io-uring" in changes:
        profile = profiles.allow_io_uring(profile)
    section = profiles.resolve_profile(
        profile, capabilities=capabilities, arch=os.uname().machine
    )
    return profiles.compile_to_cache(section, directory)[0]


def _version(path: Path) -> tuple[int, int]:
    """Changes with the file; load_profile says what is wrong with one that is not there."""
    try:
        facts = path.stat()
    except OSError:
        return (0, 0)
    return facts.st_ino, facts.st_mtime_ns


def bounding_set(asked: Asked) -> frozenset[str]:
    """The capabilities the launcher will give: the default ones, --cap-drop, then --cap-add.

    A name in both lists is given, as docker does; conditions of a profile are met by these.
    """
    from pyrootless.images.template import DEFAULT_CAPABILITIES

    dropped = {_capability(name) for name in asked.all("cap-drop")}
    added = {_capability(name) for name in asked.all("cap-add")}
    base = set() if "CAP_ALL" in dropped else set(DEFAULT_CAPABILITIES) - dropped
    if "CAP_ALL" in added:
        base = set(_core().capability_names()) - dropped
    return frozenset((base | added) - {"CAP_ALL"})


def _capability(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"


def _core() -> ModuleType:
    try:
        return importlib.import_module("pyrootless.core._containers")  # compiled; only here
    except ImportError as error:
        raise HostUnsupportedError(
            f"the package's compiled part cannot be loaded: {error}", remedy=REINSTALL
        ) from error
