"""Stages: which are needed, on what each stands, and what they see of build arguments.

What comes in: a Dockerfile and build arguments.
What goes out: `Plan`: the needed stages in an order that works.
Must never: touch a file, look for an image.

Source: Dockerfile reference, "Understand how ARG and FROM interact", "Automatic platform ARGs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyrootless.build import dockerfile as ins
from pyrootless.build.metadata import PREDEFINED, Expander
from pyrootless.images import Platform, host_platform, normalize, parse_platform


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage.

    Attributes:
        stage: As it is written.
        image: What it is made from: an image's name, or "scratch".
        base: Index of the stage that it is made from; None: an image.
        needs: Indexes of all stages that it reads.
        platform: That was asked for; "": the build's.
    """

    stage: ins.Stage
    image: str
    base: int | None
    needs: frozenset[int]
    platform: str

    @property
    def name(self) -> str:
        """For a person."""
        return self.stage.base.name or f"stage-{self.stage.index}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole build.

    Attributes:
        file: The Dockerfile.
        stages: By index, those that are needed.
        target: Index of the one that becomes the image.
        globals: Arguments from before the first FROM.
        automatic: TARGETPLATFORM and its kin.
    """

    file: ins.Dockerfile
    stages: Mapping[int, PlannedStage]
    target: int
    globals: Mapping[str, str]
    automatic: Mapping[str, str]


def plan_build(
    file: ins.Dockerfile, args: Mapping[str, str], target: str, platform: str
) -> Plan:
    """Find out what is to be done.

    Args:
        file: The Dockerfile.
        args: Build arguments.
        target: A stage's name or number; "": the last.
        platform: The image's; "": this machine's.

    Raises:
        BuildError: A FROM has no meaning, or there is no such target.
    """
    automatic = automatic_args(platform)
    globals_ = _globals(file, {**automatic, **args}, args)
    seen = {**automatic, **globals_}
    planned: dict[int, PlannedStage] = {}
    names: dict[str, int] = {}
    for stage in file.stages:
        planned[stage.index] = _plan_stage(file, stage, seen, names)
        if stage.base.name:
            names[stage.base.name] = stage.index
    goal = _find_target(file, target, names)
    needed: dict[int, PlannedStage] = {}
    _collect(goal, planned, needed)
    return Plan(file, dict(sorted(needed.items())), goal, globals_, automatic)


def automatic_args(platform: str) -> dict[str, str]:
    """What platforms are called in arguments."""
    here = normalize(host_platform())
    here = replace(here, variant="") if here.architecture == "amd64" else here
    wanted = parse_platform(platform) if platform else here
    return {**_words("TARGET", wanted), **_words("BUILD", here)}


def _words(prefix: str, platform: Platform) -> dict[str, str]:
    return {
        f"{prefix}PLATFORM": str(platform),
        f"{prefix}OS": platform.os,
        f"{prefix}ARCH": platform.architecture,
        f"{prefix}VARIANT": platform.variant,
    }


def _globals(
    file: ins.Dockerfile, known: Mapping[str, str], args: Mapping[str, str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for step in file.globals:
        words = Expander(file, step, lambda name: found.get(name, known.get(name)))
        for pair in step.pairs:
            if pair.name in args:
                found[pair.name] = args[pair.name]
            elif pair.value is not None:
                found[pair.name] = words.text(pair.value)
    return found


def _plan_stage(
    file: ins.Dockerfile, stage: ins.Stage, seen: Mapping[str, str], names: Mapping[str, int]
) -> PlannedStage:
    words = Expander(file, stage.base, seen.get)
    image = words.text(stage.base.image)
    if not image:
        raise words.wrong(
            f'"{stage.base.image}" is empty: give its argument a value, by --build-arg or ARG',
            stage.base.image,
        )
    platform = words.text(stage.base.platform)
    base = names.get(image.lower())
    needs = {base} if base is not None else set()
    for step in stage.steps:
        for name in _sources(step):
            index = find_stage(name, names, stage.index)
            if index is not None:
                needs.add(index)
            elif name.isdigit():
                raise file.source.failure(
                    f"there is no stage {name} before this one", step.place, f"from={name}"
                )
    return PlannedStage(stage, image, base, frozenset(needs), platform)


def find_stage(name: str, names: Mapping[str, int], before: int) -> int | None:
    """The stage of a name or number that stands before another; None: no stage."""
    found = names.get(name.lower())
    if found is None and name.isascii() and name.isdigit() and int(name) < before:
        found = int(name)
    return found


def _sources(step: ins.Instruction) -> list[str]:
    """Names of stages or images that an instruction reads from."""
    if isinstance(step, ins.Copy):
        return [step.source_of] if step.source_of else []
    if isinstance(step, ins.Run):
        return [m.options["from"] for m in step.mounts if m.options.get("from")]
    if isinstance(step, ins.OnBuild) or not isinstance(step, ins.Instruction):
        return []
    return []


def _find_target(file: ins.Dockerfile, target: str, names: Mapping[str, int]) -> int:
    if not target:
        return len(file.stages) - 1
    found = find_stage(target, names, len(file.stages))
    if found is None:
        known = ", ".join(names) or "they have only numbers"
        raise file.source.failure(
            f'there is no stage "{target[:60]}" for --target; the stages: {known}',
            file.stages[-1].base.place,
        )
    return found


def _collect(
    index: int, planned: Mapping[int, PlannedStage], needed: dict[int, PlannedStage]
) -> None:
    if index in needed:
        return
    needed[index] = planned[index]
    for other in planned[index].needs:
        _collect(other, planned, needed)


def unused_args(plan: Plan, args: Mapping[str, str]) -> list[str]:
    """Build arguments that no ARG declares."""
    declared = {pair.name for step in plan.file.globals for pair in step.pairs}
    for stage in plan.file.stages:
        for step in stage.steps:
            if isinstance(step, ins.Arg):
                declared |= {pair.name for pair in step.pairs}
    known = declared | PREDEFINED | set(plan.automatic)
    return sorted(name for name in args if name not in known)
