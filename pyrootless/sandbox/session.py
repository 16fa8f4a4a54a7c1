"""Several steps in one box: put files in, compile, run, collect.

Each step runs in a fresh box of its own: its own namespaces, processes and limits. What goes
from step to step is the scratch, a value that this process holds: files with their modes. So
nothing a step leaves behind (a process, a lock, a link, a device) can reach the next one.

What comes in: files, commands, limits. What goes out: `Outcome`, `Built`.
Must never: raise for what a program did; carry anything but regular files from step to step.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from pyrootless.closing import Closing
from pyrootless.errors import UsageError
from pyrootless.sandbox import box
from pyrootless.sandbox.calls import Function, function_files, with_driver
from pyrootless.sandbox.collect import Collected
from pyrootless.sandbox.files import File, FileLike, file_rows
from pyrootless.sandbox.languages import Language, find_language, main_class, source_names
from pyrootless.sandbox.limits import Limits
from pyrootless.sandbox.network import find_network
from pyrootless.sandbox.outcome import Outcome
from pyrootless.sandbox.runs import DEFAULT_LIMITS, Job, Side, run_for_facts, to_outcome
from pyrootless.sandbox.verdict import Verdict
from pyrootless.sandbox.warm import Shelf, Warm, as_warm, warm_for

_EVERYTHING = ("**?",)


@dataclass(frozen=True, slots=True)
class Built:
    """A program, ready to be run any number of times.

    Attributes:
        language: What it is written in.
        sources: Names of its sources in the box, the main one first.
        files: What the run needs: the compiler's artifacts, or the sources.
        outcome: The compiler's run; None when there was nothing to compile.
        main_class: What "{class}" stands for in the language's command; "": nothing.
    """

    language: Language
    sources: tuple[str, ...]
    files: Mapping[str, File] = field(default_factory=dict)
    outcome: Outcome | None = None
    main_class: str = ""

    @property
    def ok(self) -> bool:
        """It can be run."""
        return self.outcome is None or self.outcome.ok

    @property
    def log(self) -> bytes:
        """What the compiler wrote, both streams."""
        return b"" if self.outcome is None else self.outcome.stdout + self.outcome.stderr


class Sandbox(Closing):
    """A scratch and the boxes that work on it.

    Args:
        image, rootfs, env, cwd, root: As for `run`.
        limits: For steps that bring none of their own.
        exact, rungs: As for `run`.
        allow_hosts: As for `run`, of `run` and `call`; a compiler has no network.
        warm: As for `run`, of `run` and `call`, where it can be: steps of other programs, those
            with a network, and all on a kernel that lacks what it needs, begin cold
            (`Outcome.warm`). Until `close` an interpreter and some boxes wait.
        shelf: Ready boxes for `run`, where they serve; None: a cold box is made for its step.
    """

    def __init__(  # noqa: PLR0913  # what a box is made of, one keyword each
        self,
        *,
        image: str = "host",
        rootfs: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = box.CWD,
        limits: Limits = DEFAULT_LIMITS,
        exact: bool = False,
        rungs: str = "best",
        allow_hosts: Sequence[str] = (),
        warm: bool | Warm = False,
        root: str | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._exact, self._rungs = exact, rungs
        self._allow_hosts = allow_hosts
        self._warm = as_warm(warm)
        self._shelf = shelf
        self._warm_shelf = shelf or (Shelf() if warm else None)
        self._where = (image, rootfs, root)
        self._env = env
        self._cwd = cwd
        self.limits = limits
        self.scratch: dict[str, FileLike] = {}
        self._base()  # what is wrong with the image shows here

    def put(self, files: Mapping[str, FileLike]) -> None:
        """Add files to the scratch, over those of the same name.

        Raises:
            UsageError: A name leads out of the box, or a file cannot be read.
        """
        rows = file_rows(files, "/")
        self.scratch |= {
            name: None if data is None else File(bytes(data), mode) for name, data, mode in rows
        }

    def compile(
        self,
        sources: Mapping[str, FileLike],
        language: str | Language | None = None,
        limits: Limits | None = None,
        others: Mapping[str, FileLike] | None = None,
    ) -> Built:
        """Compile in a box that holds the sources alone.

        Args:
            sources: The main one first.
            language: It, or its name; None: told by the first source's name.
            limits: Of the compiler; None: the language's.
            others: What the compiler is not given, but may look for: headers.

        Returns:
            The program. `ok` is False when it did not compile: then its outcome has the verdict
            CE and its log what the compiler said.
        """
        if not sources:
            raise UsageError("compile: there is no source")
        chosen = (
            language
            if isinstance(language, Language)
            else find_language(language or next(iter(sources)))
        )
        given = _named_sources(sources, chosen)
        names = tuple(given)
        files = {name: _as_file(name, value) for name, value in given.items()}
        if not chosen.compile:
            return Built(chosen, names, files)
        files |= {name: _as_file(name, value) for name, value in (others or {}).items()}
        return self._compiled(chosen, names, files, limits or chosen.compile_limits)

    def run(  # noqa: PLR0913  # one keyword for each thing a run may be given
        self,
        program: Sequence[str] | Built,
        *,
        args: Sequence[str] = (),
        files: Mapping[str, FileLike] | None = None,
        stdin: bytes | int = b"",
        limits: Limits | None = None,
        stdout: int = -1,
        side: Side | None = None,
        collect: Sequence[str] = (),
        keep: bool = False,
        explain: bool = False,
    ) -> Outcome:
        """Run a command, or what `compile` built, on the scratch.

        Args:
            program: Command, or a `Built`, whose files are put in as well.
            args: Further words of the command.
            files: For this run alone.
            stdin, collect: As for `run`.
            stdout: A descriptor to lend instead of keeping the output; -1: it is kept.
            side: Of a pair that talks by stdin and stdout (`interact`).
            limits: None: the box's own. A runtime's own needs are added (`Language`).
            keep: The regular files it leaves become the scratch.
            explain: A program that is ended for a forbidden call (SV) is run again, some eight
                times, to find out which: its name is the cause.

        Raises:
            UsageError: The program did not compile, or an argument has no meaning.
        """
        wanted = limits or self.limits
        if isinstance(program, Built):
            if not program.ok:
                raise UsageError("what did not compile cannot be run; look at Built.ok first")
            language = program.language
            command = language.command(
                language.run, program.sources, wanted, program.main_class
            )
            wanted = language.program_limits(wanted)
            mine: Mapping[str, FileLike] = program.files
        else:
            language, command, mine = None, list(program), {}
        command += args
        job = self._job(
            command, self.scratch | dict(mine) | dict(files or {}), wanted, language
        )
        job = replace(
            job,
            stdin=stdin,
            stdout=stdout,
            side=side,
            collect=tuple(collect) + (_EVERYTHING if keep else ()),
            network=find_network(self._allow_hosts, self._where[2]),
        )
        facts, found = self._run_job(job, self._warm)
        if not keep:
            outcome = to_outcome(job, facts, found)
            return _explained(job, outcome) if explain else outcome
        self.scratch = {
            name: File(data, found.modes[name]) for name, data in found.files.items()
        }
        found.files = {
            name: data for name, data in found.files.items() if _asked_for(name, collect)
        }
        return to_outcome(job, facts, found)

    def call(
        self,
        source: str | bytes | os.PathLike[str],
        function: str,
        limits: Limits | None = None,
    ) -> Function:
        """A function of a Python source, with the scratch's files beside it; see `call`."""
        given = function_files(source, function, self.scratch)
        return Function(given, function, limits or self.limits, self._run_call)

    def collect(self, *patterns: str) -> dict[str, bytes]:
        """Files of the scratch, by name or pattern."""
        return {
            name: value.data
            for name, value in self.scratch.items()
            if isinstance(value, File)
            and isinstance(value.data, bytes)
            and any(fnmatchcase(name, pattern) for pattern in patterns)
        }

    def close(self) -> None:
        """Let go of the scratch, and of what waits for warm runs. Safe to call twice."""
        self.scratch = {}
        if self._warm_shelf is not None and self._warm_shelf is not self._shelf:
            self._warm_shelf.close()

    def _base(self) -> box.Base:
        image, rootfs, root = self._where
        return box.rootfs_base(rootfs, root) if rootfs else box.image_base(image, root)

    def _job(
        self,
        args: Sequence[str],
        files: Mapping[str, FileLike],
        limits: Limits,
        language: Language | None,
    ) -> Job:
        words = box.check_program(args, self._cwd)
        env = self._env
        if language is not None and language.env:
            base = box.default_environment(self._cwd) if env is None else dict(env)
            env = base | dict(language.env)
        program = box.Program(words, box.environment(env, self._cwd), self._cwd)
        return self._job_of(program, files, limits)

    def _job_of(
        self, program: box.Program, files: Mapping[str, FileLike], limits: Limits
    ) -> Job:
        return Job(
            self._base(),
            program,
            tuple(file_rows(files, program.cwd, at_once=True)),
            limits,
            exact=self._exact,
            rungs=self._rungs,
            root=self._where[2],
        )

    def _run_job(self, job: Job, asked: Warm | None) -> tuple[dict[str, Any], Collected]:
        warm = warm_for(job.program, asked) if asked else None
        shelf = self._warm_shelf if warm else self._shelf
        if shelf is None:
            return run_for_facts(job)
        return shelf.run_for_facts(replace(job, warm=warm))

    def _run_call(
        self,
        args: Sequence[str],
        files: Mapping[str, FileLike],
        limits: Limits,
        collect: Sequence[str],
        env: Mapping[str, str],
    ) -> Outcome:
        """One call of a function: `run` with an environment of its own."""
        program = box.Program(box.check_program(args, box.CWD), box.environment(env, box.CWD))
        job = self._job_of(program, files, limits)
        network = find_network(self._allow_hosts, self._where[2])
        job = replace(job, collect=tuple(collect), network=network)
        return to_outcome(job, *self._run_job(job, with_driver(self._warm)))

    def _compiled(
        self, language: Language, names: tuple[str, ...], files: dict[str, File], limits: Limits
    ) -> Built:
        args = language.command(language.compile, names, limits)
        job = self._job(args, files, limits, language)
        facts, found = run_for_facts(replace(job, collect=language.artifacts))
        outcome = to_outcome(job, facts, found)
        if not outcome.ok:
            cause = f"{outcome.verdict.name}: {outcome.cause or outcome.verdict.value}"
            return Built(language, names, {}, replace(outcome, verdict=Verdict.CE, cause=cause))
        made = {name: File(data, found.modes[name]) for name, data in found.files.items()}
        main = main_class(names, found.files) if language.classes else ""
        return Built(language, names, made, outcome, main)


def _named_sources(sources: Mapping[str, FileLike], language: Language) -> dict[str, FileLike]:
    """The sources by the names they get in the box."""
    if language.source and len(sources) == 1:
        return {language.source: next(iter(sources.values()))}
    if not language.classes:
        return dict(sources)
    contents = {name: _as_file(name, value).data for name, value in sources.items()}
    names = source_names(contents)  # type: ignore[arg-type]  # bytes, as `_as_file` makes them
    return {names[name]: value for name, value in sources.items()}


def _as_file(name: str, value: FileLike) -> File:
    [(data, mode)] = [row[1:] for row in file_rows({name: value}, "/") if row[1] is not None]
    return File(bytes(data or b""), mode)


def _explained(job: Job, outcome: Outcome) -> Outcome:
    if outcome.verdict is not Verdict.SV:
        return outcome
    from pyrootless.sandbox.forbidden import find_call  # few runs end so

    return replace(outcome, cause=find_call(job))


def _asked_for(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern.removesuffix("?")) for pattern in patterns)
