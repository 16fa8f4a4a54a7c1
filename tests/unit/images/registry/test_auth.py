"""images.registry.auth: challenges, hostile ones too, tokens and what answers a 401."""

from __future__ import annotations

import json
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrootless.errors import RegistryError
from pyrootless.images.registry import auth
from pyrootless.images.registry.auth import Authorizer, Challenge, Credential, parse_challenges

BEARER = 'Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull"'


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('Basic realm="a registry"', [("basic", {"realm": "a registry"})]),
        ("basic REALM=x", [("basic", {"realm": "x"})]),
        ("Negotiate", [("negotiate", {})]),
        ("Negotiate, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        (
            'Bearer realm="https://a/t?x=1,2",service="r", scope="repository:a:pull,push"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://a/t?x=1,2",
                        "service": "r",
                        "scope": "repository:a:pull,push",
                    },
                )
            ],
        ),
        ('Basic realm="say \\"hi\\""', [("basic", {"realm": 'say "hi"'})]),
        ('Basic realm = "spaced" ,Bearer realm= y', [("basic", {"realm": "spaced"}),
                                                    ("bearer", {"realm": "y"})]),
        ('Bearer realm="a",realm="b"', [("bearer", {"realm": "a"})]),
        ('Bearer realm="never closed', [("bearer", {})]),
        ('"Basic realm=x" Bearer', [("bearer", {})]),
        ("", []),
        (",,, ;=", []),
        ('realm="no scheme"', []),
        ('Basic realm=""', [("basic", {"realm": ""})]),
    ],
)  # fmt: skip
def test_challenges(header: str, wanted: list[tuple[str, dict[str, str]]]) -> None:
    assert [(item.scheme, dict(item.parameters)) for item in parse_challenges(header)] == wanted


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet='Basic=", \\\t\x00é/:;Bearrealm', max_size=300))
def test_no_header_breaks_the_parser(header: str) -> None:
    for item in parse_challenges(header):
        assert item.scheme == item.scheme.lower() != ""


@settings(derandomize=True, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
def test_a_quoted_value_comes_back(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    found = parse_challenges(f'Bearer realm="{quoted}",service=x')
    assert found == [Challenge("bearer", {"realm": value, "service": "x"})]


def test_an_endless_header_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than its begin is looked at."""
    scanned: list[int] = []

    class Watched(auth._Scanner):
        def __init__(self, text: str) -> None:
            scanned.append(len(text))
            super().__init__(text)

    monkeypatch.setattr(auth, "_Scanner", Watched)
    assert len(parse_challenges("a, " * 1_000_000)) == auth.MAX_CHALLENGES
    assert parse_challenges('"' * 1_000_000) == []
    assert scanned == [auth.MAX_HEADER] * 2


def token_query(credential: Credential | None) -> dict[str, list[str]]:
    request = auth.token_request(parse_challenges(BEARER)[0], credential, "unused")
    assert request.method == "GET"
    assert request.url.startswith("https://auth.example/token?")
    return urllib.parse.parse_qs(urllib.parse.urlsplit(request.url).query)


def test_token_request_of_a_stranger() -> None:
    assert token_query(None) == {
        "service": ["reg"],
        "scope": ["repository:a/b:pull"],
        "client_id": ["pyrootless"],
    }


def test_token_request_with_a_password() -> None:
    credential = Credential("anna", "pä:ss")
    assert token_query(credential)["account"] == ["anna"]
    request = auth.token_request(parse_challenges(BEARER)[0], credential, "")
    assert request.headers == {"Authorization": "Basic YW5uYTpww6Q6c3M="}
    assert "YW5u" not in repr(request)


def test_token_request_with_an_identity_token() -> None:
    challenge = parse_challenges(BEARER)[0]
    request = auth.token_request(challenge, Credential(identity_token="secret"), "")
    assert (request.method, request.url) == ("POST", "https://auth.example/token")
    assert request.body is not None
    assert urllib.parse.parse_qs(request.body.decode()) == {
        "service": ["reg"],
        "scope": ["repository:a/b:pull"],
        "grant_type": ["refresh_token"],
        "refresh_token": ["secret"],
        "client_id": ["pyrootless"],
    }


@pytest.mark.parametrize(
    "realm",
    ["", "file:///etc/passwd", "https://", "//x", "https://a@b/"]
    + ["http://[", "https://a:x/", "https://a:0/", "https://a b/", "https://a\0b/"],
)
def test_realm_that_is_no_address(realm: str) -> None:
    with pytest.raises(RegistryError, match="as the place for tokens"):
        auth.token_request(Challenge("bearer", {"realm": realm}), None, "")


def test_scope_of_the_challenge_counts_else_ours() -> None:
    bare = Challenge("bearer", {"realm": "https://a/t"})
    url = auth.token_request(bare, None, "repository:x:pull").url
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["scope"] == [
        "repository:x:pull"
    ]


@pytest.mark.parametrize(
    ("document", "text", "life"),
    [
        ({"token": "t"}, "t", 55),
        ({"access_token": "a", "expires_in": 300}, "a", 295),
        ({"token": "t", "access_token": "a", "expires_in": 3}, "t", 1),
        ({"token": "t", "expires_in": -1}, "t", 55),
        ({"token": "t", "expires_in": "soon"}, "t", 55),
    ],
)
def test_tokens(document: dict[str, object], text: str, life: float) -> None:
    token = auth.parse_token(json.dumps(document).encode(), now=100.0)
    assert (token.text, token.good_until) == (text, 100.0 + life)


@pytest.mark.parametrize(
    "document",
    [b"", b"{}", b"[]", b'"x"', b'{"token":1}', b'{"token":"a\\r\\nb"}', b'{"token":""}',
     b'{"token":"a b"}', b"[" * 100_000],
)  # fmt: skip
def test_replies_without_a_token(document: bytes) -> None:
    with pytest.raises(RegistryError, match="without a usable token"):
        auth.parse_token(document, now=0.0)


class Server:
    """Stands for the token server: notes what it is asked, answers with numbered tokens."""

    def __init__(self, life: int = 300) -> None:
        self.asked: list[auth.TokenRequest] = []
        self.life = life

    def fetch(self, request: auth.TokenRequest) -> bytes:
        self.asked.append(request)
        return json.dumps({"token": f"t{len(self.asked)}", "expires_in": self.life}).encode()


def test_a_token_is_asked_for_once_a_scope() -> None:
    server = Server()
    answers = Authorizer("r", lambda _: None, server.fetch)
    assert answers.header("a/b") is None
    assert answers.answer("a/b", BEARER, None) == "Bearer t1"
    assert answers.header("a/b") == "Bearer t1"
    assert answers.header("other") is None
    other = BEARER.replace("a/b", "other")
    assert answers.answer("other", other, None) == "Bearer t2"
    assert answers.header("a/b") == "Bearer t1"
    assert len(server.asked) == 2


def test_a_refused_token_is_not_sent_again() -> None:
    answers = Authorizer("r", lambda _: None, Server().fetch)
    first = answers.answer("a/b", BEARER, None)
    assert answers.answer("a/b", BEARER, first) == "Bearer t2"


def test_a_token_that_ran_out_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(auth.time, "monotonic", lambda: now[0])
    answers = Authorizer("r", lambda _: None, Server(life=60).fetch)
    answers.answer("a/b", BEARER, None)
    now[0] += 54.0
    assert answers.header("a/b") == "Bearer t1"
    now[0] += 1.0
    assert answers.header("a/b") == "Bearer t2"


def test_bearer_is_preferred_and_basic_needs_a_name() -> None:
    server = Server()
    both = f'Basic realm="x", {BEARER}'
    assert (
        Authorizer("r", lambda _: None, server.fetch).answer("a/b", both, None) == "Bearer t1"
    )
    anna = Authorizer("r", lambda _: Credential("a", "b"), server.fetch)
    assert anna.answer("a/b", "Basic realm=x", None) == "Basic YTpi"
    with pytest.raises(RegistryError, match="remedy: .*pyrootless login r"):
        Authorizer("r", lambda _: None, server.fetch).answer("a/b", "Basic realm=x", None)


def test_a_registry_token_is_used_as_it_is() -> None:
    server = Server()
    mine = Authorizer("r", lambda _: Credential(registry_token="given"), server.fetch)
    assert mine.answer("a/b", BEARER, None) == "Bearer given"
    assert server.asked == []


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(RegistryError, match="offered: negotiate"):
        Authorizer("r", lambda _: None, Server().fetch).answer("a", "Negotiate", None)


def test_secrets_are_not_shown() -> None:
    shown = repr(Credential("anna", "secret1", "secret2", "secret3"))
    assert "secret" not in shown
    assert "anna" in shown
