"""The names of images: text ↔ `Reference`.

What comes in: what a person types or a manifest says ("debian", "quay.io/a/b:1@sha256:…").
What goes out: a `Reference` with every part said; a name as one directory entry and back.
Must never: open a file, contact a registry, accept what a registry would refuse.

The grammar is that of the reference implementation of registries (distribution/reference,
"Grammar" in reference.go), with its rules for short names: a first part with ".", ":" or an
upper case letter, or "localhost", is a host; anything else lies on docker.io, and names of one
part there below "library/".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyrootless.errors import UsageError

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
MAX_NAME = 255
"""Letters of a name (domain and path) at most."""
MAX_TAG = 128
MAX_ENCODED_BYTES = 255
"""NAME_MAX of Linux: an encoded name is one directory entry (csrc/config/template.c)."""

_OFFICIAL = "library/"
_LEGACY_DOMAIN = "index.docker.io"
_WORD = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_WORD}(?:\.{_WORD})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{MAX_TAG - 1}}}")
_HEX_DIGITS = {"sha256": 64, "sha512": 128}
_IDENTIFIER = re.compile(r"(?:sha256:)?[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """One image's name, complete.

    Attributes:
        domain: Host of the registry with its port, "docker.io" when none was written.
        path: Repository on that host, "library/debian".
        tag: None when a digest alone names the image.
        digest: "sha256:HEX" or "sha512:HEX"; None when none was written.
    """

    domain: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """Domain and path: "docker.io/library/debian"."""
        return f"{self.domain}/{self.path}"

    @property
    def canonical(self) -> str:
        """Everything said: "docker.io/library/debian:12", and the digest if there is one."""
        return self.name + self._suffix()

    @property
    def familiar(self) -> str:
        """The shortest text that means the same: "debian:12"."""
        if self.domain != DEFAULT_DOMAIN:
            return self.canonical
        short = self.path.removeprefix(_OFFICIAL)
        if "/" in short:
            short = self.path
        return short + self._suffix() if _means(short, self) else self.canonical

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag

    def __str__(self) -> str:
        return self.canonical


def parse_reference(text: str) -> Reference:
    """The image a text names.

    Raises:
        UsageError: It is not a reference; the text names the part that offends.
    """
    if not text:
        raise UsageError("an image's name is missing")
    if "://" in text:
        raise _malformed(text, f'it has a scheme; write "{text.partition("://")[2]}"')
    if _IDENTIFIER.fullmatch(text):
        raise _malformed(text, "64 hexadecimal digits are an image's ID, not a name")
    rest, digest = _take_digest(text)
    rest, tag = _take_tag(text, rest)
    domain, path = _split_domain(rest)
    _check_domain(text, domain)
    _check_path(text, path)
    if len(domain) + 1 + len(path) > MAX_NAME:
        raise _malformed(text, f"its name is longer than {MAX_NAME} letters")
    if tag is None and digest is None:
        tag = DEFAULT_TAG
    return Reference(domain, path, tag, digest)


def check_digest(digest: str) -> str:
    """The digest itself, when it is "sha256:" or "sha512:" and as many digits as that has.

    Raises:
        UsageError: It is anything else.
    """
    algorithm, _, digits = digest.partition(":")
    wanted = _HEX_DIGITS.get(algorithm)
    if wanted is None:
        raise UsageError(f'digest "{_short(digest)}": it must begin with sha256: or sha512:')
    if not re.fullmatch(rf"[a-f0-9]{{{wanted}}}", digits):
        raise UsageError(
            f'digest "{_short(digest)}": {algorithm} has {wanted} lower case hexadecimal digits'
        )
    return digest


def encode_name(text: str) -> str:
    """A name as one directory entry: "a/b%" → "a%2Fb%25" (as csrc/config/template.c has it).

    Raises:
        UsageError: It is empty, begins with "." or "-", has control characters, or is too long
            for a file's name.
    """
    if not text:
        raise UsageError("an image's name is missing")
    if text[0] in ".-":
        raise _malformed(text, f'it begins with "{text[0]}"')
    if any(letter < " " or letter == "\x7f" for letter in text):
        raise _malformed(text, "it contains a control character")
    encoded = text.replace("%", "%25").replace("/", "%2F")
    if len(encoded.encode("utf-8", "surrogateescape")) > MAX_ENCODED_BYTES:
        raise _malformed(text, "it is too long to be stored")
    return encoded


def decode_name(text: str) -> str:
    """The inverse of `encode_name`."""
    return text.replace("%2F", "/").replace("%25", "%")


def _take_digest(text: str) -> tuple[str, str | None]:
    rest, at, digest = text.partition("@")
    if not at:
        return rest, None
    try:
        return rest, check_digest(digest)
    except UsageError as error:
        raise _malformed(text, str(error)) from None


def _take_tag(text: str, rest: str) -> tuple[str, str | None]:
    """A colon after the last slash begins the tag; one before it is a port's."""
    last = rest.rfind("/") + 1
    name, colon, tag = rest[last:].partition(":")
    if not colon:
        return rest, None
    if not _TAG.fullmatch(tag):
        raise _malformed(
            text,
            f'tag "{_short(tag)}": letters, digits, "_", "." and "-", at most {MAX_TAG}, and '
            'not "." or "-" first',
        )
    return rest[:last] + name, tag


def _split_domain(rest: str) -> tuple[str, str]:
    first, slash, path = rest.partition("/")
    if not slash or not _is_domain(first):
        first, path = DEFAULT_DOMAIN, rest
    if first == _LEGACY_DOMAIN:
        first = DEFAULT_DOMAIN
    if first == DEFAULT_DOMAIN and "/" not in path:
        path = _OFFICIAL + path
    return first, path


def _is_domain(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _check_domain(text: str, domain: str) -> None:
    if not _DOMAIN.fullmatch(domain):
        raise _malformed(text, f'"{_short(domain)}" is not a host, with or without a port')


def _check_path(text: str, path: str) -> None:
    for part in path.split("/"):
        if not part:
            raise _malformed(text, "a part of its name is empty")
        if part != part.lower():
            raise _malformed(text, f'"{_short(part)}" must be lower case')
        if not _COMPONENT.fullmatch(part):
            raise _malformed(
                text,
                f'"{_short(part)}": letters and digits, with ".", "_", "__" or dashes only '
                "between them",
            )


def _means(short: str, reference: Reference) -> bool:
    """Whether a short name leads back: "localhost/x" and 64 hexadecimal digits do not."""
    domain, path = _split_domain(short)
    plain = not _IDENTIFIER.fullmatch(short + reference._suffix())
    return plain and (domain, path) == (reference.domain, reference.path)


def _malformed(text: str, why: str) -> UsageError:
    return UsageError(f'"{_short(text)}" is not the name of an image: {why}')


def _short(text: str) -> str:
    """Text for a message: no control characters, no page of letters."""
    shown = text if len(text) <= 96 else f"{text[:95]}…"
    return shown.encode("unicode_escape").decode() if not shown.isprintable() else shown
