"""Layers: who may use whom, in C (includes) and in Python (imports).

In: the tree's sources.  Out: every edge that the table below does not have.
A new edge means a new row here, with its reason, in the same commit.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "pyrootless"

# A file may use layers with a smaller number; rooms of one layer do not use each other.
BASE, ROOMS, ORCHESTRATION, DOORS = range(4)
LAYER_NAMES = ("base", "rooms", "orchestration", "doors")

# Folder of csrc/ → its layer; the longest name that fits.
C_ROOMS = {
    "base": BASE,
    "prl.h": BASE,
    "config": ROOMS,
    "container/events": ROOMS,
    "container/state": ROOMS,
    "fakeroot": ROOMS,
    "init": ROOMS,
    "launch/steps": ROOMS,
    "limits": ROOMS,
    "network": ROOMS,
    "sandbox/zygote": ROOMS,
    "spec": ROOMS,
    "unpack": ROOMS,
    "userns": ROOMS,
    "verify": ROOMS,
    "container": ORCHESTRATION,
    "launch": ORCHESTRATION,
    "sandbox": ORCHESTRATION,
    "cli": DOORS,
}
C_GENERATED = {
    "prl_pid1_blob.h": BASE,
    "prl_barrier_blob.h": BASE,
    "prl_zygote_blob.h": BASE,
    "prl_build.h": BASE,
}

# Edges beside the layers: (user, used) → why.
C_EDGES = {
    (
        "config",
        "container/state",
    ): "templates lie below its directories; a network can be a container's",
    ("config", "limits"): "which enforcement holds a limit is chosen before it is written",
    ("config", "network"): "the addresses inside, and a row of the allowed destinations",
    ("config", "spec"): "what is merged is a spec; the names of its capabilities",
    ("config", "userns"): "the ranges of ids that a map is made of",
    ("container/events", "container/state"): "the journal lies in its directories",
    ("container/state", "container/events"): "what a sweep ends, and a removal, is told",
    (
        "container/state",
        "limits",
    ): "a sweep removes the control group of a container that is gone",
    ("init", "launch/steps"): "the record of a box's init",
    ("launch/steps", "init"): 'the "#!" line is read by the start barrier too',
    (
        "launch/steps",
        "limits",
    ): "the clock that is inherited, and a group's files, opened before",
    ("launch/steps", "network"): "the addresses inside",
    ("limits", "spec"): "may its program mount?",
    ("sandbox", "container"): "the end of a child, its processes and their memory",
    ("sandbox", "launch"): "a launch with a box: files put in, descriptors handed out",
    ("sandbox/zygote", "init"): "system calls without a C library, and the wish for a program",
    ("spec", "limits"): "the names of limits and of what holds them",
    ("spec", "network"): "a row of the allowed destinations",
    ("verify", "limits"): "the names of limits and of what holds them",
}

PY_LAYERS = {
    "errors": BASE,
    "units": BASE,
    "result": BASE,
    "held": BASE,
    "closing": BASE,
    "config": BASE,
    "defaults": BASE,
    "printable": BASE,
    "journal": BASE,
    "core": BASE,
    "lazy": BASE,
    "images": ROOMS,
    "host": ROOMS,
    "seccomp": ROOMS,
    "engine": ORCHESTRATION,
    "build": ORCHESTRATION,
    "sandbox": ORCHESTRATION,
    "cli": DOORS,
    "api": DOORS,
    "web": DOORS,
    "cluster": DOORS,
    "__init__": DOORS,
    "__main__": DOORS,
    "pytest_plugin": DOORS,
}
PY_EDGES = {
    ("build", "engine"): "a step is a launch on a root of layers",
    ("sandbox", "engine"): "ready boxes are made, kept and ended as a pool's are",
    ("__main__", "cli"): "`python -m pyrootless` is the command line",
    ("cli", "api"): "`pyrootless serve` starts a server",
    ("cli", "__init__"): "the package's version and place",
    ("images", "seccomp"): "preparing an image compiles its filter",
    ("images", "__init__"): "the engine's version, which a template's key contains",
}


def c_room(path: Path) -> tuple[str, int]:
    """A C file's room and layer.  Raises KeyError: it lies in no folder of the table."""
    relative = path.relative_to(CSRC).as_posix()
    fits = [room for room in C_ROOMS if relative == room or relative.startswith(f"{room}/")]
    if not fits:
        raise KeyError(relative)
    room = max(fits, key=len)
    return room, C_ROOMS[room]


def c_edges() -> list[tuple[Path, Path]]:
    """(file, included header of ours), for every quoted include."""
    found = []
    for path in sorted(CSRC.rglob("*.[ch]")):
        for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE):
            if name in C_GENERATED:
                continue
            target = next((p for p in (CSRC / name, path.parent / name) if p.exists()), None)
            assert target, f"{path.relative_to(ROOT)} includes {name}, which does not exist"
            found.append((path, target))
    return found


def c_edge_allowed(user: Path, used: Path) -> bool:
    """Whether the table has this include."""
    (user_room, user_layer), (used_room, used_layer) = c_room(user), c_room(used)
    if user_room == used_room or used_layer < user_layer:
        return True
    return (user_room, used_room) in C_EDGES or used == CSRC / "prl.h"


def test_every_c_file_has_a_layer() -> None:
    unknown = []
    for path in CSRC.rglob("*.[ch]"):
        try:
            c_room(path)
        except KeyError:
            unknown.append(str(path.relative_to(ROOT)))
    assert unknown == []


def test_c_includes_go_down() -> None:
    wrong = [
        f"{user.relative_to(CSRC)} includes {used.relative_to(CSRC)}"
        for user, used in c_edges()
        if not c_edge_allowed(user, used)
    ]
    assert wrong == []


def test_a_container_knows_no_option() -> None:
    """Every door makes a request of its own words; what it becomes asks none of them."""
    edges = c_edges()
    seen = {CSRC / "container/life.c"}
    while found := {used for user, used in edges if user in seen} - seen:
        seen |= found
    folders = {path.parent.relative_to(CSRC).as_posix() for path in seen}
    assert "spec" in folders
    assert not {"cli", "cli/attach", "config/options"} & folders


def test_the_public_header_includes_nothing_of_ours() -> None:
    assert [used for user, used in c_edges() if user == CSRC / "prl.h"] == []


def test_ifdefs_stand_in_base_sys_alone() -> None:
    """What differs between kernels and C libraries is told apart in one room."""
    wrong = []
    for path in sorted(CSRC.rglob("*.[ch]")):
        if path.is_relative_to(CSRC / "base") and path.stem.startswith(
            ("sys", "clone", "walk")
        ):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b", line) and "__" not in line:
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert wrong == []


def py_room(module: str) -> str:
    """pyrootless.images.store.disk → images; pyrootless → __init__."""
    parts = module.split(".")
    if len(parts) == 1:
        return "__init__"
    for room in sorted(PY_LAYERS, key=len, reverse=True):
        if parts[1] == room or parts[1].startswith(f"{room}_"):
            return room
    raise KeyError(f"{module}: no row in PY_LAYERS")


def py_module(path: Path) -> str:
    """A file's dotted name."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def py_targets(path: Path) -> list[str]:
    """The modules of ours that a file imports, wherever in the file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; name the module in full"
            if node.module == "pyrootless":
                found += [imported_name(alias.name) for alias in node.names]
            elif node.module:
                found.append(node.module)
    return [name for name in found if name.split(".")[0] == "pyrootless"]


def imported_name(name: str) -> str:
    """`from pyrootless import name`: a module of the package, or a name of its facade."""
    is_module = (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir()
    return f"pyrootless.{name}" if is_module or name in PY_LAYERS else "pyrootless"


def test_python_imports_go_down() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        user = py_room(py_module(path))
        for target in py_targets(path):
            used = py_room(target)
            below = PY_LAYERS[used] < PY_LAYERS[user] or user == used
            both_values = PY_LAYERS[used] == PY_LAYERS[user] == BASE
            if not (below or both_values or (user, used) in PY_EDGES or user == "__init__"):
                wrong.append(f"{path.relative_to(ROOT)} imports {target}")
    assert wrong == []


def test_tables_have_no_row_without_use() -> None:
    """An edge that nobody needs any more is taken out of the table."""
    c_used = {(c_room(user)[0], c_room(used)[0]) for user, used in c_edges()}
    py_used = {
        (py_room(py_module(path)), py_room(target))
        for path in PACKAGE.rglob("*.py")
        for target in py_targets(path)
    }
    assert set(C_EDGES) - c_used == set()
    assert set(PY_EDGES) - py_used == set()
