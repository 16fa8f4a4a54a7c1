"""Where user namespaces are switched off, the error says so and names the doctor's entry.

In: deny.c as another engine's filter, a user namespace whose own limit is 0.
Out: exit status 125, the reason, `pyrootless doctor user-namespaces`, nothing left.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Place

pytestmark = pytest.mark.needs("gcc", "busybox", "user-namespaces")

REASONS = {"EPERM": "Operation not permitted", "ENOSPC": "No space left on device"}
REMEDIES = {
    "EPERM": "this user may not create user namespaces",
    "ENOSPC": "a limit on namespaces is reached or is 0",
}
NONE_LEFT = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'


def refused(place: Place, before: list[str | Path], reason: str) -> None:
    """A launch started by `before` fails as the tables above say."""
    done = place.run("--rm", "host", "busybox", "true", before=before)
    assert (done.returncode, done.stdout) == (125, "")
    error, remedy, more = done.stderr.splitlines()
    assert error == f"pyrootless: clone: clone3(new namespaces): {REASONS[reason]}"
    assert remedy.startswith(f"  remedy: {REMEDIES[reason]}")
    assert more == "  more: pyrootless doctor user-namespaces"
    assert place.left() == []


by_both_doors = pytest.mark.parametrize("place", ["single", "prepared"], indirect=True)


@by_both_doors
@pytest.mark.parametrize("reason", REASONS)
def test_a_filter_refuses_them(reason: str, deny: Path, place: Place) -> None:
    refused(place, [deny, "--userns", reason, "--"], reason)


@by_both_doors
def test_the_limit_is_0(place: Place) -> None:
    refused(place, ["unshare", "-Ur", "sh", "-c", NONE_LEFT, "sh"], "ENOSPC")
