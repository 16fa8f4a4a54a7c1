"""What a sandbox's run needs of the kernel: without it the same comes out.

In: deny.c, which makes the named calls answer ENOSYS.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Place

# A file that is handed on open, in a direct run and in a ready box.
FILE = """
from pathlib import Path
from pyrootless.sandbox import ReadyBoxes, run
Path("given").write_bytes(bytes(range(256)) * 1000 + b"end")
words, files = ["sha256sum", "given"], {"given": Path("given")}
with ReadyBoxes(size=1) as boxes:
    for outcome in (run(words, files=files), boxes.run(words, files=files)):
        print(outcome.text, end="")
"""
DIGEST = "65e3b4b56709aed798f6e6929e75f7d7ea07277ecd63cce57672901f7b1a8b5e"


def test_a_large_file_is_whole_without_sendfile(deny: Path, place: Place) -> None:
    done = subprocess.run(
        [str(deny), "sendfile", "--", sys.executable, "-c", FILE],
        env=place.environment,
        cwd=place.base,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"{DIGEST}  given\n" * 2
    assert place.left() == []
