"""The journal of a batch: what was judged before it was interrupted.

What comes in: finished results, one at a time.
What goes out: those of an earlier, interrupted run of the same task over the same bytes.
Must never: trust a line of another task, of changed files or of half a write; outlive a batch
that came to its end.

One line of JSON a result, in the order in which they were finished, each flushed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from pyrootless.errors import StoreError, UsageError
from pyrootless.sandbox.judge.results import SubmissionResult, from_document, to_document

FORM = 2


def digest_files(paths: Iterable[tuple[str, Path]]) -> str:
    """One digest for names and contents of files, whatever the order they come in."""
    total = hashlib.sha256()
    for name, path in sorted(paths):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{len(os.fsencode(name))}:".encode() + os.fsencode(name))
        total.update(content.encode())
    return total.hexdigest()


class Journal:
    """One file of results; a context manager that holds its lock."""

    def __init__(self, path: Path, task_digest: str) -> None:
        self._path = path
        self._task = task_digest
        self._fd = -1
        self._known: dict[tuple[str, str], SubmissionResult] = {}

    def __enter__(self) -> Journal:
        """Open, lock and read.

        Raises:
            StoreError: It cannot be written.
            UsageError: Another judge is at work on it.
        """
        try:
            self._fd = _open_file(self._path)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            raise UsageError(
                f"another judge writes {self._path}",
                remedy="wait for its end, or name another file: --journal FILE",
            ) from error
        self._known = dict(self._read())
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def find(self, name: str, digest: str) -> SubmissionResult | None:
        """The result of a submission with these bytes; None: it is still to be judged."""
        return self._known.get((name, digest))

    def add(self, digest: str, result: SubmissionResult) -> None:
        """Write a result down, for good.

        Raises:
            StoreError: The disk does not take it.
        """
        row = {"form": FORM, "task": self._task, "digest": digest, **to_document(result)}
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        try:
            if os.write(self._fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._unwritable(error) from error

    def close_batch(self) -> None:
        """The batch came to its end: nothing is left to go on with."""
        self._path.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"cannot write the journal {self._path}: {error.strerror}",
            remedy="make room, or name another place: pyrootless judge --journal FILE",
        )

    def _read(self) -> Iterable[tuple[tuple[str, str], SubmissionResult]]:
        with os.fdopen(os.dup(self._fd), "rb") as stream:
            data = stream.read()
        if data and not data.endswith(b"\n"):  # half a line: the next one begins anew
            os.write(self._fd, b"\n")
        for line in data.split(b"\n"):
            try:
                row = json.loads(line)
                if (row["form"], row["task"]) == (FORM, self._task):
                    yield (row["name"], row["digest"]), from_document(row)
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # half a line, or somebody else's


def _open_file(path: Path) -> int:
    """A regular file to append to, made where there is none.  Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(path, flags, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file")
    return fd
