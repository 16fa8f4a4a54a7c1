"""Changes of a seccomp profile: calls that lose their rules and get others.

What comes in: a checked profile. What goes out: another one.
Must never: loosen a call that was not named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyrootless.seccomp.check import check_profile

_Rule = dict[str, Any]


def allow_calls(profile: _Rule, names: frozenset[str]) -> _Rule:
    """The profile with `names` taken out of every rule and allowed by one of their own."""
    rule = {"names": sorted(names), "action": "SCMP_ACT_ALLOW"}
    return profile | {"syscalls": [*_without(profile, names), rule]}


def replace_rules(profile: _Rule, rules: Sequence[_Rule]) -> _Rule:
    """The profile in which the calls that `rules` name have these rules alone."""
    names = frozenset(name for rule in rules for name in rule["names"])
    return profile | {"syscalls": [*_without(profile, names), *rules]}


def _without(profile: _Rule, names: frozenset[str]) -> list[_Rule]:
    """The profile's rules with `names` taken out of each."""
    calls: list[_Rule] = []
    for call in check_profile(profile).get("syscalls", ()):
        left = [name for name in call.get("names") or [call["name"]] if name not in names]
        if left:
            others = {key: value for key, value in call.items() if key != "name"}
            calls.append(others | {"names": left})
    return calls
