"""pyrootless.images.changes: --change instructions → configuration."""

from __future__ import annotations

from typing import Any

import pytest

from pyrootless.errors import UsageError
from pyrootless.images.changes import apply_changes
from pyrootless.images.config import ImageConfig
from pyrootless.images.platforms import Platform

BASE = ImageConfig(raw=b"", platform=Platform("linux", "amd64"), env=("A=1", "B=2"),
                   working_dir="/srv", exposed_ports=("80/tcp",))  # fmt: skip


@pytest.mark.parametrize(
    ("change", "member", "value"),
    [
        ('CMD ["/bin/sh", "-l"]', "cmd", ("/bin/sh", "-l")),
        ("CMD echo a  b", "cmd", ("/bin/sh", "-c", "echo a  b")),
        ("CMD [broken", "cmd", ("/bin/sh", "-c", "[broken")),
        ("CMD=/bin/bash", "cmd", ("/bin/sh", "-c", "/bin/bash")),
        ('entrypoint ["/init"]', "entrypoint", ("/init",)),
        ("ENV B=3 C='x y'", "env", ("A=1", "B=3", "C=x y")),
        ('ENV C="a=b" D=', "env", ("A=1", "B=2", "C=a=b", "D=")),
        ("ENV C all the rest", "env", ("A=1", "B=2", "C=all the rest")),
        ("EXPOSE 53/UDP 8000-8002", "exposed_ports",
         ("53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp")),
        ('LABEL a=1 "b c"="d e"', "labels", {"a": "1", "b c": "d e"}),
        ("STOPSIGNAL SIGQUIT", "stop_signal", "SIGQUIT"),
        ("USER  www:www ", "user", "www:www"),
        ('VOLUME ["/b", "/a"]', "volumes", ("/a", "/b")),
        ("VOLUME /b /a", "volumes", ("/a", "/b")),
        ("WORKDIR /x/../y", "working_dir", "/y"),
        ("WORKDIR sub", "working_dir", "/srv/sub"),
    ],
)  # fmt: skip
def test_changes(change: str, member: str, value: Any) -> None:
    assert getattr(apply_changes(BASE, [change]), member) == value


def test_changes_count_in_their_order() -> None:
    found = apply_changes(BASE, ["WORKDIR a", "WORKDIR b", "CMD one", 'CMD ["two"]'])
    assert (found.working_dir, found.cmd) == ("/srv/a/b", ("two",))


@pytest.mark.parametrize(
    "change",
    ["", "CMD", "CMD ", "RUN apt-get update", "FROM x", "ENV A", "ENV =b", 'LABEL a="b',
     "EXPOSE 0", "EXPOSE 70000", "EXPOSE 9-8", "EXPOSE 80/ip", "STOPSIGNAL NOPE"],
)  # fmt: skip
def test_what_is_no_change(change: str) -> None:
    with pytest.raises(UsageError):
        apply_changes(BASE, [change])
