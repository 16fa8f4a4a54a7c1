"""pyrootless.images.registry.transport: proxies, certificates, sockets."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Request, ScriptedServer, drip, head, reply

from pyrootless.errors import RegistryError, UsageError
from pyrootless.images.registry.client import RegistryClient
from pyrootless.images.registry.settings import Patience, RegistrySettings
from pyrootless.images.registry.transport import Transport, find_proxy, tls_context

QUICK = Patience(connect_seconds=5, window_seconds=0.4, tries=2, pause_seconds=0.01)
NAME = "registry.test"


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("https://r.io/", {}, None),
        ("https://r.io/", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://r.io/", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://r.io/", {"HTTP_PROXY": "p:1"}, "http://p:1"),
        ("https://r.io/", {"https_proxy": "http://low:1", "HTTPS_PROXY": "x"}, "http://low:1"),
        ("https://r.io/", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https://r.io/", {"HTTPS_PROXY": ""}, None),
        ("https://127.0.0.1:5000/", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://localhost/", {"HTTPS_PROXY": "http://p:1"}, None),
    ],
)
def test_proxies(url: str, environ: dict[str, str], proxy: str | None) -> None:
    assert find_proxy(url, environ) == proxy


@pytest.mark.parametrize(
    ("listed", "url", "direct"),
    [
        ("*", "https://r.io/", True),
        ("r.io", "https://r.io/", True),
        ("r.io", "https://sub.r.io/", True),
        ("r.io", "https://bar.io/", False),
        ("r.io", "https://xr.io/", False),
        (".r.io", "https://sub.r.io/", True),
        ("*.r.io", "https://sub.r.io/", True),
        ("R.IO", "https://r.io/", True),
        ("r.io:443", "https://r.io/", True),
        ("r.io:5000", "https://r.io/", False),
        ("r.io:5000", "https://r.io:5000/", True),
        ("10.0.0.0/8", "https://10.1.2.3:5000/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("fd00::/8", "https://[fd00::1]:5000/", True),
        ("[fd00::1]:5000", "https://[fd00::1]:5000/", True),
        ("10.0.0.0/8", "https://r.io/", False),
        ("10.0.0.0/99", "https://10.0.0.1/", False),
        (" a , r.io ,", "https://r.io/", True),
        (",", "https://r.io/", False),
    ],
)
def test_what_has_no_proxy(listed: str, url: str, direct: bool) -> None:
    found = find_proxy(url, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": listed})
    assert (found is None) is direct


def test_plain_http_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The insecure host exists only behind the proxy, which refuses to tunnel."""

    def proxy(request: Request) -> bytes:
        if request.method == "CONNECT":
            return reply(502, connection="close")
        return reply(200, b"{}")

    with ScriptedServer(proxy) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://anna:p%40ss@{server.host}")
        settings = RegistrySettings(insecure=frozenset({"hidden.test:5000"}), patience=QUICK)
        with RegistryClient("hidden.test:5000", settings, lambda *_: None) as client:
            assert client.manifest("a/b", "1")[0] == b"{}"
    last = server.requests[-1]
    assert (last.method, last.target) == (
        "GET",
        "http://hidden.test:5000/v2/a/b/manifests/1",
    )
    assert last.headers["proxy-authorization"] == "Basic YW5uYTpwQHNz"
    assert server.requests[0].method == "CONNECT"


def test_a_proxy_of_an_unknown_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://secret:secret@p:1")
    with pytest.raises(
        UsageError, match="the proxy p of the environment is unusable"
    ) as caught:
        Transport(RegistrySettings()).open("GET", "https://r.test/", {}, None, None)
    assert "secret" not in str(caught.value)


# --- certificates ----------------------------------------------------------------------------


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], capture_output=True, check=True, timeout=60)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ca.crt, and server.cert/.key and client.cert/.key that it signed."""
    place = tmp_path_factory.mktemp("authority")
    fresh = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    ca = ("-keyout", place / "ca.key", "-out", place / "ca.crt", "-subj", "/CN=test authority")
    openssl("req", "-x509", *fresh, *ca)
    for who, name in (("server", NAME), ("client", "anna")):
        signer = ("-CA", place / "ca.crt", "-CAkey", place / "ca.key")
        files = ("-keyout", place / f"{who}.key", "-out", place / f"{who}.cert")
        named = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
        openssl("req", "-x509", *fresh, *signer, *files, *named)
    return place


@pytest.fixture
def server(authority: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A registry with TLS under a name that is not loopback's."""
    real = socket.getaddrinfo

    def resolve(host: str, *args: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host == NAME else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority / "server.cert", authority / "server.key")
    context.load_verify_locations(authority / "ca.crt")
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_mode = ssl.CERT_OPTIONAL
    with ScriptedServer(lambda _: reply(200, b"{}"), context) as running:
        yield running


def ask(server: ScriptedServer, **settings: Any) -> bytes:
    chosen = RegistrySettings(patience=QUICK, **settings)
    with RegistryClient(f"{NAME}:{server.port}", chosen, lambda *_: None) as client:
        return client.manifest("a/b", "1")[0]


def certificates(server: ScriptedServer, authority: Path, place: Path, *names: str) -> Path:
    directory = place / f"{NAME}:{server.port}"
    directory.mkdir()
    for name in names:
        (directory / name).write_bytes((authority / name).read_bytes())
    return place


@pytest.mark.needs("openssl")
def test_a_stranger_is_not_trusted(server: ScriptedServer) -> None:
    with pytest.raises(
        RegistryError, match=r"(?s)no secure connection.*certs\.d/registry\.test"
    ):
        ask(server)
    assert server.requests == []


@pytest.mark.needs("openssl")
def test_certs_d(server: ScriptedServer, authority: Path, tmp_path: Path) -> None:
    assert server.context is not None
    server.context.verify_mode = ssl.CERT_REQUIRED  # it talks to nobody without a certificate
    place = certificates(server, authority, tmp_path, "ca.crt", "client.cert", "client.key")
    assert ask(server, certificates=(tmp_path / "absent", place)) == b"{}"


@pytest.mark.needs("openssl")
def test_a_host_of_the_list_is_not_verified(server: ScriptedServer) -> None:
    assert ask(server, insecure=frozenset({NAME})) == b"{}"


def test_only_hosts_of_the_list_do_without_the_systems_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = []
    monkeypatch.setattr(
        ssl.SSLContext, "load_default_certs", lambda context, _: loaded.append(context)
    )
    settings = RegistrySettings(insecure=frozenset({NAME}))
    listed, other = tls_context(settings, NAME), tls_context(settings, "other.test")
    assert loaded == [other]
    assert (other.verify_mode, other.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (listed.verify_mode, listed.check_hostname) == (ssl.CERT_NONE, False)
    assert listed.minimum_version == other.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("name", ["ca.crt", "client.cert"])
def test_a_broken_certificate_is_named(
    server: ScriptedServer, tmp_path: Path, name: str
) -> None:
    directory = tmp_path / f"{NAME}:{server.port}"
    directory.mkdir()
    (directory / name).write_text("not PEM")
    with pytest.raises(RegistryError, match=f"{name} cannot be used"):
        ask(server, certificates=(tmp_path,))


@pytest.mark.needs("openssl")
def test_a_registry_without_tls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fall to plain HTTP for a host that is not listed."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *args, **options: real("127.0.0.1", *args, **options),
    )
    with ScriptedServer(lambda _: reply(200, b"{}")) as plain:
        with pytest.raises(RegistryError):
            ask(plain)
        assert plain.requests == []


@pytest.mark.needs("openssl")
def test_slow_drip_over_tls_ends(
    server: ScriptedServer, authority: Path, tmp_path: Path
) -> None:
    def answer(request: Request) -> Iterator[bytes]:
        yield head(200, "Content-Length: 1000000")
        yield from drip(request.server, b"y")

    server.answer = answer
    place = certificates(server, authority, tmp_path, "ca.crt")
    with pytest.raises(RegistryError, match="is too slow"):
        ask(server, certificates=(place,))
