"""BuildKit's checks, each with what it warns of and a twin that it does not."""

from __future__ import annotations

import pytest

from pyrootless.build.dockerfile.lint import check_dockerfile, makes_errors
from pyrootless.build.dockerfile.parse import parse_dockerfile

CASES = [
    ("StageNameCasing", "FROM x AS Build", "FROM x AS build"),
    ("FromAsCasing", "FROM x as build", "FROM x AS build"),
    ("ConsistentInstructionCasing", "FROM x\nRUN a\nrun b", "from x\nrun a\nrun b"),
    ("DuplicateStageName", "FROM x AS a\nFROM y AS a", "FROM x AS a\nFROM y AS b"),
    ("ReservedStageName", "FROM x AS context", "FROM x AS contexts"),
    ("MaintainerDeprecated", "FROM x\nMAINTAINER me", "FROM x\nLABEL me=1"),
    ("LegacyKeyValueFormat", "FROM x\nENV A b", "FROM x\nENV A=b"),
    ("JSONArgsRecommended", "FROM x\nCMD a b", 'FROM x\nCMD ["a", "b"]'),
    ("MultipleInstructionsDisallowed", 'FROM x\nCMD ["a"]\nCMD ["b"]', 'FROM x\nCMD ["b"]'),
    ("NoEmptyContinuation", "FROM x\nRUN a \\\n\n b", "FROM x\nRUN a \\\n b"),
    ("SecretsUsedInArgOrEnv", "FROM x\nARG API_TOKEN", "FROM x\nARG PUBLIC_KEY"),
    ("WorkdirRelativePath", "FROM x\nWORKDIR app", "FROM x\nWORKDIR /a\nWORKDIR app"),
    ("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM x", "FROM --platform=a/b x"),
    ("ExposeInvalidFormat", "FROM x\nEXPOSE 127.0.0.1:80:80", "FROM x\nEXPOSE 80"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "bad", "better"), CASES, ids=[case[0] for case in CASES])
def test_rule(rule: str, bad: str, better: str) -> None:
    assert [found.rule for found in check_dockerfile(parse_dockerfile(bad))] == [rule]
    assert check_dockerfile(parse_dockerfile(better)) == []


def test_a_chosen_shell_may_be_used() -> None:
    assert (
        check_dockerfile(parse_dockerfile('FROM x\nSHELL ["/bin/bash", "-c"]\nCMD a b')) == []
    )


def test_rules_are_left_out() -> None:
    text = "# check=skip=JSONArgsRecommended;error=true\nFROM x\nCMD a\nMAINTAINER me"
    file = parse_dockerfile(text)
    assert [found.rule for found in check_dockerfile(file)] == ["MaintainerDeprecated"]
    assert makes_errors(file)
    assert check_dockerfile(parse_dockerfile("# check=skip=all\nFROM x\nCMD a")) == []
    assert not makes_errors(parse_dockerfile("FROM x"))


def test_lines_are_told_in_order() -> None:
    found = check_dockerfile(parse_dockerfile("FROM x AS Up\nENV A b\nCMD a"))
    assert [one.line for one in found] == [1, 2, 3]
