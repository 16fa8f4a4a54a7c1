"""Pictures of the documents: a distribution for each scenario, the phases as one bar.

In: documents, a directory.  Out: NAME.png and NAME.svg for each.
Never: matplotlib imported before a picture is asked for (extra `plot`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LARGE_SHARE = 0.02
"""A phase smaller than this of the sum goes into "the rest"."""


class PlotError(Exception):
    """There can be no pictures; the text says what to install."""


def draw(documents: Mapping[str, Mapping[str, Any]], directory: Path) -> list[Path]:
    """All pictures.  Returns their paths.

    Raises:
        PlotError: matplotlib is not installed.
    """
    try:
        importlib.import_module("matplotlib").use("Agg")
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        raise PlotError(
            "pictures need matplotlib, the extra `plot`: pip install 'pyrootless[plot]'"
        ) from None
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, document in documents.items():
        figure, axes = pyplot.subplots(figsize=(9, 5))
        axes.set_prop_cycle(color=pyplot.get_cmap("tab20").colors)
        drawn = _distribution(axes, document) or _phases(axes, document)
        if drawn:
            axes.set_title(document["title"])
            figure.tight_layout()
            for kind in ("png", "svg"):
                path = directory / f"{name}.{kind}"
                figure.savefig(path)
                written.append(path)
        pyplot.close(figure)
    return written


def _distribution(axes: Any, document: Mapping[str, Any]) -> bool:
    """Share of starts that were at most so slow, for each candidate."""
    rows = [row for row in document.get("candidates", ()) if row["wall_ns"]]
    for row in rows:
        walls = sorted(ns / 1e6 for ns in row["wall_ns"])
        shares = [(at + 1) / len(walls) for at in range(len(walls))]
        axes.step(walls, shares, where="post", label=row["name"])
    if rows:
        axes.set_xscale("log")
        axes.set_xlabel("milliseconds (logarithmic)")
        axes.set_ylabel("share of the starts")
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    return bool(rows)


def _phases(axes: Any, document: Mapping[str, Any]) -> bool:
    """One bar, a piece for each step."""
    rows = [row for row in document.get("phases", ()) if row["who"] != "both"]
    total = sum(row["median_ns"] for row in rows)
    left = 0.0
    for label, ns in _pieces(rows, total):
        axes.barh(["start"], [ns / 1000], left=[left / 1000], label=label)
        left += ns
    if rows:
        axes.set_xlabel("microseconds")
        axes.legend(
            fontsize="x-small", ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.12)
        )
    return bool(rows)


def _pieces(rows: list[Mapping[str, Any]], total: int) -> list[tuple[str, int]]:
    """(label, nanoseconds) in the order of the launch, the small ones together at the end."""
    large = [row for row in rows if row["median_ns"] >= LARGE_SHARE * total]
    pieces = [(f"{row['who']}: {row['step']}", int(row["median_ns"])) for row in large]
    return [*pieces, ("the rest", total - sum(ns for _, ns in pieces))]
