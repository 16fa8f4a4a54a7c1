"""`pyrootless serve jobe` as Moodle's CodeRunner calls it, over a real socket.

In: the launcher.  Out: status codes, JSON; outcomes of good and bad programs.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyrootless.api.http import Request, Response, Server
from pyrootless.api.jobe import PREFIX, Jobe
from pyrootless.sandbox.jobe.files import FileCache

Ask = Callable[..., tuple[int, Any]]
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def start(launcher: Path, engine_environment: dict[str, str]) -> Start:
    """A server, listening; it has ended well when the block is left."""

    @contextmanager
    def started(*words: str) -> Iterator[str]:
        command = [str(launcher), "serve", "jobe", "--port", "0", *words]
        with subprocess.Popen(
            command, env=engine_environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), line
            yield line.removeprefix("listening on ").strip()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0

    return started


@pytest.fixture(scope="module")
def ask(start: Start) -> Iterator[Ask]:
    with start("-j", "2") as url:

        def asked(*words: Any, **more: Any) -> tuple[int, Any]:
            return request(url, *words, **more)

        asked.url = url  # type: ignore[attr-defined]
        yield asked


def request(
    url: str, method: str, resource: str, document: Any = None, headers: Any = None
) -> tuple[int, Any]:
    """CodeRunner's headers; its status and the decoded body."""
    sent = {
        "User-Agent": "CodeRunner",
        "Content-Type": "application/json; charset=utf-8",
        "Accept": "application/json",
    } | (headers or {})
    data = None if document is None else json.dumps(document).encode()
    wish = urllib.request.Request(f"{url}/{resource}", data, sent, method=method)
    try:
        with urllib.request.urlopen(wish, timeout=60) as response:
            body = response.read()
            return response.status, json.loads(body) if body else None
    except urllib.error.HTTPError as error:
        body = error.read()
        return error.code, json.loads(body) if body else None


def spec(source: str, language: str = "python3", **more: Any) -> dict[str, Any]:
    run = {"language_id": language, "sourcecode": source, "input": "", "parameters": {}}
    return {"run_spec": run | more}


def test_languages(ask: Ask) -> None:
    status, found = ask("GET", "languages")
    assert status == 200
    versions = dict(found)
    assert {"c", "python3"} <= set(versions)
    assert versions["python3"].startswith("3.")


@pytest.mark.needs("java", "javac")
@pytest.mark.parametrize("given", [None, "prog.java", "Other.java"])
def test_any_class_of_java(ask: Ask, given: str | None) -> None:
    source = (
        "public class Sum { public static void main(String[] a) { System.out.println(7); } }"
    )
    wish = spec(source, "java", sourcefilename=given)
    status, result = ask("POST", "runs", wish)
    assert (status, result["outcome"], result["stdout"]) == (200, 15, "7\n"), result


@pytest.mark.needs("gcc")
def test_a_run_and_its_result(ask: Ask) -> None:
    source = (
        "#include <stdio.h>\n#ifndef TWO\n#error no\n#endif\n"
        'int main(int c, char **v) { int n; scanf("%d", &n);'
        ' printf("%d %s\\n", n * TWO, v[1]); return 3; }'
    )
    parameters = {"compileargs": ["-DTWO=2"], "runargs": ["word"], "cputime": 2}
    status, found = ask(
        "POST",
        "runs",
        spec(source, "c", input="21", parameters=parameters, sourcefilename="a.c"),
    )
    assert status == 200
    # An exit code alone is no error, as in Jobe.
    assert found == {
        "run_id": None, "outcome": 15, "cmpinfo": "", "stdout": "42 word\n", "stderr": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "outcome", "stream", "text"),
    [
        ("print('é')", 15, "stdout", "é\n"),
        ("1 / 0", 12, "stderr", "ZeroDivisionError"),
        ("while True: pass", 13, "stdout", ""),
        ("b'x' * (600 << 20)", 17, "stdout", ""),
        ("import ctypes; ctypes.CDLL(None).syscall(169, 0)", 19, "stdout", ""),
        ("import os; os.kill(os.getpid(), 11)", 12, "stderr", "signal 11"),
        ("while True: print('x' * 1000)", 12, "stderr", "more output than allowed"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\n\\x01')", 15, "stdout", "\\xff\n\\x01"),
    ],
)
def test_outcomes(ask: Ask, source: str, outcome: int, stream: str, text: str) -> None:
    seconds = 1 if outcome == 13 else 10
    status, found = ask("POST", "runs", spec(source, parameters={"cputime": seconds}))
    assert (status, found["outcome"]) == (200, outcome), found
    assert text in found[stream]


@pytest.mark.needs("gcc")
def test_what_does_not_compile(ask: Ask) -> None:
    status, found = ask("POST", "runs", spec("int main(void) { return x; }", "c"))
    assert (status, found["outcome"]) == (200, 11)
    assert "undeclared" in found["cmpinfo"]


def test_files_are_put_when_they_are_missing(ask: Ask) -> None:
    """CodeRunner's way: run; on 404 put every file; run again."""
    content = b"one\x00two"
    name = hashlib.md5(content).hexdigest()
    wish = spec("print(open('data.bin', 'rb').read())", file_list=[[name, "data.bin"]])
    assert ask("HEAD", f"files/{name}") == (404, None)
    status, text = ask("POST", "runs", wish)
    assert (status, text) == (404, "One or more of the specified files is missing/unavailable")
    document = {"file_contents": base64.b64encode(content).decode()}
    assert ask("PUT", f"files/{name}", document) == (204, None)
    assert ask("HEAD", f"files/{name}") == (204, None)
    assert ask("POST", "runs", wish)[1]["stdout"] == "b'one\\x00two'\n"


@pytest.mark.parametrize(
    ("method", "resource", "document", "status"),
    [
        ("POST", "runs", {}, 400),
        ("POST", "runs", {"run_spec": {"sourcecode": "x"}}, 400),
        ("POST", "runs", spec("x", "fortran"), 400),
        ("POST", "runs", spec("x", parameters={"cputime": 1000}), 400),
        ("POST", "runs", spec("x", parameters={"memorylimit": "much"}), 400),
        ("POST", "runs", spec("x", parameters={"runargs": "word"}), 400),
        ("POST", "runs", spec("x", sourcefilename="../x.py"), 400),
        ("POST", "runs", spec("x", file_list=[["12345678", "../x"]]), 400),
        ("PUT", "files/..%2f..%2fetc", {"file_contents": ""}, 400),
        ("PUT", "files/12345678", {"file_contents": "%"}, 400),
        ("GET", "runresults/7", None, 404),
        ("GET", "nothing", None, 404),
        ("DELETE", "runs", None, 405),
    ],
)
def test_bad_requests(ask: Ask, method: str, resource: str, document: Any, status: int) -> None:
    assert ask(method, resource, document)[0] == status


def test_only_json_is_taken(ask: Ask) -> None:
    """A web page of another site may send text/plain without asking."""
    kind = {"Content-Type": "text/plain"}
    assert ask("POST", "runs", spec("print(1)"), headers=kind)[0] == 415


def test_one_connection_for_several_requests_and_expect(ask: Ask) -> None:
    """curl waits for 100 Continue before a large body."""
    url = ask.url  # type: ignore[attr-defined]
    host, port = url.split("/")[2].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    for _ in range(2):
        connection.request("GET", "/jobe/index.php/restapi/languages")
        assert json.loads(connection.getresponse().read())
    connection.close()
    body = json.dumps(spec("print(1)")).encode()
    head = (
        "POST /jobe/index.php/restapi/runs HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        "Connection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        plain.sendall(head.encode())
        assert plain.recv(1000).startswith(b"HTTP/1.1 100 ")
        plain.sendall(body)
        with plain.makefile("rb") as stream:
            assert b'"stdout": "1\\n"' in stream.read()


def test_garbage_ends_its_connection_alone(ask: Ask) -> None:
    url = ask.url  # type: ignore[attr-defined]
    host, port = url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        plain.sendall(b"\x16\x03\x01 garbage\r\n\r\n")
        assert plain.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert ask("GET", "languages")[0] == 200


def test_several_at_once(ask: Ask) -> None:
    def one(number: int) -> str:
        return str(ask("POST", "runs", spec(f"print({number})"))[1]["stdout"])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(8))) == [f"{number}\n" for number in range(8)]


def test_keys(start: Start, launcher: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("secret-1\nsecret-2\n")
    with start("--api-key-file", str(keys)) as url:
        assert request(url, "GET", "languages")[0] == 403
        assert request(url, "GET", "languages", headers={"X-API-KEY": "secret"})[0] == 403
        assert request(url, "HEAD", "files/1", headers={"X-API-KEY": "secret-2"})[0] == 404
    command = [launcher, "serve", "jobe", "--listen", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 125
    assert "--api-key-file" in done.stderr


@pytest.mark.usefixtures("engine")
def test_what_finds_no_room_is_told_so(tmp_path: Path) -> None:
    async def three() -> list[int]:
        jobe = Jobe(1, frozenset(), FileCache(tmp_path), waiting=1)
        body = json.dumps(spec("pass", parameters={"cputime": 10})).encode()
        wish = Request("POST", f"{PREFIX}/runs", {"content-type": "application/json"}, body)
        answers = await asyncio.gather(*(jobe.answer(wish) for _ in range(3)))
        jobe.close()
        return [json.loads(answer.body)["outcome"] for answer in answers]

    assert asyncio.run(three()) == [15, 15, 21]


def test_bodies_beyond_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyrootless.api.http.BODY_MAX_BYTES", 100)

    async def answer(request: Request) -> Response:
        return Response(200, request.body)

    async def ask() -> list[bytes]:
        server = Server(answer)
        host, port = await server.listen("127.0.0.1", 0)
        found = []
        for size in (100, 101):
            reader, writer = await asyncio.open_connection(host, port)
            head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
            writer.write(head.encode() + b"x" * size)
            found.append(await reader.readline())
            writer.close()
        await server.close()
        return found

    assert asyncio.run(ask()) == [b"HTTP/1.1 200 \r\n", b"HTTP/1.1 413 \r\n"]
