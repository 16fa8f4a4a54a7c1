"""Orchestration: the life of containers.

What comes in: images and options. What goes out: children and results.
Must never: parse an option's text (the C table does) or know a door.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.engine.arguments import OptionValue as OptionValue
    from pyrootless.engine.arguments import to_argv as to_argv
    from pyrootless.engine.asynchronous import AsyncChild as AsyncChild
    from pyrootless.engine.asynchronous import exchange as exchange
    from pyrootless.engine.asynchronous import start_async as start_async
    from pyrootless.engine.child import DEVNULL as DEVNULL
    from pyrootless.engine.child import PIPE as PIPE
    from pyrootless.engine.child import Child as Child
    from pyrootless.engine.child import Stream as Stream
    from pyrootless.engine.child import descriptor as descriptor
    from pyrootless.engine.child import make_result as make_result
    from pyrootless.engine.child import open_pipe as open_pipe
    from pyrootless.engine.containers import Container as Container
    from pyrootless.engine.containers import Found as Found
    from pyrootless.engine.containers import describe as describe
    from pyrootless.engine.containers import event_attributes as event_attributes
    from pyrootless.engine.containers import find_container as find_container
    from pyrootless.engine.containers import labels as labels
    from pyrootless.engine.containers import list_containers as list_containers
    from pyrootless.engine.containers import list_found as list_found
    from pyrootless.engine.containers import read_annotations as read_annotations
    from pyrootless.engine.containers import read_config as read_config
    from pyrootless.engine.containers import remove_container as remove_container
    from pyrootless.engine.containers import remove_named as remove_named
    from pyrootless.engine.control import PublishedPort as PublishedPort
    from pyrootless.engine.control import published_ports as published_ports
    from pyrootless.engine.inspection import inspect_container as inspect_container
    from pyrootless.engine.launch import find_template as find_template
    from pyrootless.engine.launch import open_container as open_container
    from pyrootless.engine.launch import prepared_words as prepared_words
    from pyrootless.engine.life import create_container as create_container
    from pyrootless.engine.life import pause_container as pause_container
    from pyrootless.engine.life import rename_container as rename_container
    from pyrootless.engine.life import start_container as start_container
    from pyrootless.engine.life import unpause_container as unpause_container
    from pyrootless.engine.prepare import REINSTALL as REINSTALL
    from pyrootless.engine.prepare import parse as parse
    from pyrootless.engine.pruning import PrunedContainers as PrunedContainers
    from pyrootless.engine.pruning import parse_moment as parse_moment
    from pyrootless.engine.pruning import prune_containers as prune_containers
    from pyrootless.engine.pruning import prune_test as prune_test
    from pyrootless.engine.selection import exit_code as exit_code
    from pyrootless.engine.selection import mounts as mounts
    from pyrootless.engine.selection import parse_filters as parse_filters
    from pyrootless.engine.selection import select as select
    from pyrootless.engine.volumes import Pruned as Pruned
    from pyrootless.engine.volumes import Volume as Volume
    from pyrootless.engine.volumes import create_volume as create_volume
    from pyrootless.engine.volumes import find_volume as find_volume
    from pyrootless.engine.volumes import has_label as has_label
    from pyrootless.engine.volumes import inspect_volume as inspect_volume
    from pyrootless.engine.volumes import list_volumes as list_volumes
    from pyrootless.engine.volumes import measure_volumes as measure_volumes
    from pyrootless.engine.volumes import prune_volumes as prune_volumes
    from pyrootless.engine.volumes import remove_volume as remove_volume
    from pyrootless.engine.volumes import select_volumes as select_volumes

_HOME = {
    "AsyncChild": "asynchronous",
    "Child": "child",
    "Container": "containers",
    "DEVNULL": "child",
    "Found": "containers",
    "OptionValue": "arguments",
    "PIPE": "child",
    "Pruned": "volumes",
    "PrunedContainers": "pruning",
    "PublishedPort": "control",
    "REINSTALL": "prepare",
    "Stream": "child",
    "Volume": "volumes",
    "create_volume": "volumes",
    "create_container": "life",
    "describe": "containers",
    "descriptor": "child",
    "event_attributes": "containers",
    "exchange": "asynchronous",
    "exit_code": "selection",
    "find_container": "containers",
    "find_template": "launch",
    "find_volume": "volumes",
    "has_label": "volumes",
    "inspect_container": "inspection",
    "inspect_volume": "volumes",
    "labels": "containers",
    "list_containers": "containers",
    "list_found": "containers",
    "list_volumes": "volumes",
    "measure_volumes": "volumes",
    "make_result": "child",
    "mounts": "selection",
    "open_container": "launch",
    "open_pipe": "child",
    "parse": "prepare",
    "pause_container": "life",
    "parse_filters": "selection",
    "parse_moment": "pruning",
    "prepared_words": "launch",
    "prune_containers": "pruning",
    "prune_test": "pruning",
    "prune_volumes": "volumes",
    "published_ports": "control",
    "read_annotations": "containers",
    "read_config": "containers",
    "remove_container": "containers",
    "remove_named": "containers",
    "remove_volume": "volumes",
    "rename_container": "life",
    "select": "selection",
    "select_volumes": "volumes",
    "start_async": "asynchronous",
    "start_container": "life",
    "to_argv": "arguments",
    "unpause_container": "life",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
