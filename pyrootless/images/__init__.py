"""Images: what a container is started from, and the launch templates that lie beside them.

What comes in: names and facts.  What goes out: directories below the store.
Must never: start a container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.images.changes import apply_changes as apply_changes
    from pyrootless.images.commit import Commit as Commit
    from pyrootless.images.commit import add_layer as add_layer
    from pyrootless.images.config import Healthcheck as Healthcheck
    from pyrootless.images.config import HistoryEntry as HistoryEntry
    from pyrootless.images.config import ImageConfig as ImageConfig
    from pyrootless.images.config import encode_image_config as encode_image_config
    from pyrootless.images.document import MAX_BYTES as MAX_BYTES
    from pyrootless.images.document import Node as Node
    from pyrootless.images.document import parse_document as parse_document
    from pyrootless.images.imported import Taken as Taken
    from pyrootless.images.imported import check_counts as check_counts
    from pyrootless.images.imported import is_named as is_named
    from pyrootless.images.imported import keep as keep
    from pyrootless.images.imported import keep_all as keep_all
    from pyrootless.images.imported import make_manifest as make_manifest
    from pyrootless.images.imported import name_image as name_image
    from pyrootless.images.imported import unname_image as unname_image
    from pyrootless.images.inspection import Step as Step
    from pyrootless.images.inspection import created_unix_ns as created_unix_ns
    from pyrootless.images.inspection import history_of as history_of
    from pyrootless.images.inspection import inspect_image as inspect_image
    from pyrootless.images.lookup import HOST as HOST
    from pyrootless.images.lookup import find_image as find_image
    from pyrootless.images.lookup import near_names as near_names
    from pyrootless.images.lookup import select_images as select_images
    from pyrootless.images.manifest import ACCEPT as ACCEPT
    from pyrootless.images.manifest import INDEX_TYPES as INDEX_TYPES
    from pyrootless.images.manifest import MANIFEST_TYPES as MANIFEST_TYPES
    from pyrootless.images.manifest import MAX_LAYERS as MAX_LAYERS
    from pyrootless.images.manifest import OCI_INDEX as OCI_INDEX
    from pyrootless.images.manifest import Descriptor as Descriptor
    from pyrootless.images.manifest import Index as Index
    from pyrootless.images.manifest import Manifest as Manifest
    from pyrootless.images.manifest import Platform as Platform
    from pyrootless.images.manifest import choose_platform as choose_platform
    from pyrootless.images.manifest import digest_of as digest_of
    from pyrootless.images.manifest import encode_index as encode_index
    from pyrootless.images.manifest import host_platform as host_platform
    from pyrootless.images.manifest import parse_image_config as parse_image_config
    from pyrootless.images.manifest import parse_manifest as parse_manifest
    from pyrootless.images.platforms import normalize as normalize
    from pyrootless.images.platforms import parse_platform as parse_platform
    from pyrootless.images.platforms import runnable as runnable
    from pyrootless.images.prepare import PULL_POLICIES as PULL_POLICIES
    from pyrootless.images.prepare import Announce as Announce
    from pyrootless.images.prepare import launch_name as launch_name
    from pyrootless.images.prepare import obtain_image as obtain_image
    from pyrootless.images.prepare import prepare_image as prepare_image
    from pyrootless.images.reference import DEFAULT_TAG as DEFAULT_TAG
    from pyrootless.images.reference import Reference as Reference
    from pyrootless.images.reference import check_digest as check_digest
    from pyrootless.images.reference import decode_name as decode_name
    from pyrootless.images.reference import encode_name as encode_name
    from pyrootless.images.reference import parse_reference as parse_reference
    from pyrootless.images.signals import parse_signal as parse_signal
    from pyrootless.images.signals import signal_name as signal_name
    from pyrootless.images.subordinate import FILES as FILES
    from pyrootless.images.subordinate import SubordinateIds as SubordinateIds
    from pyrootless.images.subordinate import subordinate_ids as subordinate_ids
    from pyrootless.images.subordinate import this_caller as this_caller
    from pyrootless.images.transfer import Progress as Progress
    from pyrootless.images.transfer import Pushed as Pushed
    from pyrootless.images.transfer import Silence as Silence
    from pyrootless.images.transfer import copy_image as copy_image
    from pyrootless.images.transfer import pull_image as pull_image
    from pyrootless.images.transfer import push_image as push_image
    from pyrootless.images.transfer import push_references as push_references

_HOME = {
    "ACCEPT": "manifest",
    "Announce": "prepare",
    "Commit": "commit",
    "DEFAULT_TAG": "reference",
    "Descriptor": "manifest",
    "FILES": "subordinate",
    "HOST": "lookup",
    "Healthcheck": "config",
    "HistoryEntry": "config",
    "INDEX_TYPES": "manifest",
    "ImageConfig": "config",
    "Index": "manifest",
    "MANIFEST_TYPES": "manifest",
    "MAX_BYTES": "document",
    "MAX_LAYERS": "manifest",
    "Manifest": "manifest",
    "Node": "document",
    "OCI_INDEX": "manifest",
    "PULL_POLICIES": "prepare",
    "Platform": "manifest",
    "Progress": "transfer",
    "Pushed": "transfer",
    "Reference": "reference",
    "Silence": "transfer",
    "Step": "inspection",
    "SubordinateIds": "subordinate",
    "Taken": "imported",
    "add_layer": "commit",
    "apply_changes": "changes",
    "check_counts": "imported",
    "check_digest": "reference",
    "choose_platform": "manifest",
    "created_unix_ns": "inspection",
    "decode_name": "reference",
    "digest_of": "manifest",
    "encode_image_config": "config",
    "encode_index": "manifest",
    "encode_name": "reference",
    "find_image": "lookup",
    "history_of": "inspection",
    "host_platform": "manifest",
    "inspect_image": "inspection",
    "is_named": "imported",
    "keep": "imported",
    "keep_all": "imported",
    "launch_name": "prepare",
    "make_manifest": "imported",
    "name_image": "imported",
    "near_names": "lookup",
    "normalize": "platforms",
    "obtain_image": "prepare",
    "parse_document": "document",
    "parse_image_config": "manifest",
    "parse_manifest": "manifest",
    "parse_platform": "platforms",
    "parse_reference": "reference",
    "parse_signal": "signals",
    "prepare_image": "prepare",
    "copy_image": "transfer",
    "pull_image": "transfer",
    "push_image": "transfer",
    "push_references": "transfer",
    "runnable": "platforms",
    "select_images": "lookup",
    "unname_image": "imported",
    "signal_name": "signals",
    "subordinate_ids": "subordinate",
    "this_caller": "subordinate",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
