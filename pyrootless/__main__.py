"""`python -m pyrootless VERB …`: the door the launcher uses for verbs that Python serves.

What comes in: argv.  What goes out: the exit code.  Must never: know a verb (cli/main.py does).
"""

from __future__ import annotations

import sys

from pyrootless.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
