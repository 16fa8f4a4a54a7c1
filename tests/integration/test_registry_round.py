"""The way of an image: built by buildah, pushed, pulled, run, saved, loaded elsewhere, run.

In: a real docker-registry with each way to log in, images of one and of two machines.
Out: what the program printed at every station; what skopeo and podman read of the archive.
Never: a registry of the network.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_registry import PASSWORD, USER, RealRegistry, serve_registry

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.needs(
    "buildah", "busybox", "docker-registry", "htpasswd", "newuidmap", "openssl", "podman",
    "skopeo", "subordinate-ids",
)  # fmt: skip

BUILD = """
set -e
for arch in amd64 arm64; do
    box=$(buildah from --arch $arch scratch)
    buildah copy -q $box "$BUSYBOX" /bin/busybox >&2
    printf 'built for %s\\n' $arch > "$PLACE/note"
    buildah copy -q --chown 7:8 $box "$PLACE/note" /srv/note >&2
    buildah config --arch $arch --os linux --entrypoint '["/bin/busybox"]' \
        --cmd '["cat","/srv/note"]' --label made=here $box
    buildah commit -q $box only-$arch >&2
done
buildah manifest create both >&2
buildah manifest add both only-amd64 >&2
buildah manifest add both only-arm64 >&2
"""
PUSH = """
set -e
buildah push -q --tls-verify=false "$@" only-amd64 docker://$HOST/made/by-buildah:one
buildah manifest push -q --all --tls-verify=false "$@" both docker://$HOST/made/by-buildah:both
"""


@dataclass(frozen=True)
class Tools:
    """buildah and podman with a home and a storage of their own."""

    base: Path

    def run(self, *words: str, **env: str) -> str:
        """Standard output of a command that must not fail."""
        own = {"HOME": str(self.base), "XDG_RUNTIME_DIR": str(self.base / "run")}
        own |= {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
        own["PODMAN_IGNORE_CGROUPSV1_WARNING"] = "1"
        done = subprocess.run(
            words, env={**os.environ, **own, **env}, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def buildah(self, script: str, *words: str, **env: str) -> str:
        """A shell script where buildah may mount and own files of many ids."""
        return self.run("buildah", "unshare", "sh", "-c", script, "sh", *words, **env)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    """Their storage holds files of other ids, which only a namespace can remove."""
    base = tmp_path_factory.mktemp("tools")
    (base / "run").mkdir(mode=0o700)
    made = Tools(base)
    made.buildah(BUILD, BUSYBOX="/bin/busybox", PLACE=str(base))
    yield made
    made.run("podman", "system", "migrate")
    made.run("unshare", "--map-auto", "--map-root-user", "rm", "-rf", str(base))


@pytest.fixture(scope="module", params=["none", "basic", "token"])
def registry(
    request: pytest.FixtureRequest, tools: Tools, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRegistry]:
    """A registry seeded by buildah."""
    place = tmp_path_factory.mktemp("seed")
    login = () if request.param == "none" else (f"--creds={USER}:{PASSWORD}",)
    with serve_registry(place / request.param, request.param) as running:
        tools.buildah(PUSH, *login, HOST=running.host)
        yield running


def _engine(pyrootless: Runner, base: Path) -> Runner:
    base.mkdir()
    (base / "run").mkdir(mode=0o700)
    env = {"HOME": str(base), "XDG_RUNTIME_DIR": str(base / "run")}
    env["PYROOTLESS_ROOT"] = str(base / "store")

    def call(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
        done = pyrootless(*words, env=env, **options)
        assert done.returncode == 0, done.stderr
        return done

    return call


@pytest.mark.parametrize("tag", ["one", "both"])
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_from_builder_to_another_machine(
    registry: RealRegistry,
    tools: Tools,
    pyrootless: Runner,
    tmp_path: Path,
    tag: str,
    form: str,
) -> None:
    here = _engine(pyrootless, tmp_path / "here")
    name = f"{registry.host}/made/by-buildah:{tag}"
    if registry.kind != "none":
        here("login", "-u", USER, "--password-stdin", registry.host, input=f"{PASSWORD}\n")
    here("pull", "-q", name)
    assert here("run", "--rm", name).stdout == "built for amd64\n"
    owner = ("run", "--rm", name, "stat", "-c", "%u:%g", "/srv/note")
    assert here(*owner).stdout == "7:8\n"

    archive = tmp_path / "image.tar"
    here("save", "--format", form, "-o", str(archive), name)
    seen = json.loads(tools.run("skopeo", "inspect", f"{form}:{archive}"))
    assert (seen["Architecture"], seen["Labels"]["made"]) == ("amd64", "here")
    # A storage of its own: podman would put its manifest in the place of buildah's.
    podman = ("podman", "--root", str(tools.base / "podman"))
    assert name in tools.run(*podman, "load", "-q", "-i", str(archive))

    there = _engine(pyrootless, tmp_path / "there")
    assert there("load", "-i", str(archive)).stdout == f"Loaded image: {name}\n"
    assert there("run", "--rm", "--pull=never", name).stdout == "built for amd64\n"
    ids = [json.loads(call("inspect", name).stdout)[0]["Id"] for call in (here, there)]
    assert ids[0] == ids[1]
