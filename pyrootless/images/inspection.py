"""An image as a JSON object in docker's words, and its history as rows.

What comes in: an image of the store.  What goes out: plain dictionaries and values.
Must never: read a file beyond what `StoredImage` holds.

Source: Docker Engine API 1.45, ImageInspect and ImageHistory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyrootless.images.imported import is_named
from pyrootless.images.store import Store, StoredImage


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an image's history.

    Attributes:
        created: RFC 3339; "" when unknown.
        created_by: The command.
        comment: Free text.
        size_bytes: Of the files of its layer; 0 for a step without one.
        diff_id: Its layer; "" for a step without one.
    """

    created: str
    created_by: str
    comment: str
    size_bytes: int
    diff_id: str


def inspect_image(store: Store, image: StoredImage) -> dict[str, Any]:
    """The object that `docker image inspect` prints."""
    raw = json.loads(image.config.raw)
    named = [reference for reference in image.references if is_named(reference)]
    return {
        "Id": image.id,
        "RepoTags": [reference.familiar for reference in named if reference.tag],
        "RepoDigests": sorted({f"{name.name}@{image.manifest.digest}" for name in named}),
        "Parent": "",
        "Comment": image.config.history[-1].comment if image.config.history else "",
        "Created": image.config.created,
        "Author": image.config.author,
        "Config": raw.get("config") or {},
        "Architecture": image.config.platform.architecture,
        "Variant": image.config.platform.variant,
        "Os": image.config.platform.os,
        "Size": image.size_bytes,
        "GraphDriver": {
            "Name": "overlay",
            "Data": {
                "LowerDir": ":".join(
                    str(store.layers.tree(layer)) for layer in reversed(image.config.diff_ids)
                )
            },
        },
        "RootFS": {"Type": "layers", "Layers": list(image.config.diff_ids)},
        "Descriptor": {
            "mediaType": image.manifest.media_type,
            "digest": image.manifest.digest,
            "size": len(image.manifest.raw),
        },
    }


def history_of(store: Store, image: StoredImage) -> list[Step]:
    """The steps, the newest first; layers that no step tells of are steps without words."""
    left = list(image.config.diff_ids)
    steps = []
    for entry in image.config.history:
        diff_id = left.pop(0) if left and not entry.empty_layer else ""
        size_bytes = store.layers.size_bytes(diff_id) if diff_id else 0
        steps.append(Step(entry.created, entry.created_by, entry.comment, size_bytes, diff_id))
    steps += [Step("", "", "", store.layers.size_bytes(diff_id), diff_id) for diff_id in left]
    return steps[::-1]


def created_unix_ns(text: str) -> int:
    """RFC 3339 → nanoseconds since 1970; 0 when it is unknown or malformed."""
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp())) * 1_000_000_000
    except (ValueError, OverflowError, OSError):
        return 0
