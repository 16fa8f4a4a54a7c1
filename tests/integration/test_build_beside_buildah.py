"""The same Dockerfiles, built by buildah and by pyrootless, give the same image.

In: Dockerfiles of real shape, on a small image and on the machine's own files.
Out: path, type, mode, owner, target and content of everything, and the configuration.
Never: a difference left out that is not explained here.

What is buildah's own: a label with its version, a host name, another order of variables; and
ENTRYPOINT in shell form gets /bin/sh whatever SHELL says, which docker's builder heeds.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flat_image
import pytest
import small_image

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.slow,
    pytest.mark.needs("user-namespaces", "busybox", "buildah", "subordinate-ids", "newuidmap"),
]
BASE = "localhost/small:peer"
FILES = {
    "app/main.py": "print('hi')\n",
    "app/lib/util.py": "x = 1\n",
    "app/lib/test_util.py": "assert 1\n",
    "app/README.md": "read me\n",
    "conf/app.conf": "a = b\n",
    "entry.sh": '#!/bin/sh\nexec "$@"\n',
    "requirements.txt": "x==1\n",
    "main.c": "int main(void) { return 0; }\n",
    ".dockerignore": "**/*.md\nsecret\n",
    "secret": "no\n",
}
"""The context; entry.sh may be executed."""

DOCKERFILES = {
    "web-app": """
WORKDIR /srv/app
COPY requirements.txt .
RUN mkdir -p /usr/lib/site && cp requirements.txt /usr/lib/site/installed
COPY app/ .
ENV PORT=8000 MODE="production mode"
EXPOSE $PORT
USER 1000:1000
CMD ["/bin/sh", "-c", "echo $PORT"]
""",
    "c-multi-stage": """AS build
WORKDIR /src
COPY main.c .
RUN sed s/0/1/ main.c > main.o && mkdir -p out/bin && cat main.o > out/bin/main
RUN chmod 755 out/bin/main
FROM scratch
COPY --from=build /src/out/ /
ENTRYPOINT ["/bin/main"]
""",
    "users-and-permissions": """
RUN echo app:x:500:600::/home/app:/bin/sh >> /etc/passwd && echo app:x:600: >> /etc/group
RUN mkdir -p /home/app /var/lib/app && chown -R app:app /home/app && chmod 2775 /var/lib/app
COPY --chown=app:app conf /home/app/conf
COPY --chown=500:600 --chmod=0750 entry.sh /usr/local/bin/
USER app
RUN touch /home/app/made && mkdir -m 700 /home/app/.private
""",
    "database": """
RUN mkdir -p /var/lib/pg/data && chown -R 70:70 /var/lib/pg && chmod 700 /var/lib/pg/data
ENV PGDATA=/var/lib/pg/data
VOLUME /var/lib/pg/data
COPY entry.sh /usr/local/bin/
ENTRYPOINT ["entry.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
""",
    "arguments": """
ARG VERSION=1.0
ARG EMPTY
ENV FULL=v${VERSION}-${EMPTY:-none} TAIL=${VERSION%.*}
LABEL version="$VERSION" full=$FULL
RUN echo "$FULL $TAIL $VERSION" > /version
""",
    "deletions": """
RUN rm -r /d/sub /etc/shadow && mkdir /d/sub && touch /d/sub/fresh
RUN rm /d/one && mkdir /d/one && touch /d/one/inside
RUN mv /etc/group /etc/group.old && ln -s group.old /etc/group
""",
    "links": """
RUN ln -s ../tmp /d/up && ln /d/one /d/hard && ln -s nowhere /dangling && mkfifo -m 640 /pipe
COPY conf/app.conf /d/up/
COPY conf /linked/
""",
    "heredocs": """
RUN <<EOF
set -e
mkdir /here
echo "$A" > /here/a
EOF
COPY <<one.txt <<two.txt /here/
$A one
one.txt
two
two.txt
""",
    "copies": """
COPY app /a
COPY app/ /b/
COPY app/*.py app/lib /c/
COPY entry.sh requirements.txt /d/
COPY conf/app.conf /etc/app/renamed.conf
COPY . /all/
""",
    "onbuild-and-health": """
ONBUILD RUN echo later
HEALTHCHECK --interval=30s --timeout=3s --retries=5 CMD test -e /etc/passwd
LABEL a=1
LABEL b="two words" c=3
SHELL ["/bin/sh", "-ec"]
RUN echo shell > /shell
ENTRYPOINT ["/bin/sh", "-ec", "echo hi"]
""",
    "workdirs": """
WORKDIR /one
WORKDIR two/three
RUN pwd > where
WORKDIR ../..
COPY entry.sh ./
""",
    "environment": """
ENV PATH=/opt/bin:$PATH
ENV B=$A C=${A}x D='$A' E=a\\ b
ENV OLD old style value
RUN echo "$PATH|$B|$C|$D|$E|$OLD" > /env
""",
    "modes": """
RUN umask 077 && mkdir /closed && touch /closed/f && chmod 4755 /closed/f && chmod 1777 /d
RUN chmod 000 /closed/f && chmod u=rwx,go= /d/sub
COPY --chmod=755 conf/app.conf /closed/conf
""",
    "stages-by-number": """
RUN echo zero > /zero
FROM localhost/small:peer AS one
RUN echo one > /one
FROM one
COPY --from=0 /zero /from/zero
COPY --from=localhost/small:peer /etc/passwd /from/passwd
RUN cat /one /from/zero > /both
""",
    "bind-and-cache-mounts": """
RUN mkdir -p /mnt/app /var/cache/x /scratch
RUN --mount=type=bind,source=app,target=/mnt/app cp /mnt/app/main.py /copied
RUN --mount=type=cache,target=/var/cache/x,id=beside-buildah echo 1 > /var/cache/x/f
RUN --mount=type=tmpfs,target=/scratch echo 1 > /scratch/f
""",
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, launcher: Path,
            engine_environment: dict[str, str]) -> Path:  # fmt: skip
    """The base image, as both read it.

    It has whatever buildah mounts on, and leaves in an image that lacks it.
    """
    folder = tmp_path_factory.mktemp("peer")
    small_image.write_root(folder / "root.tar")
    with tarfile.open(folder / "root.tar", "a") as made:
        for name in ("dev", "proc", "sys", "run"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            made.addfile(info)
        for name in ("hosts", "hostname", "resolv.conf"):
            made.addfile(tarfile.TarInfo(f"etc/{name}"))
    for words in (
        ["import", "-c", "ENV PATH=/bin", "-c", "ENV A=of-image", "-c", 'CMD ["sh"]',
         str(folder / "root.tar"), BASE],
        ["save", "-o", str(folder / "base.tar"), BASE],
    ):  # fmt: skip
        subprocess.run([str(launcher), *words], env=engine_environment, check=True, timeout=120)
    return folder / "base.tar"


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Iterator[Run]:
    """Call buildah on a store of its own."""
    home = tmp_path_factory.mktemp("buildah")
    (home / "run").mkdir(mode=0o700)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(home / "run"), "HOME": str(home)}
    places = ["--root", str(home / "store"), "--runroot", str(home / "run/root")]

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["buildah", *places, "--storage-driver", "vfs", *words], env=env,
                              capture_output=True, text=True, timeout=280)  # fmt: skip

    done = call("pull", "-q", f"docker-archive:{archive}")
    assert done.returncode == 0, done.stderr
    yield call
    subprocess.run(
        ["buildah", "unshare", "rm", "-rf", str(home / "store")], env=env, timeout=120
    )


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("context")
    for name, text in FILES.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    (top / "entry.sh").chmod(0o755)
    return top


def comparable(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what an engine says of itself."""
    section = {key: value for key, value in config["config"].items() if value}
    labels = dict(section.pop("Labels", None) or {})
    labels.pop("io.buildah.version", None)
    section.pop("Hostname", None)
    env = [entry for entry in section.pop("Env", []) if not entry.startswith("PATH=/usr/local")]
    if section.get("WorkingDir") == "/":
        del section["WorkingDir"]  # said or not, it is the same
    return {**section, "Labels": labels, "Env": sorted(env)}


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_same_image(
    pyrootless: Run, buildah: Run, archive: Path, context: Path, tmp_path: Path, name: str
) -> None:
    text = DOCKERFILES[name]
    first = text.split("\n", 1)[0]
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE} {first}\n{text.split(chr(10), 1)[1]}")
    file = str(tmp_path / "Dockerfile")
    ours = pyrootless("build", "-q", "-f", file, "-t", "ours:1", str(context), timeout=280)
    assert ours.returncode == 0, ours.stderr
    theirs = buildah("build", "-q", "--isolation", "chroot", "--format", "docker", "--network",
                     "host", "-f", file, "-t", "theirs:1", str(context))  # fmt: skip
    assert theirs.returncode == 0, theirs.stderr
    done = pyrootless("save", "-o", str(tmp_path / "ours.tar"), "ours:1")
    assert done.returncode == 0, done.stderr
    done = buildah("push", "-q", "theirs:1", f"docker-archive:{tmp_path / 'theirs.tar'}:t:1")
    assert done.returncode == 0, done.stderr
    our_tree, our_config = flat_image.read_archive(tmp_path / "ours.tar")
    their_tree, their_config = flat_image.read_archive(tmp_path / "theirs.tar")
    assert our_tree == their_tree
    assert comparable(our_config) == comparable(their_config)
