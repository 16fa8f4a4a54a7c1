"""The images that both engines get: one archive of `docker save`, made here.

In: the machine's static busybox.  Out: a tar file that docker and pyrootless load.
Never: a registry, a file of the machine but that one program.

Every image is box with another configuration; box:nopasswd has another layer.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import image_layouts
from image_layouts import Entry, directory, file, link

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n"
GROUP = b"root:x:0:\nwheel:x:10:bob\naudio:x:29:\nstaff:x:50:\nbob:x:1000:\n"
FULL = {
    "User": "",
    "Env": [PATH, "WORD=image"],
    "WorkingDir": "/work",
    "Entrypoint": ["/bin/echo", "entry"],
    "Cmd": ["command"],
    "Labels": {"of": "image"},
    "Volumes": {"/vol": {}, "/nodir/vol": {}},
    "ExposedPorts": {"8080/tcp": {}},
    "StopSignal": "SIGINT",
}
CONFIGS: dict[str, dict[str, object]] = {
    "latest": {"Env": [PATH], "Cmd": ["sh"]},
    "full": FULL,
    "bare": {"Env": [PATH]},
    "bob": {"Env": [PATH], "Cmd": ["sh"], "User": "bob"},
    "number": {"Env": [PATH], "Cmd": ["sh"], "User": "4242:50"},
    "cmd": {"Env": [PATH], "Cmd": ["echo", "from the image"]},
    "nopasswd": {"Env": [PATH]},
}


def _entries() -> list[Entry]:
    busybox = Path(shutil.which("busybox") or "busybox")
    words = [str(busybox), "--list"]
    listed = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    rows = [directory("bin"), file("bin/busybox", busybox.read_bytes(), 0o755)]
    rows += [
        link(f"bin/{name}", "busybox") for name in listed.stdout.split() if "/" not in name
    ]
    return [row for row in rows if row.path != "bin/busybox" or row.kind == "file"]


def _people() -> list[Entry]:
    return [
        directory("etc"),
        file("etc/passwd", PASSWD),
        file("etc/group", GROUP),
        directory("tmp", 0o1777),
        directory("root", 0o700),
        directory("home"),
        directory("home/bob", 0o750, owner=(1000, 1000)),
        file("home/bob/.profile", b"", owner=(1000, 1000)),
        directory("work"),
        directory("vol", 0o1777),
        file("vol/content", b"of the image\n"),
        link("link", "work"),
    ]


def write_archive(path: Path) -> None:
    """Every image of `CONFIGS`, as box:TAG."""
    programs = _entries()
    layers = {
        "layer.tar": image_layouts.layer_tar([*programs, *_people()]),
        "nopasswd.tar": image_layouts.layer_tar(programs),
    }
    manifest = []
    with tarfile.open(path, "w") as made:
        for name, data in layers.items():
            _add(made, name, data)
        for tag, config in CONFIGS.items():
            layer = "nopasswd.tar" if tag == "nopasswd" else "layer.tar"
            text = _document(config, layers[layer])
            _add(made, f"{tag}.json", text)
            manifest.append(
                {"Config": f"{tag}.json", "RepoTags": [f"box:{tag}"], "Layers": [layer]}
            )
        _add(made, "manifest.json", json.dumps(manifest).encode())


def _document(config: dict[str, object], layer: bytes) -> bytes:
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
        },
        "history": [{"created_by": "tests/differential/box_images.py"}],
    }
    return json.dumps(document, sort_keys=True).encode()


def _add(made: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    made.addfile(info, io.BytesIO(data))
