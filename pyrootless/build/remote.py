"""ADD of what lies elsewhere: URLs.

What comes in: a URL, and the checksum its content must have.
What goes out: a context with its one file.
Must never: keep bytes that are not what the checksum says; follow a URL to another scheme;
send credentials.

Source: Dockerfile reference, ADD: mode 0600, the time is that of Last-Modified.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pyrootless.build.bench import Bench
from pyrootless.build.context import Context, DirectoryContext
from pyrootless.errors import IntegrityError, RegistryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMES = ("http://", "https://")
_CHUNK_BYTES = 1 << 18
MAX_BYTES = 16 << 30
TIMEOUT_SECONDS = 60
"""Between two parts of an answer."""
_MODE = 0o600


def is_remote(source: str) -> bool:
    """Whether a source of ADD lies elsewhere."""
    return source.startswith(_SCHEMES)


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
        name = posixpath.basename(unquote(urlsplit(url).path)) or "index.html"
        directory = bench.new_directory("url")
        download(url, directory / name, checksum)
        yield DirectoryContext.open(directory), [name.replace("[", "\\[")], True


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
    import os

    seconds = 0.0
    if modified:
        try:
            seconds = parsedate_to_datetime(modified).timestamp()
        except (TypeError, ValueError):
            seconds = 0.0
    os.utime(target, (seconds, seconds))
