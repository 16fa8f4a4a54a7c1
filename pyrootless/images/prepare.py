"""An image's name → its launch template, ready.

What comes in: what a person typed and the store.  What goes out: the image's directory.
Must never: start a container; contact a registry when the image is here and nobody asked for a
newer one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyrootless.config import Directories, find_directories
from pyrootless.errors import RegistryError, UsageError
from pyrootless.images import host_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pyrootless.images.pull import Progress
    from pyrootless.images.store import Store, StoredImage
    from pyrootless.images.transport import Place

    Announce = Callable[[str], AbstractContextManager[Progress]]

PULL_POLICIES = ("missing", "always", "never")


def prepare_image(
    image: str,
    root: str | None = None,
    *,
    pull: str = "missing",
    announce: Announce | None = None,
) -> Path:
    """The image's directory, with a fresh launch template in it.

    Args:
        image: `host`; a reference, an ID or its begin; or where it lies, as in `oci:DIR`.
        root: Value of --root; None: the user's own store.
        pull: "missing": fetch what is not here; "always": ask the registry for a newer one;
            "never": be content with what is here.
        announce: Called with the name when something is fetched; shows how it goes. None:
            nothing is shown.

    Raises:
        UsageError: There is no such image; the text names those that are near.
        RegistryError: It could not be fetched.
        HostUnsupportedError: It is for another kind of machine.
        IntegrityError: It is damaged.
        StoreError: The store cannot be used.
    """
    if pull not in PULL_POLICIES:
        raise UsageError(f'--pull "{pull}": write missing, always or never')
    directories = find_directories(root)
    if image == host_image.NAME:
        return host_image.prepare_host_image(directories)
    from pyrootless.images.image_template import write_template
    from pyrootless.images.store import Store
    from pyrootless.images.transport import parse_place

    store = Store(directories)
    place = parse_place(image)
    if place is not None:
        return write_template(store, _take(store, place))
    found = _obtain(store, _expand(image), pull, announce)
    directory = write_template(store, found)
    _link_alias(store, image, found)
    return directory


def _expand(text: str) -> str:
    """The name that an alias of the user's registries.toml stands for."""
    from pyrootless.images.registry_settings import load_settings

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

    if image == host_image.NAME:
        return image
    try:
        link = find_directories(root).refs / encode_name(image)
    except UsageError:  # longer than a file's name may be
        return f"sha256:{directory.name}"
    return image if link.is_symlink() else f"sha256:{directory.name}"


def known_images(directories: Directories) -> list[str]:
    """Names in the store and built-in ones, as a person types them, sorted."""
    from pyrootless.images.store import Store
    from pyrootless.images.taken import is_named

    names = {name.familiar for name in Store(directories).refs.references() if is_named(name)}
    return sorted(names | {host_image.NAME})


def _take(store: Store, place: Place) -> StoredImage:
    """The image of a directory or archive. It changes no name: those are for `pull`."""
    from dataclasses import replace

    from pyrootless.images.taken import keep
    from pyrootless.images.transport import take_place

    with store.adding():
        return keep(store, replace(take_place(store, place), references=()))


def _obtain(store: Store, text: str, pull: str, announce: Announce | None) -> StoredImage:
    """The image of a name, fetched when the policy says so."""
    from pyrootless.images.lookup import near_names

    found = None if pull == "always" and _is_reference(text) else store.find(text)
    if found is not None:
        return found
    near = near_names(store, text)
    if pull == "never":
        raise UsageError(
            f'there is no image "{text}" here{near}',
            remedy=f"fetch it: pyrootless pull {text}; see those that are here: pyrootless "
            "images; or run an unpacked tree: pyrootless run --rootfs DIR",
        )
    try:
        return _pull(store, text, announce)
    except RegistryError as error:
        if not near or pull == "always":
            raise
        raise RegistryError(
            f'there is no image "{text}" here{near}, and it could not be fetched: '
            f"{error.args[0]}",
            remedy=error.remedy,
        ) from error


def _pull(store: Store, text: str, announce: Announce | None) -> StoredImage:
    from contextlib import nullcontext

    from pyrootless.images.pull import pull_image
    from pyrootless.images.reference import parse_reference

    reference = parse_reference(text)
    with nullcontext() if announce is None else announce(reference.canonical) as progress:
        return pull_image(store, reference, progress=progress)


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
