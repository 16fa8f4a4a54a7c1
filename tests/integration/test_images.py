"""Images end to end: imported, run, saved, read by others, loaded elsewhere, run again.

In: the launcher, busybox, skopeo, podman.  Out: what the containers print, and what the others
say of the archives.  Never: a registry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [pytest.mark.needs("user-namespaces", "busybox"), pytest.mark.context_single]

PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv/web:/bin/sh\n"
GROUP = "root:x:0:\nweb:x:34:\n"


def make_rootfs(path: Path) -> Path:
    """A tar archive of a tiny root file system."""
    root = path / "rootfs"
    for name in ("bin", "etc", "srv/web", "tmp", "root"):
        (root / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), root / "bin/busybox")
    for name in ("sh", "id", "cat", "pwd", "env", "ls", "stat"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    archive = path / "rootfs.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(root, ".", filter=_as_root)
    return archive


def _as_root(item: tarfile.TarInfo) -> tarfile.TarInfo:
    item.uid = item.gid = 0
    item.uname = item.gname = ""
    return item


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_rootfs(tmp_path_factory.mktemp("rootfs"))


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """A store and a runtime directory of the test's own."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {
        "PYROOTLESS_ROOT": str(tmp_path / "store"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def base(pyrootless: Run, own: dict[str, str], rootfs: Path) -> str:
    """The image base:1 in the store; its ID."""
    changes = ("-c", 'CMD ["id","-u"]', "-c", "ENV A=b", "-c", "WORKDIR /not/yet/there")
    return good(pyrootless("import", *changes, rootfs, "base:1", env=own)).strip()


def sh(pyrootless: Run, own: dict[str, str], *words: str, image: str = "base:1") -> str:
    """What a shell in a container prints."""
    *options, script = words
    return good(pyrootless("run", "--rm", *options, image, "sh", "-c", script, env=own))


def test_an_imported_image_runs(pyrootless: Run, own: dict[str, str], base: str) -> None:
    assert good(pyrootless("run", "--rm", "base:1", env=own)) == "0\n"
    script = "pwd; echo $A $HOME $PATH; stat -c '%a %u' ."
    assert sh(pyrootless, own, script) == (
        "/not/yet/there\nb /root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        "755 0\n"
    )


def test_names_and_ids(pyrootless: Run, own: dict[str, str], base: str) -> None:
    good(pyrootless("tag", "base:1", "base", env=own))
    for image in ("base:1", "base", "docker.io/library/base:1", base, base[7:19]):
        assert sh(pyrootless, own, "echo hi", image=image) == "hi\n", image
    assert good(pyrootless("rmi", "base", env=own)) == "Untagged: base:latest\n"
    done = pyrootless("run", "--pull=never", "base", env=own)
    assert done.returncode == 125
    assert 'there is no image "base" here; did you mean "base:1"?' in done.stderr


def test_a_second_start_needs_no_python(
    pyrootless: Run, own: dict[str, str], base: str
) -> None:
    sh(pyrootless, own, "true")
    broken = {**own, "PYROOTLESS_PYTHON": "/nonexistent"}
    assert sh(pyrootless, broken, "echo hi") == "hi\n"


def test_an_image_with_a_user(pyrootless: Run, own: dict[str, str], rootfs: Path) -> None:
    good(pyrootless("import", "-c", "USER web", rootfs, "web:1", env=own))
    script = 'echo "$(id -u) $(id -g) $HOME"'
    assert sh(pyrootless, own, script, image="web:1") == "33 34 /srv/web\n"
    assert sh(pyrootless, own, "-u", "0", script, image="web:1").startswith("0 0 ")


def test_an_image_with_a_user_it_lacks(
    pyrootless: Run, own: dict[str, str], rootfs: Path
) -> None:
    good(pyrootless("import", "-c", "USER nobody", rootfs, "none:1", env=own))
    done = pyrootless("run", "--rm", "none:1", "true", env=own)
    assert (done.returncode, 'has no user "nobody"' in done.stderr) == (125, True)
    assert sh(pyrootless, own, "-u", "0", "id -u", image="none:1") == "0\n"


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_saved_here_loaded_there(
    pyrootless: Run, own: dict[str, str], base: str, tmp_path: Path, form: str
) -> None:
    archive = tmp_path / "base.tar"
    good(pyrootless("save", "--format", form, "-o", archive, "base:1", env=own))
    there = {**own, "PYROOTLESS_ROOT": str(tmp_path / "there")}
    with archive.open("rb") as stream:
        done = pyrootless("load", env=there, stdin=stream)
    assert good(done) == "Loaded image: base:1\n"
    assert sh(pyrootless, there, "echo $A") == "b\n"
    assert good(pyrootless("images", "-q", "--no-trunc", env=there)) == f"{base}\n"


def test_a_pipe_from_store_to_store(
    launcher: Path, pyrootless: Run, own: dict[str, str], base: str,
    engine_environment: dict[str, str], tmp_path: Path,
) -> None:  # fmt: skip
    environment = {**engine_environment, **own}
    with subprocess.Popen(
        [launcher, "save", "base:1"], stdout=subprocess.PIPE, env=environment
    ) as saving:
        there = {**own, "PYROOTLESS_ROOT": str(tmp_path / "there")}
        assert (
            good(pyrootless("load", env=there, stdin=saving.stdout)) == "Loaded image: base:1\n"
        )
        assert saving.wait(timeout=60) == 0


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
def test_images_run_where_they_lie(
    pyrootless: Run, own: dict[str, str], base: str, tmp_path: Path, form: str
) -> None:
    place = tmp_path / "place"
    good(pyrootless("save", "--format", form, "-o", place, "base:1", env=own))
    there = {**own, "PYROOTLESS_ROOT": str(tmp_path / "there")}
    transport = "oci" if form == "oci-dir" else form
    for _ in range(2):
        assert sh(pyrootless, there, "echo $A", image=f"{transport}:{place}") == "b\n"
    assert json.loads(good(pyrootless("images", "--json", env=there)))[0]["tag"] is None


def test_a_place_is_pulled_with_its_names(
    pyrootless: Run, own: dict[str, str], base: str, tmp_path: Path
) -> None:
    good(pyrootless("save", "-o", tmp_path / "a.tar", "base:1", env=own))
    there = {**own, "PYROOTLESS_ROOT": str(tmp_path / "there")}
    done = pyrootless("pull", f"docker-archive:{tmp_path}/a.tar", env=there)
    assert good(done) == "base:1\n"
    assert sh(pyrootless, there, "echo $A") == "b\n"


@pytest.mark.needs("skopeo")
def test_skopeo_reads_what_is_saved(
    pyrootless: Run, own: dict[str, str], base: str, tmp_path: Path
) -> None:
    forms = {"docker-archive": "docker-archive:{}", "oci-archive": "oci-archive:{}:1",
             "oci-dir": "oci:{}:1"}  # fmt: skip
    for form, place in forms.items():
        path = tmp_path / form
        good(pyrootless("save", "--format", form, "-o", path, "base:1", env=own))
        found = json.loads(_call("skopeo", "inspect", "--config", place.format(path)))
        assert found["config"]["Env"] == ["A=b"]
        _call("skopeo", "copy", "--insecure-policy", place.format(path), f"dir:{path}.copy")
    config = json.loads((tmp_path / "oci-archive.copy/manifest.json").read_text())["config"]
    assert config["digest"] == base


@pytest.mark.needs("skopeo")
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_what_skopeo_writes_is_loaded(
    pyrootless: Run, own: dict[str, str], base: str, tmp_path: Path, form: str
) -> None:
    good(
        pyrootless("save", "--format", "oci-dir", "-o", tmp_path / "layout", "base:1", env=own)
    )
    source, name = f"oci:{tmp_path}/layout:1", "docker.io/library/copy:2"
    _call("skopeo", "copy", "--insecure-policy", source, f"{form}:{tmp_path}/a.tar:{name}")
    done = pyrootless("load", "-i", tmp_path / "a.tar", env=own)
    assert good(done) == "Loaded image: copy:2\n"
    assert sh(pyrootless, own, "echo $A", image="copy:2") == "b\n"


@pytest.mark.needs("podman", "subordinate-ids")
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_podman_loads_what_is_saved_and_the_other_way_round(
    pyrootless: Run, own: dict[str, str], base: str, tmp_path: Path, form: str
) -> None:
    good(pyrootless("save", "--format", form, "-o", tmp_path / "a.tar", "base:1", env=own))
    podman = ["podman", "--root", f"{tmp_path}/p", "--runroot", f"{tmp_path}/r",
              "--storage-driver", "vfs"]  # fmt: skip
    try:
        assert "docker.io/library/base:1" in _call(*podman, "load", "-i", f"{tmp_path}/a.tar")
        (found,) = json.loads(_call(*podman, "inspect", "docker.io/library/base:1"))
        assert found["Id"] == base.removeprefix("sha256:")
        out = ("--format", form, "-o", f"{tmp_path}/b.tar")
        _call(*podman, "save", *out, "docker.io/library/base:1")
    finally:
        _call("podman", "unshare", "rm", "-rf", f"{tmp_path}/p", f"{tmp_path}/r")
    there = {**own, "PYROOTLESS_ROOT": str(tmp_path / "there")}
    assert "base:1" in good(pyrootless("load", "-i", tmp_path / "b.tar", env=there))
    assert good(pyrootless("images", "-q", "--no-trunc", env=there)) == f"{base}\n"


def _call(*words: str) -> str:
    """Standard output of another engine's program."""
    environment = {**os.environ, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.needs("umoci")
def test_what_umoci_inserts_is_there(
    pyrootless: Run, own: dict[str, str], base: str, tmp_path: Path
) -> None:
    """Its layers end with their last file's last byte: neither padding nor closing blocks."""
    place = tmp_path / "layout"
    good(pyrootless("save", "--format", "oci-dir", "-o", place, "base:1", env=own))
    (tmp_path / "more").write_text("inserted\n")
    _call("umoci", "insert", "--rootless", "--image", f"{place}:1", f"{tmp_path}/more", "/more")
    assert sh(pyrootless, own, "cat /more", image=f"oci:{place}:1") == "inserted\n"


def test_a_hostile_archive_changes_nothing(
    pyrootless: Run, own: dict[str, str], base: str, tmp_path: Path
) -> None:
    good(pyrootless("save", "-o", tmp_path / "a.tar", "base:1", env=own))
    data = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[: len(data) // 2])
    before = good(pyrootless("images", "--json", env=own))
    done = pyrootless("load", "-i", tmp_path / "cut.tar", env=own)
    assert (done.returncode, done.stdout) == (125, "")
    assert "cut off" in done.stderr
    assert good(pyrootless("images", "--json", env=own)) == before
    assert list((tmp_path / "store/tmp").iterdir()) == []


def test_an_image_for_another_machine(
    pyrootless: Run, own: dict[str, str], base: str, tmp_path: Path
) -> None:
    good(pyrootless("save", "--format", "oci-dir", "-o", tmp_path / "l", "base:1", env=own))
    blobs = tmp_path / "l/blobs/sha256"
    config = (blobs / base[7:]).read_bytes()
    foreign = config.replace(b'"architecture":"amd64"', b'"architecture":"s390x"')
    foreign = foreign.replace(b'"architecture":"arm64"', b'"architecture":"s390x"')
    from pyrootless.images.imported import make_manifest
    from pyrootless.images.manifest import digest_of, encode_index, parse_manifest

    index = json.loads((tmp_path / "l/index.json").read_bytes())
    old = parse_manifest((blobs / index["manifests"][0]["digest"][7:]).read_bytes(), None)
    made = make_manifest(foreign, old.layers)  # type: ignore[union-attr]
    for data in (foreign, made.raw):
        (blobs / digest_of(data)[7:]).write_bytes(data)
    entry = made.config.__class__(made.media_type, made.digest, len(made.raw))
    (tmp_path / "l/index.json").write_bytes(encode_index([entry]))
    done = pyrootless("run", "--rm", f"oci:{tmp_path}/l", "true", env=own)
    assert done.returncode == 125
    assert "is for linux/s390x, and this machine is linux/" in done.stderr
