"""An image from the distribution's own mirrors, for places with mirrors and no registry.

What comes in: a suite, packages, a mirror; mmdebstrap, which does the work.
What goes out: an image of one layer in the store.
Must never: store what an mmdebstrap that failed has written, need root.

Source: mmdebstrap(1). Its way to many ids ("unshare") needs subordinate ids; without them
fakechroot serves, where it is installed.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from pyrootless.errors import HostUnsupportedError, StoreError, UsageError
from pyrootless.images.store import remove_tree

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

DEFAULT_SUITE = "stable"
SUITES = (
    *("stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"),
    *("buster", "bullseye", "bookworm", "trixie", "forky", "duke"),
)
"""Names that are near a misspelt one; a mirror may have others."""
KEPT_LINES = 5
_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]*(:[a-z0-9]+)?", re.ASCII)
_END_SECONDS = 60.0
_FORGET = (
    'rm -f "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/var/lib/dbus/machine-id; '
    ': > "$1"/etc/resolv.conf'
)
"""What mmdebstrap copied from this machine: an image is nobody's machine. (It
empties /etc/machine-id itself.)"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to make.

    Attributes:
        suite: Name of a release: "trixie", "stable".
        packages: Packages beside the variant's own.
        variant: How much: mmdebstrap's word.
        mirror: URL of an archive, or a line of sources.list; None: mmdebstrap's own choice.
        components: Parts of the archive.
    """

    suite: str
    packages: tuple[str, ...] = ()
    variant: str = "minbase"
    mirror: str | None = None
    components: tuple[str, ...] = ("main",)


def parse_wanted(text: str, packages: list[str], variant: str, mirror: str | None) -> Wanted:
    """ "debian[:suite]" and options → what to make.

    Raises:
        UsageError: Another distribution, a suite or package that cannot be one.
    """
    distribution, _, suite = text.partition(":")
    if distribution != "debian":
        raise UsageError(
            f"bootstrap makes `debian[:SUITE]`, and not {distribution!r}; other distributions "
            "come from a registry: pyrootless pull NAME"
        )
    names = tuple(name for item in packages for name in item.split(",") if name)
    for name in (suite or DEFAULT_SUITE, *names):
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is neither a suite nor the name of a package")
    return Wanted(suite or DEFAULT_SUITE, names, variant, mirror)


def choose_mode(*, many_ids: bool) -> str:
    """How mmdebstrap comes to the rights it needs.

    Args:
        many_ids: The user has subordinate ids and the helpers that map them.

    Raises:
        HostUnsupportedError: It is not installed, or nothing gives it what it needs.
    """
    if shutil.which("mmdebstrap") is None:
        raise HostUnsupportedError(
            "bootstrap needs mmdebstrap, which is not installed",
            remedy="as administrator: apt install mmdebstrap",
        )
    if os.geteuid() == 0:
        return "root"
    if many_ids:
        return "unshare"
    if shutil.which("fakechroot") and shutil.which("fakeroot"):
        return "fakechroot"
    raise HostUnsupportedError(
        "bootstrap needs subordinate ids, or fakechroot and fakeroot; this user has neither",
        check="subordinate-ids",
        remedy="as administrator: apt install fakechroot fakeroot; or give this user ids: "
        "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER",
    )


def command(wanted: Wanted, mode: str) -> list[str]:
    """The mmdebstrap command that writes a tar archive to standard output."""
    words = [
        "mmdebstrap",
        f"--mode={mode}",
        f"--variant={wanted.variant}",
        f"--components={','.join(wanted.components)}",
        "--format=tar",
        f"--customize-hook={_FORGET}",
    ]
    if wanted.packages:
        words.append(f"--include={','.join(wanted.packages)}")
    words += ["--", wanted.suite, "-"]
    return words + ([wanted.mirror] if wanted.mirror else [])


def _make_place() -> Path:
    """A directory for mmdebstrap's work, which subordinate ids may pass through.

    Raises:
        StoreError: There is no room for it.
    """
    try:
        place = Path(tempfile.mkdtemp(prefix="pyrootless-bootstrap-"))
        place.chmod(0o711)
    except OSError as error:
        raise StoreError(
            f"cannot make a directory below {tempfile.gettempdir()}: {error.strerror}",
            remedy="make room there, or choose another place: TMPDIR=DIR pyrootless bootstrap",
        ) from error
    return place


def _remedy(suite: str) -> str:
    mirror = (
        "see whether the mirror can be reached: apt-get update; another one: "
        "pyrootless bootstrap --mirror URL"
    )
    if not suite or suite in SUITES:
        return mirror
    near = difflib.get_close_matches(suite, SUITES, n=1, cutoff=0.75)
    hint = f", did you mean debian:{near[0]}?" if near else "?"
    return f"is {suite} the name of a release{hint} If it is, {mirror}"


class Archive(io.RawIOBase):
    """What mmdebstrap writes, as a stream that can be read once.

    The end of the stream is an end only when mmdebstrap said that it succeeded: else reading it
    raises, so that nobody takes half an archive for a whole one. Closing ends mmdebstrap, and
    removes what it made: it works in a directory of its own. It has a session of its own too,
    since it sends SIGHUP to its whole process group when it fails.
    """

    def __init__(
        self, words: list[str], report: Callable[[str], None], suite: str = ""
    ) -> None:
        """Start it; report gets each line it says, suite is for the words of a failure."""
        super().__init__()
        self._suite = suite
        self._place = _make_place()
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C.UTF-8", "TMPDIR": str(self._place)},
                cwd="/",
                start_new_session=True,
            )
        except OSError:
            remove_tree(self._place)
            raise
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._report = report
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill a buffer; 0 at the end of an archive that is whole.

        Raises:
            StoreError: mmdebstrap failed; the text has its last words.
        """
        stream = self._process.stdout
        assert stream is not None
        chunk = os.read(stream.fileno(), memoryview(buffer).nbytes)
        if not chunk:
            self._check_end()
        memoryview(buffer)[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        """End mmdebstrap if it still runs, and remove what is left of its work."""
        if self.closed:
            return
        super().close()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # its session is of its own
            self._process.wait()
        remove_tree(self._place)
        self._listener.join(_END_SECONDS)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _check_end(self) -> None:
        code = self._process.wait()
        self._listener.join(_END_SECONDS)
        if code != 0:
            wanted = f" to make {self._suite}" if self._suite else ""
            raise StoreError(
                f"mmdebstrap failed{wanted} with exit status {code}: {'; '.join(self._last)}",
                remedy=_remedy(self._suite),
            )

    def _listen(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        for line in stream:
            text = line.decode(errors="replace").strip()
            if text:
                self._last.append(text)
                self._report(text)
