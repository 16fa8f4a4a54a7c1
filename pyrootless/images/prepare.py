"""An image's name → its launch template, ready.

What comes in: what a person typed and the store.  What goes out: the image's directory.
Must never: start a container; contact a registry when the image is here and nobody asked for a
newer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pyrootless.config import Directories, find_directories
from pyrootless.errors import RegistryError, UsageError
from pyrootless.images.template import host

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from pyrootless.images.archive import Place
    from pyrootless.images.platforms import Platform
    from pyrootless.images.store import Store, StoredImage
    from pyrootless.images.transfer import Progress

    class Announce(Protocol):
        """Who shows a person how a preparation goes on."""

        def __call__(self, name: str) -> AbstractContextManager[Progress]:
            """An image is fetched; what comes of it is told to the Progress."""

        def owners_set(self, count: int, total: int) -> None:
            """As Progress has it, for an image that is here."""

        def hooks_left_out(self, programs: Sequence[str]) -> None:
            """Devices are given whose specifications ask for these programs on the host."""


PULL_POLICIES = ("missing", "always", "never")


def prepare_image(
    image: str,
    root: str | None = None,
    *,
    pull: str = "missing",
    platform: str | None = None,
    announce: Announce | None = None,
) -> Path:
    """The image's directory, with a fresh launch template in it.

    Args:
        image: `host`; a reference, an ID or its begin; or where it lies, as in `oci:DIR`.
        root: Value of --root; None: the user's own store.
        pull: "missing": fetch what is not here; "always": ask the registry for a newer one;
            "never": be content with what is here.
        platform: "OS/ARCHITECTURE[/VARIANT]" the image must be for; one that is here under this
            name and is for another is fetched anew. None: whatever is here, or this machine's.
        announce: Shows how it goes; None: nothing is shown.

    Raises:
        UsageError: There is no such image; the text names those that are near.
        RegistryError: It could not be fetched.
        HostUnsupportedError: It is for another kind of machine.
        IntegrityError: It is damaged.
        StoreError: The store cannot be used.
    """
    if pull not in PULL_POLICIES:
        raise UsageError(f'--pull "{pull}": write missing, always or never')
    wanted = None if platform is None else _runnable_platform(platform, image)
    directories = find_directories(root)
    if image == host.NAME:
        return host.prepare_host_image(directories)
    from pyrootless.images.archive import parse_place
    from pyrootless.images.store import Store
    from pyrootless.images.template import write_template

    store = Store(directories)
    watch = None if announce is None else announce.owners_set
    place = parse_place(image)
    if place is not None:
        return write_template(store, _take(store, place, wanted), watch)
    found = _obtain(store, _expand(image), _Wish(pull, wanted), announce)
    directory = write_template(store, found, watch)
    _link_alias(store, image, found)
    return directory


def obtain_image(
    store: Store,
    text: str,
    *,
    pull: str = "missing",
    platform: str | None = None,
    announce: Announce | None = None,
) -> StoredImage:
    """An image of the store, fetched when the policy says so; without a launch template.

    Args and Raises: As of `prepare_image`.
    """
    from pyrootless.images.platforms import parse_platform

    wanted = None if platform is None else parse_platform(platform)
    return _obtain(store, _expand(text), _Wish(pull, wanted), announce)


def _expand(text: str) -> str:
    """The name that an alias of the user's registries.toml stands for."""
    from pyrootless.images.registry import load_settings

    return load_settings().expand_alias(text)


def launch_name(image: str, root: str | None, directory: Path) -> str:
    """The word by which the launcher finds an image that was just prepared.

    A name that is in the store is its own word. An ID or a place has no link there, so that it
    is looked at anew each time; the launcher is given the digest.

    Args:
        image: What was typed.
        root: Value of --root.
        directory: What `prepare_image` returned for it.
    """
    from pyrootless.images.reference import encode_name

    if image == host.NAME:
        return image
    try:
        link = find_directories(root).refs / encode_name(image)
    except UsageError:  # longer than a file's name may be
        return f"sha256:{directory.name}"
    return image if link.is_symlink() else f"sha256:{directory.name}"


def known_images(directories: Directories) -> list[str]:
    """Names in the store and built-in ones, as a person types them, sorted."""
    from pyrootless.images.imported import is_named
    from pyrootless.images.store import Store

    names = {name.familiar for name in Store(directories).refs.references() if is_named(name)}
    return sorted(names | {host.NAME})


def _runnable_platform(text: str, image: str) -> Platform:
    """What --platform means; refused before anything is fetched where it cannot be executed."""
    from pyrootless.images.platforms import host_platform, parse_platform
    from pyrootless.images.template import check_platform

    wanted = parse_platform(text)
    check_platform(wanted, f"{image} that is asked for")
    if image == host.NAME and not _fits(host_platform(), wanted):
        raise UsageError(
            f"--platform {text}: the image host is this machine's own, {host_platform()}"
        )
    return wanted


def _fits(found: Platform, wanted: Platform) -> bool:
    """Whether an image is for a platform; no variant means any."""
    from pyrootless.images.platforms import normalize

    have = normalize(found)
    same = (have.os, have.architecture) == (wanted.os, wanted.architecture)
    return same and wanted.variant in ("", have.variant)


def _take(store: Store, place: Place, platform: Platform | None) -> StoredImage:
    """The image of a directory or archive. It changes no name: those are for `pull`."""
    from dataclasses import replace

    from pyrootless.images.archive import take_place
    from pyrootless.images.imported import keep

    with store.adding():
        return keep(store, replace(take_place(store, place, platform), references=()))


@dataclass(frozen=True, slots=True)
class _Wish:
    """How an image is obtained: when it is fetched, and for which platform (None: any)."""

    pull: str
    platform: Platform | None


def _obtain(store: Store, text: str, wish: _Wish, announce: Announce | None) -> StoredImage:
    """The image of a name, fetched when the policy says so."""
    from pyrootless.images.lookup import near_names

    pull, platform = wish.pull, wish.platform
    found = None if pull == "always" and _is_reference(text) else store.find(text)
    if found is not None:
        if platform is None or _fits(found.config.platform, platform):
            return found
        if pull == "never" or not _is_reference(text):
            raise UsageError(
                f"the image {text} that is here is for {found.config.platform}, "
                f"and not for {platform}",
                remedy=f"fetch it: pyrootless pull --platform {platform} NAME",
            )
    near = near_names(store, text) if found is None else ""
    if pull == "never":
        raise UsageError(
            f'there is no image "{text}" here{near}',
            remedy=f"fetch it: pyrootless pull {text}; see those that are here: pyrootless "
            "images; or run an unpacked tree: pyrootless run --rootfs DIR",
        )
    try:
        return _pull(store, text, platform, announce)
    except RegistryError as error:
        if not near or pull == "always":
            raise
        raise RegistryError(
            f'there is no image "{text}" here{near}, and it could not be fetched: '
            f"{error.args[0]}",
            remedy=error.remedy,
        ) from error


def _pull(
    store: Store, text: str, platform: Platform | None, announce: Announce | None
) -> StoredImage:
    from contextlib import nullcontext

    from pyrootless.images.reference import parse_reference
    from pyrootless.images.transfer import pull_image

    reference = parse_reference(text)
    with nullcontext() if announce is None else announce(reference.canonical) as progress:
        return pull_image(store, reference, platform=platform, progress=progress)


def _is_reference(text: str) -> bool:
    """Whether a registry could know it; an ID only the store knows."""
    from pyrootless.images.reference import parse_reference

    try:
        parse_reference(text)
    except UsageError:
        return False
    return True


def _link_alias(store: Store, text: str, image: StoredImage) -> None:
    """Let the launcher, which does not parse references, find what was typed next time."""
    from pyrootless.images.reference import parse_reference

    try:
        reference = parse_reference(_expand(text))
    except UsageError:
        return
    if store.refs.find(reference) == image.manifest.digest:
        store.refs.set_alias(text, reference)
