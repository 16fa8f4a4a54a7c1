"""`pyrootless build`: Dockerfiles of every instruction, under both maps of ids.

In: a small image, contexts made by hand.
Out: the images, looked at by containers and in their archives; the cache; failures in words.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import flat_image
import pytest
import small_image

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Make = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces", "busybox"),
]
RANGE = pytest.param("range", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))
BASE = "small:build"


@pytest.fixture(scope="session")
def base(
    launcher: Path, engine_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    path = tmp_path_factory.mktemp("small") / "root.tar"
    small_image.write_root(path)
    words = [str(launcher), "import", "-c", "ENV A=of-image", "-c", 'CMD ["ls"]']
    words += ["-c", "LABEL of=base", str(path), BASE]
    subprocess.run(words, env=engine_environment, check=True, capture_output=True, timeout=120)
    return BASE


@pytest.fixture(params=["single", RANGE])
def ids(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(pyrootless: Run, base: str, tmp_path: Path) -> Make:
    """Build a Dockerfile's text in tmp_path/context as "made:1"."""
    (tmp_path / "context").mkdir()

    def make(text: str, *options: str, ids: str = "auto", **how: Any) -> Any:
        (tmp_path / "context" / "Dockerfile").write_text(text)
        words = ["build", "--userns", ids, "--progress", "plain", "-t", "made:1", *options]
        return pyrootless(*words, str(tmp_path / "context"), **how)

    return make


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stderr


def config_of(pyrootless: Run, name: str = "made:1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pyrootless("inspect", name).stdout)[0]
    return found


def files_of(
    pyrootless: Run, tmp_path: Path, name: str = "made:1"
) -> dict[str, flat_image.Row]:
    path = tmp_path / "made.tar"
    path.unlink(missing_ok=True)
    done = pyrootless("save", "-o", str(path), name)
    assert done.returncode == 0, done.stderr
    return flat_image.read_archive(path)[0]


def write(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = tmp_path / "context" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_run_changes_files_and_owners(
    make: Make, pyrootless: Run, ids: str, tmp_path: Path
) -> None:
    text = f"""FROM {BASE}
RUN mkdir /new && echo x > /new/f && chown 7:8 /new/f && rm /etc/shadow && ln -s f /new/l
RUN chown -h 9:9 /new/l && chmod 4755 /new/f && chown 5 /d
RUN mkdir /deep && ln -s x /deep/l && ln -s y /deep/gone && chmod 700 /deep
RUN chown -h 4:5 /deep/l /deep/gone && rm /deep/gone
USER 1000:1000
RUN touch /tmp/mine
"""
    good(make(text, ids=ids))
    files = files_of(pyrootless, tmp_path)
    assert files["new/f"][:4] == ("file", 0o4755, 7, 8)
    assert files["new/l"] == ("link", 0o777, 9, 9, "f")
    assert files["deep/l"] == ("link", 0o777, 4, 5, "x")
    assert files["deep"][:4] == ("directory", 0o700, 0, 0)
    assert files["d"][:4] == ("directory", 0o755, 5, 0)
    assert files["d/one"][:4] == ("file", 0o644, 1000, 1000)
    assert files["tmp/mine"][:4] == ("file", 0o644, 1000, 1000)
    assert "etc/shadow" not in files
    assert {name for name in files if "/" not in name} == {
        *("bin", "d", "deep", "etc", "new", "root", "tmp")
    }


def test_both_maps_of_ids_make_the_same_image(
    make: Make, pyrootless: Run, tmp_path: Path
) -> None:
    write(tmp_path, {"a/x": "x", "a/sub/y": "y"})
    text = f"""FROM {BASE}
WORKDIR /w/deep
RUN echo 1 > f; chown 3:4 f; mkfifo p; chown 5:6 p
COPY --chown=bob a/ ./a/
COPY --chown=12:13 --chmod=u=rw,go= a/x /x
FROM {BASE}
COPY --from=0 /w /w
"""
    trees = []
    for kind in ("single", "auto"):
        good(make(text, "--no-cache", ids=kind))
        trees.append(files_of(pyrootless, tmp_path))
    assert trees[0] == trees[1]
    assert trees[0]["w/deep/a/sub/y"][:4] == ("file", 0o644, 1000, 1000)


def test_metadata(make: Make, pyrootless: Run) -> None:
    text = """ARG TAG=build
FROM small:$TAG
ARG V=1
ENV B=$V C="x $A" D='$A'
ENV OLD some words
LABEL "k 1"=v other=${B}
EXPOSE 80 53/udp 8000-8001
VOLUME /data /more
WORKDIR /w
WORKDIR sub
USER bob
STOPSIGNAL INT
HEALTHCHECK --interval=5s --retries=2 CMD true
SHELL ["/bin/sh", "-ec"]
CMD echo hi
ENTRYPOINT ["/bin/echo"]
ONBUILD RUN echo trigger
MAINTAINER me
"""
    good(make(text, "--build-arg", "V=2", "--label", "more=1"))
    config = config_of(pyrootless)["Config"]
    assert config["Env"][:1] == ["A=of-image"]
    assert config["Env"][-4:] == ["B=2", "C=x of-image", "D=$A", "OLD=some words"]
    assert config["Labels"] == {"of": "base", "k 1": "v", "other": "2", "more": "1"}
    assert sorted(config["ExposedPorts"]) == ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"]
    assert config["WorkingDir"] == "/w/sub"
    assert (config["User"], config["StopSignal"]) == ("bob", "INT")
    assert config["Cmd"] == ["/bin/sh", "-ec", "echo hi"]
    assert config["Entrypoint"] == ["/bin/echo"]
    assert config["OnBuild"] == ["RUN echo trigger"]
    assert config["Healthcheck"] == {
        "Test": ["CMD-SHELL", "true"], "Interval": 5 * 10**9, "Retries": 2,
    }  # fmt: skip


def test_an_entrypoint_takes_the_base_s_command_away(make: Make, pyrootless: Run) -> None:
    good(make(f'FROM {BASE}\nENTRYPOINT ["/bin/echo"]\n'))
    assert not config_of(pyrootless)["Config"].get("Cmd")


def test_history_is_docker_s(make: Make, pyrootless: Run) -> None:
    good(make(f'FROM {BASE}\nARG V=1\nRUN echo $V\nENV X=y\nCMD ["a", "b"]\n'))
    steps = json.loads(pyrootless("history", "--json", "made:1").stdout)
    assert [step["created_by"] for step in steps][:4] == [
        'CMD ["a" "b"]',
        "ENV X=y",
        "RUN |1 V=1 /bin/sh -c echo $V # buildkit",
        "ARG V=1",
    ]


COPIES = [
    ("COPY a.txt /x", {"x": "A"}),
    ("COPY a.txt /x/", {"x/a.txt": "A"}),
    ("COPY a.txt b.txt /x/", {"x/a.txt": "A", "x/b.txt": "B"}),
    ("COPY *.txt /x/", {"x/a.txt": "A", "x/b.txt": "B"}),
    ("COPY dir /x", {"x/c.txt": "C", "x/deep/e.md": "E"}),
    ("COPY dir/ /d/", {"d/c.txt": "C", "d/deep/e.md": "E"}),
    ("COPY dir/*.txt /", {"c.txt": "C"}),
    ("COPY . /x", {"x/a.txt": "A", "x/dir/c.txt": "C"}),
    ("COPY --parents dir/deep/e.md /x/", {"x/dir/deep/e.md": "E"}),
    ("COPY --parents dir/./deep/e.md /x/", {"x/deep/e.md": "E"}),
    ("COPY --exclude=**/*.md --exclude=c.txt dir /x/", {}),
    ("COPY --link a.txt /l/x", {"l/x": "A"}),
    ('COPY ["a b.txt", "/x/"]', {"x/a b.txt": "sp"}),
    ("COPY link.txt /x", {"x": "A"}),
    ("COPY ../a.txt /x", {"x": "A"}),
    ("COPY **/*.md /x/", {"x/e.md": "E"}),
    ("WORKDIR /w\nCOPY a.txt .", {"w/a.txt": "A"}),
    ("WORKDIR /w\nCOPY a.txt ./n", {"w/n": "A"}),
    ("ENV N=a\nCOPY ${N}.txt /$N", {"a": "A"}),
    ("COPY <<x <<'y' /h/\n$A\nx\n$A\ny", {"h/x": "of-image\n", "h/y": "$A\n"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), COPIES, ids=[text for text, _ in COPIES])
def test_copy(
    make: Make, pyrootless: Run, tmp_path: Path, text: str, wanted: dict[str, str]
) -> None:
    write(tmp_path, {"a.txt": "A", "b.txt": "B", "a b.txt": "sp", "dir/c.txt": "C"})
    write(tmp_path, {"dir/deep/e.md": "E"})
    os.symlink("a.txt", tmp_path / "context/link.txt")
    good(make(f"FROM {BASE}\n{text}\n"))
    out = tmp_path / "out"
    done = pyrootless("build", "-q", "-o", str(out), str(tmp_path / "context"))
    assert done.returncode == 0, done.stderr
    for name, content in wanted.items():
        assert (out / name).read_text() == content
    if not wanted:
        assert [path.name for path in (out / "x").rglob("*")] == ["deep"]


def test_copy_keeps_modes_and_makes_parents_of_the_owner(
    make: Make, pyrootless: Run, tmp_path: Path, ids: str
) -> None:
    write(tmp_path, {"s/run": "x", "s/read": "y"})
    (tmp_path / "context/s/run").chmod(0o750)
    os.symlink("run", tmp_path / "context/s/l")
    good(make(f"FROM {BASE}\nCOPY --chown=1000:8 s /p/q/\n", ids=ids))
    files = files_of(pyrootless, tmp_path)
    assert files["p"][:4] == ("directory", 0o755, 1000, 8)
    assert files["p/q/run"][:4] == ("file", 0o750, 1000, 8)
    assert files["p/q/l"] == ("link", 0o777, 1000, 8, "run")


def test_dockerignore(make: Make, pyrootless: Run, tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "", "b.log": "", "d/c.log": "", "d/keep.log": "", "n/x": ""})
    write(tmp_path, {".dockerignore": "**/*.log\nn\n!d/keep.log\n.dockerignore\nDockerfile\n"})
    good(make(f"FROM {BASE}\nCOPY . /x/\n"))
    files = files_of(pyrootless, tmp_path)
    assert {name for name in files if name.startswith("x/")} == {
        "x/a.txt",
        "x/d",
        "x/d/keep.log",
    }


def test_a_dockerfile_s_own_ignore_file_wins(
    make: Make, pyrootless: Run, tmp_path: Path
) -> None:
    write(tmp_path, {".dockerignore": "a", "Dockerfile.dockerignore": "b", "a": "", "b": ""})
    good(make(f"FROM {BASE}\nCOPY a /x/\n"))
    assert "x/a" in files_of(pyrootless, tmp_path)


def test_links_of_a_context_stay_inside(make: Make, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    os.symlink("../outside", tmp_path / "context/up")
    os.symlink(tmp_path / "outside", tmp_path / "context/absolute")
    for name in ("up", "absolute", "../outside"):
        done = make(f"FROM {BASE}\nCOPY {name} /x\n")
        assert done.returncode == 1
        assert f'{name.removeprefix("../")}" is not in the context' in done.stderr


def test_links_of_an_image_stay_inside(
    make: Make, pyrootless: Run, tmp_path: Path, ids: str
) -> None:
    """What a stage says of "/host" is its own, for COPY, ADD and WORKDIR."""
    host = tmp_path / "host"
    host.mkdir()
    write(tmp_path, {"a": "A"})
    text = f"""FROM {BASE}
RUN mkdir -p /inside/dir && ln -s {host} /out && ln -s ../../../../../inside /up
RUN mkdir -p {host}
COPY a /out/a
COPY a /up/dir/
WORKDIR /up/made
FROM {BASE}
COPY --from=0 /out /copied
"""
    good(make(text, ids=ids))
    assert list(host.iterdir()) == []
    files = files_of(pyrootless, tmp_path)
    assert files["copied/a"][0] == "file"


def test_add_unpacks_archives(make: Make, pyrootless: Run, tmp_path: Path) -> None:
    context = tmp_path / "context"
    write(tmp_path, {"t/one": "1", "t/two": "2"})
    for kind in ("gz", "xz", "bz2"):
        with tarfile.open(context / f"a.{kind}", f"w:{kind}") as made:
            made.add(context / "t", arcname=f"{kind}/t")
    text = (
        f"FROM {BASE}\nADD a.gz a.xz a.bz2 /u/\nADD --unpack=false a.gz /plain\nCOPY a.gz /c\n"
    )
    good(make(text))
    files = files_of(pyrootless, tmp_path)
    assert {name for name in files if name.endswith("t/one")} == {
        *("u/gz/t/one", "u/xz/t/one", "u/bz2/t/one")
    }
    assert files["plain"] == files["c"]


def test_an_archive_that_leads_out_is_refused(make: Make, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "context/a.tar", "w") as made:
        info = tarfile.TarInfo("../../escaped")
        made.addfile(info)
    done = make(f"FROM {BASE}\nADD a.tar /u/\n")
    assert done.returncode == 1
    assert not (tmp_path / "escaped").exists()
    assert "leads out" in done.stderr


def test_stages_and_target(make: Make, pyrootless: Run, tmp_path: Path) -> None:
    text = f"""FROM scratch AS empty
FROM {BASE} AS one
RUN echo 1 > /one
FROM one AS two
RUN echo 2 > /two
FROM {BASE} AS unneeded
RUN exit 3
FROM empty
COPY --from=two /one /two /
COPY --from=one /one /again
"""
    shown = good(make(text))
    assert "unneeded" not in shown
    assert set(files_of(pyrootless, tmp_path)) == {"one", "two", "again"}
    good(make(text, "--target", "one"))
    assert "two" not in files_of(pyrootless, tmp_path)
    done = make(text, "--target", "unneeded")
    assert done.returncode == 1
    assert "exit code: 3" in done.stderr


def test_onbuild_runs_in_the_next_build(make: Make, pyrootless: Run, tmp_path: Path) -> None:
    good(make(f"FROM {BASE}\nONBUILD RUN echo x > /triggered\n"))
    pyrootless("tag", "made:1", "trigger:1")
    good(make("FROM trigger:1\n"))
    assert "triggered" in files_of(pyrootless, tmp_path)
    assert not config_of(pyrootless)["Config"].get("OnBuild")


def test_heredocs_of_run(make: Make, pyrootless: Run, tmp_path: Path) -> None:
    text = f"""FROM {BASE}
RUN <<EOF
set -e
echo $A > /a
EOF
RUN cat <<ONE > /b && cat <<'TWO' > /c
$A
ONE
$A
TWO
RUN <<EOF
#!/bin/cat
as it is
EOF
"""
    shown = good(make(text))
    assert "as it is" in shown
    out = tmp_path / "out"
    pyrootless("build", "-q", "-o", str(out), str(tmp_path / "context"))
    read = [(out / name).read_text() for name in "abc"]
    assert read == ["of-image\n", "of-image\n", "$A\n"]


def test_everything_is_cached_and_the_image_is_the_same(
    make: Make, pyrootless: Run, tmp_path: Path
) -> None:
    write(tmp_path, {"a": "1"})
    text = f"FROM {BASE}\nWORKDIR /w\nRUN echo x > f\nCOPY a /a\nRUN cat /a\nLABEL x=y\n"
    good(make(text))
    first = config_of(pyrootless)["Id"]
    os.utime(tmp_path / "context/a", (1, 1))
    shown = good(make(text))
    assert shown.count("CACHED") == 5
    assert config_of(pyrootless)["Id"] == first
    write(tmp_path, {"a": "2"})
    shown = good(make(text))
    assert shown.count("CACHED") == 3
    shown = good(make(text, "--no-cache"))
    assert shown.count("CACHED") == 1  # the base


def test_what_a_step_depends_on(make: Make) -> None:
    text = f"FROM {BASE}\nARG V\nRUN echo one\n"
    good(make(text, "--build-arg", "V=1"))
    assert good(make(text, "--build-arg", "V=1")).count("CACHED") == 2
    assert good(make(text, "--build-arg", "V=2")).count("CACHED") == 1
    heredoc = f"FROM {BASE}\nRUN <<E\necho 1\nE\n"
    good(make(heredoc))
    assert good(make(heredoc.replace("echo 1", "echo 2"))).count("CACHED") == 1
    proxy = f"FROM {BASE}\nRUN echo $HTTP_PROXY\n"
    assert "9 a.test" in good(make(proxy, "--build-arg", "HTTP_PROXY=9 a.test"))
    assert good(make(proxy, "--build-arg", "HTTP_PROXY=8 b.test")).count("CACHED") == 2


def test_a_failing_step_shows_output_and_lines(make: Make) -> None:
    done = make(f"FROM {BASE}\nRUN echo before \\\n  && echo said && exit 3\nCMD x\n")
    assert done.returncode == 1
    assert "#2 ERROR:" in done.stderr
    told = done.stderr[done.stderr.index("pyrootless: ") :]
    assert told.splitlines() == [
        'pyrootless: Dockerfile:2:1: RUN: "/bin/sh -c echo before   && echo said && exit 3" '
        "did not succeed: exit code: 3",
        f"  1   FROM {BASE}",
        "  2 > RUN echo before \\",
        "  3 >   && echo said && exit 3",
        "  4   CMD x",
        "  5",
        "    before",
        "    said",
    ]


def test_mounts(make: Make, pyrootless: Run, tmp_path: Path, ids: str) -> None:
    write(tmp_path, {"src/f": "of-context"})
    text = f"""FROM {BASE} AS other
RUN mkdir /o && echo of-stage > /o/f
FROM {BASE}
RUN --mount=type=bind,source=src,target=/mnt/a --mount=from=other,source=/o,target=/mnt/b,rw \
    cat /mnt/a/f /mnt/b/f > /read; echo x > /mnt/b/new; ! echo x > /mnt/a/new
RUN --mount=type=tmpfs,target=/mnt/t,size=1m echo x > /mnt/t/f
RUN --mount=type=cache,target=/c,id=build-{ids},uid=1000,mode=0700 stat -c '%u %a' /c > /s; \
    ls /c >> /s; echo kept > /c/f
"""
    good(make(text, "--no-cache", ids=ids))
    good(make(text, "--no-cache", ids=ids))
    out = tmp_path / "out"
    pyrootless("build", "-q", "--userns", ids, "-o", str(out), str(tmp_path / "context"))
    assert (out / "read").read_text() == "of-contextof-stage\n"
    assert (out / "s").read_text() == "1000 700\nf\n"
    names = {path.name for path in out.iterdir()}
    assert names == {"bin", "d", "etc", "read", "root", "s", "tmp"}


def test_secrets_are_nowhere_afterwards(
    make: Make, pyrootless: Run, tmp_path: Path, engine_environment: dict[str, str]
) -> None:
    secret = "correct-horse-battery"
    (tmp_path / "secret").write_text(secret)
    text = f"""FROM {BASE}
RUN --mount=type=secret,id=s,required,uid=1000,mode=0440 stat -c '%a %u' /run/secrets/s && \
    wc -c < /run/secrets/s > /length
RUN --mount=type=secret,id=s,env=S test -n "$S" && echo $S | wc -c > /again
RUN test ! -e /run/secrets/s
"""
    shown = good(make(text, "--secret", f"id=s,src={tmp_path / 'secret'}"))
    assert "440 1000" in shown
    assert secret not in shown
    assert "run" not in files_of(pyrootless, tmp_path)
    found = []
    for top in (engine_environment["PYROOTLESS_ROOT"], engine_environment["XDG_RUNTIME_DIR"]):
        for path in Path(top).rglob("*"):
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                found += [path] if secret.encode() in path.read_bytes() else []
    assert found == []
    assert list(Path("/dev/shm").glob(f"pyrootless-secrets-{os.getuid()}-*")) == []
    done = make(text + "RUN echo more\n")
    assert done.returncode == 0, done.stderr  # cached: the secret is not needed
    done = make(text, "--no-cache")
    assert done.returncode == 1
    assert "the secret s is required" in done.stderr


def test_the_same_digest_twice(make: Make, pyrootless: Run, tmp_path: Path) -> None:
    write(tmp_path, {"a": "x"})
    text = f"FROM {BASE}\nRUN mkdir /n && echo x > /n/f\nCOPY a /a/b\nWORKDIR /w\n"
    seen = set()
    for _ in range(2):
        good(make(text, "--no-cache", "--timestamp", "1700000000"))
        seen.add(config_of(pyrootless)["Id"])
    assert len(seen) == 1
    assert config_of(pyrootless)["Created"] == "2023-11-14T22:13:20Z"


def test_context_on_standard_input(pyrootless: Run, base: str, tmp_path: Path) -> None:
    done = pyrootless("build", "-q", "-", input=f"FROM {BASE}\nRUN echo x > /x\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sha256:")


def test_outputs(make: Make, pyrootless: Run, tmp_path: Path) -> None:
    text = "FROM scratch\nCOPY <<f /d/\nx\nf\n"
    good(make(text, "-o", f"type=tar,dest={tmp_path / 'a.tar'}",
              "-o", f"type=oci,dest={tmp_path / 'o.tar'}",
              "-o", f"type=docker,dest={tmp_path / 'd.tar'}",
              "--iidfile", str(tmp_path / "id")))  # fmt: skip
    with tarfile.open(tmp_path / "a.tar") as made:
        assert made.getnames() == ["d", "d/f"]
    with tarfile.open(tmp_path / "o.tar") as made:
        assert "index.json" in made.getnames()
    assert set(flat_image.read_archive(tmp_path / "d.tar")[0]) == {"d", "d/f"}
    assert (tmp_path / "id").read_text() == config_of(pyrootless)["Id"]


def test_builder_du_and_prune(
    make: Make, pyrootless: Run, engine_environment: dict[str, str]
) -> None:
    good(make(f"FROM {BASE}\nRUN dd if=/dev/zero of=/big bs=1k count=100\n"))
    rows = json.loads(pyrootless("builder", "du", "--json").stdout)
    assert any(row["made_by"].startswith("RUN dd") and row["shared"] for row in rows)
    done = pyrootless("builder", "prune", "-f")
    assert done.returncode == 0, done.stderr
    assert json.loads(pyrootless("builder", "du", "--json").stdout) == []
    assert pyrootless("run", "--rm", "made:1", "ls", "/big").stdout == "/big\n"
    left = Path(engine_environment["PYROOTLESS_ROOT"]) / "tmp"
    assert [path.name for path in left.iterdir() if path.name.startswith("scratch")] == []


def test_from_python(base: str, tmp_path: Path, engine_environment: dict[str, str]) -> None:
    text = f"FROM {BASE}\nRUN --mount=type=secret,id=s cat /run/secrets/s > /s\n"
    (tmp_path / "Dockerfile").write_text(text)
    code = (
        "import pyrootless\n"
        f"image = pyrootless.build({str(tmp_path)!r}, tag='py:1', secrets={{'s': b'x'}})\n"
        "print(image.shown, pyrootless.run('py:1', ['cat', '/s']).text)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=engine_environment, timeout=120,
                          capture_output=True, text=True)  # fmt: skip
    assert (done.stdout, done.stderr) == ("py:1 x\n", "")


def test_warnings_and_check(make: Make, pyrootless: Run, tmp_path: Path) -> None:
    text = f"FROM {BASE}\nENV A b\nCMD ls\n"
    shown = good(make(text))
    assert "warning: LegacyKeyValueFormat: " in shown
    done = pyrootless("build", "--check", str(tmp_path / "context"))
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "LegacyKeyValueFormat",
        "JSONArgsRecommended",
    ]
    done = make(f"# check=error=true\n{text}")
    assert done.returncode == 1
    assert "2 warnings are errors here" in done.stderr


def test_a_killed_build_leaves_what_the_next_one_sweeps(
    launcher: Path, make: Make, pyrootless: Run, tmp_path: Path,
    engine_environment: dict[str, str],
) -> None:  # fmt: skip
    (tmp_path / "secret").write_text("correct-horse")
    text = f"FROM {BASE}\nRUN --mount=type=secret,id=s echo begun && sleep 1000\n"
    (tmp_path / "context/Dockerfile").write_text(text)
    words = [str(launcher), "build", "--secret", f"id=s,src={tmp_path / 'secret'}"]
    words += ["--progress", "plain", str(tmp_path / "context")]
    with subprocess.Popen(
        words, env=engine_environment, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.rstrip().endswith(" begun"):
                break
        run.kill()
    good(make(f"FROM {BASE}\nRUN --mount=type=secret,id=s,required=false echo next\n",
              "--secret", f"id=s,src={tmp_path / 'secret'}"))  # fmt: skip
    left = Path(engine_environment["PYROOTLESS_ROOT"]) / "tmp"
    assert [path.name for path in left.iterdir() if not path.name.startswith("partial")] == []
    assert json.loads(pyrootless("ps", "-a", "--format", "json").stdout or "[]") == []
    runtime = Path(engine_environment["XDG_RUNTIME_DIR"])
    for top in (runtime, Path("/dev/shm")):
        assert list(top.glob(f"pyrootless-secrets-{os.getuid()}-*")) == []


def test_hostile_cache_mounts_stay_in_their_place(make: Make, tmp_path: Path, ids: str) -> None:
    """A link that one build leaves in a cache mount stays inside the next one's root."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "f").write_text("mine")
    cache = f"--mount=type=cache,target=/c,id=hostile-{ids}"
    text = f"""FROM {BASE}
RUN {cache} rm -rf /c/* && ln -s {victim} /c/link && ln -s / /c/root
RUN {cache} ! cat /c/link/f && ! touch /c/link/g && ls /c/root/bin/sh
"""
    good(make(text, "--no-cache", ids=ids))
    below = f"--mount=type=cache,target=/c/link/sub,id=other-{ids}"
    done = make(f"FROM {BASE}\nRUN {cache} {below} touch /c/link/sub/x\n", ids=ids)
    assert done.returncode == 1
    assert "no link leads out of it" in done.stderr
    assert sorted(path.name for path in victim.iterdir()) == ["f"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of tmp_path/served by HTTP."""
    (tmp_path / "served").mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()
        thread.join()


def test_add_of_a_url(make: Make, pyrootless: Run, server: str, tmp_path: Path) -> None:
    path = tmp_path / "served/file.txt"
    path.write_text("fetched")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    digest = hashlib.sha256(b"fetched").hexdigest()
    text = f"FROM {BASE}\nADD --checksum=sha256:{{}} {server}/file.txt /x/\n"
    good(make(text.format(digest)))
    assert files_of(pyrootless, tmp_path)["x/file.txt"][:4] == ("file", 0o600, 0, 0)
    assert good(make(text.format(digest))).count("CACHED") == 2
    done = make(text.format("0" * 64))
    assert done.returncode == 1
    assert f"is sha256:{digest}, and should be sha256:000" in done.stderr
    done = make(f"FROM {BASE}\nADD {server}/missing /x\n")
    assert done.returncode != 0
    assert "the server answers 404" in done.stderr


def test_a_context_by_url_and_on_standard_input(
    launcher: Path, pyrootless: Run, base: str, server: str, tmp_path: Path,
    engine_environment: dict[str, str],
) -> None:  # fmt: skip
    with tarfile.open(tmp_path / "served/context.tar.gz", "w:gz") as made:
        for name, data in (("Dockerfile", f"FROM {BASE}\nCOPY f /f\n"), ("f", "x")):
            (tmp_path / name).write_text(data)
            made.add(tmp_path / name, arcname=name)
    done = pyrootless("build", "-q", f"{server}/context.tar.gz")
    assert done.returncode == 0, done.stderr
    data = (tmp_path / "served/context.tar.gz").read_bytes()
    words = [str(launcher), "build", "-q", "-"]
    again = subprocess.run(
        words, input=data, capture_output=True, timeout=120, env=engine_environment
    )
    assert again.stdout.decode() == done.stdout


def test_an_agent_s_socket(make: Make, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        run = "RUN --mount=type=ssh,required test -S $SSH_AUTH_SOCK && echo there"
        text = f"FROM {BASE}\n{run}\n"
        assert " there" in good(make(text, "--ssh", f"default={tmp_path / 'agent'}"))
    done = make(text, "--no-cache")
    assert done.returncode == 1
    assert "an ssh agent is required" in done.stderr


@pytest.mark.needs("git")
def test_git_repositories(make: Make, pyrootless: Run, base: str, tmp_path: Path) -> None:
    top = tmp_path / "repositories/r.git"
    top.mkdir(parents=True)
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    (top / "sub").mkdir()
    (top / "sub/Dockerfile").write_text(f"FROM {BASE}\nCOPY f /f\n")
    (top / "sub/f").write_text("x")
    who = ["-c", "user.name=a", "-c", "user.email=b"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-qm", "c"]):
        subprocess.run(["git", "-C", str(top), *words], env=env, check=True, timeout=60)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["git", "daemon", "--export-all", f"--base-path={top.parent}"]
    words += ["--listen=127.0.0.1", f"--port={port}", "--verbose", "--log-destination=stderr"]
    with subprocess.Popen(
        words, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as daemon:
        try:
            assert daemon.stderr is not None
            assert "Ready to rumble" in daemon.stderr.readline()
            url = f"git://127.0.0.1:{port}/r.git"
            done = pyrootless("build", "-q", f"{url}#main:sub")
            assert done.returncode == 0, done.stderr
            good(make(f"FROM {BASE}\nADD {url} /g\nADD --keep-git-dir {url}#main /k\n"))
            files = files_of(pyrootless, tmp_path)
            assert {"g/sub/f", "k/.git", "k/sub/f"} <= set(files)
            assert "g/.git" not in files
        finally:
            os.killpg(daemon.pid, signal.SIGKILL)  # git starts git-daemon
