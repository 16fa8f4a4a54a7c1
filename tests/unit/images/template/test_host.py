"""images.template.host and skeleton: what of a (fake) machine comes into the image."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrootless.config import Directories
from pyrootless.errors import StoreError
from pyrootless.images.template import host, runtime_config, skeleton

PUBLIC = {
    "etc/ld.so.cache": "cache",
    "etc/ld.so.conf.d/a.conf": "/opt/lib",
    "etc/ssl/certs/ca-certificates.crt": "CERT",
    "etc/ssl/openssl.cnf": "conf",
    "etc/protocols": "tcp 6 TCP",
    "etc/python3/debian_config": "x",
    "etc/python3.13/sitecustomize.py": "",
    "etc/java-17-openjdk/security/java.security": "x",
    "etc/bash.bashrc": "PS1=x",
    "usr/lib/os-release": "ID=test\n",
    "usr/bin/bash": "",
}
SECRET = {
    "etc/shadow": 0o644,  # even when somebody made it readable
    "etc/gshadow": 0o640,
    "etc/sudoers": 0o644,
    "etc/machine-id": 0o644,
    "etc/hostname": 0o644,
    "etc/ssh/ssh_host_rsa_key": 0o600,
    "etc/ssl/private/server.key": 0o644,
    "etc/ssl/certs/oops.key": 0o644,
    "etc/ssl/certs/hidden.crt": 0o640,
    "etc/vim/shadow.bak": 0o644,
    "etc/unlisted.conf": 0o644,
    "home/alice/diary": 0o644,
    "root/.netrc": 0o644,
    "var/lib/db": 0o644,
    "run/secret": 0o644,
}


def write(root: Path, name: str, text: str = "SECRET", mode: int = 0o644) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fake merged-/usr machine."""
    root = tmp_path / "machine"
    for name, text in PUBLIC.items():
        write(root, name, text)
    for name, mode in SECRET.items():
        write(root, name, "SECRET", mode)
    write(root, "etc/passwd", "root:x:0:0:the admin:/root:/bin/zsh\nalice:x:1000:1000::/:\n")
    write(root, "etc/resolv.conf", "# by hand\nnameserver  10.0.0.1\nsearch a.b\nsecret x\n")
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Nowhere/Here")
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / "etc/alternatives").mkdir()
    (root / "etc/alternatives/cc").symlink_to("/usr/bin/gcc")
    return root


@pytest.fixture
def store(tmp_path: Path) -> Directories:
    return Directories(tmp_path / "data", tmp_path / "run")


@pytest.fixture
def machine(root: Path, tmp_path: Path) -> host.HostMachine:
    launcher = write(tmp_path, "bin/pyrootless", "ELF")
    return host.HostMachine(root, (1000, 1001), (launcher,))


@pytest.fixture
def program(tmp_path: Path) -> runtime_config.SeccompProgram:
    path = write(tmp_path, "filter.bpf", "bpf")
    return runtime_config.SeccompProgram({"defaultAction": "SCMP_ACT_ERRNO"}, path, "sha256:00")


def every_file(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def load(image: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((image / "config.json").read_bytes())
    return config


Given = tuple[Directories, host.HostMachine, runtime_config.SeccompProgram]


@pytest.fixture
def given(
    store: Directories, machine: host.HostMachine, program: runtime_config.SeccompProgram
) -> Given:
    return store, machine, program


def test_public_things_are_copied(given: Given) -> None:
    rootfs = host.prepare_host_image(*given) / "rootfs"
    for name, text in PUBLIC.items():
        if name.startswith("etc/"):
            assert (rootfs / name).read_text() == text, name
    assert str((rootfs / "etc/alternatives/cc").readlink()) == "/usr/bin/gcc"
    assert str((rootfs / "etc/localtime").readlink()) == "/usr/share/zoneinfo/Nowhere/Here"
    assert str((rootfs / "etc/os-release").readlink()) == "../usr/lib/os-release"
    assert str((rootfs / "lib64").readlink()) == "usr/lib64"


def test_secrets_and_people_stay_outside(given: Given) -> None:
    rootfs = host.prepare_host_image(*given) / "rootfs"
    for path in every_file(rootfs):
        assert "SECRET" not in path.read_text(), path
    assert "alice" not in (rootfs / "etc/passwd").read_text()
    assert str((rootfs / "etc/hostname").readlink()) == "/proc/sys/kernel/hostname"
    assert list((rootfs / "home").iterdir()) == [rootfs / "home/user"]
    for name in ("home/user", "root", "run", "usr", "var/lib", "tmp", "work"):
        assert list((rootfs / name).iterdir()) == [], name


def test_synthesised_files(given: Given) -> None:
    etc = host.prepare_host_image(*given) / "rootfs/etc"
    assert (etc / "passwd").read_text() == (
        "root:x:0:0:root:/root:/bin/bash\n"
        "user:x:1000:1000:user:/home/user:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    assert (etc / "resolv.conf").read_text() == "nameserver 10.0.0.1\nsearch a.b\n"
    assert "127.0.0.1\tlocalhost\n" in (etc / "hosts").read_text()
    assert "hosts: files dns\n" in (etc / "nsswitch.conf").read_text()


def test_modes_do_not_depend_on_the_umask(given: Given) -> None:
    before = os.umask(0o077)
    try:
        image = host.prepare_host_image(*given)
    finally:
        os.umask(before)
    modes = {"": 0o755, "tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "etc": 0o755,
             "etc/passwd": 0o644, "etc/ssl/certs": 0o755, "proc": 0o555}  # fmt: skip
    for name, mode in modes.items():
        assert stat.S_IMODE((image / "rootfs" / name).stat().st_mode) == mode, name
    assert stat.S_IMODE((image / "config.json").stat().st_mode) == 0o600


def test_stub_resolver_gives_way_to_its_upstream(given: Given, root: Path) -> None:
    write(root, "etc/resolv.conf", "nameserver 127.0.0.53\n")
    write(root, "run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\n")
    image = host.prepare_host_image(*given)
    assert (image / "rootfs/etc/resolv.conf").read_text() == "nameserver 192.0.2.1\n"


def test_split_usr_is_bound_directory_by_directory(given: Given, root: Path) -> None:
    for name in ("bin", "lib"):
        (root / name).unlink()
        (root / name).mkdir()
    image = host.prepare_host_image(*given)
    mounts = load(image)["mounts"]
    assert [mount["source"] for mount in mounts if mount["type"] == "bind"] == [
        "/usr",
        "/bin",
        "/lib",
    ]
    assert (image / "rootfs/bin").is_dir()
    assert not (image / "rootfs/bin").is_symlink()


def test_links_are_never_followed(given: Given, root: Path) -> None:
    (root / "etc/ssl/certs/link.pem").symlink_to("../../shadow")
    (root / "etc/vim/dir").symlink_to("../ssh")
    (root / "etc/fonts").symlink_to("ssh")
    rootfs = host.prepare_host_image(*given) / "rootfs"
    assert str((rootfs / "etc/ssl/certs/link.pem").readlink()) == "../../shadow"
    assert (rootfs / "etc/vim/dir").is_symlink()
    assert (rootfs / "etc/fonts").is_symlink()
    assert not (rootfs / "etc/ssh").exists()


def test_a_linked_parent_ends_the_search(given: Given, root: Path) -> None:
    (root / "etc/pki").symlink_to("../home/alice")
    write(root, "home/alice/tls/cert.pem", "SECRET")
    rootfs = host.prepare_host_image(*given) / "rootfs"
    assert not (rootfs / "etc/pki").exists()


def test_odd_files_are_passed_over(given: Given, root: Path) -> None:
    os.mkfifo(root / "etc/ssl/certs/fifo")
    with (root / "etc/ssl/certs/huge").open("wb") as stream:
        stream.truncate(skeleton.MAX_FILE_BYTES + 1)
    write(root, "etc/ssl/certs/mixed.pem", "-----BEGIN RSA PRIVATE KEY-----")
    certs = host.prepare_host_image(*given) / "rootfs/etc/ssl/certs"
    assert [path.name for path in certs.iterdir()] == ["ca-certificates.crt"]


def test_config_of_the_template(given: Given) -> None:
    image = host.prepare_host_image(*given)
    config = load(image)
    assert config["root"] == {"path": f"{image}/rootfs", "readonly": False}
    assert config["annotations"]["io.pyrootless.rootfs.lower"] == f"{image}/rootfs"
    assert "io.pyrootless.rootfs.upper" not in config["annotations"]
    assert config["process"]["cwd"] == "/work"
    assert config["process"]["args"] == ["/bin/sh"]
    assert "HOME=/root" in config["process"]["env"]
    assert "LANG=C.UTF-8" in config["process"]["env"]
    assert not [entry for entry in config["process"]["env"] if entry.startswith("TERM=")]
    assert config["linux"]["uidMappings"][0]["hostID"] == 1000


def test_sources_are_what_the_launcher_will_stat(given: Given, root: Path) -> None:
    config = load(host.prepare_host_image(*given))
    lines = config["annotations"]["io.pyrootless.template.sources"].splitlines()
    assert len(lines) <= host.MAX_SOURCES
    facts = {line.split(" ", 2)[2]: line.split(" ", 2)[:2] for line in lines}
    cache = (root / "etc/ld.so.cache").stat()
    assert facts[f"{root}/etc/ld.so.cache"] == [str(cache.st_mtime_ns), str(cache.st_ino)]
    assert facts[f"{root}/etc/localtime"] == ["0", "0"]  # leads to nothing on this fake machine
    assert str(given[1].engine[0]) in facts
    assert str(given[2].path) in facts


def test_name_points_to_the_image(given: Given) -> None:
    image = host.prepare_host_image(*given)
    link = given[0].refs / "host"
    assert str(link.readlink()) == f"../images/{image.name}"
    assert link.resolve() == image.resolve()
    assert [path.name for path in given[0].refs.iterdir()] == ["host"]


def test_the_same_machine_gives_the_same_image(given: Given) -> None:
    first = host.prepare_host_image(*given)
    inode = first.stat().st_ino
    assert host.prepare_host_image(*given) == first
    assert first.stat().st_ino == inode
    assert list(given[0].temporary.iterdir()) == []


def test_a_change_gives_a_new_image_and_the_old_one_goes(given: Given, root: Path) -> None:
    first = host.prepare_host_image(*given)
    write(root, "etc/protocols", "udp 17 UDP")
    second = host.prepare_host_image(*given)
    assert second != first
    assert [path.name for path in given[0].images.iterdir()] == [second.name]
    assert list((given[0].data / "trash").iterdir()) == []


def test_an_image_in_use_stays(given: Given, root: Path) -> None:
    first = host.prepare_host_image(*given)
    user = os.open(first, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(user, fcntl.LOCK_SH)
    try:
        write(root, "etc/protocols", "udp 17 UDP")
        host.prepare_host_image(*given)
        assert (first / "rootfs/etc/passwd").is_file()
    finally:
        os.close(user)
    host.prepare_host_image(*given)
    assert not first.exists()


def test_a_damaged_image_is_made_again(given: Given) -> None:
    image = host.prepare_host_image(*given)
    (image / "config.json").write_text("{")
    assert host.prepare_host_image(*given) == image
    assert load(image)["ociVersion"] == "1.2.0"


def test_a_half_made_directory_is_never_the_image(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(28, "No space left on device", "rootfs")

    monkeypatch.setattr(host, "_flush_tree", fail)
    with pytest.raises(StoreError, match="No space left"):
        host.prepare_host_image(*given)
    assert list(given[0].images.iterdir()) == []
    assert list(given[0].temporary.iterdir()) == []
    assert list(given[0].refs.iterdir()) == []


def test_a_line_break_in_the_path_is_refused(
    machine: host.HostMachine, program: runtime_config.SeccompProgram, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="line break"):
        host.prepare_host_image(Directories(tmp_path / "a\nb", tmp_path), machine, program)
