"""What lies elsewhere: URLs and Git repositories.

What comes in: a URL, and the checksum its content must have.
What goes out: a context with its one file.
Must never: keep bytes that are not what the checksum says; follow a URL to another scheme;
send credentials.

Source: Dockerfile reference, ADD: mode 0600, the time is that of Last-Modified.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
import subprocess
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pyrootless.build.bench import Bench
from pyrootless.build.context import Context, DirectoryContext
from pyrootless.engine.files import Root
from pyrootless.errors import IntegrityError, RegistryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_GIT = re.compile(r"(git://|ssh://|git@|https?://.*\.git(?:$|[#?])|github\.com/).*")
_SCHEMES = ("http://", "https://")
GIT_SECONDS = 600
_CHUNK_BYTES = 1 << 18
MAX_BYTES = 16 << 30
TIMEOUT_SECONDS = 60
"""Between two parts of an answer."""
_MODE = 0o600


def is_remote(source: str) -> bool:
    """Whether a source of ADD lies elsewhere."""
    return source.startswith(_SCHEMES) or is_git(source)


def is_git(source: str) -> bool:
    """Whether it is a Git repository, by its form."""
    return _GIT.fullmatch(source) is not None


def fetch_sources(
    bench: Bench, sources: Sequence[str], checksum: str, *, keep_git: bool
) -> Iterator[tuple[Context, list[str], bool]]:
    """Each source as (its context, its names there, whether it may be unpacked).

    Raises:
        RegistryError: A server does not give it.
        IntegrityError: It is not what the checksum says.
        UsageError: A checksum is given for several sources.
    """
    if checksum and len(sources) > 1:
        raise UsageError("--checksum is of one source")
    for url in sources:
        if is_git(url):
            place = clone(url, bench.new_directory("git") / "files")
            _check_commit(place, url, checksum)
            if not keep_git:
                shutil.rmtree(place / ".git", ignore_errors=True)
            yield DirectoryContext.open(place), ["."], False
            continue
        name = posixpath.basename(unquote(urlsplit(url).path)) or "index.html"
        directory = bench.new_directory("url")
        download(url, directory / name, checksum)
        yield DirectoryContext.open(directory), [name.replace("[", "\\[")], True


def _check_commit(place: Path, url: str, checksum: str) -> None:
    """`--checksum` of a repository is the commit that was checked out."""
    if checksum and not _head(place).startswith(checksum):
        raise IntegrityError(f"{url} is at {_head(place)}, and should be at {checksum}")


def _head(place: Path) -> str:
    done = subprocess.run(
        ["git", "-C", str(place), "rev-parse", "HEAD"], capture_output=True, text=True,
        timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout.strip()


def download(url: str, target: Path, checksum: str) -> None:
    """A URL's content, into a new file.

    Raises:
        RegistryError, IntegrityError: As of `fetch_sources`.
    """
    import urllib3

    pool = urllib3.PoolManager(timeout=urllib3.Timeout(TIMEOUT_SECONDS), retries=3)
    try:
        answer: Any = pool.request("GET", url, preload_content=False, redirect=True)
    except urllib3.exceptions.HTTPError as error:
        raise RegistryError(f"{url} cannot be fetched: {error}") from error
    try:
        if answer.status != 200:
            raise RegistryError(f"{url}: the server answers {answer.status} {answer.reason}")
        _take(answer, url, target, checksum)
    finally:
        answer.release_conn()
        pool.clear()
    _stamp(target, answer.headers.get("Last-Modified", ""))


def _take(answer: Any, url: str, target: Path, checksum: str) -> None:
    import urllib3

    algorithm, _, digits = checksum.partition(":")
    if checksum and algorithm not in hashlib.algorithms_available:
        raise UsageError(f"--checksum={checksum[:80]}: there is no {algorithm}")
    total = hashlib.new(algorithm or "sha256")
    size = 0
    try:
        with target.open("xb") as stream:
            target.chmod(_MODE)
            for chunk in answer.stream(_CHUNK_BYTES):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise RegistryError(f"{url}: more than {MAX_BYTES >> 30} GiB")
                total.update(chunk)
                stream.write(chunk)
    except urllib3.exceptions.HTTPError as error:
        raise RegistryError(f"{url}: the answer is cut off: {error}") from error
    if checksum and total.hexdigest() != digits:
        raise IntegrityError(
            f"{url} is {algorithm}:{total.hexdigest()}, and should be {checksum}"
        )


def _stamp(target: Path, modified: str) -> None:
    seconds = 0.0
    if modified:
        try:
            seconds = parsedate_to_datetime(modified).timestamp()
        except (TypeError, ValueError):
            seconds = 0.0
    os.utime(target, (seconds, seconds))


def clone(url: str, target: Path) -> Path:
    """A Git repository's files: "URL#REF:DIRECTORY".

    Raises:
        RegistryError: It cannot be fetched, or has no such reference.
        UsageError: The directory leads out, or is not there.
    """
    bare, _, fragment = url.partition("#")
    ref, _, folder = fragment.partition(":")
    if bare.startswith("github.com/"):
        bare = f"https://{bare}"
    if ref.startswith("-") or bare.startswith("-"):
        raise UsageError(f"{url[:80]}: no reference begins with -")
    target.mkdir()
    steps = [["init", "-q"], ["remote", "add", "origin", bare],
             ["fetch", "-q", "--depth", "1", "origin", ref or "HEAD"],
             ["checkout", "-q", "--detach", "FETCH_HEAD"]]  # fmt: skip
    for words in steps:
        _git(words, target, url)
    found = Root(os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        inside = found.open(os.fsencode(folder.strip("/") or "."))
        os.close(inside)
    except OSError as error:
        raise UsageError(f"{url[:80]}: {folder}: {error.strerror}") from error
    finally:
        found.close()
    return target / folder.strip("/") if folder.strip("/") else target


def _git(words: list[str], target: Path, url: str) -> None:
    """No hook, no configuration of the user's that runs programs, no question."""
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never"]
    try:
        done = subprocess.run(
            [*command, "-C", str(target), *words], env=env, capture_output=True, text=True,
            timeout=GIT_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        raise UsageError(
            f"{url[:80]} is a Git repository, and git is not there",
            remedy="have the administrator install it: apt-get install git",
        ) from None
    except subprocess.TimeoutExpired:
        raise RegistryError(f"{url[:80]}: git took more than {GIT_SECONDS} s") from None
    if done.returncode:
        raise RegistryError(f"{url[:80]}: git {words[0]}: {done.stderr.strip()[-400:]}")
