"""Bad images, bad registries and bad luck, seen from the command line.

In: the launcher in processes of its own, scripted registries, layouts made by hand.
Out: exit status 125 with an error that names what and what to do; what was stored before stays,
and a next command leaves nothing behind.
Never: a registry of somebody else, a wait that is not for an event.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from image_layouts import directory, file, hard, layer_tar, link, opaque, whiteout
from image_layouts import write_layout as layout_of
from scripted_images import MANIFEST_TYPE, Said, ScriptedImages, digest_of
from scripted_server import Request, ScriptedServer, drip, head, reply

Done = subprocess.CompletedProcess[str]
Runner = Callable[..., Done]
SECONDS = 60
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))
NOISE = os.urandom(200_000)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A user of this test's own; an impatient one."""
    (tmp_path / "run").mkdir(mode=0o700)
    settings = tmp_path / ".config/pyrootless/registries.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[patience]\nwindow-seconds = 0.5\nwindow-bytes = 1000\ntries = 2\n"
                        "pause-seconds = 0.01\n")  # fmt: skip
    return {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PYROOTLESS_ROOT": str(tmp_path / "store"),
    }


@pytest.fixture
def call(pyrootless: Runner, env: dict[str, str]) -> Runner:
    """The launcher as that user."""
    return lambda *words, **options: pyrootless(*words, env=env, **options)


def good(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def listing(env: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Every path of the store → mode and size; directories without their size."""
    base = Path(env["PYROOTLESS_ROOT"])
    found = {}
    for path in base.rglob("*"):
        st = path.lstat()
        found[str(path.relative_to(base))] = (st.st_mode, 0 if path.is_dir() else st.st_size)
    return found


# --- registries ------------------------------------------------------------------------------


def images_of(*tags: str) -> ScriptedImages:
    made = ScriptedImages()
    for tag in tags:
        made.add_image(tag, [{"etc/name": tag.encode(), "noise": NOISE}, {"top": b"t"}])
    return made


def first_layer(images: ScriptedImages, tag: str) -> str:
    return str(json.loads(images.manifests[tag][0])["layers"][0]["digest"])


def spoil(images: ScriptedImages, data: bytes) -> None:
    """Other bytes under the digest of the image's first layer."""
    images.blobs[first_layer(images, "bad")] = data


def say(images: ScriptedImages, answer: Callable[[Request], Said]) -> None:
    """The same answer to each request for the image's first layer."""
    layer = first_layer(images, "bad")
    images.before = lambda request: answer(request) if request.target.endswith(layer) else None


def wrong_byte(images: ScriptedImages) -> None:
    data = images.blobs[first_layer(images, "bad")]
    spoil(images, data[:-1] + bytes([data[-1] ^ 1]))


def short(images: ScriptedImages) -> None:
    spoil(images, images.blobs[first_layer(images, "bad")][:-100])


def cut_off(images: ScriptedImages) -> None:
    data = images.blobs[first_layer(images, "bad")]
    say(images, lambda _: iter([head(200, f"Content-Length: {len(data)}"), data[:100]]))


def endless(images: ScriptedImages) -> None:
    def answer(request: Request) -> Iterator[bytes]:
        yield head(200, "Transfer-Encoding: chunked")
        while not request.server.stopped.is_set():
            yield b"10000\r\n" + bytes(0x10000) + b"\r\n"

    say(images, answer)


def dripping(images: ScriptedImages) -> None:
    def answer(request: Request) -> Iterator[bytes]:
        yield head(200, "Transfer-Encoding: chunked")
        yield from drip(request.server, b"1\r\nx\r\n")

    say(images, answer)


def broken(images: ScriptedImages) -> None:
    say(images, lambda _: reply(503, b"no"))


def relabelled(images: ScriptedImages) -> None:
    """A manifest that says of itself what its header denies."""
    raw, _ = images.manifests["bad"]
    images.manifests["bad"] = (raw, "application/vnd.oci.image.index.v1+json")


def no_json(images: ScriptedImages) -> None:
    images.manifests["bad"] = (b"<html>", MANIFEST_TYPE)


def hostile(*entries: object) -> Callable[[ScriptedImages], None]:
    """An image of one layer whose digests are right and whose members are not."""

    def plant(images: ScriptedImages) -> None:
        plain = layer_tar(entries)  # type: ignore[arg-type]
        document = json.loads(images.manifests["bad"][0])
        config = json.loads(images.blobs[document["config"]["digest"]])
        config["rootfs"]["diff_ids"] = [digest_of(plain)]
        for row, data in (
            (document["config"], json.dumps(config).encode()),
            (document["layers"][0], gzip.compress(plain, mtime=0)),
        ):
            row["digest"], row["size"] = images.add_blob(data), len(data)
        document["layers"] = document["layers"][:1]
        images.manifests["bad"] = (json.dumps(document).encode(), MANIFEST_TYPE)

    return plant


BAD: dict[str, tuple[Callable[[ScriptedImages], None], str]] = {
    "a wrong byte": (wrong_byte, "sha256:"),
    "a short blob": (short, "registry"),
    "a transfer that is cut off": (cut_off, "the connection broke"),
    "a blob without an end": (endless, "than "),
    "a slow drip": (dripping, "too slow"),
    "503": (broken, "503"),
    "a manifest called an index": (relabelled, "index"),
    "a page instead of a manifest": (no_json, "manifest"),
    "a name that leads out": (hostile(file("../../evil", b"x")), "leads out"),
    "a link out, and a file below it": (
        hostile(link("out", "../../../.."), hard("evil", "out/etc/passwd")),
        "hard link",
    ),
    "a hard link to the machine's file": (hostile(hard("evil", "/etc/passwd")), "hard link"),
    "a directory put where a link was": (
        hostile(directory("d"), link("e", "d"), file("e/x/../../../../evil", b"x")),
        "leads out",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_pull_changes_nothing(what: str, call: Runner, env: dict[str, str]) -> None:
    change, words = BAD[what]
    images = images_of("good", "bad")
    images.add_image("bad", [{"other": NOISE[1:]}])
    change(images)
    with ScriptedServer(images) as server:
        good(call("pull", "-q", f"{server.host}/a/b:good"))
        before = listing(env)
        done = call("pull", f"{server.host}/a/b:bad", timeout=30)
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    assert done.stderr.startswith("pyrootless: ") or "\npyrootless: " in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    good(call("image", "prune", "-f"))
    after = listing(env)
    assert {path for path in before if before[path] != after.get(path)} == set()
    assert {path for path in after if path not in before} <= {"collect.lock"}
    assert not list(Path(env["HOME"]).rglob("evil"))


def test_two_pulls_of_one_image_and_a_prune_at_once(
    launcher: Path, engine_environment: dict[str, str], env: dict[str, str], call: Runner
) -> None:
    images = images_of("kept", "one")
    full = {**engine_environment, **env}
    with ScriptedServer(images) as server:
        kept, name = (f"{server.host}/a/b:{tag}" for tag in ("kept", "one"))
        good(call("pull", "-q", kept))
        for _ in range(2):
            words = [["pull", "-q", name], ["pull", "-q", name], ["image", "prune", "-f"]]
            running = [
                subprocess.Popen([str(launcher), *line], env=full, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
                for line in words
            ]  # fmt: skip
            for process in running:
                _, said = process.communicate(timeout=SECONDS)
                assert process.returncode == 0, said
            assert good(call("images", "-q", name)) != ""
            good(call("rmi", name))
        good(call("pull", "-q", name))
    good(call("image", "prune", "-f"))
    rows = json.loads(good(call("images", "--json")))
    assert {row["tag"] for row in rows} == {"kept", "one"}
    store = Path(env["PYROOTLESS_ROOT"])
    assert [path.name for room in ("tmp", "trash") for path in (store / room).iterdir()] == []


FULL = """
set -e
mount -t tmpfs -o size="$3" none "$2"
shift_to() { PYROOTLESS_ROOT=$1; export PYROOTLESS_ROOT; }
shift_to "$2/store"
"$1" pull -q "$4:good" > /dev/null && "$1" images -q "$4:good" > "$2/../before"
"$1" pull "$4:large" 2> "$2/../said" && exit 1
echo "status $?"
"$1" images -q "$4:good" | cmp - "$2/../before" && echo same
"$1" image prune -f > /dev/null && ls "$2/store/trash" && echo swept
"$1" rmi "$4:good" > /dev/null && "$1" pull -q "$4:small"
"""


@pytest.mark.needs("user-namespaces", "unshare")
def test_a_disk_that_fills_in_the_middle_of_a_pull(
    launcher: Path, engine_environment: dict[str, str], env: dict[str, str], tmp_path: Path
) -> None:
    images = images_of("good", "small")
    images.add_image("large", [{f"n{i}": os.urandom(200_000) for i in range(20)}])
    (tmp_path / "disk").mkdir()
    with ScriptedServer(images) as server:
        words = [str(launcher), str(tmp_path / "disk"), "3m", f"{server.host}/a/b"]
        done = subprocess.run(
            ["unshare", "-Urm", "sh", "-c", FULL, "sh", *words],
            env={**engine_environment, **env},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    said = (tmp_path / "said").read_text()
    assert done.stdout.splitlines() == [
        "status 125", "same", "swept", f"{server.host}/a/b:small",
    ], done.stderr + said  # fmt: skip
    assert "No space left on device" in said
    assert "remedy: make room" in said


# --- the store -------------------------------------------------------------------------------


def busybox_layer() -> bytes:
    program = Path(str(shutil.which("busybox"))).read_bytes()
    applets = (link(f"bin/{name}", "busybox") for name in ("cat", "find", "ls", "sh", "stat"))
    return layer_tar(
        [directory("bin"), file("bin/busybox", program, 0o755), *applets, directory("etc")]
    )


@pytest.fixture
def layout(tmp_path: Path) -> str:
    """An image of busybox, as oci:DIR:TAG."""
    layout_of(tmp_path / "layout", "1", [busybox_layer()])
    return f"oci:{tmp_path / 'layout'}:1"


@pytest.mark.needs("busybox", "user-namespaces")
@pytest.mark.parametrize("ids", ["single", RANGE])
@pytest.mark.parametrize("name", [".", "etc", "sub"])
@pytest.mark.parametrize("mode", [0, 0o300])
def test_directories_that_keep_their_owner_out(
    mode: int, name: str, ids: str, call: Runner, tmp_path: Path
) -> None:
    """Who starts a container is no root; the root in it is, and sees the image's modes."""
    program = Path(str(shutil.which("busybox"))).read_bytes()
    data = layer_tar([
        directory(".", mode if name == "." else 0o755), directory("bin"), directory("etc"),
        file("bin/busybox", program, 0o755), link("bin/sh", "busybox"), directory("proc"),
        directory("sub"), file("sub/file", b"in it", owner=(5, 6)), directory(name, mode),
    ])  # fmt: skip
    layout_of(tmp_path / "layout", "1", [data])
    script = "busybox cat /sub/file; cd /; busybox stat -c ' %a' etc sub; busybox id -u"
    run = ("run", "--rm", f"--userns={ids}", f"oci:{tmp_path / 'layout'}:1", "sh", "-c", script)
    modes = [f"{mode if name == found else 0o755:o}" for found in ("etc", "sub")]
    assert good(call(*run)) == f"in it {modes[0]}\n {modes[1]}\n0\n"
    other = good(call(*run[:3], "-u", "1000", *run[3:-1], "busybox id -u; busybox pwd"))
    assert other == "1000\n/\n"


@pytest.mark.needs("busybox", "user-namespaces")
def test_names_in_an_etc_that_keeps_its_owner_out(call: Runner, tmp_path: Path) -> None:
    program = Path(str(shutil.which("busybox"))).read_bytes()
    data = layer_tar([
        directory("bin"), file("bin/busybox", program, 0o755), directory("etc", 0),
        file("etc/passwd", b"bob:x:1000:1000::/:/bin/sh\n"),
    ])  # fmt: skip
    layout_of(tmp_path / "layout", "1", [data])
    done = call("run", "--rm", "-u", "bob", f"oci:{tmp_path / 'layout'}:1", "busybox", "id")
    assert (done.returncode, done.stdout) == (125, "")
    assert "/etc/passwd cannot be read, so no name can be looked up" in done.stderr


NEWER = [
    ("run", "--rm", "busybox:1", "true"), ("run", "--rm", "host", "true"), ("images",),
    ("pull", "busybox:1"), ("inspect", "busybox:1"), ("history", "busybox:1"),
    ("tag", "busybox:1", "b"),
    ("rmi", "busybox:1"), ("save", "busybox:1"), ("load",), ("import", "-", "b:2"),
    ("image", "prune", "-f"), ("system", "prune", "-f"), ("system", "df"),
]  # fmt: skip


@pytest.mark.needs("busybox", "user-namespaces")
@pytest.mark.parametrize("words", NEWER, ids=" ".join)
def test_a_store_of_a_newer_version_is_left_alone(
    words: tuple[str, ...], call: Runner, env: dict[str, str], layout: str
) -> None:
    image = good(call("pull", layout)).strip()
    good(call("tag", image, "busybox:1"))
    store = Path(env["PYROOTLESS_ROOT"])
    (store / "tmp" / "of-the-newer").mkdir()
    (store / "version").write_text("2\n")
    before = listing(env)
    done = call(*words)
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    assert f"a newer pyrootless wrote the store at {store}: it has version 2" in done.stderr
    assert "remedy: install " in done.stderr
    assert listing(env) == before


@pytest.mark.needs("busybox", "user-namespaces")
@pytest.mark.parametrize("text", ["", "one\n", "0\n", "1 2\n"])
def test_a_damaged_version_is_named(text: str, call: Runner, env: dict[str, str]) -> None:
    store = Path(env["PYROOTLESS_ROOT"])
    store.mkdir()
    (store / "version").write_text(text)
    for words in (("run", "--rm", "host", "true"), ("images",)):
        done = call(*words)
        assert (done.returncode, done.stdout) == (125, ""), done.stderr
        assert f"{store}/version" in done.stderr
        assert "echo 1 > " in done.stderr
    assert [path.name for path in store.iterdir()] == ["version"]


@pytest.mark.needs("busybox", "user-namespaces")
@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_a_corrupted_blob_is_found_on_use(
    which: str, call: Runner, env: dict[str, str], layout: str
) -> None:
    """The template is gone and is made anew from blobs; then the layer's tree is gone too."""
    image = good(call("pull", layout)).strip()
    good(call("tag", image, "busybox:1"))
    store = Path(env["PYROOTLESS_ROOT"])
    (made,) = (store / "images").iterdir()
    manifest = json.loads((store / "blobs/sha256" / made.name).read_bytes())
    digests = {
        "manifest": f"sha256:{made.name}",
        "config": manifest["config"]["digest"],
        "layer": manifest["layers"][0]["digest"],
    }
    shutil.rmtree(made)
    if which == "layer":
        (tree,) = (store / "layers").iterdir()
        good(call("unshare", "rm", "-rf", str(tree)))
    path = store / "blobs/sha256" / digests[which][7:]
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = call("run", "--rm", "busybox:1", "cat", "/etc/passwd")
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    assert digests[which] in done.stderr
    assert "corrupted" in done.stderr
    assert "remedy: " in done.stderr
    assert good(call("pull", layout)) != ""
    assert good(call("run", "--rm", "busybox:1", "sh", "-c", "echo healed")) == "healed\n"


# --- many layers, many files -----------------------------------------------------------------


def tricky_layers(count: int) -> list[bytes]:
    """Layers that hide, bring back, and turn into something else what others made."""
    layers = [busybox_layer()]
    things = [file("a/one", b"1"), file("b/two", b"2"), file("turn", b"3"), directory("c")]
    layers.append(layer_tar([*things, file("c/three", b"3"), link("d", "b")]))
    for number in range(count - len(layers) - 4):
        hidden = [whiteout(f"n/{number - 1}")] if number else []
        layers.append(
            layer_tar([file(f"n/{number}", b"n"), *hidden, file("last", b"%d" % number)])
        )
    layers.append(layer_tar([whiteout("a"), opaque("b"), file("b/new", b"4")]))
    layers.append(layer_tar([whiteout("turn"), directory("turn"), file("turn/inner", b"5")]))
    # A whiteout of what this layer brings itself, of what is not there, and of a link.
    layers.append(layer_tar([file("a/back", b"6"), whiteout("a"), whiteout("no/such"),
                             whiteout("d")]))  # fmt: skip
    layers.append(layer_tar([directory("d"), file("d/own", b"7"), whiteout("c/three")]))
    return layers


SEEN = """\
/a
/a/back
/b
/b/new
/c
/d
/d/own
/last
/n
/n/{last}
/no
/turn
/turn/inner
"""


@pytest.mark.needs("busybox", "user-namespaces", "fuse", "fuse-overlayfs")
@pytest.mark.parametrize("ids", ["single", RANGE])
def test_200_layers_with_tricks(ids: str, call: Runner, tmp_path: Path) -> None:
    layout_of(tmp_path / "layout", "200", tricky_layers(200), compression="")
    image = good(call("pull", f"oci:{tmp_path / 'layout'}:200")).strip()
    good(call("tag", image, "tricky:1"))
    script = "find /a /b /c /d /last /n /no /turn; cat /last"
    for driver in ("overlay", "fuse-overlayfs"):
        options = (f"--userns={ids}", f"--storage-driver={driver}")
        seen = good(call("run", "--rm", *options, "tricky:1", "sh", "-c", script))
        *paths, last = seen.splitlines()
        assert "".join(f"{path}\n" for path in sorted(paths)) == SEEN.format(last=193)
        assert last == "193"
