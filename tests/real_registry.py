"""The distribution project's registry, run by a test, with the three ways to log in.

In: a directory, a kind: "none", "basic" or "token".
Out: a running docker-registry on 127.0.0.1 with images that skopeo put there; its token server.
Never: a process left behind.

User anna has the password "open sesame".  The token server is real: it checks the password or
the refresh token and signs what docker-registry verifies (x5c and RS256, by openssl).
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from scripted_images import ScriptedImages

USER, PASSWORD, REFRESH = "anna", "open sesame", "refresh-token-of-anna"
START_SECONDS = 30.0
LISTENS = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


@dataclass
class RealRegistry:
    """A running registry.

    Attributes:
        host: HOST:PORT.
        kind: none, basic or token.
        directory: Where its files are.
        tokens: Scopes that were asked for, in order; empty without a token server.
    """

    host: str
    kind: str
    directory: Path
    tokens: list[str]

    def push(self, images: ScriptedImages, tag: str, *options: str, name: str = "a/b") -> str:
        """Put an image there by skopeo; its digest as skopeo sees it."""
        layout = self.directory / "layout"
        write_layout(images, tag, layout)
        login = [] if self.kind == "none" else [f"--dest-creds={USER}:{PASSWORD}"]
        run("skopeo", "copy", "--quiet", "--all", "--dest-tls-verify=false", *login, *options,
            f"oci:{layout}:{tag}", f"docker://{self.host}/{name}:{tag}")  # fmt: skip
        login = [] if self.kind == "none" else [f"--creds={USER}:{PASSWORD}"]
        words = ("inspect", "--no-tags", "--tls-verify=false", *login, "--format={{.Digest}}")
        return run("skopeo", *words, f"docker://{self.host}/{name}:{tag}").strip()


def run(*words: str | Path) -> str:
    """Standard output of a program that must not fail."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=120,
                          check=False)  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def write_layout(images: ScriptedImages, tag: str, layout: Path) -> None:
    """An OCI image layout with one tag."""
    place = layout / "blobs/sha256"
    place.mkdir(parents=True, exist_ok=True)
    for digest, data in images.blobs.items():
        (place / digest.removeprefix("sha256:")).write_bytes(data)
    for name, (raw, _) in images.manifests.items():
        if name.startswith("sha256:"):
            (place / name.removeprefix("sha256:")).write_bytes(raw)
    raw, kind = images.manifests[tag]
    digest = next(name for name, item in images.manifests.items()
                  if name.startswith("sha256:") and item[0] == raw)  # fmt: skip
    entry = {
        "mediaType": kind,
        "digest": digest,
        "size": len(raw),
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


@contextmanager
def serve_registry(directory: Path, kind: str) -> Iterator[RealRegistry]:
    """Run one until the end of the block."""
    directory.mkdir()
    with ExitStack() as stack:
        tokens: list[str] = []
        auth = ""
        if kind == "basic":
            line = run("htpasswd", "-Bbn", USER, PASSWORD)
            (directory / "passwords").write_text(line)
            auth = f"auth: {{htpasswd: {{realm: test, path: {directory / 'passwords'}}}}}\n"
        elif kind == "token":
            port = stack.enter_context(_serve_tokens(directory, tokens))
            realm = f"realm: 'http://127.0.0.1:{port}/token', service: test, issuer: test"
            auth = f"auth: {{token: {{{realm}, rootcertbundle: {directory / 'signer.crt'}}}}}\n"
        (directory / "config.yml").write_text(
            "version: 0.1\nlog: {level: info}\n"
            f"storage: {{filesystem: {{rootdirectory: {directory / 'data'}}}}}\n"
            f"http: {{addr: '127.0.0.1:0'}}\n{auth}"
        )
        port = stack.enter_context(_process(directory))
        yield RealRegistry(f"127.0.0.1:{port}", kind, directory, tokens)


@contextmanager
def _process(directory: Path) -> Iterator[int]:
    """The registry.  The kernel chooses its port, which nobody else has; the log tells it."""
    log = directory / "log"
    words = ["docker-registry", "serve", str(directory / "config.yml")]
    env = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
    with log.open("wb") as stream, subprocess.Popen(
        words, stdout=stream, stderr=stream, env=env
    ) as process:  # fmt: skip
        try:
            deadline = time.monotonic() + START_SECONDS
            while not (found := LISTENS.search(log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, "the registry does not listen"
                threading.Event().wait(0.02)
            yield int(found[1])
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


# --- tokens ----------------------------------------------------------------------------------


@contextmanager
def _serve_tokens(directory: Path, tokens: list[str]) -> Iterator[int]:
    files = ("-keyout", directory / "signer.key", "-out", directory / "signer.crt")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files,
        "-subj", "/CN=signer")  # fmt: skip
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(directory, tokens))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=START_SECONDS)


def _handler(directory: Path, tokens: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            self._answer(query, self.headers.get("Authorization") == f"Basic {pair}", "token")

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            form = urllib.parse.parse_qs(self.rfile.read(length).decode())
            good = form.get("refresh_token") == [REFRESH]
            self._answer(form, good and form["grant_type"] == ["refresh_token"], "access_token")

        def _answer(self, asked: Mapping[str, list[str]], good: bool, key: str) -> None:
            scopes = [word for item in asked.get("scope", []) for word in item.split()]
            tokens.extend(scopes)
            status, reply = 401, {"details": "incorrect username or password"}
            if good:
                status, reply = 200, {key: sign(directory, scopes)}
            body = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def sign(directory: Path, scopes: list[str]) -> str:
    """A token as docker-registry wants it (distribution: "Token authentication")."""
    der = run("openssl", "x509", "-in", directory / "signer.crt", "-outform", "PEM")
    x5c = "".join(der.splitlines()[1:-1])
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        access.append({"type": kind, "name": name, "actions": actions.split(",")})
    now = int(time.time())
    claims = {"iss": "test", "sub": USER, "aud": "test", "iat": now, "nbf": now - 10,
              "exp": now + 300, "jti": os.urandom(8).hex(), "access": access}  # fmt: skip
    header = {"typ": "JWT", "alg": "RS256", "x5c": [x5c]}
    text = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
    words = ["openssl", "dgst", "-sha256", "-sign", str(directory / "signer.key")]
    done = subprocess.run(
        words, input=text.encode(), capture_output=True, check=True, timeout=60
    )
    return f"{text}.{_base64url(done.stdout)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
