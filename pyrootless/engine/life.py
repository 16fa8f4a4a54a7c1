"""A container between its runs: made, started, run again, renamed, paused.

What comes in: an image and options, or a container's name.  What goes out: `Container` values.
Must never: keep a container in this process: whoever starts one here leaves it to a monitor of
its own, which is a process of the launcher. A fork of this process would be a copy of it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from pyrootless.config import Directories, find_launcher
from pyrootless.core import _containers
from pyrootless.engine.arguments import OptionValue, to_argv
from pyrootless.engine.containers import Container, find_container
from pyrootless.errors import ContainerStateError


def create_container(
    directories: Directories, image: str, args: Sequence[str] = (), **options: OptionValue
) -> Container:
    """Make a container that is started later.

    Args:
        directories: The engine's.
        image, args, options: As for `launch`; it is kept unless rm=True is given.

    Raises:
        ContainerStateError: It could not be made; the text says why.
    """
    key = _launcher("create", directories, to_argv(image, list(args), options))
    return find_container(directories, key)


def start_container(directories: Directories, wanted: str) -> Container:
    """Start it in the background; one that runs is left as it is.

    Raises:
        ContainerStateError: There is none, or it could not be started.
    """
    key = find_container(directories, wanted).id
    _launcher("start", directories, [key])
    return find_container(directories, key)


def rename_container(directories: Directories, wanted: str, name: str) -> None:
    """Another name for it.

    Raises:
        UsageError: It is no name.
        ContainerStateError: There is no such container, or the name is another's.
    """
    _containers.rename_state(str(directories.data), str(directories.runtime), wanted, name)


def pause_container(directories: Directories, wanted: str) -> None:
    """Let all its processes stand still.

    Raises:
        ContainerStateError: It does not run, is paused, or has no group that can be frozen.
    """
    _containers.pause_state(str(directories.data), str(directories.runtime), wanted, True)


def unpause_container(directories: Directories, wanted: str) -> None:
    """Let its processes go on.  Raises ContainerStateError: it is not paused."""
    _containers.pause_state(str(directories.data), str(directories.runtime), wanted, False)


def _launcher(verb: str, directories: Directories, words: Sequence[str]) -> str:
    """What the launcher prints. It ends when the container runs, or could not."""
    command = [str(find_launcher()), "--root", str(directories.data), verb, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=None)
    if done.returncode:
        said = done.stderr.strip().removeprefix("pyrootless: ")
        raise ContainerStateError(said.partition("\n")[0])
    return done.stdout.strip()
