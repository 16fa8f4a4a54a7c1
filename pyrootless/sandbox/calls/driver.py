"""The student's side of a call: loads the source, calls the function, writes what came back.

What comes in: a request in the working directory, which it removes. What goes out: one file of
plain data. Must never: know anything that would help to pass a test. It runs in the box, beside
the student's code, and nothing it says is trusted.

It is executed as text behind that of plain_data.py, whose names it uses.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrootless.sandbox.calls.plain_data import from_text, to_text


def _load(name: str) -> Any:
    sys.path.insert(0, os.path.abspath("."))  # noqa: PTH100  # the box's
    module = type(sys)("solution")
    module.__file__ = name
    sys.modules["solution"] = module
    SourceFileLoader("solution", name).exec_module(module)
    return module


def _answer(request: Any, most_bytes: int) -> bytes:
    text = _outcome(request).encode()
    if len(text) <= most_bytes:
        return text
    return to_text((request[0], "large", len(text), None)).encode()


def _outcome(request: Any) -> str:
    nonce, source, path, args, kwargs = request
    try:
        target = _load(source)
        for part in path.split("."):
            target = getattr(target, part)
        value = target(*args, **kwargs)
        return to_text((nonce, "value", value, args))
    except BaseException as error:
        import traceback

        text = "".join(traceback.format_exception(error))
        words = (type(error).__name__, str(error), text)
        return to_text((nonce, "error", words, None))


def main(request_name: str, result_name: str, most_bytes: int) -> None:
    """Serve one call and leave, whatever threads are still there."""
    with open(request_name, "rb") as stream:  # noqa: PTH123
        request = from_text(stream.read())
    os.unlink(request_name)  # noqa: PTH108
    result = os.open(result_name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    text = _answer(request, most_bytes)
    while text:
        text = text[os.write(result, text) :]
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # the student's code may have put anything in their places
        pass
    os._exit(0)
