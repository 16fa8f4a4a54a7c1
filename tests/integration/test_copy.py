"""copy: the launcher between two real registries, and a scripted one that gives wrong bytes.

In: images and an index with an attestation, put there by skopeo.
Out: what skopeo sees in the other registry, which blobs travelled, an untouched store.
Never: a registry outside of this machine.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_registry import PASSWORD, USER, RealRegistry, run, serve_registry
from scripted_images import ScriptedImages, digest_of
from scripted_server import ScriptedServer, reply

BLOBS = 7
"""Of `with_several`: three configurations, four layers."""
Runner = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.needs("user-namespaces", "docker-registry", "skopeo", "htpasswd"),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """Open to everybody."""
    with serve_registry(tmp_path_factory.mktemp("source") / "none", "none") as running:
        yield running


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """Asks for a login."""
    with serve_registry(tmp_path_factory.mktemp("target") / "basic", "basic") as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def call(pyrootless: Runner, tmp_path: Path, store: Path, target: RealRegistry) -> Runner:
    """The launcher as a user of this test's own, who has a login for the target."""
    (tmp_path / "run").mkdir(mode=0o700)
    env = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PYROOTLESS_ROOT": str(store),
    }

    def run_it(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
        return pyrootless(*words, env=env, **options)

    words = ("login", "-u", USER, "--password-stdin", target.host)
    good(run_it(*words, input=f"{PASSWORD}\n"))
    return run_it


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def seen(registry: RealRegistry, name: str, *words: str) -> str:
    """What skopeo says of an image there."""
    login = [] if registry.kind == "none" else [f"--creds={USER}:{PASSWORD}"]
    place = f"docker://{registry.host}/{name}"
    return run("skopeo", "inspect", "--no-tags", "--tls-verify=false", *login, *words, place)


def with_several() -> ScriptedImages:
    """Two platforms with a layer in common, and an attestation."""
    images = ScriptedImages()
    common = {"common": b"c" * 10_000}
    intel = images.add_image("intel", [common, {"a": b"1"}])
    arm = images.add_image("arm", [common, {"b": b"2"}], "arm64")
    attestation = images.add_image("attestation", [{"in-toto.json": b"{}"}], "unknown")
    attestation["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    images.add_index("all", [intel, arm, attestation])
    return images


def test_an_index_arrives_with_all_that_it_lists(
    source: RealRegistry, target: RealRegistry, call: Runner, store: Path
) -> None:
    digest = source.push(with_several(), "all", name="from/x")
    done = call("copy", f"{source.host}/from/x:all", f"{target.host}/to/x:1")
    raw = seen(source, "from/x:all", "--raw")
    assert good(done) == f"1: digest: {digest} size: {len(raw)}\n"
    assert seen(target, "to/x:1", "--raw") == raw
    for entry in json.loads(raw)["manifests"]:
        name = f"x@{entry['digest']}"
        assert seen(target, f"to/{name}", "--raw") == seen(source, f"from/{name}", "--raw")
    assert done.stderr.count(": uploaded\n") == BLOBS
    again = call("copy", "-q", f"{source.host}/from/x:all", f"docker://{target.host}/to/x:2")
    assert good(again) == f"{target.host}/to/x:2\n"
    assert good(call("images", "-aq")) == ""
    assert [path for path in (store / "blobs").rglob("*") if path.is_file()] == []
    assert list((store / "tmp").iterdir()) == []


def test_an_index_in_an_index_is_copied_too(target: RealRegistry, call: Runner) -> None:
    images = ScriptedImages()
    below = images.add_image("risc", [{"c": b"3"}], "riscv64")
    images.add_index("all", [images.add_index("more", [below])])
    with ScriptedServer(images) as server:
        good(call("copy", f"{server.host}/a/b:all", f"{target.host}/to/deep:1"))
    for name in ("all", "more", "risc"):
        raw, _ = images.manifests[name]
        assert seen(target, f"to/deep@{digest_of(raw)}", "--raw") == raw.decode()


def test_indexes_without_end_are_refused(target: RealRegistry, call: Runner) -> None:
    images = ScriptedImages()
    entry = images.add_image("0", [{"c": b"3"}])
    for depth in range(1, 5):
        entry = images.add_index(str(depth), [entry])
    with ScriptedServer(images) as server:
        done = call("copy", f"{server.host}/a/b:4", f"{target.host}/to/deep:4")
    assert (done.returncode, "more than 2 indexes in each other" in done.stderr) == (125, True)


def test_within_a_registry_nothing_travels(source: RealRegistry, call: Runner) -> None:
    digest = source.push(with_several(), "all", name="here/x")
    place = f"{source.host}/here/x@{digest}"
    done = call("copy", place, f"{source.host}/there/x:1")
    assert good(done).startswith(f"1: digest: {digest} size: ")
    assert done.stderr.count(": taken from another repository\n") == BLOBS
    again = call("copy", place, f"{source.host}/there/x")
    assert good(again).startswith(f"latest: digest: {digest} size: ")
    assert again.stderr.count(": already there\n") == BLOBS


def test_one_platform_alone(
    source: RealRegistry, target: RealRegistry, call: Runner, tmp_path: Path
) -> None:
    images = with_several()
    source.push(images, "all", name="from/one")
    words = ("--platform=linux/arm64", "--digestfile", str(tmp_path / "digest"))
    good(call("copy", *words, f"{source.host}/from/one:all", f"{target.host}/to/one:arm"))
    raw, _ = images.manifests["arm"]
    assert seen(target, "to/one:arm", "--raw") == raw.decode()
    assert seen(target, "to/one:arm", "--format={{.Digest}}") == (
        (tmp_path / "digest").read_text() + "\n"
    )
    done = call("copy", "--platform=linux/s390x", f"{source.host}/from/one:all",
                f"{target.host}/to/one:z")  # fmt: skip
    assert done.returncode == 125
    assert "no image for linux/s390x" in done.stderr


def test_what_is_not_what_its_digest_says_is_not_copied(
    target: RealRegistry, call: Runner, store: Path
) -> None:
    images = ScriptedImages()
    images.add_image("one", [{"a": b"1"}])
    digest = json.loads(images.manifests["one"][0])["layers"][0]["digest"]
    wrong = bytes(len(images.blobs[digest]))
    images.before = lambda request: reply(200, wrong) if digest in request.target else None
    with ScriptedServer(images) as server:
        done = call("copy", f"{server.host}/a/b:one", f"{target.host}/to/wrong:1")
    assert done.returncode == 125
    assert f"blob {digest} has the digest sha256:" in done.stderr
    assert "push it again" in done.stderr
    login = f"--creds={USER}:{PASSWORD}"
    place = f"docker://{target.host}/to/wrong:1"
    words = ["skopeo", "inspect", "--tls-verify=false", login, place]
    looked = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert "manifest unknown" in looked.stderr
    assert list((store / "tmp").iterdir()) == []


def test_a_digest_of_the_target_has_to_be_the_images(
    source: RealRegistry, target: RealRegistry, call: Runner
) -> None:
    digest = source.push(with_several(), "intel", name="from/digest")
    other = f"{target.host}/to/digest@sha256:{'0' * 64}"
    done = call("copy", f"{source.host}/from/digest:intel", other)
    assert (done.returncode, f"the image has the digest {digest}" in done.stderr) == (125, True)
    done = call("copy", f"{source.host}/from/digest:none", f"{target.host}/to/digest:1")
    assert (done.returncode, 'there is no tag "none"' in done.stderr) == (125, True)
