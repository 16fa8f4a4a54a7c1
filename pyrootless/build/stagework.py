"""One stage: its base image, then each of its steps.

What comes in: a planned stage.  What goes out: its state at the end.
Must never: do a step whose key was done before.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Protocol

from pyrootless.build import dockerfile as ins
from pyrootless.build.bench import Bench
from pyrootless.build.context import Context, Member, info_of
from pyrootless.build.copies import (
    Copies,
    CopyRules,
    Nothing,
    directories,
    documents,
    find_copies,
)
from pyrootless.build.dockerfile import PatternError, make_rules, parse_instruction, parse_mode
from pyrootless.build.metadata import Expander, apply_metadata, is_metadata
from pyrootless.build.mounts import MountMaker, write_all, write_member
from pyrootless.build.programs import RunFailure, Runner, plan_run
from pyrootless.build.remote import fetch_sources, is_remote
from pyrootless.build.stages import Plan, PlannedStage, find_stage
from pyrootless.build.state import DEFAULT_PATH, State, make_key
from pyrootless.engine import Child
from pyrootless.engine.files import TreeError, header_of, resolve_last
from pyrootless.errors import BuildError, IntegrityError, LaunchError, UsageError
from pyrootless.images import (
    HOST,
    ImageConfig,
    host_platform,
    obtain_image,
    parse_platform,
)
from pyrootless.images.archive import StoredLayer, unpack_stored
from pyrootless.images.store import StoredImage

_IMAGE = "docker-image://"
_BLOCK = 512


class Owner(Protocol):
    """The build that a stage belongs to."""

    bench: Bench
    plan: Plan

    def stage_state(self, index: int) -> State:
        """Another stage at its end."""

    def began(self, title: str) -> int:
        """A piece of work begins; its number."""

    def watch(self, child: Child) -> None:
        """A program runs."""

    def forget(self, child: Child) -> None:
        """It has ended."""


class StageWork:
    """One stage under way."""

    def __init__(self, build: Owner, stage: PlannedStage) -> None:
        self._build = build
        self._bench = build.bench
        self._plan = build.plan
        self._stage = stage
        self._request = build.bench.request
        self._names = {
            other.stage.base.name: index
            for index, other in build.plan.stages.items()
            if other.stage.base.name and index < stage.stage.index
        }
        asked = (self._request.secrets, self._request.agents, self._request.network)
        self._maker = MountMaker(self._bench, self._open, self._key_of, asked)
        self._images: dict[str, State] = {}
        self._total = 1 + sum(map(_makes_layer, stage.stage.steps))
        self._number = 1
        self._fresh = self._request.no_cache or stage.name in self._request.no_cache_stages

    def run(self) -> State:
        """Every step.  Raises BuildError, and what the rooms raise."""
        state = self._base()
        triggers, state = self._triggers(state)
        self._total += sum(map(_makes_layer, triggers))
        for step in (*triggers, *self._stage.stage.steps):
            state = self._step(state, step)
        return state

    # --- the base

    def _base(self) -> State:
        stage, step = self._stage, self._stage.stage.base
        if stage.base is not None:
            state = self._build.stage_state(stage.base)
            return replace(state, cmd_set=False)
        shown = stage.image if stage.image == "scratch" else f"{stage.image}"
        number = self._build.began(self._title(f"FROM {shown}"))
        with self._blamed(step, number):
            state = self._image_state(stage.image, stage.platform)
        self._request.progress.ended(number, cached=True)
        return state

    def _image_state(self, name: str, platform: str = "") -> State:
        wanted = platform or self._request.platform
        given = self._request.contexts.get(name)
        if given is None and name == "scratch":
            return _empty_state(wanted)
        if given is not None and not isinstance(given, str):
            raise UsageError(
                f"the named context {name} is a directory, and FROM needs an image"
            )
        text = name if given is None else given.removeprefix(_IMAGE)
        key = f"{text} {wanted}"
        if key not in self._images:
            self._images[key] = self._find_image(text, wanted)
        return self._images[key]

    def _find_image(self, name: str, platform: str) -> State:
        if name == HOST:
            raise UsageError(
                "the image host is this machine's own programs, and no base of another",
                remedy="take an image: pyrootless pull debian; pyrootless bootstrap trixie",
            )
        store = self._bench.store
        pull = "always" if self._request.pull else "missing"
        image = obtain_image(store, name, pull=pull, platform=platform or None)
        for layer, diff_id in zip(image.manifest.layers, image.config.diff_ids, strict=True):
            if not store.layers.has(diff_id):
                unpack_stored(store, layer, diff_id)
        return state_of(image)

    def _triggers(self, state: State) -> tuple[list[ins.Instruction], State]:
        """ONBUILD instructions of the base, which are done first and not handed on."""
        texts = state.config.on_build if self._stage.base is None else ()
        if self._stage.base is not None:
            texts = state.config.on_build
        steps = [
            parse_instruction(text, f"trigger of {self._stage.image}", self._plan.file.escape)
            for text in texts
        ]
        return steps, replace(state, config=replace(state.config, on_build=()))

    # --- steps

    def _step(self, state: State, step: ins.Instruction) -> State:
        words = Expander(self._plan.file, step, state.lookup)
        if isinstance(step, ins.Arg):
            return self._arg(state, step, words)
        if is_metadata(step):
            return apply_metadata(state, step, words)
        self._number += 1
        number = self._build.began(self._title(_shown(step, words)))
        with self._blamed(step, number):
            if isinstance(step, ins.Run):
                made = self._run(state, step, words, number)
            elif isinstance(step, ins.Copy):
                made = self._copy(state, step, words)
            else:
                made = self._workdir(state, step, words)
        state, cached = made
        self._request.progress.ended(number, cached=cached)
        return state

    def _arg(self, state: State, step: ins.Arg, words: Expander) -> State:
        given = {**self._plan.automatic, **self._request.args}
        args = dict(state.args)
        said = []
        for pair in step.pairs:
            if pair.name in given:
                value: str | None = given[pair.name]
            elif pair.value is not None:
                value = words.text(pair.value)
            else:
                value = self._plan.globals.get(pair.name)
            args[pair.name] = value
            said.append(pair.name if value is None else f"{pair.name}={value}")
        return replace(state.with_config(f"ARG {' '.join(said)}", state.config), args=args)

    def _run(
        self, state: State, step: ins.Run, words: Expander, number: int
    ) -> tuple[State, bool]:
        plan = plan_run(state, step, words, dict(self._request.args), self._maker)
        found = self._find(plan.key)
        if found is not None:
            return state.with_layer(plan.history, found[0], plan.key, found[1]), True
        children: list[Child] = []

        def started(child: Child) -> None:
            children.append(child)
            self._build.watch(child)

        def wrote(line: str) -> None:
            self._request.progress.wrote(number, line)

        runner = Runner(self._bench, self._maker, wrote, started)
        try:
            layer = runner.run(state, plan, privileged=step.security == "insecure")
        finally:
            for child in children:
                self._build.forget(child)
        return self._keep(
            state, plan.history, (plan.key, plan.key), layer, step.original
        ), False

    def _workdir(
        self, state: State, step: ins.Instruction, words: Expander
    ) -> tuple[State, bool]:
        assert isinstance(step, ins.Text)
        text = words.text(step.text)
        path = posixpath.normpath(posixpath.join(state.cwd, text)).replace("//", "/")
        config = replace(state.config, working_dir=path)
        history = f"WORKDIR {path}"
        key = make_key(state.key, "WORKDIR", path, state.config.user)
        state = replace(state, config=config)
        found = self._find(key)
        if found is not None:
            return state.with_layer(history, found[0], key, found[1]), True
        uid, gid, _, _ = self._bench.resolve(state, state.config.user)
        rules = CopyRules(target=path, owner=(uid, gid), now_ns=self._now_ns())
        nothing = Copies(Nothing(), (), rules)
        layer = self._write(state.diff_ids, nothing, extra=path)
        return self._keep(state, history, (key, key), layer, step.original), False

    def _copy(self, state: State, step: ins.Copy, words: Expander) -> tuple[State, bool]:
        named = {doc.written for doc in step.heredocs}
        sources = [text if text in named else words.text(text) for text in step.sources]
        target = _absolute(state.cwd, words.text(step.target))
        rules = self._copy_rules(state, step, words, target)
        if len(sources) > 1 and not target.endswith("/"):
            raise UsageError("with several sources the target is a directory: end it with /")
        history = _copy_history(step, sources, words, target)
        base = "" if step.link else state.key
        said = (step.place.instruction, target, rules.owner, rules.mode, step.parents,
                step.exclude, step.unpack)  # fmt: skip
        with self._copies(step, sources, rules, words) as (copies, shortcut):
            quick = make_key(base, *said, sources, shortcut) if shortcut else ""
            found = self._find(quick) if quick else None
            key = quick
            if found is None:
                every = copies()
                key = make_key(base, *said, [one.digest() for one in every])
                found = self._find(key)
            if found is not None:
                chained = make_key(state.key, "copied", found[0].diff_id)
                return state.with_layer(history, found[0], chained, found[1]), True
            lowers = () if step.link else state.diff_ids
            layer = self._write(lowers, *every)
        chained = make_key(state.key, "copied", layer.diff_id)
        made = self._keep(state, history, (key, chained), layer, step.original)
        if quick and quick != key:
            self._bench.keep_step(quick, layer, made.created, step.original)
        return made, False

    def _copy_rules(
        self, state: State, step: ins.Copy, words: Expander, target: str
    ) -> CopyRules:
        chown, chmod = words.text(step.chown), words.text(step.chmod)
        try:
            exclude = make_rules([words.text(text) for text in step.exclude])
        except PatternError as error:
            raise UsageError(f"--exclude: {error}") from None
        return CopyRules(
            target=target,
            owner=self._owner(state, chown) if chown else None,
            mode=parse_mode(chmod) if chmod else None,
            parents=step.parents,
            exclude=exclude,
            unpack=step.adds and step.unpack is not False,
            now_ns=self._now_ns(),
        )

    def _owner(self, state: State, text: str) -> tuple[int, int]:
        """A number alone is user and group, as docker has it; a name brings its own group."""
        user, colon, _ = text.partition(":")
        if not colon and user.isdigit():
            return int(user), int(user)
        uid, gid, _, _ = self._bench.resolve(state, text)
        return uid, gid

    @contextmanager
    def _copies(
        self, step: ins.Copy, sources: Sequence[str], rules: CopyRules, words: Expander
    ) -> Iterator[tuple[Copying, str]]:
        """What is copied, to be asked for when it is needed, and a key without reading it."""
        docs = {doc.written: doc for doc in step.heredocs}
        plain = [source for source in sources if source not in docs]
        remote = [source for source in plain if step.adds and is_remote(source)]
        local = [source for source in plain if source not in remote]
        fixed: list[Copies] = []
        if docs:
            fixed.append(documents(step, rules, words, self._now_ns()))
        if remote:
            checksum = words.text(step.checksum)
            fetched = fetch_sources(self._bench, remote, checksum, keep_git=step.keep_git)
            for context, names, unpack in fetched:
                plainly = replace(rules, unpack=bool(step.unpack) if unpack else False)
                fixed.append(find_copies(context, names, plainly))
        shortcut = "" if fixed or not step.source_of else self._key_of(step.source_of)
        opened = self._open(step.source_of) if local else nullcontext(Nothing())
        with opened as context:

            def copies() -> list[Copies]:
                some = [find_copies(context, local, rules)] if local else []
                return [*some, *fixed]

            yield copies, shortcut

    def _write(self, diff_ids: Sequence[str], *every: Copies, extra: str = "") -> StoredLayer:
        """Members into a fresh upper, which becomes a layer."""
        bench = self._bench
        with bench.place(diff_ids) as place, bench.writer.alone:
            tree = bench.writer
            tree.use(place.layering)

            def look(path: str) -> int | None:
                try:
                    return tree.stat(path, follow=True).mode
                except TreeError:
                    return None

            members: list[Iterator[Member]] = []
            for copies in every:
                target = copies.rules.target
                bare = resolve_last(tree, target.rstrip("/") or "/")
                slash = "/" if target.endswith("/") and bare != "/" else ""
                resolved = replace(copies.rules, target=bare + slash)
                members.append(replace(copies, rules=resolved).place(look))
            if extra:
                rules = every[0].rules
                members = [directories(extra, rules, look)]
            with tree.writing() as out:
                for part in members:
                    for entry, content in part:
                        info = info_of(entry)
                        write_member(out, header_of(info), content, info.size)
                write_all(out, bytes(2 * _BLOCK))
            return bench.commit(place, keeps_claims=True)

    # --- where files come from

    @contextmanager
    def _open(self, name: str) -> Iterator[Context]:
        if not name:
            yield self._request.context
            return
        given = self._request.contexts.get(name)
        if given is not None and not isinstance(given, str):
            yield given
            return
        with self._reading(name) as context:
            yield context

    def _reading(self, name: str) -> AbstractContextManager[Context]:
        index = find_stage(name, self._names, self._stage.stage.index)
        if name not in self._request.contexts and index is not None:
            return self._bench.reading(self._build.stage_state(index))
        return self._bench.reading(self._image_state(name))

    def _key_of(self, name: str) -> str:
        """Of all files of a stage or image; "" for contexts, which are read."""
        given = self._request.contexts.get(name)
        if not name or (given is not None and not isinstance(given, str)):
            return ""
        index = find_stage(name, self._names, self._stage.stage.index)
        if given is None and index is not None:
            return self._build.stage_state(index).key
        return self._image_state(name).key

    # --- small things

    def _find(self, key: str) -> tuple[StoredLayer, str] | None:
        step = None if self._fresh else self._bench.find_step(key)
        if step is None or step.descriptor is None:
            return None
        return StoredLayer(step.descriptor, step.diff_id), step.created

    def _keep(
        self,
        state: State,
        history: str,
        keys: tuple[str, str],
        layer: StoredLayer,
        title: str,
    ) -> State:
        """keys: of the step, and of what stands on it."""
        created = self._bench.now()
        self._bench.keep_step(keys[0], layer, created, title)
        return state.with_layer(history, layer, keys[1], created)

    def _now_ns(self) -> int:
        epoch = self._request.epoch
        return time.time_ns() if epoch is None else epoch * 1_000_000_000

    def _title(self, text: str) -> str:
        several = len(self._plan.stages) > 1
        name = f"{self._stage.name} " if several else ""
        return f"[{name}{self._number}/{self._total}] {text}"

    @contextmanager
    def _blamed(self, step: ins.Instruction, number: int) -> Iterator[None]:
        """A failure is told with the Dockerfile's lines."""
        try:
            yield
        except BuildError as error:
            self._request.progress.ended(number, failure=str(error).split("\n")[0])
            raise
        except (UsageError, RunFailure, TreeError, LaunchError, IntegrityError) as error:
            text = str(error)
            self._request.progress.ended(number, failure=text.split("\n")[0])
            source = self._plan.file.source
            raise source.failure(text.split("\n")[0], step.place, more=text) from error
        except BaseException as error:
            self._request.progress.ended(number, failure=str(error) or type(error).__name__)
            raise


class Copying(Protocol):
    """Looks the sources up when it is called."""

    def __call__(self) -> list[Copies]:
        """What is copied."""


def state_of(image: StoredImage) -> State:
    """A stage that begins with an image."""
    layers = tuple(
        StoredLayer(layer, diff_id)
        for layer, diff_id in zip(image.manifest.layers, image.config.diff_ids, strict=True)
    )
    key = make_key("image", str(image.config.platform), image.config.diff_ids)
    config = image.config
    if not any(entry.startswith("PATH=") for entry in config.env):
        config = replace(config, env=(*config.env, f"PATH={DEFAULT_PATH}"))
    return State(config=config, layers=layers, key=key)


def _empty_state(platform: str) -> State:
    wanted = parse_platform(platform) if platform else host_platform()
    if wanted.architecture == "amd64":
        wanted = replace(wanted, variant="")
    config = ImageConfig(
        raw=b"", platform=wanted, env=(f"PATH={DEFAULT_PATH}",), working_dir="/"
    )
    return State(config=config, key=make_key("scratch", str(wanted)))


def _makes_layer(step: ins.Instruction) -> bool:
    return step.place.instruction in ("RUN", "COPY", "ADD", "WORKDIR")


def _absolute(cwd: str, target: str) -> str:
    """From the root, with the "/" at its end."""
    path = posixpath.normpath(posixpath.join("/", cwd, target)).replace("//", "/")
    directory = target.endswith(("/", "/.")) or target in (".", "..", "")
    return path if not directory or path == "/" else f"{path}/"


def _shown(step: ins.Instruction, words: Expander) -> str:
    text = " ".join(step.original.split())
    if isinstance(step, ins.Copy) and "$" in text:
        try:
            named = {doc.written for doc in step.heredocs}
            places = [s if s in named else words.text(s) for s in (*step.sources, step.target)]
        except BuildError:
            return text
        return f"{step.place.instruction} {' '.join(places)}"
    return text


def _copy_history(step: ins.Copy, sources: Sequence[str], words: Expander, target: str) -> str:
    said = [step.place.instruction]
    for name, value in (("chown", step.chown), ("chmod", step.chmod)):
        if value:
            said.append(f"--{name}={words.text(value)}")
    said += ["--link"] if step.link else []
    return " ".join([*said, *sources, words.text(step.target), "# buildkit"])
