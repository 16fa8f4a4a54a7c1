"""pyrootless.images.template.runtime_config: the default config.json, value by value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyrootless.images.template import runtime_config

IMAGE = runtime_config.ImageFacts(
    name="box",
    lowers=("/store/top", "/store/base"),
    binds=(runtime_config.Bind("/usr"),),
    env=("PATH=/bin", "A=1"),
    cwd="/work",
    entrypoint=("/entry",),
    cmd=("one", "two"),
    stop_signal=3,
)
FILTER = runtime_config.SeccompProgram(
    {"defaultAction": "SCMP_ACT_ERRNO"}, Path("/c/a.bpf"), "sha256:aa"
)
SOURCES = (runtime_config.Source("/etc/a", 5, 6), runtime_config.Source("/etc/none", 0, 0))


@pytest.fixture
def config() -> dict[str, Any]:
    return runtime_config.default_config(
        IMAGE, owner=(1000, 1001), seccomp=FILTER, sources=SOURCES
    )


def test_process(config: dict[str, Any]) -> None:
    process = config["process"]
    assert process["args"] == ["/entry", "one", "two"]
    assert process["env"] == ["PATH=/bin", "A=1"]
    assert process["user"] == {"uid": 0, "gid": 0, "umask": 0o022}
    assert (process["cwd"], process["noNewPrivileges"]) == ("/work", True)
    assert "rlimits" not in process


def test_capabilities_are_dockers_without_two(config: dict[str, Any]) -> None:
    sets = config["process"]["capabilities"]
    assert sorted(sets) == ["bounding", "effective", "permitted"]
    assert len(set(sets["bounding"])) == 12
    assert not {"CAP_AUDIT_WRITE", "CAP_NET_RAW"} & set(sets["bounding"])
    assert sets["bounding"] == sets["effective"] == sets["permitted"]
    assert "CAP_NET_ADMIN" not in sets["bounding"]
    assert "CAP_SYS_ADMIN" not in sets["bounding"]


def test_mounts_in_order(config: dict[str, Any]) -> None:
    assert [mount["destination"] for mount in config["mounts"]] == [
        "/usr",
        "/proc",
        "/dev",
        "/dev/pts",
        "/dev/mqueue",
        "/dev/shm",
        "/sys",
    ]
    options = {mount["destination"]: mount["options"] for mount in config["mounts"]}
    assert options["/usr"] == ["rbind", "rro", "rnosuid", "rnodev"]
    assert options["/sys"] == ["nosuid", "noexec", "nodev", "ro"]
    assert options["/dev/shm"] == ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]
    assert not [option for option in options["/dev/pts"] if option.startswith("gid=")]


def test_one_id_is_mapped(config: dict[str, Any]) -> None:
    linux = config["linux"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 1000, "size": 1}]
    assert linux["gidMappings"] == [{"containerID": 0, "hostID": 1001, "size": 1}]


def test_every_namespace_is_new(config: dict[str, Any]) -> None:
    kinds = [entry["type"] for entry in config["linux"]["namespaces"]]
    assert sorted(kinds) == ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"]
    assert all(list(entry) == ["type"] for entry in config["linux"]["namespaces"])


def test_paths_are_hidden(config: dict[str, Any]) -> None:
    masked, readonly = config["linux"]["maskedPaths"], config["linux"]["readonlyPaths"]
    assert {"/proc/kcore", "/proc/keys", "/sys/firmware", "/proc/timer_list"} <= set(masked)
    assert readonly == [
        "/proc/bus",
        "/proc/fs",
        "/proc/irq",
        "/proc/sys",
        "/proc/sysrq-trigger",
    ]


def test_annotations(config: dict[str, Any]) -> None:
    assert config["annotations"] == {
        "io.pyrootless.template.version": "2",
        "io.pyrootless.template.sources": "5 6 /etc/a\n0 0 /etc/none",
        "io.pyrootless.image": "box",
        "io.pyrootless.image.entrypoint": '["/entry"]',
        "io.pyrootless.image.cmd": '["one", "two"]',
        "io.pyrootless.rootfs.lower": "/store/top\n/store/base",
        "io.pyrootless.stop-signal": "3",
        "io.pyrootless.landlock": "1",
        "io.pyrootless.keyring": "inherit",
        "io.pyrootless.seccomp.program": "/c/a.bpf",
        "io.pyrootless.seccomp.digest": "sha256:aa",
    }


def test_without_filter_the_keyring_is_new() -> None:
    config = runtime_config.default_config(IMAGE, owner=(0, 0), seccomp=None)
    assert config["annotations"]["io.pyrootless.keyring"] == "new"
    assert "io.pyrootless.seccomp.program" not in config["annotations"]
    assert "seccomp" not in config["linux"]


def test_annotation_values_are_strings(config: dict[str, Any]) -> None:
    assert {type(value) for value in config["annotations"].values()} == {str}


def test_encoding_is_stable_and_complete(config: dict[str, Any]) -> None:
    again = runtime_config.default_config(
        IMAGE, owner=(1000, 1001), seccomp=FILTER, sources=SOURCES
    )
    assert runtime_config.encode_config(config) == runtime_config.encode_config(again)
    assert json.loads(runtime_config.encode_config(config)) == config
    assert config["ociVersion"] == "1.2.0"
