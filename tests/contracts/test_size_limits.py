"""Sizes: what keeps a function on one screen and a file in one head.

In: the tree's sources.  Out: everything over a hard stop.  In Python 25 lines are the aim; in C
a function is split where a name says more than the code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "pyrootless"

C_FUNCTION_LINES = 60
C_FILE_LINES = 600
C_PARAMETERS = 5
PUBLIC_FUNCTIONS = 12
PYTHON_FUNCTION_LINES = 50
PYTHON_FILE_LINES = 500
CORE_LINES = 300
MAIN_LINES = 80

# Functions with more parameters: name → why.
MANY_PARAMETERS = {
    "prl_failf": "printf's own shape",
    "prl_io_write_file": "openat's own shape and the data",
}


@dataclass(frozen=True)
class Function:
    """A C function's definition: where it stands, its name, lines and parameters."""

    path: Path
    line: int
    name: str
    lines: int
    parameters: int

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} {self.name}"


def parameters_of(signature: str) -> int:
    """The number of parameters between the outermost parentheses after the name."""
    inside = signature[signature.index("(") + 1 : signature.rindex(")")].strip()
    if inside in ("", "void"):
        return 0
    depth, commas = 0, 0
    for letter in inside:
        depth += (letter in "([") - (letter in ")]")
        commas += letter == "," and depth == 0
    return commas + 1 - inside.endswith("...")


def functions(path: Path) -> Iterator[Function]:
    """Definitions as clang-format leaves them: a lone { and a lone } in the first column."""
    lines = path.read_text().splitlines()
    for at, line in enumerate(lines):
        if line != "{":
            continue
        start = at
        while start > 0 and re.match(r"[A-Za-z_ ].*[^;{}/]$", lines[start - 1]):
            start -= 1
        signature = " ".join(lines[start:at])
        name = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)", "", signature))
        if name is None:
            continue
        end = next(i for i in range(at, len(lines)) if lines[i] == "}")
        signature = signature[signature.index(name[1]) :]
        count = parameters_of(signature)
        yield Function(path, start + 1, name[1], end - start + 1, count)


def all_functions() -> list[Function]:
    return [found for path in sorted(CSRC.rglob("*.[ch]")) for found in functions(path)]


def test_functions_are_found() -> None:
    """The finder itself works: without this, an empty list would pass every test."""
    found = {function.name: function for function in all_functions()}
    assert found["prl_fail_with"].parameters == 5
    assert found["prl_close_p"].parameters == 1
    assert found["prl_fail_with"].lines > 3


def test_c_functions_are_short() -> None:
    long = [f for f in all_functions() if f.lines > C_FUNCTION_LINES]
    assert [f"{f.place}: {f.lines}" for f in long] == []


def test_c_functions_have_few_parameters() -> None:
    wrong = [
        f"{f.place}: {f.parameters}"
        for f in all_functions()
        if f.parameters > C_PARAMETERS and f.name not in MANY_PARAMETERS
    ]
    assert wrong == []


def test_c_files_are_short() -> None:
    counts = {path: len(path.read_text().splitlines()) for path in CSRC.rglob("*.[ch]")}
    wrong = [f"{p.relative_to(ROOT)}: {n}" for p, n in counts.items() if n > C_FILE_LINES]
    assert sorted(wrong) == []


def test_the_public_header_has_few_functions() -> None:
    text = re.sub(r"/\*.*?\*/", "", (CSRC / "prl.h").read_text(), flags=re.DOTALL)
    names = re.findall(r"^[a-z][\w *]*?\b(prl_\w+)\(", text, re.MULTILINE)
    assert 0 < len(names) <= PUBLIC_FUNCTIONS, names


def test_main_is_a_page() -> None:
    lines = (CSRC / "cli" / "main.c").read_text().splitlines()
    assert len(lines) <= MAIN_LINES


def test_core_binding_is_thin() -> None:
    assert len((PACKAGE / "core/_containers.pyx").read_text().splitlines()) <= CORE_LINES


def python_files() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *(ROOT / "tools").glob("*.py"), ROOT / "setup.py"])


def python_function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = node.body[0]
    documented = ast.get_docstring(node, clean=False) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_python_functions_are_short() -> None:
    wrong = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            lines = python_function_lines(node)
            if lines > PYTHON_FUNCTION_LINES:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines}")
    assert wrong == []


def test_python_files_are_short() -> None:
    counts = {path: len(path.read_text().splitlines()) for path in python_files()}
    wrong = [f"{p.relative_to(ROOT)}: {n}" for p, n in counts.items() if n > PYTHON_FILE_LINES]
    assert wrong == []


def test_every_file_says_what_it_is() -> None:
    """The first lines of every file of ours: a comment in C, a docstring in Python."""
    wrong = []
    for path in sorted([*CSRC.rglob("*.[ch]"), *python_files()]):
        text = path.read_text()
        if path.suffix == ".py":
            described = ast.get_docstring(ast.parse(text)) is not None
        else:
            described = text.startswith("/*")
        if not described:
            wrong.append(str(path.relative_to(ROOT)))
    assert wrong == []
