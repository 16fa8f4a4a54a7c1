"""Names of images: DATA/refs, symbolic links by canonical reference and by alias.

What comes in: references and digests of manifests.
What goes out: refs/NAME → ../images/HEX (a reference), refs/NAME → NAME2 (an alias, one hop).
Must never: touch names of another kind (the built-in image `host`), leave a moment in which a
name that moves is missing.
"""

from __future__ import annotations

import re

from pyrootless.config import Directories
from pyrootless.errors import IntegrityError, UsageError
from pyrootless.images import Reference, decode_name, encode_name, parse_reference
from pyrootless.images.store.files import entries_of, flush_directory, make_store, writing
from pyrootless.images.store.temporary import Temporaries

BUILT_IN = ("host",)
"""Names that are no references: the engine makes these images itself."""
_TARGET = re.compile(r"\.\./images/([a-f0-9]{64})")
_MANIFEST = re.compile(r"sha256:([a-f0-9]{64})")


class Refs:
    """The names of one store. Reading takes no lock."""

    def __init__(self, directories: Directories, temporaries: Temporaries) -> None:
        self._directories = directories
        self._temporaries = temporaries

    def set(self, reference: Reference, manifest_digest: str) -> None:
        """Let a reference name an image; it names another no longer.

        Raises:
            UsageError: The name is too long.
            StoreError: The store cannot be written.
        """
        match = _MANIFEST.fullmatch(manifest_digest)
        if match is None:
            raise IntegrityError(f'"{manifest_digest[:96]}" is not the digest of a manifest')
        self._place(encode_name(reference.canonical), f"../images/{match[1]}")

    def set_alias(self, text: str, reference: Reference) -> None:
        """Let what a person types lead to a reference, for the launcher, which does not parse.

        Raises:
            UsageError: That name means something else, or is too long.
            StoreError: The store cannot be written.
        """
        name, target = encode_name(text), encode_name(reference.canonical)
        if text in BUILT_IN:
            raise UsageError(f'"{text}" is the name of a built-in image')
        if name != target:
            self._place(name, target)

    def remove(self, reference: Reference) -> bool:
        """Take a reference and its aliases away; False when there is none of that name.

        Raises:
            StoreError: The store cannot be written.
        """
        name = encode_name(reference.canonical)
        link = self._directories.refs / name
        with writing(link):
            try:
                link.unlink()
            except FileNotFoundError:
                return False
            for alias, target in self._links():
                if target == name:
                    (self._directories.refs / alias).unlink(missing_ok=True)
            flush_directory(self._directories.refs)
        return True

    def find(self, reference: Reference) -> str | None:
        """Digest of the manifest a reference names."""
        return self._digest(encode_name(reference.canonical))

    def find_alias(self, text: str) -> Reference | None:
        """The reference an alias leads to."""
        try:
            target = str((self._directories.refs / encode_name(text)).readlink())
            return parse_reference(decode_name(target)) if "/" not in target else None
        except (OSError, UsageError):
            return None

    def references(self) -> dict[Reference, str]:
        """Every reference and the digest of its manifest, sorted by name."""
        found = {}
        for name, target in sorted(self._links()):
            match = _TARGET.fullmatch(target)
            if match is None:
                continue
            try:
                found[parse_reference(decode_name(name))] = f"sha256:{match[1]}"
            except UsageError:
                continue  # a link that the engine did not make
        return found

    def aliases(self) -> dict[str, str]:
        """What a person may type → the canonical reference."""
        return {
            decode_name(name): decode_name(target)
            for name, target in sorted(self._links())
            if "/" not in target and not name.startswith(".")
        }

    def remove_lost_aliases(self) -> None:
        """Take away aliases whose reference is gone.

        Raises:
            StoreError: The store cannot be written.
        """
        links = dict(self._links())
        with writing(self._directories.refs):
            for name, target in links.items():
                if "/" not in target and target not in links:
                    (self._directories.refs / name).unlink(missing_ok=True)

    def _place(self, name: str, target: str) -> None:
        make_store(self._directories)
        link = self._directories.refs / name
        with writing(link):
            self._temporaries.place_link(target, link)
            flush_directory(link.parent)

    def _digest(self, name: str) -> str | None:
        try:
            match = _TARGET.fullmatch(str((self._directories.refs / name).readlink()))
        except OSError:
            return None
        return f"sha256:{match[1]}" if match else None

    def _links(self) -> list[tuple[str, str]]:
        """(name, target) of every link."""
        found = []
        for path in entries_of(self._directories.refs):
            try:
                found.append((path.name, str(path.readlink())))
            except OSError:
                continue  # not a link, or gone meanwhile
        return found
