"""pyrootless.engine.watching: figures of samples, files of control groups and of processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyrootless.cli.containers.metrics import openmetrics
from pyrootless.cli.containers.stats import binary_size, decimal_size, fields
from pyrootless.engine.containers import Container
from pyrootless.engine.watching import figures, take_sample
from pyrootless.engine.watching.usage import Groups, read_networks, read_processes


def container(directory: Path, state: Any = "running", pid: int = 0) -> Container:
    return Container(
        "ab" * 32, "c", "host", ("sh",), state, pid, 0, 0, "", None, None, directory
    )


def docker_sample() -> dict[str, Any]:
    """As a Docker Engine answers, cut to what is looked at."""
    cpu: dict[str, Any] = {"online_cpus": 2, "throttling_data": {}}
    return {
        "pids_stats": {"current": 2, "limit": 50},
        "blkio_stats": {
            "io_service_bytes_recursive": [
                {"major": 8, "minor": 0, "op": "Read", "value": 4096},
                {"major": 8, "minor": 0, "op": "write", "value": 8192},
                {"major": 8, "minor": 0, "op": "Total", "value": 12288},
            ]
        },
        "cpu_stats": {
            **cpu,
            "cpu_usage": {"total_usage": 1_049_277_492},
            "system_cpu_usage": 6_033_450_000_000,
        },
        "precpu_stats": {
            **cpu,
            "cpu_usage": {"total_usage": 1_033_841_955},
            "system_cpu_usage": 6_031_450_000_000,
        },
        "memory_stats": {
            "usage": 806_912,
            "stats": {"total_inactive_file": 102_400},
            "limit": 67_108_864,
        },
        "networks": {"eth0": {"rx_bytes": 796, "tx_bytes": 0}},
    }


def test_figures_are_dockers(tmp_path: Path) -> None:
    row = fields(container(tmp_path), docker_sample(), whole=False)
    assert row == {
        "BlockIO": "4.1kB / 8.19kB",
        "CPUPerc": "1.54%",
        "Container": "abababababab",
        "ID": "abababababab",
        "MemPerc": "1.05%",
        "MemUsage": "688KiB / 64MiB",
        "Name": "c",
        "NetIO": "796B / 0B",
        "PIDs": "2",
    }


@pytest.mark.parametrize(
    ("size", "binary", "decimal"),
    [
        (0, "0B", "0B"),
        (1023, "1023B", "1.02kB"),
        (1024, "1KiB", "1.02kB"),
        (999_999, "976.6KiB", "1e+03kB"),
        (2_270_000, "2.165MiB", "2.27MB"),
        (25_330_000_000, "23.59GiB", "25.3GB"),
    ],
)
def test_sizes_are_dockers(size: int, binary: str, decimal: str) -> None:
    assert (binary_size(size), decimal_size(size)) == (binary, decimal)


def test_one_that_does_not_run_counts_nothing(tmp_path: Path) -> None:
    sample = take_sample(container(tmp_path, "exited"))
    assert sample["read"] == "0001-01-01T00:00:00Z"
    assert figures(sample).pids == 0 and figures(sample).cpu_percent == 0.0
    json.dumps(sample)


def test_groups_of_version_2(tmp_path: Path) -> None:
    files = {
        "cpu.stat": "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 7\n"
        "nr_throttled 3\nthrottled_usec 9\n",
        "memory.current": "4096\n",
        "memory.max": "8192\n",
        "memory.peak": "5000\n",
        "memory.stat": "inactive_file 1024\nanon 2048\n",
        "pids.current": "3\n",
        "pids.max": "max\n",
        "io.stat": "8:0 rbytes=1 wbytes=2 rios=3\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    notes = {"io.pyrootless.limits.cgroups": f"2 cpu,memory,pids,io {tmp_path}"}
    groups = Groups.of(notes)
    assert groups.lacking() == ()
    assert groups.cpu() == {
        "cpu_usage": {
            "total_usage": 1_500_000,
            "usage_in_kernelmode": 500_000,
            "usage_in_usermode": 1_000_000,
        },
        "throttling_data": {"periods": 7, "throttled_periods": 3, "throttled_time": 9000},
    }
    assert groups.memory() == {
        "usage": 4096, "max_usage": 5000, "limit": 8192,
        "stats": {"inactive_file": 1024, "anon": 2048},
    }  # fmt: skip
    assert groups.pids() == {"current": 3}
    assert groups.block() == [
        {"major": 8, "minor": 0, "op": "read", "value": 1},
        {"major": 8, "minor": 0, "op": "write", "value": 2},
    ]


def test_groups_of_version_1(tmp_path: Path) -> None:
    ticks = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    for name, text in {
        "cpuacct.usage": "77\n",
        "cpuacct.stat": "user 2\nsystem 1\n",
        "memory.usage_in_bytes": "4096\n",
        "memory.limit_in_bytes": "9223372036854771712\n",
        "memory.stat": "total_inactive_file 10\n",
        "blkio.throttle.io_service_bytes_recursive": "8:0 Read 5\n8:0 Total 5\nTotal 5\n",
    }.items():
        (tmp_path / name).write_text(text)
    lines = [f"1 cpuacct {tmp_path}", f"1 memory {tmp_path}", f"1 blkio {tmp_path}"]
    groups = Groups.of({"io.pyrootless.limits.cgroups": "\n".join([*lines, "2 other /gone"])})
    assert groups.lacking() == ("pids",)
    assert groups.cpu()["cpu_usage"] == {
        "total_usage": 77, "usage_in_kernelmode": ticks, "usage_in_usermode": 2 * ticks
    }  # fmt: skip
    assert groups.memory() == {"usage": 4096, "stats": {"total_inactive_file": 10}}
    assert groups.pids() == {}
    assert [entry["value"] for entry in groups.block() or []] == [5, 5]


def test_sums_of_processes() -> None:
    """This very process is among those of its namespace; a child's memory comes on top."""
    code = "b = b'x' * (64 << 20); print(flush=True); input()"
    before = read_processes(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stdout.readline()
        during = read_processes(child.pid)
        child.communicate(b"\n")
    assert before.threads >= 1 and during.memory_bytes > 64 << 20
    assert read_networks(os.getpid()) == {}
    assert read_processes(2**22 + 1).threads == 0


def test_openmetrics_is_its_text_format(tmp_path: Path) -> None:
    named = container(tmp_path)
    text = openmetrics([(named, docker_sample() | {"name": "/c"})])
    assert text.endswith("# EOF\n") and text.count("# EOF") == 1
    labels = f'{{id="{named.id}",name="c",image="host"}}'
    assert f"pyrootless_container_cpu_seconds_total{labels} 1.04927749\n" in text
    assert f"pyrootless_container_memory_bytes{labels} 704512\n" in text
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families)) == 9
