"""What the fuzzer feeds in Python: a function for each parser of strangers' bytes.

In: any bytes.  Out: nothing, or AssertionError where an answer breaks a promise; every
exception but those the parser names is a finding too.
Never: a file, a network, a program.
"""

from __future__ import annotations

import io
import urllib.parse
from collections.abc import Callable
from dataclasses import replace

from pyrootless.cli.go_template import Template
from pyrootless.engine.files.owners import decode_owner, encode_owner
from pyrootless.errors import IntegrityError, PyrootlessError, RegistryError, UsageError
from pyrootless.images.archive.compression import compression_of, plain_chunks
from pyrootless.images.archive.source import TarSource
from pyrootless.images.config import encode_image_config, parse_image_config
from pyrootless.images.document import parse_document
from pyrootless.images.manifest import Index, choose_platform, parse_manifest
from pyrootless.images.platforms import Platform
from pyrootless.images.reference import decode_name, encode_name, parse_reference
from pyrootless.images.registry.auth import (
    Credential,
    parse_challenges,
    parse_token,
    token_request,
)
from pyrootless.images.registry.exchange import Question, redirected
from pyrootless.images.signals import parse_signal
from pyrootless.images.template import image
from pyrootless.seccomp.check import parse_profile

Target = Callable[[bytes], None]

AMD64 = Platform("linux", "amd64", "")
MAX_PLAIN_BYTES = 1 << 22


def text_of(data: bytes) -> str:
    """As a command line or a header brings it."""
    return data.decode("utf-8", "surrogateescape")


def check_told(error: PyrootlessError) -> None:
    """A refusal has words."""
    assert str(error)


def reference(data: bytes) -> None:
    """A name: what was understood is understood again, and a stored name comes back."""
    text = text_of(data)
    try:
        assert decode_name(encode_name(text)) == text
        found = parse_reference(text)
    except UsageError as error:
        assert str(error).isprintable(), error
        return
    assert parse_reference(found.canonical) == found
    assert parse_reference(found.familiar) == found
    assert ".." not in found.canonical.split("/"), found


def manifest(data: bytes) -> None:
    """A media type in the first line, then the document."""
    first, _, raw = data.partition(b"\n")
    try:
        found = parse_manifest(raw, first.decode("latin-1") or None)
        listed = (
            [choose_platform(found, AMD64)]
            if isinstance(found, Index)
            else [found.config, *found.layers]
        )
    except (IntegrityError, UsageError) as error:
        check_told(error)
        return
    for item in listed:
        algorithm, _, digits = item.digest.partition(":")
        assert algorithm in ("sha256", "sha512") and digits.isalnum(), item
        assert item.size >= 0


def image_config(data: bytes) -> None:
    """What was read can be written and read again; what becomes of it has one line each."""
    try:
        found = parse_image_config(data)
    except IntegrityError as error:
        check_told(error)
        return
    again = parse_image_config(encode_image_config(found))
    assert replace(again, raw=b"") == replace(found, raw=b"")
    assert not any("\0" in text for text in (*found.env, *found.entrypoint, *found.cmd))
    try:
        directory = image._working_directory(found)
        number = image._stop_signal(found)
        notes = image._notes(found)
    except IntegrityError as error:
        check_told(error)
        return
    assert directory.startswith("/") and ".." not in directory.split("/")
    assert 1 <= number <= 64
    for key, value in notes.items():
        assert "\0" not in key + value


def auth_header(data: bytes) -> None:
    """A WWW-Authenticate header, and the request that it leads to."""
    secret = Credential("somebody", "secret")
    for challenge in parse_challenges(data.decode("latin-1")):
        try:
            request = token_request(challenge, secret, "repository:a/b:pull")
        except RegistryError as error:
            check_told(error)
            continue
        parts = urllib.parse.urlsplit(request.url)
        realm = urllib.parse.urlsplit(challenge.parameters["realm"])
        assert parts.scheme in ("http", "https")
        assert parts.hostname == realm.hostname and "@" not in parts.netloc
        assert not set("\r\n\0 ") & set(request.url), request.url


def token_answer(data: bytes) -> None:
    """What a token server answers: a token that is one word of ASCII, for a time."""
    try:
        token = parse_token(data, 1000.0)
    except RegistryError as error:
        check_told(error)
        return
    assert token.text.isascii() and token.text.isprintable() and " " not in token.text
    assert token.good_until > 1000.0


def redirect(data: bytes) -> None:
    """Where a registry sends a request: no secret goes to another place."""
    headers = {"Authorization": "Basic c2VjcmV0", "Accept": "*/*"}
    question = Question("https://registry.example/v2/a/blobs/x", "GET", headers)
    try:
        found = redirected(question, data.decode("latin-1"))
    except RegistryError as error:
        check_told(error)
        return
    parts = urllib.parse.urlsplit(found.url)
    here = (parts.hostname, parts.port or 443) == ("registry.example", 443)
    assert parts.scheme == "https" and parts.hostname
    assert "@" not in parts.netloc
    assert ("Authorization" in found.headers) == here, found.url


def archive(data: bytes) -> None:
    """An archive of images: its members, and the documents that decide what it is."""
    try:
        with TarSource(io.BytesIO(data)) as source:
            for name in ("manifest.json", "index.json", "oci-layout"):
                if source.has(name):
                    raw = source.open(name).read(MAX_PLAIN_BYTES)
                    assert len(raw) <= len(data)
                    parse_document(raw, name)
    except IntegrityError as error:
        check_told(error)


def compressed(data: bytes) -> None:
    """A compressed archive, as far as its first bytes."""
    size = 0
    try:
        for chunk in plain_chunks(io.BytesIO(data), compression_of(data[:6])):
            size += len(chunk)
            if size > MAX_PLAIN_BYTES:
                break
    except IntegrityError as error:
        check_told(error)


def seccomp_profile(data: bytes) -> None:
    """A profile that somebody gave."""
    try:
        parse_profile(data)
    except UsageError as error:
        check_told(error)


def stop_signal(data: bytes) -> None:
    """A signal's name, as an image writes it."""
    try:
        assert 1 <= parse_signal(text_of(data)) <= 64
    except UsageError as error:
        check_told(error)


def go_template(data: bytes) -> None:
    """A format of the caller's, for a value that a container's names are in."""
    value = {
        "ID": "abc", "Names": ["/x", "/y"], "State": {"Pid": 5, "Dead": False}, "None": None,
        "Labels": {"a.b": "v"}, "Part": 1.5, "Label": lambda name: f"<{name}>",
    }  # fmt: skip
    try:
        text = Template(text_of(data)).render(value)
    except UsageError as error:
        check_told(error)
        return
    assert isinstance(text, str)


def owner_claim(data: bytes) -> None:
    """An attribute that a program of the container's may have written."""
    try:
        owner = decode_owner(data)
    except ValueError:
        return
    assert all(0 <= number < 2**32 - 1 for number in owner)
    assert decode_owner(encode_owner(*owner)) == owner


PARSERS: dict[str, Target] = {
    "reference": reference,
    "manifest": manifest,
    "image-config": image_config,
    "auth-header": auth_header,
    "token-answer": token_answer,
    "redirect": redirect,
    "archive": archive,
    "compressed": compressed,
    "seccomp-profile": seccomp_profile,
    "stop-signal": stop_signal,
    "go-template": go_template,
    "owner-claim": owner_claim,
}
"""Name → function; corpus/NAME/ holds what each begins with."""
