"""pull, login, logout: the launcher, real registries, and a scripted one for interruptions."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from real_registry import PASSWORD, REFRESH, USER, RealRegistry, serve_registry
from scripted_images import Said, ScriptedImages
from scripted_server import Request, ScriptedServer, head

from pyrootless.images.store.disk import Store, open_store

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
NEEDS = pytest.mark.needs("docker-registry", "skopeo", "htpasswd", "openssl")


@pytest.fixture(scope="module")
def images() -> ScriptedImages:
    """Tags one (two layers) and both (two machines)."""
    made = ScriptedImages()
    made.add_image(
        "one", [{"etc/name": b"base\n", "noise": os.urandom(200_000)}, {"top": b"t"}]
    )
    arm = made.add_image("arm", [{"machine": b"arm64"}], architecture="arm64")
    amd = made.add_image("amd", [{"machine": b"amd64"}])
    made.add_index("both", [arm, amd])
    return made


@pytest.fixture(scope="module", params=["none", "basic", "token"])
def registry(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    images: ScriptedImages,
) -> Iterator[RealRegistry]:
    directory = tmp_path_factory.mktemp("registry") / request.param
    with serve_registry(directory, request.param) as running:
        running.push(images, "one")
        running.push(images, "both")
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


def stored(env: dict[str, str]) -> Store:
    return open_store(env["PYROOTLESS_ROOT"])


def tree(store: Store, name: str) -> dict[str, bytes]:
    """All files of an image, upper layers first."""
    image = store.find(name)
    assert image is not None
    found: dict[str, bytes] = {}
    for diff_id in reversed(image.config.diff_ids):
        top = store.layers.tree(diff_id)
        for path in top.rglob("*"):
            if path.is_file():
                found.setdefault(str(path.relative_to(top)), path.read_bytes())
    return found


def log_in(call: Runner, registry: RealRegistry) -> None:
    if registry.kind != "none":
        done = call(
            "login", "-u", USER, "--password-stdin", registry.host, input=f"{PASSWORD}\n"
        )
        assert done.returncode == 0, done.stderr


@NEEDS
def test_pull(
    registry: RealRegistry, call: Runner, env: dict[str, str], images: ScriptedImages
) -> None:
    log_in(call, registry)
    name = f"{registry.host}/a/b:one"
    done = call("pull", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{name}\n"
    assert done.stderr.count(": downloaded and unpacked\n") == 2
    files = tree(stored(env), name)
    assert set(files) == {"etc/name", "noise", "top"}
    assert files["etc/name"] == b"base\n"
    again = call("pull", "-q", name)
    assert (again.stdout, again.stderr) == (f"{name}\n", "")


@NEEDS
@pytest.mark.parametrize("options", [("--format=v2s2",), ("--dest-compress-format=zstd",)])
def test_docker_manifests_and_zstd(
    registry: RealRegistry,
    call: Runner,
    env: dict[str, str],
    images: ScriptedImages,
    options: tuple[str, ...],
) -> None:
    digest = registry.push(images, "one", *options, name="forms/x")
    log_in(call, registry)
    name = f"{registry.host}/forms/x@{digest}"
    done = call("pull", name)
    assert done.returncode == 0, done.stderr
    image = stored(env).find(name)
    assert image is not None
    assert image.manifest.digest == digest
    assert set(tree(stored(env), name)) == {"etc/name", "noise", "top"}


@NEEDS
@pytest.mark.parametrize("machine", ["amd64", "arm64"])
def test_platforms(
    registry: RealRegistry, call: Runner, env: dict[str, str], machine: str
) -> None:
    log_in(call, registry)
    name = f"{registry.host}/a/b:both"
    assert call("pull", "-q", "--platform", f"linux/{machine}", name).returncode == 0
    assert tree(stored(env), name) == {"machine": machine.encode()}
    done = call("pull", "-q", "--platform", "linux/s390x", name)
    assert done.returncode == 125
    assert "there is no image for linux/s390x; there is linux/amd64, linux/arm64" in done.stderr


@NEEDS
@pytest.mark.parametrize("registry", ["basic", "token"], indirect=True)
def test_login_and_logout(registry: RealRegistry, call: Runner, env: dict[str, str]) -> None:
    name = f"{registry.host}/a/b:one"
    done = call("pull", name)
    assert done.returncode == 125
    assert "access denied" in done.stderr
    assert f"pyrootless login {registry.host}" in done.stderr
    wrong = call("login", "-u", USER, "--password-stdin", registry.host, input="wrong")
    assert wrong.returncode == 125
    assert "access denied" in wrong.stderr
    assert "nothing was noted: check the name" in wrong.stderr
    assert "pyrootless login" not in wrong.stderr
    notes = Path(env["XDG_RUNTIME_DIR"]) / "containers/auth.json"
    assert not notes.exists()
    log_in(call, registry)
    assert stat.S_IMODE(notes.stat().st_mode) == 0o600
    assert call("pull", "-q", name).returncode == 0
    assert f"logged out of {registry.host}" in call("logout", registry.host).stdout
    assert json.loads(notes.read_text()) == {"auths": {}}
    assert call("pull", name).returncode == 125


@NEEDS
@pytest.mark.parametrize("registry", ["basic", "token"], indirect=True)
def test_login_of_podman_counts(
    registry: RealRegistry, call: Runner, env: dict[str, str]
) -> None:
    """skopeo writes podman's file, and we read it; skopeo reads what we write."""
    notes = str(Path(env["XDG_RUNTIME_DIR"]) / "containers/auth.json")
    Path(notes).parent.mkdir()
    words = ("login", "--tls-verify=false", f"--authfile={notes}", "-u", USER, "-p", PASSWORD)
    subprocess.run(
        ["skopeo", *words, registry.host], check=True, capture_output=True, timeout=60
    )
    assert call("pull", "-q", f"{registry.host}/a/b:one").returncode == 0
    assert call("logout", registry.host).returncode == 0
    log_in(call, registry)
    inspect = ["skopeo", "inspect", "--tls-verify=false", f"--authfile={notes}"]
    subprocess.run(
        [*inspect, f"docker://{registry.host}/a/b:one"],
        check=True,
        capture_output=True,
        timeout=60,
    )


@NEEDS
@pytest.mark.parametrize("registry", ["token"], indirect=True)
def test_identity_token(registry: RealRegistry, call: Runner, env: dict[str, str]) -> None:
    place = Path(env["HOME"]) / ".docker"
    place.mkdir()
    auths = {registry.host: {"identitytoken": REFRESH}}
    (place / "config.json").write_text(json.dumps({"auths": auths}))
    done = call("pull", "-q", f"{registry.host}/a/b:one")
    assert done.returncode == 0, done.stderr
    assert registry.tokens[-1] == "repository:a/b:pull"


@NEEDS
def test_unknown_tag(registry: RealRegistry, call: Runner) -> None:
    log_in(call, registry)
    done = call("pull", f"{registry.host}/a/b:bot")
    assert done.returncode == 125
    assert 'there is no tag "bot"\n  remedy: did you mean "both"?' in done.stderr


@NEEDS
@pytest.mark.parametrize("registry", ["basic"], indirect=True)
def test_login_asks_on_a_terminal(
    registry: RealRegistry, launcher: Path, env: dict[str, str]
) -> None:
    full = {**os.environ, **env}
    child = pexpect.spawn(str(launcher), ["login", registry.host], env=full, timeout=30)
    child.expect_exact(f"name for {registry.host}: ")
    child.sendline(USER)
    child.expect_exact(f"password of {USER}: ")
    child.sendline(PASSWORD)
    child.expect_exact(f"logged in to {registry.host}")
    child.expect(pexpect.EOF)
    assert PASSWORD.encode() not in child.before
    child.close()
    assert child.exitstatus == 0


def test_login_without_a_terminal(call: Runner) -> None:
    done = call("login", "127.0.0.1:1")
    assert done.returncode == 125
    assert "--password-stdin" in done.stderr


def test_bars_on_a_terminal(
    launcher: Path, env: dict[str, str], images: ScriptedImages
) -> None:
    with ScriptedServer(images) as server:
        full = {**os.environ, **env, "TERM": "xterm"}
        words = ["pull", f"{server.host}/a/b:one"]
        child = pexpect.spawn(str(launcher), words, env=full, timeout=60, dimensions=(24, 120))
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
    assert b"downloaded and unpacked" in child.before
    assert "━".encode() in child.before


# --- ended in the middle ---------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_pull_that_is_ended_goes_on_later(
    launcher: Path,
    engine_environment: dict[str, str],
    env: dict[str, str],
    images: ScriptedImages,
    number: signal.Signals,
) -> None:
    layer = json.loads(images.manifests["one"][0])["layers"][0]["digest"]
    data = images.blobs[layer]
    name = f"partial-{layer.removeprefix('sha256:')}"
    served = ScriptedImages()
    served.blobs, served.manifests = images.blobs, images.manifests
    served.before = lambda request: (
        halted(request, data) if request.target.endswith(layer) else None
    )
    full = {**engine_environment, **env}
    temporary = Path(env["PYROOTLESS_ROOT"]) / "tmp"
    with ScriptedServer(served) as server:
        words = [str(launcher), "pull", f"{server.host}/a/b:one"]
        with subprocess.Popen(
            words, env=full, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            wait_until_there(temporary / name, process)
            process.send_signal(number)
            _, said = process.communicate(timeout=30)
        left = {path.name for path in temporary.iterdir()}
        assert name in left
        if number == signal.SIGKILL:
            assert process.returncode == -number
        else:
            assert left == {name}
            assert process.returncode == (130 if number == signal.SIGINT else -number), said
            assert "Traceback" not in said
        served.before = lambda _: None
        done = subprocess.run(words, env=full, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        ranges = [item.headers.get("range") for item in server.requests
                  if item.target.endswith(layer)]  # fmt: skip
    assert len(ranges) == 2
    assert str(ranges[1]).startswith("bytes=")
    assert [path.name for path in temporary.iterdir()] == []
    assert stored(env).find(words[-1]) is not None


def halted(request: Request, data: bytes) -> Iterator[bytes]:
    """Half of the blob, then nothing until the test ends."""
    yield head(200, f"Content-Length: {len(data)}")
    yield data[: len(data) // 2]
    request.server.stopped.wait(60)


def wait_until_there(path: Path, process: subprocess.Popen[str]) -> None:
    """Until the file has bytes; the process must not end before."""
    for _ in range(3000):
        if path.exists() and path.stat().st_size > 0:
            return
        assert process.poll() is None, process.stderr and process.stderr.read()
        process_wait(process)
    raise AssertionError(f"{path} did not grow")


def process_wait(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(timeout=0.01)
    except subprocess.TimeoutExpired:
        pass


def test_a_registry_that_cannot_be_reached(call: Runner) -> None:
    done = call("pull", "127.0.0.1:1/a/b")
    assert done.returncode == 125
    assert "cannot be reached: Connection refused" in done.stderr
    assert "remedy: check name, network and proxy" in done.stderr


def test_a_malformed_name(call: Runner) -> None:
    done = call("pull", "UPPER/case")
    assert done.returncode == 125
    assert "UPPER/case" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_slow_registry_by_the_settings_file(
    call: Runner, env: dict[str, str], images: ScriptedImages
) -> None:
    settings = Path(env["HOME"]) / ".config/pyrootless/registries.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[patience]\nwindow-seconds = 0.5\nwindow-bytes = 100000\ntries = 2\n")
    served = ScriptedImages()
    served.blobs, served.manifests = images.blobs, images.manifests
    served.before = slowly
    with ScriptedServer(served) as server:
        done = call("pull", f"{server.host}/a/b:one", timeout=30)
    assert done.returncode == 125
    assert "is too slow" in done.stderr
    assert "patience.window-seconds" in done.stderr


def slowly(request: Request) -> Said:
    yield head(200, "Transfer-Encoding: chunked")
    while not request.server.stopped.wait(0.02):
        yield b"1\r\nx\r\n"
