"""pyrootless.images.reference: the grammar of image names, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrootless.errors import UsageError
from pyrootless.images.reference import (
    Reference,
    decode_name,
    encode_name,
    parse_reference,
)

HEX = "0123456789abcdef" * 4
SHA = f"sha256:{HEX}"
SHA512 = f"sha512:{HEX}{HEX}"

WELL_FORMED = {
    "debian": ("docker.io/library/debian:latest", "debian:latest"),
    "debian:12": ("docker.io/library/debian:12", "debian:12"),
    "library/debian": ("docker.io/library/debian:latest", "debian:latest"),
    "docker.io/debian": ("docker.io/library/debian:latest", "debian:latest"),
    "index.docker.io/debian:1": ("docker.io/library/debian:1", "debian:1"),
    "index.docker.io/a/b": ("docker.io/a/b:latest", "a/b:latest"),
    "a/b:t": ("docker.io/a/b:t", "a/b:t"),
    "library/a/b": ("docker.io/library/a/b:latest", "library/a/b:latest"),
    "localhost": ("docker.io/library/localhost:latest", "localhost:latest"),
    "localhost/x": ("localhost/x:latest", "localhost/x:latest"),
    "localhost:5000/x:1": ("localhost:5000/x:1", "localhost:5000/x:1"),
    "127.0.0.1:35000/a/b/c:v1": ("127.0.0.1:35000/a/b/c:v1", "127.0.0.1:35000/a/b/c:v1"),
    "[::1]:5000/x": ("[::1]:5000/x:latest", "[::1]:5000/x:latest"),
    "[fe80::1]/x": ("[fe80::1]/x:latest", "[fe80::1]/x:latest"),
    "Registry/x": ("Registry/x:latest", "Registry/x:latest"),
    "quay.io/a/b": ("quay.io/a/b:latest", "quay.io/a/b:latest"),
    "xn--n3h.com/myimage": ("xn--n3h.com/myimage:latest", "xn--n3h.com/myimage:latest"),
    "debian:1/2": ("debian:1/2:latest", "debian:1/2:latest"),
    "a__b/c--d/e.f_g": ("docker.io/a__b/c--d/e.f_g:latest", "a__b/c--d/e.f_g:latest"),
    "a-----b": ("docker.io/library/a-----b:latest", "a-----b:latest"),
    "x:_tag.-": ("docker.io/library/x:_tag.-", "x:_tag.-"),
    "x:V1": ("docker.io/library/x:V1", "x:V1"),
    f"x:{'t' * 128}": (f"docker.io/library/x:{'t' * 128}", f"x:{'t' * 128}"),
    f"x@{SHA}": (f"docker.io/library/x@{SHA}", f"x@{SHA}"),
    f"x:1@{SHA}": (f"docker.io/library/x:1@{SHA}", f"x:1@{SHA}"),
    f"h.io/x@{SHA512}": (f"h.io/x@{SHA512}", f"h.io/x@{SHA512}"),
    # Short forms that would mean something else are not used.
    "docker.io/localhost/x": ("docker.io/localhost/x:latest", "docker.io/localhost/x:latest"),
    "docker.io/a.b/c": ("docker.io/a.b/c:latest", "docker.io/a.b/c:latest"),
    f"docker.io/library/{HEX}": (f"docker.io/library/{HEX}:latest", f"{HEX}:latest"),
    f"docker.io/sha256:{HEX}": (f"docker.io/library/{SHA}", f"docker.io/library/{SHA}"),
    f"h.io/{HEX}": (f"h.io/{HEX}:latest", f"h.io/{HEX}:latest"),
}

MALFORMED = {
    "": "missing",
    " ": "letters and digits",
    "/": "a part of its name is empty",
    "//": "empty",
    "a/": "empty",
    "/a": "empty",
    "a//b": "empty",
    "h.io/": "empty",
    "h.io//a": "empty",
    "docker.io/": "empty",
    ":1": "empty",
    "a:": 'tag ""',
    "a:.1": 'tag ".1"',
    "a:-1": 'tag "-1"',
    "a:1:2": '"a:1:2"',
    "a:b c": 'tag "b c"',
    "a:ä": 'tag "ä"',
    "a:١": "tag",  # a digit, but not of ASCII
    f"a:{'t' * 129}": "at most 128",
    "A": '"A" must be lower case',
    "Debian:12": '"Debian" must be lower case',
    "a/B": '"B" must be lower case',
    "h.io/A/b": '"A" must be lower case',
    "-a": '"-a"',
    "a-": '"a-"',
    ".a": '".a"',
    "a.": '"a."',
    "_a": '"_a"',
    "a_": '"a_"',
    "a___b": '"a___b"',
    "a..b": '"a..b"',
    "a._b": '"a._b"',
    "a.-b": '"a.-b"',
    "a b": '"a b"',
    "a\tb": '"a\\tb"',
    "a\n": '"a\\n"',
    "a\0b": '"a\\x00b"',
    "ä": '"ä"',
    "a/../b": '".."',
    "../a": '".."',
    "./a": '"." is not a host',
    "-h.io/a": '"-h.io" is not a host',
    "h-.io/a": "is not a host",
    "h..io/a": "is not a host",
    "h.io:/a": "is not a host",
    "h.io:5000x/a": "is not a host",
    "h_x.io/a": "is not a host",
    "[::1/a": "is not a host",
    "[]:1/a": "is not a host",
    "user@h.io/a": "digest",
    "a@": "digest",
    "a@sha256": "sha256 has 64",
    "a@sha256:": "64 lower case",
    f"a@sha256:{HEX[:-1]}": "64 lower case",
    f"a@sha256:{HEX}0": "64 lower case",
    f"a@sha256:{HEX.upper()}": "64 lower case",
    f"a@sha512:{HEX}": "sha512 has 128",
    f"a@md5:{HEX}": "must begin with sha256: or sha512:",
    f"a@SHA256:{HEX}": "must begin with",
    f"a@{SHA}@{SHA}": "64 lower case",
    f"a@{SHA}:1": "64 lower case",
    f"@{SHA}": "empty",
    HEX: "64 hexadecimal digits are an image's ID",
    SHA: "an image's ID, not a name",
    "https://h.io/a": 'it has a scheme; write "h.io/a"',
    "docker://debian": 'write "debian"',
    f"h.io/{'a' * 251}": "longer than 255",
    "a" * 300: "longer than 255",
    "%2e%2e/a": '"%2e%2e"',
}


@pytest.mark.parametrize("text", WELL_FORMED)
def test_well_formed(text: str) -> None:
    reference = parse_reference(text)
    assert (reference.canonical, reference.familiar) == WELL_FORMED[text]
    assert parse_reference(reference.canonical) == reference
    assert parse_reference(reference.familiar) == reference
    assert str(reference) == reference.canonical
    assert reference.canonical.startswith(reference.name)


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    message = str(caught.value)
    assert MALFORMED[text] in message
    assert len(message) < 500
    assert message.isprintable()


def test_parts() -> None:
    reference = parse_reference(f"quay.io:443/a/b:1@{SHA}")
    assert reference == Reference("quay.io:443", "a/b", "1", SHA)
    assert reference.name == "quay.io:443/a/b"
    assert parse_reference("x").tag == "latest"
    assert parse_reference(f"x@{SHA}").tag is None


def test_the_longest_name() -> None:
    name = f"h.io/{'a' * 250}"
    assert parse_reference(name).name == name


COMPONENTS = st.from_regex(
    r"[a-z0-9]{1,6}(?:(?:[._]|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True
)
DOMAINS = st.sampled_from(["docker.io", "localhost", "localhost:1", "a.b-c.D", "[::1]:5", "Up"])
TAGS = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
DIGESTS = st.none() | st.sampled_from([SHA, SHA512])


@st.composite
def references(draw: st.DrawFn) -> Reference:
    domain, tag, digest = draw(DOMAINS), draw(TAGS), draw(DIGESTS)
    parts = draw(st.lists(COMPONENTS, min_size=1, max_size=4))
    if domain == "docker.io" and len(parts) == 1:
        parts.insert(0, "library")
    tag = tag or ("latest" if digest is None else None)
    return Reference(domain, "/".join(parts), tag, digest)


@settings(deadline=None, derandomize=True)
@given(references())
def test_text_leads_back(reference: Reference) -> None:
    assert parse_reference(reference.canonical) == reference
    assert parse_reference(reference.familiar) == reference
    assert len(reference.familiar) <= len(reference.canonical)


@settings(deadline=None, derandomize=True)
@given(st.text(alphabet="aB0._-/:@[]%\0 é", max_size=40))
def test_any_text_is_a_reference_or_a_usage_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except UsageError:
        return
    assert parse_reference(reference.canonical) == reference
    assert parse_reference(reference.familiar) == reference


@settings(deadline=None, derandomize=True)
@given(st.text(min_size=1, max_size=60))
def test_names_of_files_lead_back(text: str) -> None:
    try:
        encoded = encode_name(text)
    except (UsageError, UnicodeEncodeError):
        return
    assert decode_name(encoded) == text
    assert "/" not in encoded
    assert encoded[0] != "."


def test_encoded_names_are_those_of_the_launcher() -> None:
    """csrc/config/template.c, encode_name; tests/csrc/config/test_template.c has the other
    half."""
    assert encode_name("docker.io/library/debian:12") == "docker.io%2Flibrary%2Fdebian:12"
    assert encode_name("a%2Fb/c%") == "a%252Fb%2Fc%25"


@pytest.mark.parametrize("text", ["", ".", "..", ".a", "-a", "a\nb", "a\x7f", "a" * 256])
def test_names_that_cannot_be_files(text: str) -> None:
    with pytest.raises(UsageError):
        encode_name(text)


def test_the_longest_file_name() -> None:
    assert len(encode_name("a" * 255)) == 255
    with pytest.raises(UsageError, match="too long to be stored"):
        encode_name("a" * 252 + "/b")
