"""What must not be in the tree at all.

In: the tree's own files.  Out: each line with a forbidden word, file and number.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

C_FORBIDDEN = {
    r"\bgoto\b": "cleanup by attribute instead",
    r"\b(strcpy|strcat|sprintf|vsprintf|gets|alloca)\s*\(": "no bound",
    r"\b(strtok|strncpy)\s*\(": "hidden state, or a text without an end",
    r"\b(system|popen)\s*\(": "never a shell",
    r"\b(atoi|atol|atof)\s*\(": "cannot report an error",
    r"\bvfork\s*\(": "prl_sys_clone_run instead",
    r"\b(tmpnam|mktemp|tempnam)\s*\(": "a race",
    r"\b(pthread_create|setjmp|longjmp)\s*\(": "no threads, no jumps",
}
# The library never prints and never exits: only doors do.
LIBRARY_FORBIDDEN = {
    r"\b(printf|fprintf|puts|fputs|perror)\s*\(": "the library never prints",
    r"(?<![_\w])(exit|abort)\s*\(": "the library never exits",
}
PYTHON_FORBIDDEN = {
    r"shell\s*=\s*True": "never a shell",
    r"\bos\.(system|popen)\b": "never a shell",
    r"\b(eval|exec)\(": "text is never a program",
    r"\bpickle\b": "text is never a program",
    r"\bprint\(.*file=None": "say where",
}
# The repository speaks of the project alone: no word about where or by whom it was written.
# Spelled apart, so that this file does not hold them either.
PLACE_FORBIDDEN = [
    "/" + "work/main",
    "/" + "work/shared",
    "/opt/" + "wheels",
    "co-auth" + "ored-by",
    "gener" + "ated with",
    "TO" + "DO",
    "FIX" + "ME",
    "X" + "XX",
]
GENERATED = ("build", "dist")  # at the top; pyrootless/build is code
SKIPPED_FOLDERS = {".git", "__pycache__", "corpus", ".venv", ".pytest_cache"}
SKIPPED_FOLDERS |= {".mypy_cache", ".ruff_cache", ".hypothesis"}
TEXT_SUFFIXES = {".c", ".h", ".py", ".pyx", ".pyi", ".md", ".toml", ".txt", ".in", ".json", ""}
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)


def tree_files() -> list[Path]:
    """All text files of the tree, without what a build leaves."""
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        skipped = parts[0] in GENERATED or set(parts) & SKIPPED_FOLDERS
        skipped = skipped or any(p.endswith(".egg-info") for p in parts)
        if path.is_file() and not skipped and path.suffix in TEXT_SUFFIXES:
            found.append(path)
    return sorted(found)


def hits(path: Path, text: str, pattern: str, flags: int = 0) -> list[str]:
    """file:line for each match."""
    return [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
        for match in re.finditer(pattern, text, flags)
    ]


def without_comments(text: str) -> str:
    """C code with comments and string literals blanked, lines kept."""
    return COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


@pytest.mark.parametrize("pattern", C_FORBIDDEN)
def test_c(pattern: str) -> None:
    found = []
    for path in sorted((ROOT / "csrc").rglob("*.[ch]")):
        found += hits(path, without_comments(path.read_text()), pattern)
    assert found == [], C_FORBIDDEN[pattern]


@pytest.mark.parametrize("pattern", LIBRARY_FORBIDDEN)
def test_c_library(pattern: str) -> None:
    found = []
    for path in sorted((ROOT / "csrc").rglob("*.[ch]")):
        # A zygote's copy ends as main() of its interpreter would.
        if path.is_relative_to(ROOT / "csrc" / "cli") or path.parent.name == "zygote":
            continue
        # The help of the options is written to where its caller says.
        if path == ROOT / "csrc" / "config" / "options" / "help.c":
            continue
        found += hits(path, without_comments(path.read_text()), pattern)
    assert found == [], LIBRARY_FORBIDDEN[pattern]


@pytest.mark.parametrize("pattern", PYTHON_FORBIDDEN)
def test_python(pattern: str) -> None:
    found = []
    for path in sorted((ROOT / "pyrootless").rglob("*.py*")):
        if path.suffix in (".py", ".pyx"):
            found += hits(path, path.read_text(), pattern)
    assert found == [], PYTHON_FORBIDDEN[pattern]


@pytest.mark.parametrize("word", PLACE_FORBIDDEN)
def test_tree(word: str) -> None:
    # mkdtemp's own template is letters of the same kind, more of them.
    pattern = rf"(?<!\w){re.escape(word)}(?!\w)" if word.isalpha() else re.escape(word)
    flags = 0 if word.isupper() else re.IGNORECASE
    found = []
    for path in tree_files():
        found += hits(path, path.read_text(), pattern, flags)
    assert found == []


def test_no_assets_of_others() -> None:
    """Nothing binary is committed: what is needed is built or fetched."""
    binary = {".so", ".o", ".a", ".whl", ".gz", ".xz", ".zip", ".jar", ".png"}
    found = []
    for path in ROOT.rglob("*"):
        relative = path.relative_to(ROOT)
        built = relative.parts[0] == "pyrootless" and path.suffix == ".so"
        skipped = built or relative.parts[0] in GENERATED
        skipped = skipped or set(relative.parts) & SKIPPED_FOLDERS
        if path.suffix in binary and not skipped:
            found.append(str(relative))
    assert found == []
