"""Atheris over one parser: `fuzz_python.py PARSER [libFuzzer's words] CORPUS…`.

In: the name of a function in fuzz_parsers.py, and what libFuzzer takes.
Out: libFuzzer's lines; a finding ends the run and leaves its bytes in a file.
Never: anything without atheris, which `make fuzz` installs beside the project's environment.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["pyrootless"]):
    from fuzz_parsers import PARSERS


def main() -> None:
    """Until libFuzzer ends it."""
    target = PARSERS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
