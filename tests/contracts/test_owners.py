"""Each file that stays on disk has one owner: docs/reference/disk.md against the sources.

In: the paths of that page; string literals of csrc/ and pyrootless/ that name a file.
Out: every source that names a file which is another room's.
A new file needs a row here; a second owner needs its reason beside it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DISK = ROOT / "docs/reference/disk.md"

STATE = "csrc/container/state/"
VOLUMES = "csrc/container/state/volumes/"
IMAGES = "pyrootless/images/"
SECCOMP = "pyrootless/seccomp/"
HOME = "pyrootless/config.py"
"""Paths of the store's rooms, and nothing in them."""


@dataclass(frozen=True)
class Owner:
    """Who makes, reads and removes a file.

    Attributes:
        rooms: Begins of paths of sources.
        why: Why there are two of them; "" when there is one.
        name: Regular expression of a literal that names the file; "": it is a directory's whose
            row stands above, or has a name that other things have as well.
    """

    rooms: tuple[str, ...]
    why: str = ""
    name: str = ""


def below(name: str) -> str:
    """A path that ends with this name, or goes on below it."""
    return rf"(.*/)?{name}(/.*)?"


TEMPLATE = "Python makes images, the launcher finds and reads their templates"
UNPACK = "C unpacks a layer, Python reads the lists"
FILTERS = "Python compiles filters, a pull looks for the first, the launcher finds its own"

OWNERS: dict[str, Owner] = {
    "DATA/version": Owner(
        (IMAGES, STATE), "each refuses a newer store before it does anything"
    ),
    "DATA/blobs/sha256/HEX": Owner((IMAGES, HOME)),
    "DATA/blobs/sha256/HEX.damaged": Owner((IMAGES,), name=r".*\.damaged"),
    "DATA/layers/HEX/": Owner((IMAGES, HOME)),
    "tree/": Owner((IMAGES, "csrc/unpack/"), UNPACK, below("tree")),
    "layer.json": Owner((IMAGES,), name=below(r"layer\.json")),
    "unflushed": Owner((IMAGES,), name="unflushed"),
    "range-KEY/": Owner((IMAGES,), name="range-.*"),
    "range-KEY.bytes": Owner((IMAGES,)),
    "points-KEY/": Owner((IMAGES,), name="points-.*"),
    "DATA/refs/NAME": Owner(
        (IMAGES, "csrc/config/template.c", HOME), TEMPLATE, r"(.*/)?refs/.*"
    ),
    "DATA/refs/ALIAS": Owner((IMAGES,)),
    "DATA/images/ID/config.json": Owner((IMAGES, "csrc/config/template.c", HOME), TEMPLATE),
    "DATA/images/ID/rootfs/": Owner((IMAGES,)),
    "DATA/collect.lock": Owner((IMAGES,), name=below(r"collect\.lock")),
    "DATA/cache/seccomp/DIGEST.bpf": Owner(
        (
            SECCOMP,
            "csrc/config/security.c",
            "pyrootless/sandbox/filter.py",
            "pyrootless/images/transfer/pull.py",
        ),
        FILTERS,
        r".*\.bpf",
    ),
    "DATA/cache/seccomp/DIGEST.json": Owner((SECCOMP,)),
    "DATA/cache/seccomp/strict-KEY": Owner(("pyrootless/sandbox/filter.py",)),
    "DATA/cache/options": Owner(
        ("pyrootless/engine/prepare.py", "csrc/config/defaults.c"),
        "Python reads TOML, the launcher takes the words",
        r".*cache/options",
    ),
    "DATA/cache/network.json": Owner(
        ("pyrootless/host/network.py", "csrc/config/network/facts.c"),
        "Python looks for the helpers, the launcher takes one",
        r".*cache/network\.json",
    ),
    "DATA/steps/KEY": Owner((IMAGES, HOME)),
    "DATA/cache/mounts/KEY/": Owner(("pyrootless/build/",)),
    "DATA/cache/jobe/": Owner(("pyrootless/sandbox/jobe/files.py",)),
    "RUNTIME/flat/NN": Owner(("csrc/config/mapped",), name=below("flat")),
    "DATA/containers/ID/": Owner((STATE,), name=r"(.*/)?containers(/%.*)?"),
    "config.json": Owner((STATE,), name=below(r"config\.json")),
    "hosts": Owner(("csrc/config/", "csrc/container/"), "C alone", name="hosts"),
    "upper/": Owner(
        (
            STATE,
            "csrc/config/rootfs/root.c",
            "csrc/launch/steps/filesystem/overlay.c",
            "csrc/launch/serve/fuse.c",
            "pyrootless/engine/files/",
            "pyrootless/cli/containers/ps.py",
        ),
        "made with the container; the overlay is mounted of them; cp, diff and ps -s look in",
        below("upper"),
    ),
    "log": Owner(
        ("csrc/container/log/", "pyrootless/engine/inspection.py"),
        "the monitor writes it, inspect tells where it is",
        "log",
    ),
    "log.lost": Owner(("csrc/container/log/",)),
    "health.json": Owner(
        (STATE, "csrc/container/health/"),
        "the monitor writes it, the state shows it",
        r"health\.json(\.new)?",
    ),
    "owners": Owner(
        (
            "csrc/config/users/fake_root.c",
            "csrc/fakeroot/",
            "csrc/unpack/",
            IMAGES,
            "pyrootless/engine/files/trees.py",
        ),
        "the fake root's, which cp keeps; a layer's list has this name too",
        r"(.*/)?owners(\.new)?",
    ),
    "status.json": Owner((STATE,), name=r"(.*/)?status\.json(\.new)?"),
    "created": Owner((STATE,)),
    "freezer": Owner((STATE,)),
    "remove": Owner((STATE,), name=r".*/remove"),
    "DATA/events": Owner(
        ("csrc/container/events/", "pyrootless/engine/watching/events.py"),
        "C adds lines, Python shows them",
        r"(.*/)?events(\.1)?",
    ),
    "DATA/names/NAME": Owner((STATE,), name=r"(.*/)?names(/.*)?"),
    "DATA/volumes/NAME/": Owner(
        (VOLUMES, "csrc/config/rootfs/named.c", "pyrootless/engine/volumes.py"),
        "made, held and removed; config.json names it, and so does a list",
        r"([^ ]*/)?volumes/[^ ]*",
    ),
    "_data/": Owner(
        (VOLUMES, "csrc/config/rootfs/named.c", "pyrootless/engine/volumes.py"),
        "as above",
        below("_data"),
    ),
    "volume.json": Owner((VOLUMES,), name=r"volume\.json"),
    "users/ID": Owner((VOLUMES,), name=below("users")),
    "filling": Owner(
        (VOLUMES, "csrc/launch/steps/filesystem/copy.c"),
        "whoever copies says that it is whole",
        below("filling"),
    ),
    "DATA/isolate/ID/": Owner(("pyrootless/sandbox/isolate/place.py",), name="isolate"),
    "RUNTIME/running/ID": Owner((STATE,), name=below("running")),
    "RUNTIME/control/ID": Owner(
        ("csrc/container/monitor/", STATE),
        "the monitor makes it, a sweep removes a dead one's",
        "control(/.*)?",
    ),
    "RUNTIME/containers/ID/": Owner((STATE,)),
    "RUNTIME/mnt/": Owner((STATE,), name="mnt"),
    "RUNTIME/holder/": Owner(
        ("csrc/config/users/ids.c", "csrc/userns/holder/"),
        "config.json names it",
        below("%s/holder"),
    ),
    "DATA/tmp/": Owner((IMAGES, HOME, STATE), "made with the store's other directories", "tmp"),
    "DATA/trash/": Owner(
        (IMAGES, HOME, STATE),
        "containers and layers are put there by who has them; whoever sweeps empties all of it",
        below("trash"),
    ),
    "DATA/spent/": Owner((STATE,), name="spent"),
    "RUNTIME/sweep.lock": Owner((STATE,), name=below(r"sweep\.lock")),
    "RUNTIME/scanned-DEV-INO": Owner((STATE,), name="scanned-.*"),
}

OTHER_THINGS = {
    ("csrc/verify/check.c", "mnt"),  # a namespace
    ("pyrootless/images/registry/credentials.py", "config.json"),  # docker's
    ("pyrootless/images/registry/credentials.py", "containers/auth.json"),
    ("pyrootless/seccomp/profiles.py", "network.json"),  # of the package
    ("pyrootless/sandbox/box.py", "config.json"),  # an image's
}
"""(source, literal) of the same names that mean something else."""
IMAGE_CONFIG = (IMAGES, "csrc/config/template.c")
"""Who says "config.json" and means an image's."""
C_WORDS = r"\b(?:prl_fail\w*|fail_\w+|BAD|prl_trace_mark)\("
"""Calls whose literals are told to a person."""


def listed_paths() -> list[str]:
    """The first word of each row of the page's blocks; a row that goes on has none."""
    found = []
    for block in re.findall(r"```\n(.*?)```", DISK.read_text(), re.DOTALL):
        for line in block.splitlines():
            head = re.match(r"(?:  )?(\S+)", line)
            if head and not line.startswith("   "):
                found += [head[1]] + re.findall(r"^(?:\S+ )(DATA/\S+)", line)
    return found


def without_calls(text: str, name: str) -> str:
    """C text without these calls and what stands in their parentheses."""
    while match := re.search(name, text):
        depth, at, quoted = 1, match.end(), False
        while depth:
            at += text[at] == "\\"
            quoted ^= text[at] == '"'
            depth += 0 if quoted else (text[at] == "(") - (text[at] == ")")
            at += 1
        text = text[: match.start()] + text[at:]
    return text


def c_literals(path: Path) -> Iterator[str]:
    text = re.sub(r"/\*.*?\*/|^\s*#include[^\n]*", "", path.read_text(), flags=re.S | re.M)
    yield from re.findall(r'"((?:[^"\\\n]|\\.)*)"', without_calls(text, C_WORDS))


def py_literals(path: Path) -> Iterator[str]:
    """Literals of constants and of paths: joined by "/", or an argument of what opens files."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            parts = [node.value]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in {"open", "Path", "joinpath", "with_name", "glob", "unlink", "rename"}:
                parts = node.args
        for part in parts:
            for leaf in ast.walk(part):
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                    yield leaf.value


@cache
def literals() -> tuple[tuple[str, str], ...]:
    found = [
        (str(path.relative_to(ROOT)), text)
        for path in sorted((ROOT / "csrc").rglob("*.[ch]"))
        for text in c_literals(path)
    ]
    found += [
        (str(path.relative_to(ROOT)), text)
        for path in sorted((ROOT / "pyrootless").rglob("*.py"))
        for text in py_literals(path)
    ]
    return tuple(found)


def test_each_file_of_the_page_has_an_owner() -> None:
    assert set(listed_paths()) == set(OWNERS)


def test_two_owners_need_a_reason() -> None:
    rooms = {key: set(owner.rooms) - {HOME} for key, owner in OWNERS.items()}
    assert {key for key, own in rooms.items() if len(own) > 1} == {
        key for key, owner in OWNERS.items() if owner.why
    }


@pytest.mark.parametrize("path", [key for key, owner in OWNERS.items() if owner.name])
def test_nobody_else_names_it(path: str) -> None:
    owner = OWNERS[path]
    rooms = owner.rooms + (IMAGE_CONFIG if path == "config.json" else ())
    named = {(file, text) for file, text in literals() if re.fullmatch(owner.name, text)}
    assert [
        item for item in sorted(named - OTHER_THINGS) if not item[0].startswith(rooms)
    ] == []
    assert any(file.startswith(owner.rooms) for file, _ in named), "the row names no file"


def test_what_opens_a_file_of_another_room_is_seen(tmp_path: Path) -> None:
    """Both readers of sources see a second owner when one is written."""
    c_file, py_file = tmp_path / "second.c", tmp_path / "second.py"
    c_file.write_text('int f(int d) { return openat(d, "status.json", O_RDONLY); }')
    py_file.write_text('text = (directory / "status.json").read_text()')
    assert [*c_literals(c_file), *py_literals(py_file)] == ["status.json"] * 2
    c_file.write_text('int f(void) { return prl_fail(e, S, "open", "a) status.json"); }')
    assert list(c_literals(c_file)) == []
