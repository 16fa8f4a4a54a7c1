"""search: the launcher beside real registries with every login, and a scripted one.

In: repositories that skopeo pushed, answers as Docker Hub gives them.  Out: what is printed.
Never: a registry outside of this machine.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_registry import PASSWORD, USER, RealRegistry, serve_registry
from scripted_images import ScriptedImages
from scripted_server import Request, ScriptedServer, head, reply

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.timeout(120)
NEEDS = pytest.mark.needs("docker-registry", "skopeo", "htpasswd", "openssl")

LONG = "a web server that is described at length, more than a line has room for"
HUB = {
    "num_results": 3,
    "results": [
        {"name": "nginx", "description": f"{LONG}\n", "star_count": 20000, "is_official": True},
        {"name": "me/nginx", "description": "mine\x1b[31m", "star_count": 2,
         "is_official": False, "is_automated": True},
        {"name": "you/nginx", "description": None, "star_count": 0, "is_official": False},
    ],
}  # fmt: skip


@pytest.fixture
def call(pyrootless: Runner, tmp_path: Path) -> Runner:
    """The launcher, as a user of this test's own."""
    (tmp_path / "run").mkdir(mode=0o700)
    env = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}

    def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
        return pyrootless(*words, env=env, **options)

    return run


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 125
    assert [word for word in words if word not in done.stderr] == []
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module", params=["none", "basic", "token"])
def registry(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRegistry]:
    directory = tmp_path_factory.mktemp("registry") / request.param
    with serve_registry(directory, request.param) as running:
        images = ScriptedImages()
        images.add_image("one", [{"a": b"1"}])
        for name in ("team/web", "team/webmail", "other/mail"):
            running.push(images, "one", name=name)
        yield running


@NEEDS
def test_a_registry_without_a_search_is_asked_for_its_catalog(
    registry: RealRegistry, call: Runner
) -> None:
    if registry.kind != "none":
        good(call("login", "-u", USER, "--password-stdin", registry.host, input=PASSWORD))
    form = "--format={{.Name}}"
    found = [f"{registry.host}/{name}" for name in ("team/web", "team/webmail")]
    assert good(call("search", form, f"{registry.host}/web")).splitlines() == found
    assert good(call("search", form, "--limit=1", f"{registry.host}/web")) == f"{found[0]}\n"
    assert len(good(call("search", form, f"{registry.host}/")).splitlines()) == 3
    assert good(call("search", form, f"{registry.host}/nothing")) == ""
    table = good(call("search", "--list-tags", found[0])).splitlines()
    assert [line.split() for line in table] == [["NAME", "TAG"], [found[0], "one"]]


@NEEDS
@pytest.mark.parametrize("registry", ["basic", "token"], indirect=True)
def test_a_stranger_is_told_to_log_in(registry: RealRegistry, call: Runner) -> None:
    done = call("search", f"{registry.host}/web")
    refused(done, "access denied", f"pyrootless login {registry.host}")


def serve(pages: dict[str, bytes]) -> ScriptedServer:
    """A registry that has these documents and nothing else."""

    def answer(request: Request) -> bytes:
        if request.target == "/v2/":
            return reply(200, b"{}")
        body = pages.get(request.target)
        return reply(404, b"") if body is None else body

    return ScriptedServer(answer)


def test_a_search_in_the_hubs_form(call: Runner) -> None:
    target = "/v1/search?q=nginx&n=25"
    with serve({target: reply(200, json.dumps(HUB).encode())}) as server:
        term = f"{server.host}/nginx"
        lines = good(call("search", term)).splitlines()
        assert lines[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]
        assert lines[1].startswith(f"{server.host}/nginx ")
        assert f"  {LONG[:44]}…  " in lines[1]
        assert lines[1].endswith(" 20000     [OK]")
        assert "\x1b" not in lines[2]
        assert LONG in good(call("search", "--no-trunc", term))
        for words, names in (
            (("-f", "is-official=true"), ["nginx"]),
            (("-f", "is-official=false"), ["me/nginx", "you/nginx"]),
            (("-f", "stars=2"), ["nginx", "me/nginx"]),
            (("-f", "is-automated=true", "-f", "stars=1"), ["me/nginx"]),
        ):
            shown = good(call("search", "--format={{.Name}}", *words, term)).splitlines()
            assert shown == [f"{server.host}/{name}" for name in names]
        first = good(call("search", "--format=json", "--no-trunc", term)).splitlines()[0]
        assert json.loads(first) == {
            "Description": LONG, "IsAutomated": "false", "IsOfficial": "true",
            "Name": f"{server.host}/nginx", "StarCount": "20000",
        }  # fmt: skip


def page(names: list[str], following: str | None = None) -> bytes:
    body = json.dumps({"repositories": names}).encode()
    link = f'Link: <{following}>; rel="next"' if following else "X-None: 1"
    return head(200, f"Content-Length: {len(body)}", link) + body


def test_the_catalog_goes_on_but_never_elsewhere(call: Runner) -> None:
    pages = {
        "/v2/_catalog?n=1000": page(["a1", "b1"], "/v2/_catalog?last=b1&n=1000"),
        "/v2/_catalog?last=b1&n=1000": page(["a2"], "http://127.0.0.1:1/v1/other?n=1"),
    }
    with serve(pages) as server:
        shown = good(call("search", "--format={{.Name}}", f"{server.host}/a"))
        assert shown == f"{server.host}/a1\n{server.host}/a2\n"


def test_a_catalog_without_an_end(call: Runner) -> None:
    again = "/v2/_catalog?n=1000"
    with serve({again: page(["a"], again)}) as server:
        assert good(call("search", f"{server.host}/b")).count("\n") == 1
        asked = [request.target for request in server.requests].count(again)
        assert asked == 100


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"results": {}}', b'{"results": [1]}'])
def test_an_answer_that_is_none(call: Runner, body: bytes) -> None:
    with serve({"/v1/search?q=a&n=25": reply(200, body)}) as server:
        refused(call("search", f"{server.host}/a"), server.host, "its answer to a search")


def test_a_registry_that_tells_nothing(call: Runner) -> None:
    with serve({}) as server:
        done = call("search", f"{server.host}/a")
        refused(done, "neither searches nor lists", "search --list-tags")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit=0", "a"], "from 1 to 100"),
        (["--limit=101", "a"], "from 1 to 100"),
        (["-f", "size=1", "a"], "write is-official="),
        (["-f", "stars=many", "a"], "write a number"),
        (["-f", "is-official=perhaps", "a"], "write true or false"),
        (["docker.io/"], "a word to search for"),
    ],
)
def test_words_that_mean_nothing(call: Runner, words: list[str], said: str) -> None:
    refused(call("search", *words), said)
