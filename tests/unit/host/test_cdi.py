"""pyrootless.host.cdi: devices by name → words of `run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrootless.engine.prepare import parse, with_devices
from pyrootless.errors import UsageError
from pyrootless.host import cdi

SPECIFICATION = {
    "cdiVersion": "0.6.0",
    "kind": "vendor.example/net",
    "devices": [
        {
            "name": "0",
            "containerEdits": {
                "deviceNodes": [
                    {"path": "/dev/net0", "hostPath": "/dev/null"},
                    {"path": "/dev/zero"},
                ]
            },
        },
        {"name": "all", "containerEdits": {"env": ["ALL=1"], "additionalGids": [5]}},
    ],
    "containerEdits": {
        "env": ["NET=yes"],
        "mounts": [
            {"hostPath": "/lib/a", "containerPath": "/lib/a", "options": ["ro", "nosuid"]},
            {"hostPath": "/lib/b,c", "containerPath": "/lib/b"},
        ],
        "hooks": [{"hookName": "createContainer", "path": "/usr/bin/hook"}],
    },
}


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """/etc/cdi and /run/cdi of this test."""
    made = [tmp_path / "etc", tmp_path / "run"]
    for folder in made:
        folder.mkdir()
    (made[0] / "net.json").write_text(json.dumps(SPECIFICATION))
    return made


COMMON = ("--env=NET=yes", "--mount=type=bind,src=/lib/a,dst=/lib/a,ro",
          '--mount=type=bind,"src=/lib/b,c",dst=/lib/b')  # fmt: skip


def test_a_device_and_what_all_of_its_kind_need(folders: list[Path]) -> None:
    edits = cdi.edits_of(["vendor.example/net=0", "vendor.example/net=all"], folders)
    nodes = ("--device=/dev/null:/dev/net0", "--device=/dev/zero:/dev/zero")
    assert edits.words == (*COMMON, *nodes, "--env=ALL=1", "--group-add=5")
    assert edits.hooks == ("/usr/bin/hook",)


def test_the_later_folder_hides_the_earlier(folders: list[Path]) -> None:
    other = {"kind": "vendor.example/net", "devices": [{"name": "0"}]}
    (folders[1] / "net.json").write_text(json.dumps(other))
    assert cdi.edits_of(["vendor.example/net=0"], folders) == cdi.Edits((), ())
    assert cdi.edits_of(["vendor.example/net=all"], folders).hooks == ("/usr/bin/hook",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "no specification of the Container Device Interface"),
        ("nonsense", "is no specification of devices"),
        ("[]", "is no specification of devices"),
        (json.dumps({"kind": "v.e/c",
                     "devices": [{"name": "x", "containerEdits": {"intelRdt": {}}}]}),
         "asks for intelRdt, which is not served"),
    ],
)  # fmt: skip
def test_what_is_not_there_or_not_served(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        cdi.edits_of(["v.e/c=x"], [tmp_path])


def test_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").write_text("kind: nvidia.com/gpu\n")
    with pytest.raises(UsageError, match=r"nvidia.yaml is YAML") as caught:
        cdi.edits_of(["nvidia.com/gpu=all"], [tmp_path])
    assert "--format=json" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("text", "names"),
    [("all", ["all"]), ("2", ["0", "1"]), ("device=0,3", ["0", "3"]), ("count=1", ["0"]),
     ('"device=GPU-1a"', ["GPU-1a"]), ("all,capabilities=utility", ["all"]),
     ("driver=nvidia,device=1", ["1"])],
)  # fmt: skip
def test_gpus(text: str, names: list[str]) -> None:
    assert cdi.names_of_gpus(text) == [f"nvidia.com/gpu={name}" for name in names]


@pytest.mark.parametrize("text", ["", "device=", "options=x", "device=a b"])
def test_bad_gpus(text: str) -> None:
    with pytest.raises(UsageError, match="--gpus"):
        cdi.names_of_gpus(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("vendor.com/net=0", True), ("/dev/null=x", False), ("/dev/null", False), ("a/b", False),
     ("a/b=", False)],
)  # fmt: skip
def test_names(text: str, name: bool) -> None:
    assert cdi.is_name(text) == name


def test_the_words_of_run(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A named device is replaced by what it stands for; what is a path stays."""
    monkeypatch.setattr(cdi, "DIRECTORIES", folders)
    asked = parse(["--device=/dev/null", "--device=vendor.example/net=0", "host", "true"])
    options = [f"--{name}={value}" for name, value in asked.values]
    words = with_devices(asked, options, None)
    assert words[:4] == ["--device=/dev/null", *COMMON]
    assert words[4:] == ["--device=/dev/null:/dev/net0", "--device=/dev/zero:/dev/zero"]
