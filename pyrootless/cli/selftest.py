"""`pyrootless selftest --hostile [FILE…]`: try what a sandbox must withstand, on this machine.

What comes in: options, further attacks. What goes out: a certificate, for people or as JSON; an
exit code: 0 when everything held, 1 when something did not.
Must never: show what a hostile program wrote as a terminal would obey it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pyrootless.cli.arguments import Parser
from pyrootless.cli.table import format_rows
from pyrootless.errors import UsageError
from pyrootless.printable import printable
from pyrootless.sandbox.selftest import (
    USUAL_WAYS,
    WAYS,
    Attack,
    Case,
    Certificate,
    Held,
    certify,
    find_attacks,
)


def main(args: list[str]) -> int:
    """Run the corpus and print what held."""
    words = _parse(args)
    attacks = _chosen(find_attacks(words.file), words.only)
    certificate = certify(attacks, words.way or USUAL_WAYS, _quiet if words.json else _tell)
    if words.json:
        print(_as_json(certificate, attacks))
    else:
        _print(certificate)
    return 0 if certificate.ok else 1


def _parse(args: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="pyrootless selftest",
        description="Try on this machine what the sandbox promises, and print a certificate.",
    )
    add = parser.add_argument
    add("--hostile", action="store_true", required=True, help="run the hostile corpus")
    add("file", nargs="*", type=Path, metavar="FILE", help="further attacks: files, folders")
    add("--way", action="append", choices=sorted(WAYS), help="only in this way (repeatable)")
    add("--only", action="append", metavar="NAME", help="only this attack (repeatable)")
    add("--json", action="store_true", help="print the certificate as JSON")
    return parser.parse_args(args)


def _chosen(attacks: Sequence[Attack], names: Sequence[str] | None) -> list[Attack]:
    if not names:
        return list(attacks)
    unknown = set(names) - {attack.name for attack in attacks}
    if unknown:
        raise UsageError(f"--only {', '.join(sorted(unknown))}: there is no such attack")
    return [attack for attack in attacks if attack.name in names]


def _quiet(case: Case) -> None:
    """JSON is one text: nothing before it."""


def _tell(case: Case) -> None:
    for text in case.wrong:
        line = printable(f"{case.attack} ({case.way}): {text}")
        print(f"NOT HELD  {line}", file=sys.stderr, flush=True)


def _print(certificate: Certificate) -> None:
    rows: list[tuple[str, ...]] = [
        ("LIMIT", "WAY", "HELD BY", "EXACT", "MET BY", "EXCEEDED BY")
    ]
    rows += [_row(held) for held in certificate.held]
    print(format_rows(rows))
    billed = [case.billed for case in certificate.cases if case.billed is not None]
    if billed:
        print(
            f"of processor time that programs tried to hide, billed: {100 * min(billed):.1f} %"
        )
    print(
        f"a good program: {certificate.good_ns / 1e6:.1f} ms before, "
        f"{certificate.slowest_ns / 1e6:.1f} ms at most after an attack; "
        f"this process grew by {certificate.growth_bytes >> 10} KiB"
    )
    for name, why in certificate.not_tried.items():
        print(f"not tried: {name}: {why}")
    for text in certificate.left:
        print(f"NOT HELD  {text}")
    wrong = {(case.attack, case.way) for case in certificate.cases if case.wrong}
    total = len(certificate.cases)
    seconds = certificate.took_ns / 1e9
    print(f"{total - len(wrong)} of {total} cases held, in {seconds:.0f} s")


def _row(held: Held) -> tuple[str, ...]:
    return (
        held.limit,
        held.way,
        ", ".join(held.rungs),
        "yes" if held.exact else "no",
        str(held.met),
        _excess(held),
    )


def _excess(held: Held) -> str:
    if held.over is None:
        return "-"
    if held.limit in ("cpu", "wall"):
        return f"{held.over / 1e6:.1f} ms"
    return str(held.over) if held.limit in ("processes", "inodes") else f"{held.over} B"


def _as_json(certificate: Certificate, attacks: Sequence[Attack]) -> str:
    about = {attack.name: attack.about for attack in attacks}
    value = asdict(certificate) | {"ok": certificate.ok}
    for case, row in zip(certificate.cases, value["cases"], strict=True):
        row["verdict"] = case.verdict.name
        row["about"] = about[case.attack]
    return json.dumps(value, indent=2)
