"""Where the engine lives: its directories and its launcher.

What comes in: the environment and the value of --root.
What goes out: `Directories` (paths, nothing made yet) and the path of the native launcher.
Must never: create anything but in `Directories.make`, follow a runtime directory somebody else
owns. The rules are those of csrc/container/state/record.h (prl_dirs_open): both sides must find
the same places.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyrootless.errors import HostUnsupportedError, StoreError

TEMPLATE_VERSION = "2"
"""Form of launch templates; the launcher refuses others (csrc/config/template.h)."""


@dataclass(frozen=True, slots=True)
class Directories:
    """The engine's directories.

    Attributes:
        data: Images, containers, caches; survives a reboot.
        runtime: Locks of what runs now; gone after a reboot.
    """

    data: Path
    runtime: Path

    @property
    def images(self) -> Path:
        """Launch templates and what belongs to them, one directory an image."""
        return self.data / "images"

    @property
    def refs(self) -> Path:
        """Names: symbolic links to directories of `images`."""
        return self.data / "refs"

    @property
    def blobs(self) -> Path:
        """Manifests, configurations and layers as they came, named by their digests."""
        return self.data / "blobs"

    @property
    def layers(self) -> Path:
        """Unpacked layers, one directory a diff ID, read-only for ever."""
        return self.data / "layers"

    @property
    def steps(self) -> Path:
        """What steps of builds made, one file a key."""
        return self.data / "steps"

    @property
    def trash(self) -> Path:
        """What is being removed; swept."""
        return self.data / "trash"

    @property
    def cache(self) -> Path:
        """Compiled seccomp filters and other things that can be made again."""
        return self.data / "cache"

    @property
    def temporary(self) -> Path:
        """Work in progress, on the same file system as the rest; swept."""
        return self.data / "tmp"

    def make(self) -> Directories:
        """Create what is missing below `data`, mode 0700; returns itself.

        Raises:
            StoreError: A directory cannot be made or is not writable.
        """
        try:
            for path in (self.data, self.images, self.refs, self.cache, self.temporary):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot make the store's directory {error.filename}: {error.strerror}",
                remedy="choose another place: pyrootless --root DIR, or PYROOTLESS_ROOT=DIR",
            ) from error
        return self


def find_directories(
    root: str | None = None, environ: Mapping[str, str] | None = None
) -> Directories:
    """The directories of this user.

    Args:
        root: Value of --root, or None.
        environ: The environment; None: this process's own.

    Raises:
        StoreError: No home directory is known, or a given path is not absolute.
    """
    env = os.environ if environ is None else environ
    data = _data_directory(root, env)
    try:
        # Without links: the launcher compares and mounts the real path
        # (csrc/container/state/dirs.c).
        data = data.resolve()
    except (OSError, RuntimeError) as error:
        raise StoreError(f"the store's path {data} leads nowhere: {error}") from error
    return Directories(data=data, runtime=runtime_directory(env))


def runtime_directory(environ: Mapping[str, str]) -> Path:
    """$XDG_RUNTIME_DIR/pyrootless when that is ours, else /tmp/pyrootless-UID.

    A runtime directory that is relative, missing, a link or somebody else's is passed over:
    cron, CI and `su` leave such values behind, and nothing here depends on a login session.
    """
    given = environ.get("XDG_RUNTIME_DIR", "")
    if given.startswith("/") and _own_directory(Path(given)):
        return Path(given) / "pyrootless"
    return Path(f"/tmp/pyrootless-{os.getuid()}")


def find_launcher(environ: Mapping[str, str] | None = None) -> Path:
    """The native executable `pyrootless`.

    Order: $PYROOTLESS_LAUNCHER (set by the launcher itself), beside the interpreter (venv,
    pipx), the user's scripts directory, PATH.

    Raises:
        HostUnsupportedError: There is none, or only a script that is not the launcher.
    """
    env = os.environ if environ is None else environ
    candidates = [
        env.get("PYROOTLESS_LAUNCHER", ""),
        str(Path(sys.executable).parent / "pyrootless"),
    ]
    candidates.append(str(Path(env.get("HOME", "/nonexistent")) / ".local/bin/pyrootless"))
    candidates.append(shutil.which("pyrootless", path=env.get("PATH")) or "")
    for candidate in candidates:
        if candidate and _is_native(Path(candidate)):
            return Path(candidate)
    raise HostUnsupportedError(
        "the native launcher `pyrootless` was not found beside the interpreter or on PATH",
        remedy="install it again: python3 -m pip install --force-reinstall pyrootless",
    )


def _data_directory(root: str | None, env: Mapping[str, str]) -> Path:
    for value in (root, env.get("PYROOTLESS_ROOT")):
        if value:
            return Path(value)
    xdg = env.get("XDG_DATA_HOME", "")
    if xdg.startswith("/"):
        return Path(xdg) / "pyrootless"
    return _home(env) / ".local/share/pyrootless"


def _home(env: Mapping[str, str]) -> Path:
    home = env.get("HOME", "")
    if home.startswith("/"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise StoreError(
            f"no home directory is known for uid {os.getuid()} (HOME is unset)",
            remedy="say where the store should be: --root DIR, or PYROOTLESS_ROOT=DIR",
        ) from None


def _own_directory(path: Path) -> bool:
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()


def _is_native(path: Path) -> bool:
    """An executable ELF file: a console script of the same name would start Python for ever."""
    try:
        if not os.access(path, os.X_OK) or not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(4) == b"\x7fELF"
    except OSError:
        return False
