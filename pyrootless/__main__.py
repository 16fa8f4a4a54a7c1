"""`python -m pyrootless VERB …`: the door the launcher uses for verbs that Python serves.

What comes in: argv.  What goes out: the exit code.  Must never: know a verb (cli/main.py does).
"""

from __future__ import annotations

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # imports leave no garbage, and looking for it is a tenth of their time
    from pyrootless.cli import leave
    from pyrootless.cli.main import main

    leave(sys.argv[1:], main(sys.argv[1:]))
