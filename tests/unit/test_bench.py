"""The benchmarks beside the harness: aims, phases, tables, and how they are found.

In: benchmarks/*.py, documents made here.  Out: exact values; never a statement about speed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import idle  # noqa: E402
import machine  # noqa: E402
import many  # noqa: E402
import phases  # noqa: E402
import plot  # noqa: E402
import sandbox_targets  # noqa: E402
import scenarios  # noqa: E402
import targets  # noqa: E402


def document(**medians: int) -> dict[str, Any]:
    """Candidates with these medians, nanoseconds, and p99 twice as large."""
    rows = [
        {"name": name.replace("_", "-"), "summary": {"median_ns": ns, "p99_ns": 2 * ns}}
        for name, ns in medians.items()
    ]
    return {"title": "t", "candidates": rows}


def verdict(text: str, documents: dict[str, Any]) -> targets.Verdict:
    """Of the aim with this text."""
    [found] = [row for row in targets.judge(documents) if row.aim.text == text]
    return found


def test_an_aim_is_judged_by_medians_with_the_tail_beside_it() -> None:
    documents = {"launch_throwaway": document(pyrootless=55, bwrap=100, crun=200, floor=31)}
    found = verdict("throw-away / bubblewrap", documents)
    assert (found.value, found.tail, found.word) == (0.55, 1.1, "met")
    assert verdict("throw-away / crun", documents).word == "not met"
    assert verdict("exec / spawn of true", documents).word == "not measured"


def test_the_aims_of_the_sandbox() -> None:
    late = {"median_ns": 3_000_000, "p99_ns": 11_000_000}
    latency = {"box": {"median_ns": 60, "p99_ns": 90}, "bwrap": {"median_ns": 100}}
    measured = {
        "latency": latency,
        "cpu_limit_overshoot": {"best": late},
        "unreaped_children_billed": {"best": {"least_share": 0.98}},
        "many_tests": {"each_ns": 2_600_000},
        "growth": {"memory_growth_bytes": 262144, "descriptor_growth": 1, "file_growth": 0},
    }
    rows = targets.judge({"sandbox": measured}, sandbox_targets.AIMS)
    assert [(row.value, row.tail, row.word) for row in rows] == [
        (0.6, 0.9, "met"),
        *[(None, None, "not measured")] * 4,
        (3.0, None, "met"),
        (11.0, None, "not met"),
        (0.98, None, "met"),
        (None, None, "not measured"),
        (2.6, None, "not met"),
        (256.0, None, "met"),
        (1.0, None, "not met"),
        (0.0, None, "met"),
    ]
    assert {row.word for row in targets.judge({}, sandbox_targets.AIMS)} == {"not measured"}


def test_aims_of_other_kinds() -> None:
    rates = [
        {"name": "pyrootless", "launchers": 2, "median": 800.0},
        {"name": "crun", "launchers": 1, "median": 100.0},
    ]
    still = [
        {"name": "bwrap", "charged_bytes": None, "pss_bytes": 200},
        {"name": "pyrootless -d", "charged_bytes": 7, "pss_bytes": 100},
    ]
    documents = {
        "many": {"throughput": rates, "idle": still},
        "phases": {"phases": [{"step": "filter", "median_ns": 64_000}]},
        "launch_kept": document(pyrootless=1_000_000, pyrootless_limits_2=1_200_000),
    }
    found = {row.aim.text: (row.value, row.word) for row in targets.judge(documents)}
    assert found["throughput at 2 launchers / one of crun"] == (8.0, "met")
    assert found["idle with monitor / bubblewrap, memory"] == (0.5, "met")
    assert found["seccomp install"] == (64.0, "met")
    assert found["cgroup limits, version 2"] == (200.0, "not met")


def test_limits_of_an_emulated_machine_are_scaled_by_the_floor() -> None:
    """Its floor takes ten times as long as a real one's, and so does what limits add."""
    limits = document(floor=10_000_000, pyrootless=20_000_000, pyrootless_limits_2=32_000_000)
    documents = {"limits_v2": limits, "launch_throwaway": document(floor=1_000_000)}
    aim = "cgroup limits, version 2"
    assert verdict(aim, documents).value == 12_000.0
    documents["limits_v2"] = {**limits, "emulated": True}
    assert verdict(aim, documents).value == 1200.0
    del documents["launch_throwaway"]
    assert verdict(aim, documents).word == "not measured"


def test_every_aim_names_candidates_that_there_are() -> None:
    """An aim whose candidate was renamed would be "not measured" for ever."""
    source = "".join(
        (ROOT / "benchmarks" / f"{name}.py").read_text()
        for name in ("peers", "background", "many", "idle")
    )
    names = {"pyrootless-exec", "python-pool", "pyrootless-disk", "pyrootless-range-holder"}
    assert [name for name in sorted(names) if f'"{name}"' not in source] == []
    used = {"launch_throwaway", "launch_kept", "inproc", "prepared", "exec", "stopped", "many"}
    assert used | {"phases", "limits_v2"} == {row.name for row in scenarios.SCENARIOS}


def test_a_row_of_the_trace_is_read() -> None:
    [row] = [phases.ROW.match("pyrootless: trace: child    clone           489.7 us")]
    assert row is not None
    assert row.groups() == ("child", "clone", "489.7")


def test_tables_say_what_did_not_work() -> None:
    rates = [many.Throughput("a", 1, (10.0, 12.0, 11.0)), many.Throughput("a", 2, (), "broke")]
    text = many.describe(rates, [many.Burst("a", 100, 99, 1_500_000_000, "one\nfailed")])
    assert text.splitlines()[3].split() == ["a", "11.0", "-", "-", "-"]
    assert text.splitlines()[-2:] == [
        "not every time: a: broke",
        "not every time: a: one failed",
    ]
    found = idle.describe([idle.Idle("x", 20, 2048, None, 1.0, "no group")])
    assert found.splitlines()[3].split() == ["x", "2", "-", "1.0", "no", "group"]


@pytest.mark.needs("gcc")
def test_starts_are_counted_and_not_those_that_failed(tmp_path: Path) -> None:
    import peers

    floor, library = peers.build_floor(tmp_path)
    nowhere = tmp_path / "x"
    place = peers.Place(tmp_path, nowhere, nowhere, floor, library, nowhere, nowhere)
    env = {"PATH": "/usr/bin:/bin"}
    rate, error = many._one_block(place, ["/bin/true"], env, 2)
    assert (rate > 0, error) == (True, "")
    _, error = many._one_block(place, ["/nowhere"], env, 2)
    assert "/nowhere: No such file" in error


def test_pictures_are_drawn_or_their_library_named(tmp_path: Path) -> None:
    documents = {"s": document(a=1) | {"candidates": [{"name": "a", "wall_ns": [1, 2]}]}}
    documents["p"] = {"title": "t", "phases": [{"who": "child", "step": "x", "median_ns": 5}]}
    try:
        drawn = plot.draw(documents, tmp_path)
    except plot.PlotError as error:
        assert "pip install 'pyrootless[plot]'" in str(error)
    else:
        assert [path.name for path in drawn] == ["s.png", "s.svg", "p.png", "p.svg"]
        assert all(path.stat().st_size > 1000 for path in drawn)


def test_the_verb_finds_the_benchmarks() -> None:
    launcher = Path(sys.executable).parent / "pyrootless"
    done = subprocess.run(
        [launcher, "bench", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "--scenario NAME,…" in done.stdout


@pytest.mark.needs("cgroup1-delegated")
def test_a_process_that_has_ended_is_not_moved() -> None:
    parent = machine.memory_parent()
    assert parent is not None
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    with idle.charged_group() as group:
        assert group is not None
        idle.move([str(ended.pid)], group)
        assert (group / "cgroup.procs").read_text() == ""


def test_a_user_who_is_not_there_is_not_made_by_chance() -> None:
    with pytest.raises(SystemExit, match="there is no nobody-at-all; make one: useradd"):
        machine.measuring_user("nobody-at-all")


def test_who_is_there_measures() -> None:
    assert machine.measuring_user("root").pw_uid == 0
