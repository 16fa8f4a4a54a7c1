"""The Dockerfile language: text → instructions, words, patterns.

What comes in: text.  What goes out: values.
Must never: open a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.build.dockerfile.ignore import IgnoreRules as IgnoreRules
    from pyrootless.build.dockerfile.ignore import make_rules as make_rules
    from pyrootless.build.dockerfile.ignore import parse_ignore as parse_ignore
    from pyrootless.build.dockerfile.instructions import Arg as Arg
    from pyrootless.build.dockerfile.instructions import Command as Command
    from pyrootless.build.dockerfile.instructions import Copy as Copy
    from pyrootless.build.dockerfile.instructions import Dockerfile as Dockerfile
    from pyrootless.build.dockerfile.instructions import Env as Env
    from pyrootless.build.dockerfile.instructions import From as From
    from pyrootless.build.dockerfile.instructions import Health as Health
    from pyrootless.build.dockerfile.instructions import Instruction as Instruction
    from pyrootless.build.dockerfile.instructions import Label as Label
    from pyrootless.build.dockerfile.instructions import Listing as Listing
    from pyrootless.build.dockerfile.instructions import Mount as Mount
    from pyrootless.build.dockerfile.instructions import OnBuild as OnBuild
    from pyrootless.build.dockerfile.instructions import Program as Program
    from pyrootless.build.dockerfile.instructions import Run as Run
    from pyrootless.build.dockerfile.instructions import Shell as Shell
    from pyrootless.build.dockerfile.instructions import Stage as Stage
    from pyrootless.build.dockerfile.instructions import Text as Text
    from pyrootless.build.dockerfile.lint import Finding as Finding
    from pyrootless.build.dockerfile.lint import check_dockerfile as check_dockerfile
    from pyrootless.build.dockerfile.lint import makes_errors as makes_errors
    from pyrootless.build.dockerfile.modes import ModeChange as ModeChange
    from pyrootless.build.dockerfile.modes import parse_mode as parse_mode
    from pyrootless.build.dockerfile.parse import parse_dockerfile as parse_dockerfile
    from pyrootless.build.dockerfile.parse import parse_instruction as parse_instruction
    from pyrootless.build.dockerfile.patterns import PatternError as PatternError
    from pyrootless.build.dockerfile.patterns import compile_pattern as compile_pattern
    from pyrootless.build.dockerfile.patterns import has_wildcard as has_wildcard
    from pyrootless.build.dockerfile.source import Place as Place
    from pyrootless.build.dockerfile.source import Source as Source
    from pyrootless.build.dockerfile.words import Expanded as Expanded
    from pyrootless.build.dockerfile.words import Rules as Rules
    from pyrootless.build.dockerfile.words import WordError as WordError
    from pyrootless.build.dockerfile.words import expand as expand
    from pyrootless.build.dockerfile.words import expand_document as expand_document

_HOME = {
    "Arg": "instructions",
    "Command": "instructions",
    "Copy": "instructions",
    "Dockerfile": "instructions",
    "Env": "instructions",
    "Expanded": "words",
    "Finding": "lint",
    "From": "instructions",
    "Health": "instructions",
    "IgnoreRules": "ignore",
    "Instruction": "instructions",
    "Label": "instructions",
    "Listing": "instructions",
    "ModeChange": "modes",
    "Mount": "instructions",
    "OnBuild": "instructions",
    "PatternError": "patterns",
    "Place": "source",
    "Program": "instructions",
    "Rules": "words",
    "Run": "instructions",
    "Shell": "instructions",
    "Source": "source",
    "Stage": "instructions",
    "Text": "instructions",
    "WordError": "words",
    "compile_pattern": "patterns",
    "expand": "words",
    "expand_document": "words",
    "has_wildcard": "patterns",
    "check_dockerfile": "lint",
    "make_rules": "ignore",
    "makes_errors": "lint",
    "parse_dockerfile": "parse",
    "parse_ignore": "ignore",
    "parse_instruction": "parse",
    "parse_mode": "modes",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
