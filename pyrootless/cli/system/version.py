"""`pyrootless version [--json]`: versions that matter in a report of a failure.

What comes in: nothing.  What goes out: text or JSON on standard output.
Must never: fail because a part is missing.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pyrootless
from pyrootless.cli import Parser
from pyrootless.config import TEMPLATE_VERSION, find_launcher
from pyrootless.errors import HostUnsupportedError


def main(args: list[str]) -> int:
    """Print versions; see the file's head."""
    parser = Parser(prog="pyrootless version", description="Print versions.")
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args(args)
    facts = gather_versions()
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        print(f"pyrootless {facts['version']}")
        for name in ("kernel", "machine", "python", "launcher", "package", "template"):
            print(f"  {name:<9} {facts[name]}")
    return 0


def gather_versions() -> dict[str, str]:
    """Name → version or place; "not found" for what is missing."""
    try:
        launcher = str(find_launcher())
    except HostUnsupportedError:
        launcher = "not found"
    return {
        "version": pyrootless.__version__,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "launcher": launcher,
        "package": str(Path(pyrootless.__file__).parent),
        "template": TEMPLATE_VERSION,
    }
