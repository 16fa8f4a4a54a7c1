"""The same image, run by podman and by pyrootless, shows a program inside the same tree.

In: images made by hand (image_layouts.py) and one made from the distribution's packages.
Out: path, type, mode, owner, size, target, time, extended attributes and content, compared line
by line, with a range of ids and with one id and fake root.
Never: an entry left out but those an engine makes for each container (tree_probe.c).
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from image_layouts import (
    Entry,
    directory,
    file,
    hard,
    layer_tar,
    link,
    opaque,
    whiteout,
    with_parents,
    write_layout,
)

HERE = Path(__file__).parent
Runner = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.needs("podman", "subordinate-ids", "newuidmap", "gcc")

BASE = [
    directory("."),
    directory("etc"),
    file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/app:/bin/sh\n"),
    file("etc/group", b"root:x:0:\nuser:x:1000:\n"),
    directory("run"),
    directory("tmp", 0o1777),
    directory("usr/bin"),
]
"""What every image has, so that no engine makes it: podman writes a missing /etc/passwd."""
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
"""security.capability, version 2: cap_net_raw+ep."""


def _many_layers(count: int) -> list[list[Entry]]:
    layers = [[*BASE, directory("srv")]]
    for number in range(1, count):
        entries = [directory("srv"), file("srv/last", b"%d" % number)]
        entries.append(file(f"srv/file{number}", b"%d" % number))
        if number % 5 == 0:
            entries.append(whiteout(f"srv/file{number - 1}"))
        layers.append(entries)
    return layers


IMAGES: dict[str, list[list[Entry]]] = {
    "plain": [[*BASE, file("etc/motd", b"hello\n"), file("usr/bin/tool", b"#!\n", 0o755)]],
    "owners": [
        [
            *BASE,
            file("etc/shadow", b"root:*:", 0o640, owner=(0, 42)),
            directory("var/mail", 0o2775, owner=(0, 8)),
            directory("home/app", 0o700, owner=(1000, 1000)),
            file("home/app/.profile", b"x", 0o600, owner=(1000, 1000)),
            link("home/app/link", ".profile", owner=(1000, 1001)),
            file("usr/bin/su", b"suid", 0o4755),
            file("usr/bin/wall", b"sgid", 0o2755, owner=(0, 5)),
            file("usr/bin/odd", b"both", 0o6711, owner=(65534, 65534)),
        ],
        [
            directory("home"),
            directory("home/app", 0o700, owner=(1000, 1000)),
            directory("home/app/more", 0o750, owner=(1000, 33)),
            file("home/app/more/x", b"y"),
        ],
    ],
    "whiteouts": [
        [
            *BASE,
            file("etc/gone", b"1"),
            directory("opt/gone"),
            file("opt/gone/a", b"a"),
            file("opt/back", b"old"),
            directory("opt/tree"),
            file("opt/tree/old", b"o"),
        ],
        [
            directory("etc"),
            directory("opt"),
            whiteout("etc/gone"),
            whiteout("opt/gone"),
            whiteout("opt/back"),
            whiteout("opt/never-was"),
        ],
        [directory("opt"), file("opt/back", b"new", 0o600), file("opt/gone", b"a file now")],
    ],
    "opaque": [
        [
            *BASE,
            directory("opt/a"),
            file("opt/a/low", b"low"),
            directory("opt/a/sub"),
            file("opt/a/sub/low", b"low"),
        ],
        [
            directory("opt"),
            directory("opt/a", 0o711),
            opaque("opt/a"),
            file("opt/a/high", b"high"),
        ],
        [
            directory("opt"),
            directory("opt/a"),
            directory("opt/a/sub"),
            file("opt/a/sub/top", b"top"),
        ],
    ],
    "links": [
        [
            *BASE,
            file("srv/one", b"one" * 1000),
            hard("srv/two", "srv/one"),
            hard("srv/deep/three", "srv/one"),
            link("srv/soft", "one"),
            link("srv/absolute", "/srv/one"),
            link("srv/loop", "loop"),
            link("srv/away", "../../../../etc/passwd"),
        ],
        [directory("srv"), file("srv/two", b"no longer one")],
    ],
    "types": [
        [
            *BASE,
            file("srv/x", b"file"),
            directory("srv/y"),
            file("srv/y/in", b"in"),
            link("srv/z", "y"),
        ],
        [
            directory("srv"),
            directory("srv/x", 0o700),
            file("srv/x/now", b"a directory"),
            file("srv/y", b"file"),
            directory("srv/z"),
            file("srv/z/own", b"own"),
        ],
        [directory("srv"), Entry("srv/pipe", "fifo", 0o640, owner=(7, 7))],
    ],
    "names": [
        [
            *BASE,
            file("srv/with space", b"1"),
            file("srv/new\nline", b"2"),
            file("srv/ümlaut-日本", b"3"),
            file("srv/%41 back\\slash", b"4"),
            file("srv/" + "n" * 255, b"5"),
            file("/".join(["srv"] + ["d" * 60] * 8), b"6"),
            file("./srv/dotted", b"7"),
            file("srv//double", b"8"),
        ],
    ],
    "xattrs": [
        [
            *BASE,
            file("srv/a", b"a", xattrs={"user.note": b"text", "user.x": b"a=b\xc3\xa9"}),
            directory("srv/d", xattrs={"user.dir": b"yes"}),
            file("usr/bin/ping", b"ping", 0o755, xattrs={"security.capability": CAPABILITY}),
        ],
    ],
    "sealed": [
        [
            *BASE,
            directory("srv/read-only", 0o555),
            file("srv/read-only/in", b"in", 0o444),
            directory("srv/none", 0o000),
            file("srv/none/secret", b"s", 0o000),
            directory("srv/time", mtime=1.5),
            file("srv/time/now", b"t", mtime=1234567890.123456),
        ],
    ],
    "big": [
        [
            *BASE,
            file("srv/zeros", bytes(4 << 20)),
            file("srv/hole", b"start" + bytes(1 << 20) + b"end"),
        ]
    ],
    "forty": _many_layers(40),
    "user": [
        [
            *BASE,
            directory("app", owner=(1000, 1000)),
            file("app/main.py", b"print()", owner=(1000, 1000)),
        ]
    ],
}

CONFIGS: dict[str, dict[str, object]] = {"user": {"User": "1000:1000", "WorkingDir": "/app"}}
ZSTD = ("links", "xattrs")
HIDDEN = ("user.rootlesscontainers=", "security.capability=")


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tree_probe.c, static."""
    path = tmp_path_factory.mktemp("probe") / "tree-probe"
    words = ["gcc", "-O1", "-static", "-o", str(path), str(HERE / "tree_probe.c")]
    subprocess.run(words, check=True, timeout=120)
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout with every image of the table."""
    place = tmp_path_factory.mktemp("layout")
    for name, layers in IMAGES.items():
        first, *others = layers
        archives = [layer_tar(with_parents(first)), *map(layer_tar, others)]
        kind = "zstd" if name in ZSTD else "gzip"
        write_layout(place, name, archives, CONFIGS.get(name), kind)
    return place


def _by_podman(podman: Callable[..., list[str]], image: str, probe: Path) -> list[str]:
    podman("pull", "-q", image)
    flags = ["--network=none", "--cgroups=disabled", "--user=0", "--workdir=/"]
    bind = f"{probe}:/.tree-probe:ro"
    return podman("run", "--rm", *flags, "-v", bind, "--entrypoint=/.tree-probe", image)


def _by_us(pyrootless: Runner, image: str, probe: Path, options: Sequence[str]) -> list[str]:
    bind = f"{probe}:/.tree-probe:ro"
    words = ["--user=0", "--workdir=/", "-v", bind, "--entrypoint=/.tree-probe"]
    done = pyrootless("run", "--rm", *options, *words, image, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def _comparable(lines: list[str]) -> list[str]:
    """What one id and fake root can show (docs/fake-root.md, "What it cannot show").

    The claimed owner stands in an attribute, which `ls` does not show; links and FIFOs of an
    image cannot have one, and file capabilities need a map of many ids.
    """
    rows = []
    for line in lines:
        words = [word for word in line.split(" ") if not word.startswith(HIDDEN)]
        if words[1][:2] in ("12", "01"):
            words[2] = "owner"
        rows.append(" ".join(words))
    return rows


@pytest.mark.parametrize("name", IMAGES)
def test_a_range_of_ids_shows_what_podman_shows(
    name: str, pyrootless: Runner, podman: Callable[..., list[str]], layout: Path, probe: Path
) -> None:
    image = f"oci:{layout}:{name}"
    theirs = _by_podman(podman, image, probe)
    assert len(theirs) > len(BASE)
    assert _by_us(pyrootless, image, probe, ["--userns=range"]) == theirs


@pytest.mark.parametrize("name", IMAGES)
def test_one_id_with_fake_root_shows_what_podman_shows(
    name: str, pyrootless: Runner, podman: Callable[..., list[str]], layout: Path, probe: Path
) -> None:
    image = f"oci:{layout}:{name}"
    theirs = _by_podman(podman, image, probe)
    options = ["--userns=single", "--fake-root=remember"]
    ours = _by_us(pyrootless, image, probe, options)
    assert _comparable(ours) == _comparable(theirs)
