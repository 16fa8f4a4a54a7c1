"""RUN: a program on a stage's layers, whose writes become the next layer.

What comes in: a stage's state and the instruction.
What goes out: what runs and its key; then a layer.
Must never: put a secret into a layer, a key, the history or what is shown.

Source: Dockerfile reference, RUN; what it leaves open is as BuildKit does it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from pyrootless.build import dockerfile as ins
from pyrootless.build.bench import Bench
from pyrootless.build.metadata import PREDEFINED, Expander
from pyrootless.build.mounts import MountMaker, PreparedMounts
from pyrootless.build.state import DEFAULT_PATH, State, make_key
from pyrootless.engine import Child
from pyrootless.engine.files import Program
from pyrootless.errors import PyrootlessError
from pyrootless.images.archive import StoredLayer

_SCRIPT = "/dev/pipes"
_KEPT_LINES = 20
_CHUNK_BYTES = 65536


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What RUN comes to.

    Attributes:
        args: Program and arguments.
        env: Variables it sees.
        mounts: What it sees of others.
        network: As of `run --network`.
        script: Content of a here-document that is a program of its own; "": none.
        history: For the image.
        key: Digest of all it depends on.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    mounts: tuple[ins.Mount, ...]
    network: str
    script: str
    history: str
    key: str


class RunFailure(PyrootlessError):
    """A program of RUN did not end with 0; the text says how, with its last lines."""


def plan_run(
    state: State, step: ins.Run, words: Expander, args: dict[str, str], maker: MountMaker
) -> PlannedRun:
    """Find out what runs, and its key.

    Args:
        state: Of the stage.
        step: The instruction.
        words: Puts variables into the texts of mounts.
        args: All build arguments.
        maker: Knows what mounts read.

    Raises:
        BuildError: A mount has no meaning.
    """
    command, script = _command(state, step)
    declared = {name: value for name, value in state.args.items() if value is not None}
    env = {**state.env}
    shown = {name: value for name, value in declared.items() if name not in PREDEFINED}
    passed = {**{name: args[name] for name in PREDEFINED & set(args)}, **declared}
    for name, value in passed.items():
        env.setdefault(name, value)
    env.setdefault("PATH", DEFAULT_PATH)
    mounts = tuple(_expanded(mount, words) for mount in step.mounts)
    network = _network(step, maker.default_network)
    keyed = sorted((k, v) for k, v in env.items() if k not in PREDEFINED or k in state.env)
    key = make_key(
        state.key, "RUN", command, script, keyed, state.cwd, state.config.user, network,
        step.security, [maker.key(mount) for mount in mounts],
    )  # fmt: skip
    return PlannedRun(
        args=command,
        env=tuple(f"{name}={value}" for name, value in env.items()),
        mounts=mounts,
        network=network,
        script=script,
        history=_history(command, shown, script),
        key=key,
    )


def _command(state: State, step: ins.Run) -> tuple[tuple[str, ...], str]:
    """(program and arguments, content of a program that is a here-document)."""
    if not step.command.shell:
        return step.command.words, ""
    text = step.command.words[0]
    shell = state.config.shell or ("/bin/sh", "-c")
    docs = step.heredocs
    if len(docs) == 1 and text == docs[0].written:
        if docs[0].text.startswith("#!"):
            return (f"{_SCRIPT}/{docs[0].name}",), docs[0].text
        return (*shell, docs[0].text), ""
    bodies = "".join(f"\n{doc.plain}{doc.name}" for doc in docs)
    return (*shell, text + bodies), ""


def _expanded(mount: ins.Mount, words: Expander) -> ins.Mount:
    return replace(mount, options={k: words.text(v) for k, v in mount.options.items()})


def _network(step: ins.Run, default: str) -> str:
    return default if step.network in ("", "default") else step.network


def _history(command: Sequence[str], args: dict[str, str], script: str) -> str:
    said = [f"|{len(args)}", *(f"{k}={v}" for k, v in args.items())] if args else []
    shown = ["<<", script] if script else list(command)
    return " ".join(["RUN", *said, *shown, "# buildkit"])


class Runner:
    """Does what was planned.

    Attributes:
        wrote: Hears each line the program writes.
        started: Hears of each child, to end it.
    """

    def __init__(
        self,
        bench: Bench,
        maker: MountMaker,
        wrote: Callable[[str], None],
        started: Callable[[Child], None],
    ) -> None:
        self._bench = bench
        self._maker = maker
        self._wrote = wrote
        self._started = started

    def run(self, state: State, plan: PlannedRun, *, privileged: bool) -> StoredLayer:
        """Run it; its writes are a layer.

        Raises:
            RunFailure: It did not end with 0.
            LaunchError: It could not be started.
        """
        bench = self._bench
        uid, gid, groups, home = bench.resolve(state, state.config.user)
        with ExitStack() as stack:
            place = stack.enter_context(bench.place(state.diff_ids, points=True))
            mounts = stack.enter_context(self._maker.prepare(plan, place))
            program = Program(
                args=plan.args,
                env=_environment(plan.env, mounts, home),
                cwd=state.cwd,
                user=(uid, gid),
                groups=groups,
                network=plan.network,
                privileged=privileged,
                mounts=mounts.binds,
            )
            source, sink = os.pipe2(os.O_CLOEXEC)
            try:
                child = bench.launcher.launch(place.layering, place.side, program, sink)
            except BaseException:
                os.close(source)
                raise
            finally:
                os.close(sink)
            with child:
                self._started(child)
                last = self._carry(child, source)
                self._check(child, plan, last)
            stubs = [*mounts.stubs, "/etc/resolv.conf", "/etc/hosts"]
            return bench.commit(place, stubs)

    def _carry(self, child: Child, source: int) -> list[str]:
        """Every line to who listens, until the program has ended; the last lines.

        What stays in the background with the pipe open ends with the container.
        """
        lines = _Lines(self._wrote)
        waiter = threading.Thread(target=child.wait, name="wait", daemon=True)
        waiter.start()
        try:
            while data := os.read(source, _CHUNK_BYTES):
                lines.feed(data)
        finally:
            os.close(source)
        waiter.join()
        lines.end()
        return lines.last

    def _check(self, child: Child, plan: PlannedRun, last: list[str]) -> None:
        result = child.wait()
        if result.ended_by == "exit" and result.exit_code == 0:
            return
        how = f"exit code: {result.exit_code}"
        if result.ended_by != "exit":
            how = f"signal {result.signal}" if result.signal else result.ended_by
        shown = " ".join(plan.args)
        text = f'"{shown[:200]}" did not succeed: {how}'
        raise RunFailure("\n".join([text, *(f"    {line}" for line in last)]))


def _environment(env: Sequence[str], mounts: PreparedMounts, home: str) -> list[str]:
    names = {entry.partition("=")[0] for entry in env}
    found = list(env)
    if "HOME" not in names:
        found.append(f"HOME={home}")
    return [*found, *(f"{name}={value}" for name, value in mounts.env.items())]


class _Lines:
    """Bytes of a program as lines."""

    def __init__(self, wrote: Callable[[str], None]) -> None:
        self._wrote = wrote
        self._rest = b""
        self.last: list[str] = []

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._tell(line)
        if len(self._rest) > _CHUNK_BYTES:
            self.end()

    def end(self) -> None:
        if self._rest:
            self._tell(self._rest)
            self._rest = b""

    def _tell(self, line: bytes) -> None:
        text = line.rstrip(b"\r").decode("utf-8", "replace")
        self.last = [*self.last[1 - _KEPT_LINES :], text]
        self._wrote(text)
