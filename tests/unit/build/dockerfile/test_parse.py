"""Lines and instructions, by the Dockerfile reference."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrootless.build.dockerfile import instructions as ins
from pyrootless.build.dockerfile.lines import split_lines
from pyrootless.build.dockerfile.parse import parse_dockerfile, parse_instruction
from pyrootless.errors import BuildError


def rests(text: str) -> list[tuple[str, str]]:
    return [(line.word, line.rest) for line in split_lines(text).lines]


LINES = [
    ("FROM x\n", [("FROM", "x")]),
    ("from x", [("FROM", "x")]),
    ("\ufeffFROM x", [("FROM", "x")]),
    ("FROM x\r\nRUN a\r\n", [("FROM", "x"), ("RUN", "a")]),
    ("# c\n\n  FROM   x  \n", [("FROM", "x")]),
    ("RUN a \\\n  b", [("RUN", "a   b")]),
    ("RUN a \\  \n b", [("RUN", "a  b")]),
    ("RUN a \\\n# c\n  # d\n b", [("RUN", "a  b")]),
    ("RUN a \\\n\n b", [("RUN", "a  b")]),
    ("RUN a \\\\\nRUN b", [("RUN", "a \\\\"), ("RUN", "b")]),
    ("RUN a # not one", [("RUN", "a # not one")]),
    ("RUN a \\", [("RUN", "a")]),
    ("# escape=`\nRUN a `\n b\\", [("RUN", "a  b\\")]),
    ("RUN\ta", [("RUN", "a")]),
    ("RUN <<EOF\na\nEOF\nRUN b", [("RUN", "<<EOF"), ("RUN", "b")]),
    ("ENV A=<<EOF\nRUN b", [("ENV", "A=<<EOF"), ("RUN", "b")]),
    ("RUN echo '<<EOF'\nRUN b", [("RUN", "echo '<<EOF'"), ("RUN", "b")]),
    ("RUN a <<< b\nRUN b", [("RUN", "a <<< b"), ("RUN", "b")]),
]


@pytest.mark.parametrize(("text", "wanted"), LINES)
def test_lines(text: str, wanted: list[tuple[str, str]]) -> None:
    assert rests(text) == wanted


DIRECTIVES = [
    ("# syntax=docker/dockerfile:1\nFROM x", {"syntax": "docker/dockerfile:1"}),
    ("#syntax = a \n#  ESCAPE=`\nFROM x", {"syntax": "a", "escape": "`"}),
    ("#!/usr/bin/env x\n# check=skip=all\nFROM x", {"check": "skip=all"}),
    ("# a comment\n# escape=`\nFROM x", {}),
    ("\n# escape=`\nFROM x", {}),
    ("# unknown=a\n# escape=`\nFROM x", {"escape": "`"}),
    ("FROM x\n# escape=`", {}),
]


@pytest.mark.parametrize(("text", "wanted"), DIRECTIVES)
def test_directives(text: str, wanted: dict[str, str]) -> None:
    assert split_lines(text).directives == wanted


HEREDOCS = [
    ("RUN <<EOF\n  a $b\nEOF", [("EOF", "  a $b\n", True)]),
    ("RUN <<-EOF\n\t\ta\n\tEOF", [("EOF", "a\n", True)]),
    ("RUN <<'EOF'\n$a\nEOF", [("EOF", "$a\n", False)]),
    ('RUN <<"E F"\na\nE F', [("E F", "a\n", False)]),
    ("RUN <<E\\OF\na\nEOF", [("EOF", "a\n", False)]),
    ("RUN cat <<A 3<<B\n1\nA\n2\nB", [("A", "1\n", True), ("B", "2\n", True)]),
    (
        "COPY <<a.txt <<b.txt /x/\n1\na.txt\nb.txt",
        [("a.txt", "1\n", True), ("b.txt", "", True)],
    ),
    ("RUN <<EOF\n# kept \\\n\nEOF", [("EOF", "# kept \\\n\n", True)]),
    ("RUN <<EOF \\\n && b\na\nEOF", [("EOF", "a\n", True)]),
]


@pytest.mark.parametrize(("text", "wanted"), HEREDOCS)
def test_heredocs(text: str, wanted: list[tuple[str, str, bool]]) -> None:
    found = split_lines(text).lines[0].heredocs
    assert [(doc.name, doc.text, doc.expands) for doc in found] == wanted


def test_places_count_all_lines() -> None:
    text = "FROM x\n\nRUN a \\\n b\nRUN <<E\n1\nE\nCMD c"
    places = [(line.place.line, line.place.last) for line in split_lines(text).lines]
    assert places == [(1, 1), (3, 4), (5, 7), (8, 8)]


def one(text: str) -> Any:
    found = parse_dockerfile(f"FROM x\n{text}").stages[0].steps
    assert len(found) == 1
    return found[0]


def test_from() -> None:
    file = parse_dockerfile("ARG V=1\nFROM --platform=linux/arm64 a:$V AS One\nFROM one\nRUN a")
    assert file.globals[0].pairs == (ins.Pair("V", "1"),)
    first, second = file.stages
    assert (first.base.image, first.base.name) == ("a:$V", "one")
    assert first.base.platform == "linux/arm64"
    assert (second.base.image, second.base.name, second.index) == ("one", "", 1)
    assert len(second.steps) == 1


COMMANDS = [
    ("RUN a b", (("a b",), True)),
    ('RUN ["a", "b"]', (("a", "b"), False)),
    ("RUN ['a']", (("['a']",), True)),
    ('RUN ["a", 1]', (('["a", 1]',), True)),
    ('RUN ["a"] b', (('["a"] b',), True)),
    ("CMD []", ((), False)),
    ('ENTRYPOINT ["\\u00e9"]', (("é",), False)),
    ("CMD echo hi", (("echo hi",), True)),
]


@pytest.mark.parametrize(("text", "wanted"), COMMANDS)
def test_commands(text: str, wanted: tuple[tuple[str, ...], bool]) -> None:
    command = one(text).command
    assert (command.words, command.shell) == wanted


PAIRS = [
    (
        "ENV A=b C=\"d e\" F='g' H=i\\ j",
        [("A", "b"), ("C", '"d e"'), ("F", "'g'"), ("H", "i\\ j")],
    ),
    ("ENV A b  c", [("A", "b  c")]),
    ("ENV A=", [("A", "")]),
    ('LABEL a.b=c "d e"=f', [("a.b", "c"), ('"d e"', "f")]),
    ("ARG A B=c", [("A", None), ("B", "c")]),
    ("ENV A=b=c", [("A", "b=c")]),
]


@pytest.mark.parametrize(("text", "wanted"), PAIRS)
def test_pairs(text: str, wanted: list[tuple[str, str | None]]) -> None:
    assert [(pair.name, pair.value) for pair in one(text).pairs] == wanted


def test_copy() -> None:
    found = one(
        "COPY --from=a --chown=1:2 --chmod=u+x --link --parents --exclude=*.o --exclude=b "
        "c d /e/"
    )
    assert (found.source_of, found.chown, found.chmod) == ("a", "1:2", "u+x")
    assert (found.link, found.parents, found.exclude) == (True, True, ("*.o", "b"))
    assert (found.sources, found.target, found.adds) == (("c", "d"), "/e/", False)


def test_copy_of_json() -> None:
    found = one('COPY ["a b", "/c d/"]')
    assert (found.sources, found.target) == (("a b",), "/c d/")


def test_add() -> None:
    found = one("ADD --checksum=sha256:" + "0" * 64 + " --keep-git-dir=true --unpack=false u /")
    assert (found.adds, found.keep_git, found.unpack) == (True, True, False)
    assert found.checksum == "sha256:" + "0" * 64


MOUNTS = [
    ("target=/a", ("bind", {"target": "/a"})),
    ("type=cache,dst=/a,sharing=locked,ro", (
        "cache", {"target": "/a", "sharing": "locked", "readonly": "true"})),
    ("type=secret,id=a,required", ("secret", {"id": "a", "required": "true"})),
    ("type=tmpfs,target=/t,size=1m", ("tmpfs", {"target": "/t", "size": "1m"})),
    ("type=ssh", ("ssh", {})),
    ('type=bind,"src=a,b",target=/a', ("bind", {"source": "a,b", "target": "/a"})),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), MOUNTS)
def test_mounts(text: str, wanted: tuple[str, dict[str, str]]) -> None:
    quoted = text.replace('"', '\\"')
    mount = one(f"RUN --mount={quoted} a").mounts[0]
    assert (mount.kind, dict(mount.options)) == wanted


def test_health() -> None:
    found = one("HEALTHCHECK --interval=1m30s --timeout=5s --retries=3 CMD a b")
    assert (found.interval_ns, found.timeout_ns, found.retries) == (90 * 10**9, 5 * 10**9, 3)
    assert found.command == ins.Command(("a b",), True)
    assert one("HEALTHCHECK NONE").command is None


def test_onbuild() -> None:
    assert one("ONBUILD RUN a").text == "RUN a"
    assert one("ONBUILD COPY --from=b a /").text == "COPY --from=b a /"
    assert one("ONBUILD RUN <<E\nx\nE").text == "RUN <<E\nx\nE"
    inner = parse_instruction(one("ONBUILD RUN <<E\nx\nE").text, "trigger")
    assert isinstance(inner, ins.Run)
    assert inner.heredocs[0].text == "x\n"


def test_the_rest() -> None:
    assert one("WORKDIR /a b").text == "/a b"
    assert one('SHELL ["a"]').words == ("a",)
    assert one("EXPOSE 80 81/udp").words == ("80", "81/udp")
    assert one('VOLUME ["/a b"]').words == ("/a b",)
    assert one("MAINTAINER me <a@b>").text == "me <a@b>"


WRONG = [
    ("", "Dockerfile:1:1: there is no instruction in it"),
    ("RUN a", "Dockerfile:1:1: RUN: no build stage yet"),
    ("ARG a", "Dockerfile:1:1: ARG: there is no FROM"),
    ("FROM x\nRNU a", "Dockerfile:2:1: RNU: there is no instruction RNU; did you mean RUN?"),
    ("FROM x\n  RUN", "Dockerfile:2:3: RUN: something must follow"),
    ("FROM a b", "FROM: write FROM IMAGE"),
    ("FROM a AS 1b", 'Dockerfile:1:11: FROM: "1b" is no stage name'),
    ("FROM a AS scratch", "no stage can have the name scratch"),
    ("FROM x\nCOPY --form=a b c", ":2:6: COPY: it has no flag --form; did you mean --from?"),
    ("FROM x\nCOPY --from a b c", "--from needs a value"),
    ("FROM x\nCOPY --from=a --from=b c d", "--from stands there twice"),
    ("FROM x\nCOPY --link=maybe c d", "--link=maybe: write true or false"),
    ("FROM x\nCOPY a", "write COPY SOURCE… TARGET"),
    ("FROM x\nENV a", "write ENV NAME=VALUE"),
    ("FROM x\nENV a=b c", '"c" has no ='),
    ("FROM x\nENV =b", "a name is missing"),
    ("FROM x\nRUN --mount=type=disk,target=/a b", 'there is no type "disk"'),
    ("FROM x\nRUN --mount=type=cache b", "a cache mount needs a target"),
    ("FROM x\nRUN --mount=type=tmpfs,target=/a,id=b c", "a tmpfs mount has no id"),
    ("FROM x\nRUN --mount=type=cache,target=/a,sharing=some b", "sharing=some"),
    ("FROM x\nRUN --mount=typ=cache b", 'there is no "typ"'),
    ("FROM x\nRUN --network=some b", "--network=some: write default, none, host"),
    ("FROM x\nRUN <<EOF\na", 'Dockerfile:2:5: RUN: the here-document "EOF" does not end'),
    ("FROM x\nSHELL a", "write it as JSON"),
    ("FROM x\nHEALTHCHECK a", "write HEALTHCHECK NONE"),
    ("FROM x\nHEALTHCHECK", "write HEALTHCHECK NONE"),
    ("FROM x\nHEALTHCHECK CMD", "a command is missing after CMD"),
    ("FROM x\nHEALTHCHECK --interval=fast CMD a", "--interval"),
    ("FROM x\nHEALTHCHECK --interval=1us CMD a", "1ms is the least"),
    ("FROM x\nONBUILD FROM a", "FROM cannot be a trigger"),
    ("FROM x\nONBUILD RNU a", "there is no instruction RNU"),
    ("FROM x\nADD --checksum=abc u /", "--checksum: write sha256:HEX"),
    ("# escape=x\nFROM a", 'Dockerfile:1:10: "x" is no escape character'),
    ("# escape=`\n# escape=`\nFROM a", "the directive escape stands there twice"),
    ("FROM x\nCOPY a <<E\nE", "a here-document is no target"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), WRONG)
def test_wrong(text: str, wanted: str) -> None:
    with pytest.raises(BuildError) as told:
        parse_dockerfile(text)
    assert wanted in str(told.value)


def test_the_lines_are_shown() -> None:
    text = "FROM x\nRUN a\nCOPY --form=a \\\n  b c\nRUN d\nRUN e\nRUN f\n"
    with pytest.raises(BuildError) as told:
        parse_dockerfile(text, "Containerfile")
    error = told.value
    assert (error.line, error.column, error.instruction) == (3, 6, "COPY")
    assert str(error).splitlines() == [
        "Containerfile:3:6: COPY: it has no flag --form; did you mean --from?",
        "  1   FROM x",
        "  2   RUN a",
        "  3 > COPY --form=a \\",
        "  4 >   b c",
        "  5   RUN d",
        "  6   RUN e",
    ]


PIECES = st.sampled_from(
    ["FROM x\n", "RUN ", "COPY ", "ADD ", "ENV A=", "ARG ", "<<EOF", "<<-'E'", "EOF\n", "E\n",
     "\\\n", "\n", '"', "'", "$A", "${A", ":-", "}", "--mount=", "type=cache,", "target=/a ",
     "--from=a ", '["a"]', "#", "# escape=`\n", "`\n", "ONBUILD ", "HEALTHCHECK CMD ", " ",
     "\t", "\0", "é", "\r\n", "--", "=", ",", "a", "/b "]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        file = parse_dockerfile(text)
    except BuildError as error:
        assert str(error).startswith("Dockerfile:")
        return
    again = parse_dockerfile(text)
    assert file == again
    last = 0
    for stage in file.stages:
        for step in (stage.base, *stage.steps):
            assert last < step.place.line <= step.place.last <= len(file.source.lines)
            last = step.place.last
