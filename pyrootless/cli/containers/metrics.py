"""What containers use as OpenMetrics text: `pyrootless stats --format openmetrics`.

What comes in: containers and a sample of each.  What goes out: text that ends in "# EOF".
Must never: a sample without its family's head; a label that is not escaped.

Source: OpenMetrics 1.0.0, "Text format".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyrootless.engine import Container
from pyrootless.engine.watching import Figures, Sample, figures

_PREFIX = "pyrootless_container"


def openmetrics(rows: Sequence[tuple[Container, Sample]]) -> str:
    """One family after the other."""
    shown = [(item, sample, figures(sample)) for item, sample in rows]
    out = []
    for name, kind, unit, text, value in _FAMILIES:
        full = f"{_PREFIX}_{name}"
        out.append(f"# TYPE {full} {kind}\n")
        out += [f"# UNIT {full} {unit}\n"] if unit else []
        out.append(f"# HELP {full} {text}\n")
        suffix = "_total" if kind == "counter" else ""
        out += [f"{full}{suffix}{_labels(item)} {value(s, f)}\n" for item, s, f in shown]
    return "".join([*out, "# EOF\n"])


def _labels(item: Container) -> str:
    pairs = {"id": item.id, "name": item.name, "image": item.image}
    return "{" + ",".join(f'{key}="{_escaped(text)}"' for key, text in pairs.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _cpu_seconds(sample: Sample, _: Figures) -> str:
    return f"{sample['cpu_stats']['cpu_usage']['total_usage'] / 1e9:.9g}"


_Value = Callable[[Sample, Figures], str]
_FAMILIES: tuple[tuple[str, str, str, str, _Value], ...] = (
    ("running", "gauge", "", "Whether it runs.", lambda s, _: str(int(bool(s["pids_stats"])))),
    ("cpu_seconds", "counter", "seconds", "Processor time used.", _cpu_seconds),
    ("memory_bytes", "gauge", "bytes", "Memory in use.", lambda _, f: str(f.memory_bytes)),
    (
        "memory_limit_bytes", "gauge", "bytes", "Memory that it may use.",
        lambda _, f: str(f.memory_limit_bytes),
    ),
    (
        "network_receive_bytes", "counter", "bytes", "Bytes received.",
        lambda _, f: str(f.received_bytes),
    ),
    (
        "network_transmit_bytes", "counter", "bytes", "Bytes sent.",
        lambda _, f: str(f.sent_bytes),
    ),
    (
        "block_read_bytes", "counter", "bytes", "Bytes read from disks.",
        lambda _, f: str(f.read_bytes),
    ),
    (
        "block_written_bytes", "counter", "bytes", "Bytes written to disks.",
        lambda _, f: str(f.written_bytes),
    ),
    ("pids", "gauge", "", "Processes and threads.", lambda _, f: str(f.pids)),
)  # fmt: skip
"""Name, kind, unit, help, value."""
