"""The safeguards of builds; edits, and tests that see it.

In: nothing.  Out: BUILD_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: as there.
"""

from __future__ import annotations

from mutation import Mutation
from mutation import one as _one

BUILD = "tests/integration/test_build.py"

BUILD_MUTATIONS = (
    Mutation(
        "a link of a build's context stays inside of it",
        _one(
            "pyrootless/build/context.py",
            '            found = self.root.open(_bytes(path) or b".")\n'
            "        except OSError:\n            return None",
            "            found = os.open(\n"
            '                _bytes(path) or b".", os.O_PATH, dir_fd=self.root.descriptor\n'
            "            )\n        except OSError:\n            return None",
        ),
        (f"{BUILD}::test_links_of_a_context_stay_inside",),
    ),
    Mutation(
        "a link of a stage counts from the stage's root",
        _one(
            "pyrootless/engine/files/helper.py",
            "    def _readable(self, path: bytes) -> int:\n"
            "        found = self.root.open(path)",
            "    def _readable(self, path: bytes) -> int:\n"
            "        found = os.open(path, os.O_PATH)",
        ),
        (f"{BUILD}::test_links_of_an_image_stay_inside",),
    ),
    Mutation(
        "a build's secret is gone when its step is",
        _one(
            "pyrootless/build/mounts.py",
            "    finally:\n        shutil.rmtree(path, ignore_errors=True)\n"
            "        os.close(descriptor)",
            "    finally:\n        os.close(descriptor)",
        ),
        (f"{BUILD}::test_secrets_are_nowhere_afterwards",),
    ),
    Mutation(
        "a secret that a killed build left is swept",
        _one(
            "pyrootless/build/mounts.py",
            "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            "            shutil.rmtree(path, ignore_errors=True)",
            "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        ),
        (f"{BUILD}::test_a_killed_build_leaves_what_the_next_one_sweeps",),
    ),
)
