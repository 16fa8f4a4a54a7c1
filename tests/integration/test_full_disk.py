"""Archives that the disk has no room for: words, 125, and nothing left.

In: stores on small file systems in memory, archives of four megabytes that no compression makes
smaller.  Out: what the call said, and what the store holds.
"""

from __future__ import annotations

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from images.tars import files

pytestmark = pytest.mark.needs("user-namespaces", "unshare")

LAYER = files({"noise": os.urandom(4 << 20)})

# Everything of the store that has a byte, behind what the call said.
SMALL = """
mount -t tmpfs -o size="$SIZE"k tmpfs "$PYROOTLESS_ROOT" || exit 99
"$@" > "$PYROOTLESS_ROOT.out"; code=$?
cd "$PYROOTLESS_ROOT" && find . -type f -size +0 ! -name version
exit $code
"""


def docker_archive() -> bytes:
    digest = sha256(LAYER).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    listed = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l.tar"]}]
    documents = {"manifest.json": json.dumps(listed), "c.json": json.dumps(config)}
    return files({name: text.encode() for name, text in documents.items()} | {"l.tar": LAYER})


@pytest.mark.parametrize("size", ["64", "1500", "5000", "9000", "11000"])
@pytest.mark.parametrize("verb", ["import", "load"])
def test_an_archive_too_large_for_the_disk(
    launcher: Path, engine_environment: dict[str, str], tmp_path: Path, verb: str, size: str
) -> None:
    """Wherever it is that the disk is full: in the spool, in the tree or in the blob."""
    archive, root = tmp_path / "a.tar", tmp_path / "store"
    archive.write_bytes(LAYER if verb == "import" else docker_archive())
    root.mkdir(mode=0o700)
    words = [str(launcher), verb, *(["-i"] if verb == "load" else []), str(archive)]
    env = {**engine_environment, "PYROOTLESS_ROOT": str(root), "SIZE": size}
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", SMALL, "sh", *words],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 125, done.stderr
    first = done.stderr.splitlines()[0]
    assert first.startswith("pyrootless: ") and first.endswith("No space left on device")
    assert "Traceback" not in done.stderr and "remedy: " in done.stderr
    assert done.stdout == ""
