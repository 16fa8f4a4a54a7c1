"""pyrootless.images.registry.client: what a registry may answer, and what becomes of it."""

from __future__ import annotations

import hashlib
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest
from scripted_server import Request, ScriptedServer, drip, head, reply

from pyrootless.errors import IntegrityError, RegistryError
from pyrootless.images.manifest import OCI_MANIFEST, Descriptor
from pyrootless.images.registry import exchange
from pyrootless.images.registry.auth import Credential
from pyrootless.images.registry.client import MAX_MANIFEST_BYTES, RegistryClient
from pyrootless.images.registry.exchange import ConnectionLost, Question, connection_failure
from pyrootless.images.registry.host import NotThere
from pyrootless.images.registry.settings import Patience, RegistrySettings

QUICK = Patience(
    connect_seconds=5,
    window_seconds=0.4,
    window_bytes=1000,
    tries=3,
    pause_seconds=0.01,
    pause_limit_seconds=0.05,
)
SETTINGS = RegistrySettings(patience=QUICK)
BLOB = bytes(range(256)) * 1024
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
LAYER = Descriptor("application/vnd.oci.image.layer.v1.tar", DIGEST, len(BLOB))
MANIFEST = b'{"schemaVersion":2}'
MANIFEST_DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"

Said = bytes | Iterable[bytes]


class Registry:
    """A registry whose n-th answer is the n-th of a list; the last one stays."""

    def __init__(self, *answers: Callable[[Request], Said] | bytes) -> None:
        self._answers = list(answers)
        self._count = itertools.count()

    def __call__(self, request: Request) -> Said:
        if request.target == "/v2/":
            return reply(200)
        answer = self._answers[min(next(self._count), len(self._answers) - 1)]
        return answer if isinstance(answer, bytes) else answer(request)


def client_of(
    server: ScriptedServer,
    credential: Credential | None = None,
    settings: RegistrySettings = SETTINGS,
) -> RegistryClient:
    return RegistryClient(server.host, settings, lambda *_: credential)


def get_manifest(*answers: Callable[[Request], Said] | bytes, tag: str = "1") -> object:
    with ScriptedServer(Registry(*answers)) as server, client_of(server) as client:
        return client.manifest("a/b", tag)


def get_blob(*answers: Callable[[Request], Said] | bytes, offset: int = 0) -> bytes:
    with ScriptedServer(Registry(*answers)) as server, client_of(server) as client:
        return b"".join(client.blob("a/b", LAYER, offset))


def ranged(request: Request) -> bytes:
    """What a good registry says to a Range."""
    wanted = request.headers.get("range", "")
    if not wanted:
        return reply(200, BLOB)
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    told = f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}"
    return reply(206, BLOB[start:], content_range=told)


def broken(count: int) -> Callable[[Request], Said]:
    """The beginning of the blob, then the end of the connection."""
    return lambda _: [head(200, f"Content-Length: {len(BLOB)}"), BLOB[:count]]


def chunked(body: bytes, size: int = 4096) -> list[bytes]:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    framed = [f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts]
    return [head(200, "Transfer-Encoding: chunked"), *framed, b"0\r\n\r\n"]


# --- manifests -------------------------------------------------------------------------------


def test_manifest_with_type_and_digest() -> None:
    said = reply(
        200,
        MANIFEST,
        content_type=f"{OCI_MANIFEST}; charset=utf-8",
        docker_content_digest=MANIFEST_DIGEST,
    )
    assert get_manifest(said) == (MANIFEST, OCI_MANIFEST, MANIFEST_DIGEST)
    assert get_manifest(reply(200, MANIFEST, content_type="text/plain")) == (
        MANIFEST,
        None,
        MANIFEST_DIGEST,
    )


def test_the_request_says_what_is_understood() -> None:
    with ScriptedServer(Registry(reply(200, MANIFEST))) as server, client_of(server) as client:
        client.manifest("a/b", MANIFEST_DIGEST)
    request = server.requests[-1]
    assert request.target == f"/v2/a/b/manifests/{MANIFEST_DIGEST}"
    assert OCI_MANIFEST in request.headers["accept"].split(", ")
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("pyrootless/")
    assert "authorization" not in request.headers


def test_manifest_that_is_another() -> None:
    other = "sha256:" + "0" * 64
    with pytest.raises(
        IntegrityError, match=f"digest is {MANIFEST_DIGEST}, expected was {other}"
    ):
        get_manifest(reply(200, MANIFEST), tag=other)
    with pytest.raises(IntegrityError, match="remedy: .*proxy"):
        get_manifest(reply(200, MANIFEST, docker_content_digest=other))


def endless(_: Request) -> Iterator[bytes]:
    yield head(200, "Transfer-Encoding: chunked")
    while True:
        yield b"10001\r\n" + b" " * 0x10001 + b"\r\n"


def test_manifest_without_an_end() -> None:
    with pytest.raises(IntegrityError, match=f"longer than the {MAX_MANIFEST_BYTES} bytes"):
        get_manifest(endless)


def endless_trailers(_: Request) -> Iterator[bytes]:
    yield head(200, "Transfer-Encoding: chunked")
    yield b"1\r\n{\r\n0\r\n"
    while True:
        yield b"X: y\r\n" * 10_000


def endless_interim(_: Request) -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n" * 1000


def endless_headers(_: Request) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield b"X-%d: y\r\n" % number


def endless_line(_: Request) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 "
    while True:
        yield b"O" * 100_000


@pytest.mark.parametrize(
    "answer", [endless_trailers, endless_interim, endless_headers, endless_line]
)
def test_replies_without_an_end(answer: Callable[[Request], Said]) -> None:
    with pytest.raises(RegistryError):
        get_manifest(answer)


def slow_headers(request: Request) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX: "
    yield from drip(request.server, b"y")


def slow_body(request: Request) -> Iterator[bytes]:
    yield head(200, f"Content-Length: {len(BLOB)}")
    yield from drip(request.server, b"y")


def slow_chunks(request: Request) -> Iterator[bytes]:
    yield head(200, "Transfer-Encoding: chunked")
    yield from drip(request.server, b"1\r\ny\r\n")


def slow_chunk_size(request: Request) -> Iterator[bytes]:
    yield head(200, "Transfer-Encoding: chunked")
    yield b"1;"
    yield from drip(request.server, b"x")


@pytest.mark.parametrize("answer", [slow_headers, slow_body, slow_chunks, slow_chunk_size])
def test_slow_drip_ends(answer: Callable[[Request], Said]) -> None:
    with pytest.raises(RegistryError, match=r"is too slow: \d+ bytes in .*are too few"):
        get_manifest(answer)
    with pytest.raises(RegistryError, match=r"(?s)is too slow.*remedy: .*window-seconds"):
        get_blob(answer)


def silent(request: Request) -> Iterator[bytes]:
    request.server.stopped.wait(20)
    yield b""


def test_silence_ends() -> None:
    with pytest.raises(RegistryError, match=r"says nothing for 0\.4 s"):
        get_manifest(silent)


def test_time_in_which_nobody_reads_is_not_the_registrys() -> None:
    """A disk that is slower than the window must not end the transfer."""
    received = []
    with ScriptedServer(Registry(ranged)) as server, client_of(server) as client:
        for chunk in client.blob("a/b", LAYER):
            received.append(chunk)
            if len(received) == 1:
                threading.Event().wait(QUICK.window_seconds * 1.5)
    assert b"".join(received) == BLOB
    assert server.paths() == [f"/v2/a/b/blobs/{DIGEST}"]


# --- errors ----------------------------------------------------------------------------------


def told(status: int, message: str) -> bytes:
    body = json.dumps({"errors": [{"code": "X", "message": message}]}).encode()
    return reply(status, body, content_type="application/json")


def test_what_is_not_there() -> None:
    with pytest.raises(
        NotThere, match=r"repository a/b: there is no manifest 1 \(gone \(HTTP 404"
    ):
        get_manifest(told(404, "gone"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(416), r"manifests/1: HTTP 416"),
        (reply(206, MANIFEST), r"manifests/1: HTTP 206"),
        (told(403, "no"), r"(?s)access denied: no \(HTTP 403\).*pyrootless login 127"),
        (told(429, "slow down"), r"(?s)too many requests: slow down.*mirror"),
        (told(503, "later"), r"(?s)manifests/1: later \(HTTP 503\).*try again later"),
        (reply(400, b"<html>"), r"(?s)HTTP 400.*check that this host is a registry"),
        (reply(500, b"[" * 60_000), "HTTP 500"),
        (told(404, "\x1b[31mred\n"), r"\?\[31mred\?"),
    ],
)
def test_refusals_say_what_to_do(answer: bytes, words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        get_manifest(answer)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_faults_are_tried_again(status: int) -> None:
    found = get_manifest(reply(status), reply(status), reply(200, MANIFEST))
    assert found == (MANIFEST, None, MANIFEST_DIGEST)


def test_tries_are_counted() -> None:
    with ScriptedServer(Registry(reply(503))) as server, client_of(server) as client:
        with pytest.raises(RegistryError):
            client.manifest("a/b", "1")
    assert len(server.paths()) == QUICK.tries


def test_no_other_status_is_tried_again() -> None:
    with ScriptedServer(Registry(reply(501))) as server, client_of(server) as client:
        with pytest.raises(RegistryError):
            client.manifest("a/b", "1")
    assert len(server.paths()) == 1


@pytest.mark.parametrize(
    ("failures", "retry_after", "least", "most"),
    [
        (1, None, 0.25, 0.5),
        (3, None, 1.0, 2.0),
        (40, None, 15.0, 30.0),
        (1, "7", 7.0, 7.0),
        (1, "9999999999999999999999", 30.0, 30.0),
        (1, "Thu, 01 Jan 1970 00:16:50 GMT", 10.0, 10.0),
        (1, "Thu, 01 Jan 1970 00:00:00 GMT", 0.0, 0.0),
        (1, "soon", 0.25, 0.5),
        (1, "-1", 0.25, 0.5),
        (1, "", 0.25, 0.5),
    ],
)
def test_pauses(failures: int, retry_after: str | None, least: float, most: float) -> None:
    for _ in range(20):
        wait = exchange.pause_seconds(Patience(), failures, retry_after, 1000.0)
        assert least <= wait <= most


def test_nobody_there() -> None:
    with ScriptedServer(Registry(reply(200))) as server:
        client = client_of(server)
    with pytest.raises(
        ConnectionLost, match=r"(?s)cannot be reached: Connection refused.*check"
    ):
        client.manifest("a/b", "1")


def test_tags() -> None:
    body = json.dumps({"name": "a/b", "tags": ["1", "2"]}).encode()
    with ScriptedServer(Registry(reply(200, body))) as server, client_of(server) as client:
        assert client.tags("a/b") == ["1", "2"]
    for bad in (b"[]", b"{}", b"1", b'{"tags":1}'):
        with ScriptedServer(Registry(reply(200, bad))) as server, client_of(server) as client:
            with pytest.raises(IntegrityError, match="list of tags"):
                client.tags("a/b")


# --- blobs -----------------------------------------------------------------------------------


def test_blob() -> None:
    assert get_blob(ranged) == BLOB
    assert get_blob(lambda _: chunked(BLOB)) == BLOB
    assert get_blob(ranged, offset=1000) == BLOB[1000:]
    assert get_blob(ranged, offset=len(BLOB)) == b""


def test_a_broken_transfer_goes_on_where_it_broke() -> None:
    answers = Registry(broken(100_000), broken(0), ranged)
    with ScriptedServer(answers) as server, client_of(server) as client:
        assert b"".join(client.blob("a/b", LAYER)) == BLOB
    assert [item.headers.get("range") for item in server.requests[-3:]] == [
        None,
        "bytes=100000-",
        "bytes=100000-",
    ]


def test_a_server_that_ignores_ranges() -> None:
    assert get_blob(broken(100_000), reply(200, BLOB)) == BLOB
    assert get_blob(broken(100_000), lambda _: chunked(BLOB)) == BLOB
    assert get_blob(reply(200, BLOB), offset=5000) == BLOB[5000:]


def test_a_server_that_gives_another_part() -> None:
    with pytest.raises(RegistryError, match="asked for what follows 1000, got 'bytes 0-9/10'"):
        get_blob(reply(206, BLOB[:10], content_range="bytes 0-9/10"), offset=1000)


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, BLOB[:-1]),
        reply(200, BLOB + b"x"),
        lambda _: [head(200, f"Content-Length: {10**15}"), b"x"],
    ],
)
def test_another_length_is_seen_before_the_first_byte(answer: bytes) -> None:
    with pytest.raises(IntegrityError, match=f"the manifest says {len(BLOB)} bytes"):
        get_blob(answer)


def test_a_partial_longer_than_the_registrys_blob() -> None:
    with pytest.raises(IntegrityError, match="the registry has fewer"):
        get_blob(reply(416), offset=1000)


@pytest.mark.parametrize(
    "answer", [endless, lambda _: chunked(BLOB + b"x", size=len(BLOB) + 1)]
)
def test_more_than_announced_is_cut_off(answer: Callable[[Request], Said]) -> None:
    with pytest.raises(IntegrityError, match="longer than the manifest says"):
        get_blob(answer)


def test_a_blob_that_never_comes_whole() -> None:
    with ScriptedServer(Registry(broken(10))) as server, client_of(server) as client:
        with pytest.raises(ConnectionLost, match=r"(?s)the connection broke.*what has arrived"):
            list(client.blob("a/b", LAYER))
    assert len(server.paths()) == QUICK.tries


def test_a_blob_of_no_bytes_needs_no_request() -> None:
    with ScriptedServer(Registry(reply(500))) as server, client_of(server) as client:
        assert list(client.blob("a/b", replace(LAYER, size=0))) == []
    assert server.requests == []


def test_abort_ends_what_is_under_way() -> None:
    with ScriptedServer(Registry(slow_body)) as server:
        client = client_of(server, settings=RegistrySettings())  # 30 s of patience
        stream = client.blob("a/b", LAYER)
        next(stream)
        begin = time.monotonic()
        threading.Thread(target=client.abort).start()
        with pytest.raises(RegistryError, match="the transfer was ended"):
            list(stream)
        assert time.monotonic() - begin < 10
        with pytest.raises(RegistryError, match="the transfer was ended"):
            client.manifest("a/b", "1")


# --- redirects -------------------------------------------------------------------------------


def test_a_redirect_elsewhere_gets_no_credentials() -> None:
    with ScriptedServer(lambda _: reply(200, BLOB)) as storage:

        def answer(request: Request) -> bytes:
            if request.target == "/v2/":
                return reply(200)
            if "authorization" not in request.headers:
                return reply(401, www_authenticate='Basic realm="r"')
            location = f"http://anna:pw@{storage.host}/data?signature=1"
            return reply(307, location=location, set_cookie="a=b")

        with ScriptedServer(answer) as server:
            with client_of(server, Credential("anna", "pw")) as client:
                assert b"".join(client.blob("a/b", LAYER)) == BLOB
    seen = storage.requests[0]
    assert seen.target == "/data?signature=1"
    assert not {"authorization", "cookie"} & set(seen.headers)
    assert server.requests[-1].headers["authorization"].startswith("Basic ")


def test_a_redirect_on_the_same_host_keeps_them() -> None:
    def answer(request: Request) -> bytes:
        if request.target == "/v2/":
            return reply(200)
        if "authorization" not in request.headers:
            return reply(401, www_authenticate="Basic realm=r")
        if request.target != "/other":
            return reply(302, location="/other")
        return reply(200, MANIFEST)

    with ScriptedServer(answer) as server:
        with client_of(server, Credential("anna", "pw")) as client:
            assert client.manifest("a/b", "1")[0] == MANIFEST
    assert "authorization" in server.requests[-1].headers


def test_a_place_we_are_sent_to_may_not_ask_for_credentials() -> None:
    evil = reply(401, www_authenticate='Basic realm="give me"')
    with ScriptedServer(lambda _: evil) as elsewhere:
        location = f"http://{elsewhere.host}/"
        registry = Registry(reply(302, location=location))
        with ScriptedServer(registry) as server:
            with client_of(server, Credential("anna", "pw")) as client:
                with pytest.raises(RegistryError, match="credentials are not sent there"):
                    client.manifest("a/b", "1")
    assert [item.headers.get("authorization") for item in elsewhere.requests] == [None]


def test_redirects_are_counted() -> None:
    with ScriptedServer(Registry(reply(302, location="/again"))) as server:
        with client_of(server) as client, pytest.raises(RegistryError, match="more than 10"):
            client.manifest("a/b", "1")
    assert len(server.paths()) == 11


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://registry.example/x", "leave HTTPS"),
        ("file:///etc/passwd", "only http and https"),
        ("ftp://h/x", "only http and https"),
        ("https://[::1/x", "no address"),
        ("https://h:port/", "no address"),
        ("https://anna@/x", "only http and https"),
    ],
)
def test_redirects_that_are_refused(location: str, why: str) -> None:
    question = Question("https://registry.example/v2/", headers={"Authorization": "Basic x"})
    with pytest.raises(RegistryError, match=why):
        exchange.redirected(question, location)


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/x", True),
        ("https://registry.example/x", True),
        ("https://registry.example:443/x", True),
        ("https://registry.example:444/x", False),
        ("https://other.example/x", False),
        ("https://sub.registry.example/x", False),
        ("//other.example/x", False),
    ],
)
def test_which_redirects_keep_the_header(location: str, kept: bool) -> None:
    headers = {"aUTHORIZATION": "Basic x", "Accept": "a"}
    asked = Question("https://registry.example/v2/", headers=headers)
    after = exchange.redirected(asked, location)
    assert after.headers.get("Accept") == "a"
    assert ("aUTHORIZATION" in after.headers) is kept


def test_a_redirect_to_plain_http_of_a_stranger_is_refused() -> None:
    with ScriptedServer(Registry(reply(302, location="http://192.0.2.1/x"))) as server:
        with client_of(server) as client, pytest.raises(RegistryError, match="no plain HTTP"):
            client.manifest("a/b", "1")


# --- authentication --------------------------------------------------------------------------


def test_the_token_of_a_stranger() -> None:
    def answer(request: Request) -> bytes:
        if request.target.startswith("/token?"):
            return reply(200, b'{"token":"t1"}')
        if request.target == "/v2/" or request.headers.get("authorization") == "Bearer t1":
            return reply(200, MANIFEST)
        realm = f'Bearer realm="http://{request.server.host}/token",service="s"'
        return reply(401, www_authenticate=realm)

    with ScriptedServer(answer) as server, client_of(server) as client:
        assert client.manifest("a/b", "1")[0] == MANIFEST
        assert client.manifest("a/b", "2")[0] == MANIFEST
    assert server.paths() == [
        "/v2/a/b/manifests/1",
        "/token?service=s&scope=repository%3Aa%2Fb%3Apull&client_id=pyrootless",
        "/v2/a/b/manifests/1",
        "/v2/a/b/manifests/2",
    ]


def test_a_header_that_is_refused_is_not_sent_for_ever() -> None:
    refuse = Registry(reply(401, www_authenticate="Basic realm=r"))
    with ScriptedServer(refuse) as server:
        with client_of(server, Credential("anna", "wrong")) as client:
            with pytest.raises(RegistryError, match=r"(?s)access denied.*pyrootless login"):
                client.manifest("a/b", "1")
    assert len(server.paths()) == 2


def test_a_401_without_a_challenge() -> None:
    with pytest.raises(RegistryError, match="offered: none"):
        get_manifest(reply(401))


def test_a_token_server_that_refuses() -> None:
    def answer(request: Request) -> bytes:
        if request.target.startswith("/token"):
            return reply(401, b'{"details":"incorrect password"}')
        if request.target == "/v2/":
            return reply(200)
        return reply(401, www_authenticate=f'Bearer realm="http://{request.server.host}/token"')

    with ScriptedServer(answer) as server:
        with client_of(server, Credential("anna", "wrong")) as client:
            with pytest.raises(
                RegistryError, match=r"(?s)incorrect password.*pyrootless login"
            ):
                client.manifest("a/b", "1")


def test_no_password_goes_to_a_stranger_in_plain_text() -> None:
    realm = 'Bearer realm="http://192.0.2.1/token"'
    with ScriptedServer(Registry(reply(401, www_authenticate=realm))) as server:
        with client_of(server, Credential("anna", "pw")) as client:
            with pytest.raises(RegistryError, match="no plain HTTP is allowed there"):
                client.manifest("a/b", "1")


def test_check_login() -> None:
    def answer(request: Request) -> bytes:
        if request.headers.get("authorization") == "Basic YW5uYTpwdw==":
            return reply(200, b"{}")
        return reply(401, www_authenticate="Basic realm=r")

    with ScriptedServer(answer) as server:
        with client_of(server, Credential("anna", "pw")) as client:
            client.check_login()
        with client_of(server, Credential("anna", "no")) as client:
            with pytest.raises(RegistryError, match="access denied") as refused:
                client.check_login()
            assert refused.value.remedy.startswith("anna's password was refused")


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR what?\r\n" * 9])
def test_a_registry_without_tls_is_named(said: bytes) -> None:
    """What OpenSSL calls it ("wrong version number") is no word for a person."""
    ours, its = socket.socketpair()
    with ours, its:
        its.sendall(said)
        with pytest.raises(ssl.SSLError) as failed:
            ssl.create_default_context().wrap_socket(ours, server_hostname="hub.test")
    lost = connection_failure("https://hub.test:5000", failed.value, QUICK)
    assert "https://hub.test:5000 does not speak TLS" in str(lost)
    assert 'list "hub.test:5000" under insecure in registries.toml' in lost.remedy


# --- mirrors ---------------------------------------------------------------------------------


def test_mirrors_are_asked_first_and_may_lack_things() -> None:
    with (
        ScriptedServer(Registry(reply(404))) as empty,
        ScriptedServer(Registry(reply(200, MANIFEST))) as full,
        ScriptedServer(Registry(reply(500))) as origin,
    ):
        mirrors = {origin.host: (f"{empty.host}/hub", full.host)}
        settings = replace(SETTINGS, mirrors=mirrors)
        with client_of(origin, settings=settings) as client:
            assert client.manifest("a/b", "1")[0] == MANIFEST
    assert empty.paths() == ["/v2/hub/a/b/manifests/1"]
    assert full.paths() == ["/v2/a/b/manifests/1"]
    assert origin.requests == []


def test_the_registrys_own_failure_counts() -> None:
    with (
        ScriptedServer(Registry(reply(403))) as mirror,
        ScriptedServer(Registry(told(404, "gone"))) as origin,
    ):
        settings = replace(SETTINGS, mirrors={origin.host: (mirror.host,)})
        with client_of(origin, settings=settings) as client:
            with pytest.raises(NotThere, match="gone"):
                client.manifest("a/b", "1")
