"""The safeguards of copies between containers and the host; edits, and tests that see it.

In: nothing.  Out: COPY_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: as there.
"""

from __future__ import annotations

from mutation import Mutation
from mutation import one as _one

COPYING = "tests/integration/test_copying.py"
ROOTED = "tests/unit/engine/files/test_rooted.py"
ROUND = "tests/unit/engine/test_tar_round.py"

COPY_MUTATIONS = (
    Mutation(
        "a link of a container's counts from the container's root",
        _one(
            "pyrootless/engine/files/rooted.py",
            "            found = os.open(name, _PATH, dir_fd=self.stack[-1])",
            "            found = os.open(name, _PATH & ~os.O_NOFOLLOW, dir_fd=self.stack[-1])",
        ),
        (
            f"{COPYING}::test_links_of_the_container_never_lead_to_the_host",
            f"{ROOTED}::test_what_is_not_there",
        ),
    ),
    Mutation(
        'a name ".." does not leave the root',
        _one(
            "pyrootless/engine/files/rooted.py",
            "        if len(self.stack) > 1:\n            os.close(self.stack.pop())",
            "        if self.stack:\n"
            '            self.stack.append(os.open("..", _DIRECTORY, dir_fd=self.stack[-1]))',
        ),
        (f"{ROOTED}::test_a_path_is_what_a_program_inside_would_open",),
    ),
    Mutation(
        "an archive's directories are not links of the host's",
        _one(
            "pyrootless/engine/files/unpack.py",
            "_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC",
            "_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC",
        ),
        (f"{ROUND}::test_nothing_outside_is_touched",),
    ),
    Mutation(
        'no member of an archive has ".." in its name',
        _one(
            "pyrootless/engine/files/unpack.py",
            'if b".." in parts or',
            'if parts == [b".."] or',
        ),
        (f"{ROUND}::test_nothing_outside_is_touched",),
    ),
    Mutation(
        "a link in the way is replaced",
        _one(
            "pyrootless/engine/files/unpack.py",
            "    try:\n        _remove(at, name)\n    except OSError as error:",
            "    with suppress(OSError):\n"
            "        return os.open(name, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, dir_fd=at)\n"
            "    try:\n        _remove(at, name)\n    except OSError as error:",
        ),
        (f"{ROUND}::test_a_link_in_the_way_is_replaced_and_not_written_through",),
    ),
    Mutation(
        "what comes out of a container is no program that runs as its owner",
        _one(
            "pyrootless/engine/files/unpack.py",
            "(0o7777 if self.owners else 0o7777 & ~_SET_ID)",
            "0o7777",
        ),
        (f"{ROUND}::test_every_kind_and_name_comes_back",),
    ),
)
