"""The hostile programs, run on this machine, and what that showed.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.sandbox.selftest.attacks import Attack as Attack
    from pyrootless.sandbox.selftest.attacks import find_attacks as find_attacks
    from pyrootless.sandbox.selftest.certificate import USUAL_WAYS as USUAL_WAYS
    from pyrootless.sandbox.selftest.certificate import WAYS as WAYS
    from pyrootless.sandbox.selftest.certificate import Case as Case
    from pyrootless.sandbox.selftest.certificate import Certificate as Certificate
    from pyrootless.sandbox.selftest.certificate import Held as Held
    from pyrootless.sandbox.selftest.certificate import certify as certify

_HOME = {
    "Attack": "attacks",
    "Case": "certificate",
    "Certificate": "certificate",
    "Held": "certificate",
    "USUAL_WAYS": "certificate",
    "WAYS": "certificate",
    "certify": "certificate",
    "find_attacks": "attacks",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
