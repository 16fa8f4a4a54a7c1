"""The ordinary users that tests run as, when root runs them.

In: root's rights, a user's name.  Out: a user with (or without) subordinate ids, with access
to /dev/fuse and /dev/net/tun, delegated cgroup directories and a runtime directory; a copy of
the checkout that is the user's own; commands run as that user.
Never: a change to an existing user other than these two, a limit set on any cgroup, a mount.

PYROOTLESS_TEST_KEEP_HOST=1 leaves devices and cgroups of the machine as they are.
"""

from __future__ import annotations

import ast
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CGROUPS = Path("/sys/fs/cgroup")
CONTROLLERS = (
    *("blkio", "cpu", "cpuacct", "cpu,cpuacct", "cpuset", "freezer", "memory", "pids"),
)
DEVICES = (Path("/dev/fuse"), Path("/dev/net/tun"))
SUBORDINATE_IDS = 65536
# What of the caller's environment reaches the user: how to fetch packages, and who asks.
PASSED_NAMES = (
    *("CI", "LANG", "PYTHON", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)


@dataclass(frozen=True)
class OrdinaryUser:
    """A user for tests.

    Attributes:
        name: login name.
        uid, gid: numbers.
        home: home directory.
        tree: the user's copy of the checkout.
        runtime: what XDG_RUNTIME_DIR names, mode 0700.
    """

    name: str
    uid: int
    gid: int
    home: Path
    tree: Path
    runtime: Path


def run(*words: str | Path) -> None:
    """Run an administrator's command.  Raises CalledProcessError."""
    subprocess.run([str(word) for word in words], check=True, timeout=600)


def make_user(name: str, *, subordinate_ids: bool) -> OrdinaryUser:
    """Create the user where there is none, and the directories it needs.

    Raises:
        CalledProcessError: useradd or usermod refused.
    """
    if subordinate_ids:
        make_second_group(name)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        # Ranges are given below or not at all, whatever login.defs says.
        no_ranges = ("-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0")
        run("useradd", "--create-home", "--shell", "/bin/sh", *no_ranges, name)
        entry = pwd.getpwnam(name)
    if subordinate_ids:
        add_ranges(name)
        run("usermod", "--append", "--groups", f"{name}-more", name)
    tree = Path("/var/tmp") / f"{name}-tree"
    runtime = Path("/tmp") / f"{name}-run-{entry.pw_uid}"
    for directory, mode in ((tree, 0o755), (runtime, 0o700)):
        own_directory(directory, mode, entry.pw_uid, entry.pw_gid)
    home = Path(entry.pw_dir)
    return OrdinaryUser(name, entry.pw_uid, entry.pw_gid, home, tree, runtime)


def own_directory(path: Path, mode: int, uid: int, gid: int) -> None:
    """A real directory of this owner and mode.

    Raises:
        SystemExit: somebody else's file or link has the name: both lie in public directories.
    """
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, 0):
            raise SystemExit(f"run_tests: {path} is not ours; remove it first") from None
    os.chown(path, uid, gid, follow_symlinks=False)
    path.chmod(mode)


def add_ranges(name: str) -> None:
    """Give the user SUBORDINATE_IDS ids above every range there is, in both files."""
    for file, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        path = Path(file)
        lines = path.read_text().splitlines() if path.exists() else []
        rows = [line.split(":") for line in lines if line.count(":") == 2]
        if any(row[0] == name for row in rows):
            continue
        first = max([100000, *(int(row[1]) + int(row[2]) for row in rows)])
        run("usermod", option, f"{first}-{first + SUBORDINATE_IDS - 1}", name)


def make_second_group(name: str) -> None:
    """Make a group that the user is in beside its own, as people are who share files.

    Made before the user, it takes the number that the user's own group would get: a test that
    needs one number for both then fails on every machine.
    """
    run("groupadd", "--force", f"{name}-more")


def open_host(user: OrdinaryUser) -> list[str]:
    """Give the user what an administrator of a machine for containers would.

    Returns: what was done, one sentence each.
    """
    if os.environ.get("PYROOTLESS_TEST_KEEP_HOST") == "1":
        return ["devices and cgroups left as they are (PYROOTLESS_TEST_KEEP_HOST=1)"]
    done = []
    for device in DEVICES:
        if device.exists():
            device.chmod(0o666)
            done.append(f"{device} opened for all users (mode 0666)")
    return done + delegate_cgroups(user, CGROUPS)


def delegate_cgroups(user: OrdinaryUser, base: Path) -> list[str]:
    """Make a directory of the user's own below each controller (v1) or the tree (v2).

    Only mkdir and chown (and the parent's processors): no process is moved, no limit is set.
    Source: cgroups(7), "Cgroups delegation"; cgroup-v2.rst, "Delegation Containment".
    """
    version2 = (base / "cgroup.controllers").exists()
    parents = [base] if version2 else [base / name for name in CONTROLLERS]
    done = []
    for parent in parents:
        if not (parent / "cgroup.procs").exists() or parent.is_symlink():
            continue
        directory = parent / user.name
        try:
            directory.mkdir(exist_ok=True)
            delegated = ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks")
            for path in [directory, *(directory / name for name in delegated)]:
                if path.exists():
                    os.chown(path, user.uid, user.gid)
            lend_processors(parent, directory)
            done.append(f"{directory} delegated")
        except OSError as error:
            done.append(f"{directory} not delegated: {error.strerror}")
    return done


def lend_processors(parent: Path, directory: Path) -> None:
    """A cpuset of version 1 begins empty and takes no process: all that the parent has."""
    for name in ("cpuset.mems", "cpuset.cpus"):
        path = directory / name
        if path.exists() and not path.read_text().strip():
            path.write_text((parent / name).read_text())


def tracked_files() -> list[str]:
    """The checkout's files, tracked or new, relative; never build/ nor what git ignores."""
    words = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
    words += ["--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists() and shutil.which("git"):
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
        names = done.stdout.split("\0")
        return sorted(name for name in names if name and (ROOT / name).exists())
    # A source archive: everything but what a build leaves.
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    kept = (p for p in paths if p.parts[0] not in ("build", "dist") and p.suffix != ".so")
    return sorted(str(p) for p in kept if not {".git", "__pycache__"} & set(p.parts))


def copy_tree(user: OrdinaryUser) -> None:
    """Bring the user's tree in step with the checkout; what it built stays.

    A file keeps its time stamp, so that only what changed is built again.
    """
    names = set(tracked_files())
    for path in sorted(user.tree.rglob("*"), reverse=True):
        name = str(path.relative_to(user.tree))
        generated = name.split("/")[0] in ("build", "dist") or path.suffix in (".so", ".pyc")
        if path.is_file() and not generated and name not in names:
            path.unlink()
    for name in sorted(names):
        copy_file(ROOT / name, user.tree, name, (user.uid, user.gid))


def copy_file(source: Path, tree: Path, name: str, owner: tuple[int, int]) -> None:
    """Copy one file where its time or size differs; it and its folders become the owner's."""
    target = tree / name
    for folder in reversed([p for p in target.parents if p.is_relative_to(tree) and p != tree]):
        if not folder.exists():
            folder.mkdir(mode=0o755)
            os.chown(folder, *owner)
    if source.is_symlink():
        target.unlink(missing_ok=True)
        target.symlink_to(source.readlink())
    else:
        now = source.stat()
        if target.is_file() and not target.is_symlink():
            then = target.stat()
            if (then.st_mtime_ns, then.st_size) == (now.st_mtime_ns, now.st_size):
                return
        target.unlink(missing_ok=True)
        shutil.copy2(source, target)
        target.chmod(0o755 if now.st_mode & 0o100 else 0o644)
    os.chown(target, *owner, follow_symlinks=False)


def pip_settings() -> dict[str, str]:
    """Root's own pip settings as environment: the user cannot read root's files.

    Returns: PIP_… variables; /etc/pip.conf is readable for all and needs none.
    Source: pip's documentation, "Configuration": a key of [global] is PIP_KEY.
    """
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    for path in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
        if not path.exists():
            continue
        words = ["python3", "-m", "pip", "config", "list", "--user"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        for line in done.stdout.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(("global.", "install.", "download.")):
                name = "PIP_" + key.split(".", 1)[1].upper().replace("-", "_")
                settings.setdefault(name, str(ast.literal_eval(value)))
    return settings


def user_environment(user: OrdinaryUser) -> dict[str, str]:
    """What the user's commands see beside HOME, USER, SHELL and PATH, which setpriv sets."""
    passed = {name: os.environ[name] for name in PASSED_NAMES if name in os.environ}
    return {**passed, **pip_settings(), "XDG_RUNTIME_DIR": str(user.runtime)}


def command_as(user: OrdinaryUser, words: list[str], env: dict[str, str]) -> list[str]:
    """The command that runs `words` as the user, with nothing of root's left."""
    settings = {**user_environment(user), **env}
    identity = [f"--reuid={user.uid}", f"--regid={user.gid}", "--init-groups", "--reset-env"]
    pairs = [f"{name}={value}" for name, value in sorted(settings.items())]
    return ["setpriv", *identity, "env", f"--chdir={user.tree}", *pairs, *words]
