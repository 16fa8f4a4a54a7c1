"""A container starts for every kind of caller.

In: the launcher, called by a user with subordinate ids, one without, root, and from inside
another container.  Out: the program's own view, which is the same for all.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.context_root,
    pytest.mark.context_single,
    pytest.mark.context_nested,
    pytest.mark.needs("user-namespaces"),
]


def test_the_program_is_root_of_its_own_world(pyrootless: Run) -> None:
    script = "id -u; echo $$; cat /proc/self/uid_map"
    done = pyrootless("run", "--rm", "host", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    user, process, *mapping = done.stdout.split()
    assert (user, process) == ("0", "1")
    assert mapping == ["0", str(os.getuid()), "1"]


def test_the_exit_code_is_the_programs(pyrootless: Run) -> None:
    assert pyrootless("run", "--rm", "host", "sh", "-c", "exit 37").returncode == 37


def test_the_context_is_the_one_it_claims(context: str) -> None:
    assert (context == "root") == (os.getuid() == 0)
