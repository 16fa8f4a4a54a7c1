"""The launch template of an image of the store: images/HEX/config.json.

What comes in: an image of the store, whose layers are unpacked when they are not.
What goes out: a complete config.json; HEX is the digest of the image's manifest.
Must never: write what changes without the image, this user or the engine changing: equal
inputs, equal bytes.

A template is fresh as long as launcher, this module, filter, subordinate ids and newuidmap are
those it was made with; a stale one is replaced in one step, and a container that holds its
directory's lock is not disturbed.
"""

from __future__ import annotations

import json
import os
import posixpath
from contextlib import suppress
from pathlib import Path

from pyrootless.config import find_launcher
from pyrootless.errors import HostUnsupportedError, IntegrityError, StoreError
from pyrootless.images import (
    MAX_LAYERS,
    Healthcheck,
    ImageConfig,
    normalize,
    parse_signal,
    runnable,
    subordinate,
)
from pyrootless.images.layers import (
    NEWUIDMAP,
    Owners,
    Watch,
    add_mount_points,
    make_owners,
    range_lowers,
    unfit_owners,
)
from pyrootless.images.platforms import Platform, host_platform
from pyrootless.images.store import Store, StoredImage, remedy_of
from pyrootless.images.template import runtime_config
from pyrootless.images.template.host import compile_default_filter
from pyrootless.images.template.user import User, resolve_user

CONFIG_NAME = "config.json"
MAX_BYTES = 4 << 20
"""What the launcher reads of a template (csrc/config/template.c)."""
UNFIT = "io.pyrootless.rootfs.lower.unfit"
EMPTY_NAME = "empty"
"""Lower directory of an image without layers."""

BINFMT = Path("/proc/sys/fs/binfmt_misc")
_QEMU = {
    "amd64": "x86_64", "386": "i386", "arm64": "aarch64", "ppc64le": "ppc64le",
    "s390x": "s390x", "riscv64": "riscv64", "arm": "arm", "loong64": "loongarch64",
}  # fmt: skip
"""Go's word for an architecture → the one in qemu's names of binfmt_misc entries."""


def write_template(store: Store, image: StoredImage, watch: Watch | None = None) -> Path:
    """Make an image's launch template, or find that it is there and fresh.

    Args:
        store: Where the image is.
        image: Its layers are unpacked from their blobs where they are missing.
        watch: Called with how many layers have the owners they need, and of how many.

    Returns:
        The image's directory, DATA/images/HEX.

    Raises:
        HostUnsupportedError: The image is for another kind of machine.
        IntegrityError: A blob is missing or damaged, or the configuration has no meaning.
        StoreError: The store cannot be written, or its path cannot stand in a template.
    """
    check_platform(image.config.platform, image.shown)
    if "\n" in str(store.directories.data):
        raise StoreError(f"the store's path has a line break: {str(store.directories.data)!r}")
    with store.pin():
        _unpack_missing(store, image)
        owners = make_owners(store.directories.data, lower_trees(store, image), watch)
        store.layers.flush(image.config.diff_ids)
        directory = store.image_directory(image.manifest.digest)
        try:
            config = _encode(store, image, directory, owners)
            _install(store, directory, config)
        except OSError as error:
            raise StoreError(
                f"cannot write the launch template {error.filename or directory}: "
                f"{error.strerror}",
                remedy=remedy_of(error),
            ) from error
    return directory


def _unpack_missing(store: Store, image: StoredImage) -> None:
    for layer, diff_id in zip(image.manifest.layers, image.config.diff_ids, strict=True):
        if not store.layers.has(diff_id):
            from pyrootless.images.archive import unpack_stored  # seldom, and a tenth

            unpack_stored(store, layer, diff_id)


def check_platform(platform: Platform, name: str, binfmt: Path = BINFMT) -> None:
    """Refuse an image that this machine cannot run.

    Args:
        platform: The image's.
        name: The image, for the message.
        binfmt: Where the kernel lists what runs foreign programs.

    Raises:
        HostUnsupportedError: It is for another operating system, or for another architecture
            and nothing here runs that.
    """
    machine = host_platform()
    wanted = normalize(platform)
    if (wanted.os, wanted.architecture) in {(p.os, p.architecture) for p in runnable(machine)}:
        return
    if wanted.os == machine.os and _is_emulated(wanted.architecture, binfmt):
        return
    raise HostUnsupportedError(
        f"the image {name} is for {platform}, and this machine is {machine}",
        remedy=f"take one for this machine: pyrootless pull --platform {machine.os}/"
        f"{machine.architecture} NAME; or have the administrator install an emulator: "
        "apt-get install qemu-user-static",
    )


def image_facts(
    store: Store, image: StoredImage, directory: Path, owners: Owners
) -> runtime_config.ImageFacts:
    """What an image brings to its template.

    Args:
        store: Where it is.
        image: Its layers are there.
        directory: Where its template goes.
        owners: What `make_owners` returned for it.

    Raises:
        IntegrityError: Its stop signal or working directory has no meaning.
    """
    config = image.config
    trees = lower_trees(store, image) or [directory / EMPTY_NAME]
    user, unknown = _user(config, trees)
    points = _points(store, image)
    notes = _notes(config) | unknown | _range_notes(owners, trees, points)
    return runtime_config.ImageFacts(
        name=image.id,
        lowers=tuple(str(tree) for tree in [*points, *trees]),
        env=_environment(config, user),
        cwd=_working_directory(config),
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        stop_signal=_stop_signal(config),
        user=(user.uid, user.gid),
        groups=user.groups,
        notes=notes,
    )


def lower_trees(store: Store, image: StoredImage) -> list[Path]:
    """The layers' trees, top-most first, each once.

    A layer that stands twice in an image counts where it stands highest: it hides itself.
    """
    return [
        store.layers.tree(layer) for layer in dict.fromkeys(reversed(image.config.diff_ids))
    ]


def _encode(store: Store, image: StoredImage, directory: Path, owners: Owners) -> bytes:
    program = compile_default_filter(store.directories)
    facts = image_facts(store, image, directory, owners)
    config = runtime_config.encode_config(
        runtime_config.default_config(
            facts,
            owner=(os.getuid(), os.getgid()),
            seccomp=program,
            sources=_sources(program.path),
        )
    )
    if len(config) > MAX_BYTES:
        raise IntegrityError(
            f"the configuration of the image {image.shown} makes a launch template of "
            f"{len(config)} bytes; at most {MAX_BYTES} are allowed",
            remedy="build it with fewer or shorter labels, variables and arguments",
        )
    return config


def _user(config: ImageConfig, trees: list[Path]) -> tuple[User, dict[str, str]]:
    """Who it runs as; a name that the image lacks is left to the launcher: -u may help."""
    try:
        return resolve_user(config.user, trees), {}
    except IntegrityError:
        return User(0, 0, (), "/"), {"io.pyrootless.image.user": config.user}


def _points(store: Store, image: StoredImage) -> list[Path]:
    """The layer of mount points, above all others; an image without layers has none."""
    made = add_mount_points(store, lower_trees(store, image))
    return [] if made is None else [made]


def _range_notes(owners: Owners, trees: list[Path], points: list[Path]) -> dict[str, str]:
    """What a map of many ids needs; no ids where this user cannot have one.

    The launcher then maps one id, and says why when many are asked for (`--userns=range`). The
    helper newuidmap is among the template's sources, so that its coming is noticed. Where the
    owners of the image's files are not what the image says, UNFIT has the reason, and no
    container is started with them: its root would own what is another's.
    """
    ids = owners.ids
    if ids is None:
        return {UNFIT: owners.unfit} if owners.unfit else {}
    unfit = unfit_owners(trees, ids)
    notes = ids.annotations() | ({UNFIT: unfit} if unfit else {})
    lowers = list(range_lowers(trees, ids))
    above = points if len(lowers) < MAX_LAYERS else []
    text = "\n".join(str(path) for path in [*above, *lowers])
    return notes | {"io.pyrootless.rootfs.lower.range": text}


def _environment(config: ImageConfig, user: User) -> tuple[str, ...]:
    """The image's own; PATH and HOME where it has none, as docker does."""
    names = {entry.partition("=")[0] for entry in config.env}
    added = [("PATH", runtime_config.DEFAULT_PATH), ("HOME", user.home)]
    return (*config.env, *(f"{key}={value}" for key, value in added if key not in names))


def _working_directory(config: ImageConfig) -> str:
    """An absolute path; the launcher makes the directory where no layer has it."""
    path = config.working_dir or "/"
    if ".." in path.split("/") or "\0" in path:
        raise IntegrityError(f"the image's working directory is no plain path: {path[:96]!r}")
    return path if path.startswith("/") else f"/{path}"


def _stop_signal(config: ImageConfig) -> int:
    try:
        return parse_signal(config.stop_signal or "SIGTERM")
    except ValueError as error:
        raise IntegrityError(f"the image's configuration: {error}") from None


def _notes(config: ImageConfig) -> dict[str, str]:
    """Labels, volumes and ports of the image. Labels with a zero byte cannot be text for C."""
    notes = {
        f"io.pyrootless.label.{key}": value
        for key, value in sorted(config.labels.items())
        if "\0" not in key + value
    }
    if volumes := _volumes(config):
        notes["io.pyrootless.image.volumes"] = "\n".join(volumes)
    if config.exposed_ports:
        notes["io.pyrootless.image.ports"] = "\n".join(config.exposed_ports)
    notes |= _health_notes(config.healthcheck)
    if any(entry.startswith("HOME=") for entry in config.env):
        notes["io.pyrootless.home"] = "given"
    notes["io.pyrootless.fake-root"] = "remember"
    with suppress(HostUnsupportedError):
        notes["io.pyrootless.launcher"] = str(find_launcher())
    return notes


def _volumes(config: ImageConfig) -> list[str]:
    """Its VOLUMEs as plain absolute paths, each once.

    Raises:
        IntegrityError: One is no place for a volume.
    """
    found = []
    for text in config.volumes:
        path = posixpath.normpath(f"/{text}".replace("//", "/"))
        kernels = path == "/proc" or path.startswith("/proc/")
        if path == "/" or kernels or not text or "\0" in text or "\n" in text:
            raise IntegrityError(
                f"the image's configuration: VOLUME {text[:96]!r} is no place for a volume",
                remedy="see it: skopeo inspect --config docker://IMAGE; start its files alone: "
                "pyrootless run --rootfs DIR COMMAND",
            )
        found.append(path)
    return list(dict.fromkeys(found))


def _health_notes(check: Healthcheck | None) -> dict[str, str]:
    """HEALTHCHECK of the image; what it leaves to the default is left out."""
    if check is None:
        return {}
    numbers = {
        "interval-ns": check.interval_ns,
        "timeout-ns": check.timeout_ns,
        "start-period-ns": check.start_period_ns,
        "start-interval-ns": check.start_interval_ns,
        "retries": check.retries,
    }
    notes = {f"io.pyrootless.health.{key}": str(n) for key, n in numbers.items() if n > 0}
    if check.test:
        notes["io.pyrootless.health.test"] = json.dumps(list(check.test))
    return notes


def _sources(program: Path) -> tuple[runtime_config.Source, ...]:
    """What the launcher compares by stat before every start."""
    paths = [
        runtime_config.__file__,
        __file__,
        str(program),
        *subordinate.FILES,
        str(NEWUIDMAP),
    ]
    with suppress(HostUnsupportedError):
        paths.append(str(find_launcher()))
    return tuple(_source(path) for path in paths)


def _source(path: str) -> runtime_config.Source:
    try:
        facts = Path(path).stat()
    except OSError:
        return runtime_config.Source(path, 0, 0)
    return runtime_config.Source(path, facts.st_mtime_ns, facts.st_ino)


def _install(store: Store, directory: Path, config: bytes) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    (directory / EMPTY_NAME).mkdir(mode=0o755, exist_ok=True)
    target = directory / CONFIG_NAME
    with suppress(FileNotFoundError):
        if target.read_bytes() == config:
            return
    with store.scratch() as work:
        descriptor = os.open(work / CONFIG_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(config)
            stream.flush()
            os.fsync(descriptor)
        (work / CONFIG_NAME).replace(target)


def _is_emulated(architecture: str, binfmt: Path) -> bool:
    """Whether the kernel hands programs of an architecture to an emulator."""
    try:
        text = (binfmt / f"qemu-{_QEMU[architecture]}").read_text()
    except (KeyError, OSError):
        return False
    return text.startswith("enabled")
