"""Values of options that more than one verb takes.

In: the text of one argument.  Out: its value.  Never: a default, a word printed.
"""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A number above zero, for argparse.

    Raises:
        ArgumentTypeError, ValueError: it is none.
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
