"""push: the launcher, real registries with every login, and a scripted one for interruptions.

In: images that were pulled, imported, built.  Out: what skopeo and podman see in the registry,
what was sent.  Never: a registry outside of this machine.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small_image
from real_registry import PASSWORD, USER, RealRegistry, run, serve_registry
from scripted_images import ScriptedImages, digest_of
from scripted_server import Request, ScriptedServer, head, reply

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = [pytest.mark.timeout(180), pytest.mark.needs("user-namespaces", "busybox")]
NEEDS = pytest.mark.needs("docker-registry", "skopeo", "htpasswd", "openssl")
PODMAN = pytest.mark.needs("podman", "subordinate-ids", "newuidmap")


@pytest.fixture(scope="module", params=["none", "basic", "token"])
def registry(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRegistry]:
    directory = tmp_path_factory.mktemp("registry") / request.param
    with serve_registry(directory, request.param) as running:
        yield running


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A user of this test's own: home, session, store."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PYROOTLESS_ROOT": str(tmp_path / "store"),
    }


@pytest.fixture
def call(pyrootless: Runner, env: dict[str, str]) -> Runner:
    """The launcher as that user."""

    def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
        return pyrootless(*words, env=env, **options)

    return run


@pytest.fixture
def small(call: Runner, tmp_path: Path) -> str:
    """An image of one layer that is only here."""
    small_image.write_root(tmp_path / "root.tar")
    good(call("import", "-c", 'CMD ["cat", "/d/one"]', str(tmp_path / "root.tar"), "small:1"))
    return "small:1"


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def log_in(call: Runner, registry: RealRegistry) -> None:
    if registry.kind != "none":
        words = ("login", "-u", USER, "--password-stdin", registry.host)
        good(call(*words, input=f"{PASSWORD}\n"))


def seen(registry: RealRegistry, name: str, *words: str) -> str:
    """What skopeo says of an image there."""
    login = [] if registry.kind == "none" else [f"--creds={USER}:{PASSWORD}"]
    place = f"docker://{registry.host}/{name}"
    return run("skopeo", "inspect", "--no-tags", "--tls-verify=false", *login, *words, place)


@NEEDS
def test_an_image_arrives_whole(registry: RealRegistry, call: Runner, small: str) -> None:
    log_in(call, registry)
    place = f"{registry.host}/team/small:1"
    done = call("push", small, place)
    found = re.fullmatch(r"1: digest: (sha256:[a-f0-9]{64}) size: (\d+)\n", good(done))
    assert found is not None
    raw = seen(registry, "team/small:1", "--raw")
    assert (digest_of(raw.encode()), str(len(raw))) == found.groups()
    assert f"the push refers to repository {registry.host}/team/small\n" in done.stderr
    assert done.stderr.count(": uploaded\n") == 1
    again = call("push", place.replace(place, small), place)
    assert good(again) == done.stdout
    assert again.stderr.count(": already there\n") == 1


@NEEDS
def test_what_was_pushed_runs_here_again(
    registry: RealRegistry, call: Runner, small: str
) -> None:
    log_in(call, registry)
    place = f"{registry.host}/team/back:1"
    good(call("push", "-q", small, place))
    good(call("rmi", small))
    assert good(call("pull", "-q", place)) == f"{place}\n"
    assert good(call("run", "--rm", place)) == "one\n"


@NEEDS
@pytest.mark.parametrize("registry", ["none"], indirect=True)
def test_what_was_pulled_is_pushed_byte_for_byte(registry: RealRegistry, call: Runner) -> None:
    images = ScriptedImages()
    images.add_image("one", [{"a": b"1"}, {"b": b"2"}])
    for options in ((), ("--format=v2s2",), ("--dest-compress-format=zstd",)):
        digest = registry.push(images, "one", *options, name="from/x")
        good(call("pull", "-q", f"{registry.host}/from/x:one"))
        good(call("push", "-q", f"{registry.host}/from/x:one", f"{registry.host}/to/x:one"))
        assert seen(registry, "to/x:one", "--format={{.Digest}}").strip() == digest


@NEEDS
@pytest.mark.parametrize("registry", ["none"], indirect=True)
def test_only_what_is_missing_travels(registry: RealRegistry, call: Runner) -> None:
    """What the registry has elsewhere it takes from there."""
    images = ScriptedImages()
    images.add_image("one", [{"large": b"1" * 100_000}])
    registry.push(images, "one", name="moved/base")
    base = f"{registry.host}/moved/base:one"
    good(call("pull", "-q", base))
    done = call("push", base, f"{registry.host}/moved/other:1")
    assert good(done)
    assert done.stderr.count(": taken from another repository\n") == 1


@NEEDS
@pytest.mark.parametrize("registry", ["none"], indirect=True)
def test_every_tag_of_a_repository(
    registry: RealRegistry, call: Runner, small: str, tmp_path: Path
) -> None:
    for tag in ("1", "2"):
        good(call("tag", small, f"{registry.host}/every/tag:{tag}"))
    done = call("push", "-a", "--digestfile", str(tmp_path / "d"), f"{registry.host}/every/tag")
    lines = good(done).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["1", "2"]
    assert (tmp_path / "d").read_text() in lines[0]
    tags = run("skopeo", "list-tags", "--tls-verify=false",
               f"docker://{registry.host}/every/tag")  # fmt: skip
    assert sorted(json.loads(tags)["Tags"]) == ["1", "2"]
    done = call("push", "-a", f"{registry.host}/every/tag:1")
    assert (done.returncode, "name a repository" in done.stderr) == (125, True)
    done = call("push", "-a", f"{registry.host}/every/none")
    assert done.returncode == 125
    assert "no image here has a tag in" in done.stderr


@NEEDS
@PODMAN
@pytest.mark.parametrize("registry", ["none"], indirect=True)
def test_podman_runs_what_was_pushed(
    registry: RealRegistry, call: Runner, small: str, tmp_path: Path
) -> None:
    place = f"{registry.host}/podman/small:1"
    good(call("push", "-q", small, place))
    store = [f"--root={tmp_path}/podman", f"--runroot={tmp_path}/podman-run"]
    podman = ["podman", *store, "--storage-driver=vfs", "--cgroup-manager=cgroupfs"]
    run(*podman, "pull", "-q", "--tls-verify=false", place)
    shown = run(*podman, "image", "inspect", "--format={{.Config.Cmd}} {{.Id}}", place)
    ident = good(call("images", "-q", "--no-trunc", small)).strip().removeprefix("sha256:")
    assert shown == f"[cat /d/one] {ident}\n"
    run(*podman, "unshare", "rm", "-rf", f"{tmp_path}/podman")


@NEEDS
def test_a_build_sends_what_it_made(
    registry: RealRegistry, call: Runner, small: str, tmp_path: Path
) -> None:
    log_in(call, registry)
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(f"FROM {small}\nENV A=b\n")
    places = [f"{registry.host}/built/{tag}" for tag in ("app:1", "app:2", "other:1")]
    names = [word for place in places for word in ("-t", place)]
    done = call("build", "--push", *names, str(tmp_path / "context"))
    assert good(done) == ""
    sent = re.findall(r"^pushed (\S+): digest: (sha256:[a-f0-9]{64})$", done.stderr, re.M)
    assert [place for place, _ in sent] == places
    for place, digest in sent:
        raw = seen(registry, place.removeprefix(f"{registry.host}/"), "--raw")
        assert digest_of(raw.encode()) == digest
        config = seen(registry, place.removeprefix(f"{registry.host}/"), "--config")
        assert "A=b" in json.loads(config)["config"]["Env"]


def test_a_build_without_a_name_is_not_sent(call: Runner, tmp_path: Path) -> None:
    """It is refused before the build begins."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    done = call("build", "--push", str(tmp_path))
    assert (done.returncode, "-t HOST/NAME:TAG" in done.stderr) == (125, True)
    assert good(call("images", "-aq")) == ""


@NEEDS
@pytest.mark.parametrize("registry", ["basic", "token"], indirect=True)
def test_a_stranger_may_not_push(registry: RealRegistry, call: Runner, small: str) -> None:
    done = call("push", small, f"{registry.host}/team/strange:1")
    assert done.returncode == 125
    assert "access denied" in done.stderr
    assert f"pyrootless login {registry.host}" in done.stderr


def test_a_name_has_to_say_where_to(call: Runner, small: str) -> None:
    ident = good(call("images", "-q", small)).strip()
    done = call("push", ident)
    assert done.returncode == 125
    assert f"pyrootless push {ident} HOST/NAME:TAG" in done.stderr


class Taker:
    """A registry that takes one repository's blobs, with faults.

    Attributes:
        faults: What happens to the next uploads of layers: "cut" keeps half and breaks off,
            "lost" keeps all and breaks off, "busy" answers 503.
        blobs: What arrived whole.
        seen: Method and target of each request.
    """

    def __init__(self, *faults: str, forgets: bool = False) -> None:
        self.faults = list(faults)
        self.forgets = forgets
        self.blobs: dict[str, bytes] = {}
        self.seen: list[str] = []
        self.partial = b""

    def __call__(self, request: Request) -> bytes | tuple[()]:
        self.seen.append(f"{request.method} {request.target}")
        place = request.target.partition("?")[0]
        if place == "/v2/":
            return reply()
        if request.method == "HEAD":
            digest = place.rpartition("/")[2]
            size = len(self.blobs.get(digest, b""))
            return head(200, f"Content-Length: {size}") if size else reply(404)
        if request.method == "POST":
            self.partial = b""
            return reply(202, location="/v2/a/b/blobs/uploads/one?state=1")
        if request.method == "GET":
            if self.forgets:
                return reply(404)
            last = f"0-{len(self.partial) - 1}"
            return reply(204, location="/v2/a/b/blobs/uploads/one?state=2", range=last)
        if "/manifests/" in place:
            return reply(201, docker_content_digest=digest_of(request.body))
        return self.upload(request)

    def upload(self, request: Request) -> bytes | tuple[()]:
        fault = self.faults.pop(0) if self.faults and len(request.body) > 1000 else ""
        if fault == "busy":
            return reply(503, retry_after="0")
        self.partial += request.body[: len(request.body) // 2 if fault == "cut" else None]
        if request.method == "PATCH":
            return () if fault else reply(202, location="/v2/a/b/blobs/uploads/one?state=3")
        if fault != "cut":
            digest = re.search("digest=sha256%3A([a-f0-9]{64})", request.target)
            assert digest is not None
            assert digest_of(self.partial) == f"sha256:{digest[1]}"
            self.blobs[f"sha256:{digest[1]}"] = self.partial
        return () if fault else reply(201)


def methods(taker: Taker) -> list[str]:
    """Of the layer's requests: those between the first HEAD and the second."""
    words = [line.split()[0] for line in taker.seen if line.split()[1] != "/v2/"]
    return words[: words.index("PUT") + 20]


@pytest.mark.parametrize(
    ("faults", "forgets", "expected"),
    [
        ((), False, "HEAD POST PUT"),
        (("cut",), False, "HEAD POST PUT HEAD GET PATCH PUT"),
        (("cut", "cut"), False, "HEAD POST PUT HEAD GET PATCH HEAD GET PATCH PUT"),
        (("cut",), True, "HEAD POST PUT HEAD GET POST PUT"),
        (("lost",), False, "HEAD POST PUT HEAD"),
        (("busy",), False, "HEAD POST PUT HEAD GET PUT"),
    ],
)
def test_an_upload_goes_on_after_a_fault(
    call: Runner, small: str, faults: tuple[str, ...], forgets: bool, expected: str
) -> None:
    taker = Taker(*faults, forgets=forgets)
    with ScriptedServer(taker) as server:
        done = call("push", "-q", small, f"{server.host}/a/b:1")
    assert good(done) == f"{server.host}/a/b:1\n"
    assert " ".join(methods(taker)) == f"{expected} HEAD POST PUT PUT"
    assert len(taker.blobs) == 2


def test_a_registry_that_never_takes_it_is_given_up(call: Runner, small: str) -> None:
    taker = Taker()

    def answer(request: Request) -> bytes | tuple[()]:
        return () if request.method == "PUT" else taker(request)

    with ScriptedServer(answer) as server:
        done = call("push", "-q", small, f"{server.host}/a/b:1")
    assert done.returncode == 125
    assert f"http://{server.host}" in done.stderr
    assert "manifests" not in " ".join(taker.seen)


def test_an_upload_elsewhere_gets_no_password(call: Runner, small: str) -> None:
    """A registry may name another host for its uploads; the login is not for that one."""
    with ScriptedServer(lambda _: reply(202)) as other:
        place = f"http://{other.host}/take?it=1"

        def answer(request: Request) -> bytes:
            if not request.headers.get("authorization"):
                return reply(401, www_authenticate='Basic realm="x"')
            if request.method == "HEAD":
                return reply(404)
            return reply(202, location=place) if request.method == "POST" else reply(200)

        with ScriptedServer(answer) as server:
            words = ("login", "-u", USER, "--password-stdin", server.host)
            good(call(*words, input=PASSWORD))
            call("push", "-q", small, f"{server.host}/a/b:1")
    assert [item.method for item in other.requests if item.target != "/v2/"][:1] == ["PUT"]
    assert all("authorization" not in item.headers for item in other.requests)


def test_a_manifest_that_was_changed_on_its_way(call: Runner, small: str) -> None:
    taker = Taker()

    def answer(request: Request) -> bytes | tuple[()]:
        if "/manifests/" in request.target:
            return reply(201, docker_content_digest=f"sha256:{'0' * 64}")
        return taker(request)

    with ScriptedServer(answer) as server:
        done = call("push", "-q", small, f"{server.host}/a/b:1")
    assert done.returncode == 125
    assert "it was sent the manifest sha256:" in done.stderr
