"""Folders: what lies where, what a folder shows to others, and that no files need each other.

In: the tree's sources.  Out: each file, header or import that breaks a rule of the house.
The tables hold what breaks a rule still; a row without use fails too, so they only get shorter.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "pyrootless"
MAX_SOURCES = 15

# Folders whose headers are each a tool of its own, for everybody.
TOOLS = ("base", "base/process")

# Folder of csrc/ → headers that others include, where it is more than one.
HEADERS: dict[str, set[str]] = {
    # request.h is what a container's life takes; the others are asked with options.
    "config": {"defaults.h", "exec.h", "merge.h", "request.h"},
    # facts.h asks the options, shared.h is for everybody.
    "config/network": {"facts.h", "shared.h"},
    # A check of the health starts a program as a client does; the monitor holds the check.
    "container/monitor": {"exec.h", "exports.h"},
    # Programs without a C library: each needs its own part, and none the others.
    "init": {"bare.h", "interpreter.h", "wish.h"},
}

# Folder of pyrootless/ → modules that others import past its __init__.
MODULES: dict[str, set[str]] = {
    "engine": {"prepare", "selection"},
    "host": {"doctor"},
    "images": {"bootstrap"},
    "images.store": {"images"},
    "images.template": {"host"},
    "sandbox": {"box"},
    "sandbox.isolate": {"place"},
    "seccomp": {"profiles"},
}

# Files of csrc/ that call each other in a ring.
CALL_RINGS: list[set[str]] = [
    {"base/process/clone.c", "base/sys.c"},
    {"cli/attach/front.c", "cli/attach/session.c"},
    {"config/merge.c", "config/rootfs/driver.c"},
    {"config/network/facts.c", "config/network/helper.c", "config/network/resolv.c"},
    {
        "config/process.c",
        "config/rootfs/mounts.c",
        "config/rootfs/root.c",
        "config/users/ids.c",
    },
    {"container/monitor/child.c", "container/monitor/control.c", "container/monitor/wait.c"},
    {
        "container/state/names.c",
        "container/state/record.c",
        "container/state/removal/remove.c",
        "container/state/removal/scan.c",
        "container/state/removal/sweep.c",
    },
    {"spec/notes.c", "spec/sections/network.c"},
    {"verify/check.c", "verify/groups.c", "verify/mounts.c", "verify/status.c"},
]

# Modules that import each other in a ring, most of them inside of functions.
IMPORT_RINGS: list[set[str]] = [
    {
        "pyrootless.sandbox.runs",
        "pyrootless.sandbox.warm.cache",
        "pyrootless.sandbox.warm.kinds",
        "pyrootless.sandbox.warm.ready",
    },
]

# Words that name nothing to somebody who has not been told.
RIDDLES = {
    *("border", "births", "court", "flat", "gate", "hands", "lent", "neighbour", "noise"),
    *("quiet", "rung", "rungs", "shelf", "sight", "spare", "spent", "taken", "trial"),
}


def sources(folder: Path) -> list[Path]:
    """What is compiled or imported of one folder, without what its package exports."""
    kinds = {".c", ".py", ".pyx", ".pxi"}
    return [
        p for p in sorted(folder.iterdir()) if p.suffix in kinds and p.name != "__init__.py"
    ]


def folders(top: Path) -> list[Path]:
    found = {
        path.parent for path in top.rglob("*") if path.suffix in (".c", ".h", ".py", ".pyx")
    }
    return sorted(found)


def name_of(path: Path) -> str:
    """Below csrc/ or pyrootless/."""
    return path.relative_to(CSRC if path.is_relative_to(CSRC) else PACKAGE).as_posix()


def test_only_the_public_header_lies_at_the_top() -> None:
    assert [path.name for path in CSRC.iterdir() if path.is_file()] == ["prl.h"]


def test_a_folder_has_few_sources() -> None:
    """More of them are split by noun."""
    counts = {
        name_of(folder): len(sources(folder))
        for top in (CSRC, PACKAGE)
        for folder in folders(top)
    }
    assert counts["base"] > 5
    assert {name: n for name, n in counts.items() if n > MAX_SOURCES} == {}


def test_no_file_repeats_its_folder() -> None:
    wrong = []
    for top in (CSRC, PACKAGE):
        for folder in folders(top):
            for path in folder.glob("*.*"):
                stem = path.name.split(".")[0].lstrip("_")
                if folder != top and (
                    stem == folder.name or stem.startswith(f"{folder.name}_")
                ):
                    wrong.append(name_of(path))
    assert wrong == []


def test_names_need_no_explaining() -> None:
    found = [
        name_of(path)
        for top in (CSRC, PACKAGE)
        for path in top.rglob("*.*")
        if RIDDLES & {*path.name.split(".")[0].strip("_").split("_"), path.parent.name}
        and "__pycache__" not in path.parts
    ]
    assert sorted(found) == []


def test_tests_mirror_the_sources() -> None:
    wrong = []
    for tests, top in ((ROOT / "tests" / "csrc", CSRC), (ROOT / "tests" / "unit", PACKAGE)):
        for folder in tests.rglob("*"):
            place = folder.relative_to(tests)
            if folder.is_dir() and place.parts[0] not in ("__pycache__", "tools"):
                if folder.name != "__pycache__" and not (top / place).is_dir():
                    wrong.append(folder.relative_to(ROOT).as_posix())
    assert wrong == []


# --- C: headers and calls


@cache
def c_texts() -> dict[str, str]:
    return {name_of(path): path.read_text() for path in sorted(CSRC.rglob("*.[ch]"))}


def included(name: str) -> list[str]:
    """Files of ours that a file includes."""
    texts = c_texts()
    found = re.findall(r'^#include "([^"]+)"', texts[name], re.MULTILINE)
    near = str(Path(name).parent)
    places = [(other, f"{near}/{other}") for other in found]
    return [next(p for p in pair if p in texts) for pair in places if {*pair} & texts.keys()]


def headers_for_others() -> dict[str, set[str]]:
    """Folder → its headers that files outside of it and below include; one is the rule."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in c_texts():
        for header in included(name):
            folder = str(Path(header).parent)
            if folder != "." and not name.startswith(f"{folder}/"):
                found[folder].add(Path(header).name)
    return {k: v for k, v in sorted(found.items()) if len(v) > 1 and k not in TOOLS}


def test_a_folder_shows_one_header() -> None:
    assert headers_for_others() == HEADERS


def rings(edges: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Sets of nodes that reach each other (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            ring = {*stack[at:]}
            del stack[at:]
            if len(ring) > 1:
                found.append(ring)

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return sorted(found, key=sorted)


def test_rings_are_found() -> None:
    edges = {"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": [], "e": ["f"], "f": ["e"]}
    assert rings(edges) == [{"b", "c"}, {"e", "f"}]


def test_no_headers_include_each_other() -> None:
    assert rings({name: included(name) for name in c_texts()}) == []


def defined_in(text: str) -> set[str]:
    """Functions for others that a C file defines: names before a lone { in the first column."""
    names = set()
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if line != "{":
            continue
        head = at
        while head > 0 and re.match(r"[A-Za-z_ ].*[^;{}/]$", lines[head - 1]):
            head -= 1
        signature = " ".join(lines[head:at])
        hit = re.search(r"\b(prl_\w+)\s*\(", signature)
        if hit and not signature.startswith("static"):
            names.add(hit[1])
    return names


def calls() -> dict[str, set[str]]:
    """C file → C files whose functions it names."""
    texts = {name: text for name, text in c_texts().items() if name.endswith(".c")}
    home = {function: name for name, text in texts.items() for function in defined_in(text)}
    edges = {}
    for name, text in texts.items():
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        used = {home[word] for word in re.findall(r"\bprl_\w+", code) if word in home}
        edges[name] = used - {name}
    return edges


def test_no_files_call_each_other() -> None:
    found = calls()
    assert sum(map(len, found.values())) > 500
    assert rings(found) == CALL_RINGS


# --- Python: imports


@cache
def py_modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*"):
        if path.suffix in (".py", ".pyx") and "__pycache__" not in path.parts:
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def homes(package: str) -> dict[str, str]:
    """Name that a package exports → the module that has it."""
    text = py_modules()[package].read_text()
    hit = re.search(r"^_HOME = (\{.*?^\})", text, re.MULTILINE | re.DOTALL)
    table: dict[str, str] = ast.literal_eval(hit[1]) if hit else {}
    return {n: m if m.startswith("pyrootless") else f"{package}.{m}" for n, m in table.items()}


def imports(path: Path) -> list[tuple[str, str]]:
    """(module, name) of `from module import name` at run time, wherever in the file."""
    tree = ast.parse(path.read_text())
    typing = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for part in block.body
        for node in ast.walk(part)
    }
    return [
        (node.module or "", alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and id(node) not in typing
        for alias in node.names
        if (node.module or "").split(".")[0] == "pyrootless"
    ]


def target(module: str, name: str) -> str:
    """The module that `from module import name` loads in the end."""
    if f"{module}.{name}" in py_modules():
        return f"{module}.{name}"
    if module in py_modules() and py_modules()[module].name == "__init__.py":
        return homes(module).get(name, module)
    return module


def modules_for_others() -> dict[str, set[str]]:
    """Folder → its modules that files outside of it and below import past its __init__."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, path in py_modules().items():
        if path.suffix != ".py" or path.parent == PACKAGE:
            continue
        for module, word in imports(path):
            used = f"{module}.{word}" if f"{module}.{word}" in py_modules() else module
            package, _, leaf = used.rpartition(".")
            own = ".".join(path.relative_to(ROOT).parent.parts)
            is_package = used in py_modules() and py_modules()[used].name == "__init__.py"
            inside = own == package or own.startswith(f"{package}.")
            if package not in ("", "pyrootless", "pyrootless.core") and not inside:
                if not is_package:
                    found[package.removeprefix("pyrootless.")].add(leaf)
        assert name
    return dict(sorted(found.items()))


def test_a_folder_shows_what_its_package_exports() -> None:
    assert modules_for_others() == MODULES


def test_no_modules_import_each_other() -> None:
    edges = {
        name: {target(*pair) for pair in imports(path)} - {name}
        for name, path in py_modules().items()
        if path.suffix == ".py" and path.name != "__init__.py"
    }
    assert sum(map(len, edges.values())) > 500
    assert rings(edges) == IMPORT_RINGS
