"""What a registry asks before it answers, and the words that satisfy it.

What comes in: WWW-Authenticate headers, a credential, a way to send a request.
What goes out: the value of an Authorization header, kept for as long as it is good.
Must never: read a file, send anything itself, believe that a challenge is well-formed.

Sources: RFC 9110 section 11, RFC 6750, the distribution project's token specification (GET with
Basic, POST with a refresh token).
"""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyrootless.errors import RegistryError

CLIENT_ID = "pyrootless"
MAX_HEADER = 16384
MAX_CHALLENGES = 16
DEFAULT_LIFE_SECONDS = 60
"""Of a token whose reply does not say (distribution's token specification)."""
EARLY_SECONDS = 5
"""A token is renewed this long before its end."""

_TOKEN_CHARS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate that a registry offers.

    Attributes:
        scheme: In lower case: "bearer", "basic".
        parameters: Names in lower case; of a name given twice the first counts.
    """

    scheme: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Credential:
    """What a user has for a registry.  Its repr shows no secret.

    Attributes:
        username: "" with tokens.
        password: Password or personal access token.
        identity_token: Refresh token; exchanged for access tokens.
        registry_token: Access token, used as it is.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """How to ask for a token.

    Attributes:
        method: GET or POST.
        url: With the query of a GET.
        headers: Authorization among them, where there is one.
        body: Form of a POST, else None.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token.

    Attributes:
        text: Secret.
        good_until: time.monotonic() after which it is not used any more, seconds.
    """

    text: str = field(repr=False)
    good_until: float


def parse_challenges(header: str) -> list[Challenge]:
    """All challenges of a WWW-Authenticate value; what cannot be understood is left out.

    Args:
        header: The value; several headers joined by ", ".
    """
    scan = _Scanner(header[:MAX_HEADER])
    found: list[tuple[str, dict[str, str]]] = []
    while len(found) <= MAX_CHALLENGES and (word := scan.next_word()):
        if scan.take("="):
            value = scan.value()
            if found and value is not None:
                found[-1][1].setdefault(word.lower(), value)
        else:
            found.append((word.lower(), {}))
    return [Challenge(scheme, parameters) for scheme, parameters in found[:MAX_CHALLENGES]]


class _Scanner:
    """A text and a place in it; every step moves on, so that scanning ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def next_word(self) -> str:
        """The next token, whatever stands before it; "" at the end."""
        while self._at < len(self._text) and self._text[self._at] not in _TOKEN_CHARS:
            if self._text[self._at] == '"':
                self._quoted()  # a string nobody asked for hides what is in it
            else:
                self._at += 1
        return self._word()

    def take(self, char: str) -> bool:
        """Step over `char` and blanks around it, when it is what comes next."""
        at = self._skip_blanks(self._at)
        if not self._text.startswith(char, at):
            return False
        self._at = self._skip_blanks(at + 1)
        return True

    def value(self) -> str | None:
        """A quoted string or a token; None where there is neither."""
        if self._text.startswith('"', self._at):
            return self._quoted()
        return self._word() or None

    def _skip_blanks(self, at: int) -> int:
        while at < len(self._text) and self._text[at] in " \t":
            at += 1
        return at

    def _word(self) -> str:
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] in _TOKEN_CHARS:
            self._at += 1
        return self._text[begin : self._at]

    def _quoted(self) -> str | None:
        """A quoted string with its escapes resolved; None when its end is missing."""
        chars: list[str] = []
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char == '"':
                return "".join(chars)
            if char == "\\" and self._at < len(self._text):
                char = self._text[self._at]
                self._at += 1
            chars.append(char)
        return None


def token_request(
    challenge: Challenge, credential: Credential | None, scope: str
) -> TokenRequest:
    """How to get the token a Bearer challenge asks for.

    Args:
        scope: Used when the challenge names none: "repository:PATH:pull", or "" for none.

    Raises:
        RegistryError: The challenge's realm is not an address.
    """
    realm = challenge.parameters.get("realm", "")
    parts = _address(realm)
    fields = [("service", challenge.parameters.get("service", ""))]
    fields += [("scope", word) for word in _scopes(challenge, scope)]
    fields = [(name, value) for name, value in fields if value]
    if credential is not None and credential.identity_token:
        return _refresh_request(realm, credential, fields)
    headers = {}
    if credential is not None and credential.username:
        headers["Authorization"] = basic_header(credential)
        fields.append(("account", credential.username))
    fields.append(("client_id", CLIENT_ID))
    query = "&".join(part for part in (parts.query, urllib.parse.urlencode(fields)) if part)
    return TokenRequest("GET", parts._replace(query=query, fragment="").geturl(), headers)


def _address(realm: str) -> urllib.parse.SplitResult:
    """The place for tokens: a whole address, in characters that can be seen."""
    try:
        parts = urllib.parse.urlsplit(realm)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no number
        whole = None
    if not whole or "@" in parts.netloc or not realm.isprintable() or " " in realm:
        raise RegistryError(f'the registry names "{realm}" as the place for tokens')
    return parts


def _refresh_request(
    realm: str, credential: Credential, fields: list[tuple[str, str]]
) -> TokenRequest:
    scopes = " ".join(value for name, value in fields if name == "scope")
    form = {name: value for name, value in fields if name != "scope"}
    form |= {"scope": scopes} if scopes else {}
    form |= {"grant_type": "refresh_token", "refresh_token": credential.identity_token}
    body = urllib.parse.urlencode({**form, "client_id": CLIENT_ID}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return TokenRequest("POST", realm, headers, body)


def _scopes(challenge: Challenge, scope: str) -> list[str]:
    """A challenge may ask for several at once, with blanks between them (RFC 6750)."""
    return challenge.parameters.get("scope", scope).split()


def basic_header(credential: Credential) -> str:
    """The Authorization header of RFC 7617, in UTF-8."""
    pair = f"{credential.username}:{credential.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def parse_token(document: bytes, now: float) -> Token:
    """The token of a reply.

    Args:
        now: time.monotonic() before it was asked for.

    Raises:
        RegistryError: No JSON object with a token in it.
    """
    try:
        reply = json.loads(document)
        text = reply.get("token") or reply.get("access_token")
        life = reply.get("expires_in")
    except (ValueError, AttributeError, RecursionError):
        text, life = None, None
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or " " in text:
        raise RegistryError("the registry's token server answered without a usable token")
    seconds = life if isinstance(life, int | float) and life > 0 else DEFAULT_LIFE_SECONDS
    return Token(text, now + max(seconds - EARLY_SECONDS, 1))


class Authorizer:
    """Answers the challenges of one registry, and remembers the answers by scope.

    Attributes:
        host: HOST[:PORT] of the registry, for errors.
        user: Whose password or token was sent last; "": nobody's.
    """

    def __init__(
        self,
        host: str,
        find_credential: Callable[[str], Credential | None],
        fetch: Callable[[TokenRequest], bytes],
    ) -> None:
        """Args:
        find_credential: Repository → what the user has for it.
        fetch: Sends a token request, gives the body of a good reply, raises RegistryError.
        """
        self.host = host
        self.user = ""
        self._find_credential = find_credential
        self._fetch = fetch
        self._lock = threading.Lock()
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[tuple[str, str, str], Token] = {}

    def header(self, repository: str) -> str | None:
        """The header to send first: None until a challenge was met.

        Raises:
            RegistryError: A token ran out and there is no new one.
        """
        with self._lock:
            challenge = self._challenges.get(repository)
            return self._satisfy(repository, challenge) if challenge else None

    def answer(self, repository: str, header: str, refused: str | None) -> str:
        """The header that satisfies a 401.

        Args:
            header: Values of WWW-Authenticate.
            refused: The Authorization that was refused, or None; its token is forgotten.

        Raises:
            RegistryError: There is no way in; says what to do.
        """
        challenge = self._choose(repository, parse_challenges(header))
        with self._lock:
            for key, token in list(self._tokens.items()):
                if refused == f"Bearer {token.text}":
                    del self._tokens[key]
            value = self._satisfy(repository, challenge)
            self._challenges[repository] = challenge
        return value

    def _choose(self, repository: str, challenges: list[Challenge]) -> Challenge:
        by_scheme = {item.scheme: item for item in reversed(challenges)}
        for scheme in ("bearer", "basic"):
            if scheme in by_scheme:
                return by_scheme[scheme]
        offered = ", ".join(by_scheme) or "none"
        raise RegistryError(
            f"registry {self.host}, repository {repository or '(all)'}: it wants "
            f"authentication of a kind that is not known here (offered: {offered})",
            remedy="ask its administrator for Basic or Bearer authentication",
        )

    def _satisfy(self, repository: str, challenge: Challenge) -> str:
        credential = self._find_credential(repository)
        if credential is not None:
            self.user = credential.username or "the noted login"
        if challenge.scheme == "basic":
            if credential is None or not credential.username:
                raise access_denied(self.host, repository, "it answers no stranger")
            return basic_header(credential)
        if credential is not None and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        scope = f"repository:{repository}:pull" if repository else ""
        words = challenge.parameters
        asked = " ".join(_scopes(challenge, scope))
        key = (words.get("realm", ""), words.get("service", ""), asked)
        token = self._tokens.get(key)
        now = time.monotonic()
        if token is None or token.good_until <= now:
            token = parse_token(self._fetch(token_request(challenge, credential, scope)), now)
            self._tokens[key] = token
        return f"Bearer {token.text}"


class AccessDenied(RegistryError):
    """The registry knows the caller too little, or too well."""


def access_denied(host: str, repository: str, why: str, user: str = "") -> AccessDenied:
    """The error for everything that a login would mend.

    Args:
        host: The registry.
        repository: "" for the registry as a whole.
        why: In the registry's words.
        user: Whose password was sent; "": none was.
    """
    what = f", repository {repository}" if repository else ""
    again = f"{user}'s password was refused, or gives no right to it"
    return AccessDenied(
        f"registry {host}{what}: access denied: {why}",
        remedy=f"{again}; log in again: pyrootless login {host}"
        if user
        else f"check the name; if it is private: pyrootless login {host}",
    )
