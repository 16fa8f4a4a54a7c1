"""What is allowed in a Dockerfile and better not written: BuildKit's checks.

What comes in: a Dockerfile.  What goes out: warnings with the rule's name and a line.
Must never: open a file, refuse a Dockerfile.

`# check=skip=RULE,RULE` leaves rules out, `skip=all` all; `error=true` makes warnings failures.
Source: Docker's build checks reference, the rules' names and examples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pyrootless.build.dockerfile import instructions as ins
from pyrootless.build.dockerfile.source import Place

_SECRET = re.compile(
    r"(?:^|[_-])(?:apikey|auth|credentials?|key|password|passwd|pword|secret|token)(?:$|[_-])"
)
_PUBLIC = re.compile(r"(?:^|_)public(?:_|$)")
_RESERVED = ("scratch", "context")
_ONCE = ("CMD", "ENTRYPOINT", "HEALTHCHECK")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing.

    Attributes:
        rule: BuildKit's name of the rule.
        text: One sentence.
        line: Where.
    """

    rule: str
    text: str
    line: int


def check_dockerfile(file: ins.Dockerfile) -> list[Finding]:
    """Every warning that its `check` directive does not leave out, by line."""
    skipped, _ = _directive(file)
    found = [
        Finding(rule, text, place.line)
        for rule, check in _RULES.items()
        if rule.lower() not in skipped and "all" not in skipped
        for place, text in check(file)
    ]
    return sorted(found, key=lambda one: (one.line, one.rule))


def makes_errors(file: ins.Dockerfile) -> bool:
    """Whether `# check=error=true` stands in it."""
    return _directive(file)[1]


def _directive(file: ins.Dockerfile) -> tuple[set[str], bool]:
    skipped: set[str] = set()
    errors = False
    for part in file.directives.get("check", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key.lower() == "skip":
            skipped |= {word.strip().lower() for word in value.split(",")}
        elif key.lower() == "error":
            errors = value.strip().lower() in ("true", "1")
    return skipped, errors


Found = Iterator[tuple[Place, str]]


def _steps(file: ins.Dockerfile) -> Iterator[ins.Instruction]:
    for stage in file.stages:
        yield from stage.steps


def _stage_name_casing(file: ins.Dockerfile) -> Found:
    for stage in file.stages:
        words = stage.base.original.split()
        if len(words) >= 3 and words[-1] != words[-1].lower():
            yield stage.base.place, f"the stage name {words[-1]} is better in small letters"


def _from_as_casing(file: ins.Dockerfile) -> Found:
    for stage in file.stages:
        words = stage.base.original.split()
        if stage.base.name and words[0].isupper() != words[-2].isupper():
            yield stage.base.place, f"{words[0]} and {words[-2]} are written in different cases"


def _consistent_casing(file: ins.Dockerfile) -> Found:
    upper = sum(word.isupper() for word, _ in file.words)
    wanted = str.upper if upper * 2 >= len(file.words) else str.lower
    for word, place in file.words:
        if word != wanted(word):
            yield place, f"{word} is written in another case than the rest: {wanted(word)}"


def _duplicate_stage_name(file: ins.Dockerfile) -> Found:
    seen: set[str] = set()
    for stage in file.stages:
        if stage.base.name in seen:
            yield stage.base.place, f"there are two stages {stage.base.name}"
        seen |= {stage.base.name} - {""}


def _reserved_stage_name(file: ins.Dockerfile) -> Found:
    for stage in file.stages:
        if stage.base.name in _RESERVED:
            yield stage.base.place, f"{stage.base.name} has a meaning and is no stage's name"


def _maintainer(file: ins.Dockerfile) -> Found:
    for step in _steps(file):
        if step.place.instruction == "MAINTAINER":
            yield (
                step.place,
                "MAINTAINER is out of use: LABEL org.opencontainers.image.authors=…",
            )


def _legacy_key_value(file: ins.Dockerfile) -> Found:
    for step in _steps(file):
        if isinstance(step, ins.Env | ins.Label) and step.old:
            name = step.place.instruction
            yield step.place, f'"{name} KEY=VALUE" is better than "{name} KEY VALUE"'


def _json_args(file: ins.Dockerfile) -> Found:
    for stage in file.stages:
        if any(isinstance(step, ins.Shell) for step in stage.steps):
            continue  # a shell was chosen on purpose
        for step in stage.steps:
            if isinstance(step, ins.Program) and step.command.shell:
                name = step.place.instruction
                yield step.place, f'a JSON array is better: {name} ["PROGRAM"] gets signals'


def _multiple(file: ins.Dockerfile) -> Found:
    for stage in file.stages:
        counts = Counter(step.place.instruction for step in stage.steps)
        last: dict[str, Place] = {step.place.instruction: step.place for step in stage.steps}
        for name in _ONCE:
            if counts[name] > 1:
                yield last[name], f"{name} stands {counts[name]} times: only the last counts"


def _no_empty_continuation(file: ins.Dockerfile) -> Found:
    for place in file.gaps:
        yield place, "an empty line inside an instruction will be an error some day"


def _secrets(file: ins.Dockerfile) -> Found:
    for step in (*file.globals, *_steps(file)):
        if isinstance(step, ins.Arg | ins.Env):
            for pair in step.pairs:
                name = pair.name.lower()
                if _SECRET.search(name) and not _PUBLIC.search(name):
                    text = f"{pair.name} looks like a secret, which everybody sees in the image"
                    yield step.place, f"{text}: RUN --mount=type=secret"


def _workdir_relative(file: ins.Dockerfile) -> Found:
    for stage in file.stages:
        named = {other.base.name for other in file.stages[: stage.index]}
        known = stage.base.image in named
        for step in stage.steps:
            if isinstance(step, ins.Text) and step.place.instruction == "WORKDIR":
                if not known and not step.text.startswith(("/", "$", '"', "'")):
                    yield step.place, f"WORKDIR {step.text} depends on the base image"
                known = True


def _redundant_platform(file: ins.Dockerfile) -> Found:
    for stage in file.stages:
        if stage.base.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            yield stage.base.place, f"--platform={stage.base.platform} is what it is anyway"


def _expose_form(file: ins.Dockerfile) -> Found:
    for step in _steps(file):
        if isinstance(step, ins.Listing) and step.place.instruction == "EXPOSE":
            for word in step.words:
                if word.count(":"):
                    yield step.place, f"EXPOSE {word}: an address or host port has no meaning"


_RULES: dict[str, Callable[[ins.Dockerfile], Found]] = {
    "StageNameCasing": _stage_name_casing,
    "FromAsCasing": _from_as_casing,
    "ConsistentInstructionCasing": _consistent_casing,
    "DuplicateStageName": _duplicate_stage_name,
    "ReservedStageName": _reserved_stage_name,
    "MaintainerDeprecated": _maintainer,
    "LegacyKeyValueFormat": _legacy_key_value,
    "JSONArgsRecommended": _json_args,
    "MultipleInstructionsDisallowed": _multiple,
    "NoEmptyContinuation": _no_empty_continuation,
    "SecretsUsedInArgOrEnv": _secrets,
    "WorkdirRelativePath": _workdir_relative,
    "RedundantTargetPlatform": _redundant_platform,
    "ExposeInvalidFormat": _expose_form,
}
