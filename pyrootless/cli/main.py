"""Which verb, and who serves it.

What comes in: argv without the program's name.  What goes out: an exit code.
Must never: import a verb that was not asked for, show a traceback for a failure with a name.

The verbs here are few and take few options, so argparse serves them: a library would cost more
at each start than it saves. `run` has its options in the one table of the C core.
"""

from __future__ import annotations

import difflib
import gc
import importlib
import io
import os
import sys
import threading
from typing import NoReturn

from pyrootless.errors import PyrootlessError, UsageError

VERBS = {
    "run": "run a program in a new container",
    "create": "make a container that is started later",
    "start": "start containers that were made, or run ended ones again",
    "restart": "stop containers and start them again",
    "pause": "let containers stand still",
    "unpause": "let paused containers go on",
    "rename": "give a container another name",
    "update": "change limits and restart policies of containers",
    "exec": "run one more program in a running container",
    "attach": "connect to the streams of a running container",
    "wait": "wait until containers have ended, and print their exit statuses",
    "build": "build an image of a Dockerfile",
    "builder": "show what builds keep for the next ones, and let it go",
    "prepare": "make the launch template of an image ready",
    "images": "list images",
    "inspect": "show everything about containers and images, as JSON",
    "history": "show how an image was made",
    "tag": "give an image another name",
    "untag": "take names away from an image, which stays",
    "rmi": "remove images",
    "load": "load images from an archive",
    "save": "save images as an archive",
    "import": "make an image of a root file system",
    "bootstrap": "make an image from the mirrors of Debian",
    "stop": "ask containers to end, and kill those that do not",
    "kill": "send a signal to containers",
    "ps": "list containers",
    "rm": "remove containers",
    "top": "show the processes of a running container",
    "port": "show where the ports of a container are published",
    "stats": "show what running containers use",
    "logs": "show what a container in the background has written",
    "cp": "copy files between a container and this machine",
    "export": "write a container's root file system as an archive",
    "diff": "show what a container changed in its root",
    "commit": "make an image of a container's changes",
    "container": "the verbs of containers, as docker groups them",
    "image": "the verbs of images, as docker groups them",
    "system": "show how much of the disk the store takes, and free what is unused",
    "volume": "make, list, show and remove volumes",
    "unshare": "run a program as root of your subordinate ids, on your own files",
    "pull": "fetch images from registries",
    "push": "send images to registries",
    "copy": "copy an image from one registry to another",
    "search": "find images of Docker Hub or another registry",
    "login": "check a registry's password and store it",
    "logout": "remove a stored login",
    "judge": "judge submissions of a task, each in a sandbox",
    "selftest": "run attacks on the sandbox on this machine",
    "serve": "run a server for other systems (jobe: Moodle's CodeRunner)",
    "doctor": "examine what this user and kernel permit",
    "events": "show what happens to containers and images",
    "info": "show this machine, the store, and how limits would be enforced",
    "bench": "measure containers on this machine, compared with other installed tools",
    "version": "print versions",
    "completion": "print completions for bash, zsh or fish",
    "help": "print this, or the help of a verb",
}
"""Verb → one line. Each is a module with main(args) -> exit code (`module_of`)."""

NATIVE = (
    *("attach", "exec", "logs", "pause", "rename", "restart"),
    *("start", "unpause", "update", "wait"),
)
"""Verbs that the launcher serves, whose options stand in its table. `run` and `create` come
here when something has to be prepared."""

FOLDERS = {
    "builds": ("build", "builder"),
    "containers": (
        *NATIVE,
        "create",
        "inspect",
        "kill",
        "port",
        "ps",
        "rm",
        "run",
        "stats",
        "stop",
        "top",
    ),
    "files": ("commit", "cp", "diff", "export"),
    "images": (
        "bootstrap",
        "history",
        "images",
        "import",
        "load",
        "prepare",
        "rmi",
        "save",
        "tag",
        "untag",
    ),
    "registries": ("copy", "login", "logout", "pull", "push", "search"),
    "system": (
        "bench",
        "completion",
        "doctor",
        "events",
        "info",
        "system",
        "unshare",
        "version",
    ),
    "volumes": ("volume",),
}
"""Folder of pyrootless/cli → the verbs whose modules lie in it."""

MODULES = {
    "images": "list",
    "system": "disk",
    "volume": "group",
    **dict.fromkeys(NATIVE, "native"),
}
"""Verbs whose modules have another name."""

ELSEWHERE = {
    "artifact": "files of a registry are fetched with oras or skopeo",
    "auto-update": "fetch the image again, then start another one: pyrootless pull NAME",
    "compose": "start each service: pyrootless run -d --name NAME IMAGE",
    "config": "share a file: pyrootless run -v FILE:TARGET:ro IMAGE",
    "context": "there is no daemon to choose; elsewhere: ssh HOST pyrootless run IMAGE",
    "generate": "see how a container is described: pyrootless run --print-spec IMAGE",
    "init": "a small process 1 is an option: pyrootless run --init IMAGE",
    "kube": "start each container: pyrootless run -d --name NAME IMAGE",
    "machine": "containers run on this machine itself, in no virtual one: pyrootless doctor",
    "manifest": "pulled images are of one platform: pyrootless pull --platform OS/ARCH NAME",
    "mount": "look at its files: pyrootless export NAME | tar -t; pyrootless cp NAME:PATH -",
    "network": "a container's network is an option: pyrootless run --network auto -p 8080:80",
    "plugin": "what it would lend is an option: pyrootless run --help",
    "pod": "share a network: pyrootless run --network container:NAME IMAGE",
    "secret": "share a file: pyrootless run -v FILE:TARGET:ro IMAGE",
    "service": "start each container: pyrootless run -d --name NAME IMAGE",
    "stack": "start each container: pyrootless run -d --name NAME IMAGE",
    "swarm": "containers run on this machine; on another one: ssh HOST pyrootless run IMAGE",
    "trust": "name an image by its digest: pyrootless pull NAME@sha256:…",
    "unmount": "take a container's files: pyrootless cp NAME:PATH -",
}
"""Words of docker and podman that are no verbs here → what does their work."""

AT_ONCE = frozenset({"pull"})
"""Verbs with nothing left to do when they return. They end without taking the interpreter
apart, which frees memory alone, 15 ms long."""

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


def main(argv: list[str]) -> int:
    """Serve one command line; the exit code is that of ARCHITECTURE.md, "Exit codes"."""
    _accept_any_text()
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
        return code
    except PyrootlessError as error:
        sys.stderr.write(f"pyrootless: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`| head`); the interpreter must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), 1)
        return EXIT_BROKEN_PIPE
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a usage error
        return 0 if stop.code in (0, None) else 125


def module_of(verb: str) -> str:
    """The dotted name of the module that serves a verb."""
    folder = next((f"{name}." for name, words in FOLDERS.items() if verb in words), "")
    return f"pyrootless.cli.{folder}{MODULES.get(verb, verb)}"


def leave(argv: list[str], code: int) -> NoReturn:
    """End the process with an exit code; what was written is out."""
    if argv[:1] and argv[0] in AT_ONCE and threading.active_count() == 1:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            sys.exit(code)
        os._exit(code)
    sys.exit(code)


def _accept_any_text() -> None:
    """Names that are no UTF-8 go out as they came; letters that a locale lacks, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            unicode = stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if unicode else "backslashreplace")


def _dispatch(argv: list[str]) -> int:
    words = _take_root(argv)
    if not words or words[0] in ("-h", "--help"):
        words = ["help"]
    if words[0] in ("--version", "-V", "-v"):
        words = ["version"]
    return serve(words)


def serve(words: list[str]) -> int:
    """Serve a verb and its words.

    Raises:
        UsageError: There is no such verb.
    """
    verb, args = words[0], words[1:]
    if verb not in VERBS:
        raise UsageError(_unknown_verb(verb))
    module = importlib.import_module(module_of(verb))
    if not gc.isenabled():  # __main__.py; what was imported stays for good
        gc.freeze()
        gc.enable()
    if verb in NATIVE:
        module.become(verb, args)
    return int(module.main(args))


def _take_root(argv: list[str]) -> list[str]:
    """`--root DIR` before the verb is the same as PYROOTLESS_ROOT (csrc/cli/main.c)."""
    if argv[:1] == ["--root"] and len(argv) > 1:
        os.environ["PYROOTLESS_ROOT"] = argv[1]
        return argv[2:]
    if argv and argv[0].startswith("--root="):
        os.environ["PYROOTLESS_ROOT"] = argv[0].removeprefix("--root=")
        return argv[1:]
    return argv


def _unknown_verb(verb: str) -> str:
    if verb in ELSEWHERE:
        return f"there is no `{verb}` here; {ELSEWHERE[verb]}"
    near = difflib.get_close_matches(verb, VERBS, n=1)
    hint = f'did you mean "pyrootless {near[0]}"?' if near else "see: pyrootless help"
    return f'there is no verb "{verb}"; {hint}'
