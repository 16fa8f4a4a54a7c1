"""`image squash`, `image diff` and `untag`, under both maps of ids.

In: an image of three layers with owners, hard links, attributes, deletions.
Out: the same files in one layer; what differs; names.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import flat_image
import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))
BASE, MADE = "small:verbs", "layers:verbs"
DOCKERFILE = f"""\
FROM {BASE}
ENV KEPT=yes
RUN rm -r /d && mkdir /d && echo new > /d/new && chown 7:8 /d/new && chmod 4711 /d/new
RUN ln /d/new /d/twin && ln -s new /d/soft && mkfifo /d/pipe && chmod 640 /etc/shadow
"""


@pytest.fixture(scope="session")
def base(import_small: Callable[..., str]) -> str:
    return import_small(BASE)


@pytest.fixture(params=["single", RANGE])
def ids(request: pytest.FixtureRequest, pyrootless: Run, base: str, tmp_path: Path) -> str:
    """The map of ids, with the image built under it."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    kind = str(request.param)
    done = pyrootless("build", "-q", "--userns", kind, "-t", MADE, str(tmp_path))
    assert done.returncode == 0, done.stderr
    return kind


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_squashed_image_has_the_same_files_in_one_layer(
    pyrootless: Run, ids: str, tmp_path: Path
) -> None:
    words = ["image", "squash", "--userns", ids, "-m", "one", MADE, "squashed:1"]
    made = good(pyrootless(*words)).strip()
    [image] = json.loads(good(pyrootless("inspect", "--type", "image", "squashed:1")))
    assert image["Id"] == made
    assert len(image["RootFS"]["Layers"]) == 1
    assert "KEPT=yes" in image["Config"]["Env"]
    assert good(pyrootless("history", "-q", "squashed:1")).count("\n") == 1
    for name in (MADE, "squashed:1"):
        good(pyrootless("save", "-o", str(tmp_path / f"{name[:5]}.tar"), name))
    trees = [
        flat_image.read_archive(tmp_path / f"{name}.tar")[0] for name in ("layer", "squas")
    ]
    assert trees[0] == trees[1]
    assert "d/twin" in trees[1] and "d/one" not in trees[1]


def test_a_squashed_image_is_equal_to_its_origin(pyrootless: Run, ids: str) -> None:
    good(pyrootless("image", "squash", "--userns", ids, MADE, "squashed:2"))
    assert good(pyrootless("image", "diff", "--userns", ids, "squashed:2", MADE)) == ""


def test_what_the_last_layer_changed(pyrootless: Run, ids: str) -> None:
    assert good(pyrootless("image", "diff", "--userns", ids, MADE)).splitlines() == [
        "A /d/pipe",
        "A /d/soft",
        "A /d/twin",
        "C /etc/shadow",
    ]


def test_what_two_images_have_otherwise(pyrootless: Run, ids: str) -> None:
    assert good(pyrootless("image", "diff", "--userns", ids, BASE, MADE)).splitlines() == [
        "D /d/new",
        "A /d/one",
        "D /d/pipe",
        "D /d/soft",
        "A /d/sub",
        "A /d/sub/two",
        "D /d/twin",
        "C /etc/shadow",
    ]


def test_a_name_goes_and_the_image_stays(
    pyrootless: Run, import_small: Callable[..., str]
) -> None:
    import_small("mine:1", "-c", "ENV U=1")
    good(pyrootless("tag", "mine:1", "mine:2"))
    ident = good(pyrootless("images", "-q", "--no-trunc", "mine:1")).strip()
    done = pyrootless("untag", "mine:1", "other:1")
    assert done.returncode == 125
    assert "the image has no name other:1; its names: mine:1, mine:2" in done.stderr
    good(pyrootless("untag", "mine:1", "mine:1"))
    assert pyrootless("inspect", "--type", "image", "mine:1").returncode != 0
    good(pyrootless("untag", "mine:2"))
    [image] = json.loads(good(pyrootless("inspect", "--type", "image", ident)))
    assert (image["Id"], image["RepoTags"]) == (ident, [])
    good(pyrootless("rmi", ident))
