"""What works on this host: run by itself, where a test wants to know.

In: argv: the launcher, and a directory for a store that goes with this process; without it
the store is where the environment says.
Out: a JSON object: per feature its exit status and the lines of its error; doctor's entries.
Never: an import of pyrootless, a change outside a temporary store.

It needs nothing but the standard library, so that any kind of host can run it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

SECONDS = 240  # an emulated machine is 20 times slower
PROGRAM = ["host", "sh", "-c", "id -u"]
# Feature → words after `pyrootless`.
FEATURES = {
    "containers": ["run", "--rm", *PROGRAM],
    "many ids": ["run", "--rm", "--userns=range", *PROGRAM],
    "network": ["run", "--rm", "--network=pasta", *PROGRAM],
    "memory limit": ["run", "--rm", "--memory=64m", *PROGRAM],
    "fuse-overlayfs": ["run", "--rm", "--storage-driver=fuse-overlayfs", *PROGRAM],
}


def call(words: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command; bytes that are no UTF-8 are kept as they are."""
    return subprocess.run(
        words,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=SECONDS,
        check=False,
    )


def observe(launcher: str, env: dict[str, str]) -> dict[str, object]:
    """Try every feature, and ask the doctor."""
    features = {}
    for name, words in FEATURES.items():
        done = call([launcher, *words], env)
        lines = done.stderr.splitlines()
        features[name] = {"status": done.returncode, "out": done.stdout, "lines": lines}
    done = call([launcher, "doctor", "--json"], env)
    entries = json.loads(done.stdout) if done.stdout else []
    doctor = {"status": done.returncode, "entries": entries, "lines": done.stderr.splitlines()}
    return {"features": features, "doctor": doctor}


def main() -> int:
    """Observe with the store of the environment, unless a directory for a new one is given."""
    env = dict(os.environ)
    if len(sys.argv) < 3:
        print(json.dumps(observe(sys.argv[1], env)))
        return 0
    with tempfile.TemporaryDirectory(prefix="store-", dir=sys.argv[2]) as store:
        print(json.dumps(observe(sys.argv[1], {**env, "PYROOTLESS_ROOT": store})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
