"""config.toml: the user's values of options that a command line does not give.

In: a configuration home of the test's own.  Out: what containers get, what `info` says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.context_single,
    pytest.mark.needs("user-namespaces"),
]

Call = Callable[..., Any]


@pytest.fixture
def configured(pyrootless: Call, tmp_path: Path) -> Call:
    """configured(TEXT, word, …): the words with that config.toml."""
    file = tmp_path / "pyrootless/config.toml"
    file.parent.mkdir()

    def call(text: str, *words: str, **env: str) -> Any:
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
        return pyrootless(*words, env={"XDG_CONFIG_HOME": str(tmp_path), **env})

    return call


def spec_of(done: Any) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_options_that_were_not_given(configured: Call) -> None:
    text = '[run]\nulimit = ["nofile=77:77"]\nlog-driver = "k8s-file"\n'
    show = "run --rm host sh -c".split()
    assert configured(text, *show, "ulimit -n").stdout == "77\n"
    other = ("run", "--ulimit=nofile=88:88", *show[1:], "ulimit -n")
    assert configured(text, *other).stdout == "88\n"
    spec = spec_of(configured(text, "run", "--print-spec", "--log-driver=none", "host", "true"))
    assert spec["annotations"]["io.pyrootless.log.driver"] == "none"
    spec = spec_of(configured(text, "run", "--print-spec", "host", "true"))
    assert spec["annotations"]["io.pyrootless.log.driver"] == "k8s-file"


def test_a_change_is_seen_at_once_and_python_starts_for_it_alone(configured: Call) -> None:
    show = ("run", "--rm", "host", "sh", "-c", "ulimit -n")
    assert configured("[run]\nulimit = 'nofile=71:71'\n", *show).stdout == "71\n"
    assert configured("[run]\nulimit = 'nofile=72:72'\n", *show).stdout == "72\n"
    # With PYROOTLESS_PREPARED the launcher may not go to Python: it need not.
    ready = {"PYROOTLESS_PREPARED": "1"}
    assert configured("[run]\nulimit = 'nofile=72:72'\n", *show, **ready).stdout == "72\n"
    stale = configured("[run]\nulimit = 'nofile=73:73'\n", *show, **ready)
    assert (stale.returncode, stale.stdout) == (125, "")
    assert "config.toml was changed" in stale.stderr


def test_the_network_is_for_images(configured: Call) -> None:
    text = '[run]\nnetwork = "host"\n'
    spec = spec_of(configured(text, "run", "--print-spec", "host", "true"))
    assert "network" in [item["type"] for item in spec["linux"]["namespaces"]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run]\nmemor = '1m'\n", "run.memor has no meaning"),
        ("[run]\nmemory = '1q'\n", '--memory: "1q" is not a size'),
        ("run", "config.toml: "),
    ],
)
def test_what_has_no_meaning_is_said_and_nothing_starts(
    configured: Call, text: str, said: str
) -> None:
    done = configured(text, "run", "--rm", "host", "true")
    assert (done.returncode, done.stdout) == (125, "")
    assert said in done.stderr and "docs/configuration.md" in done.stderr


def test_info_says_from_where(configured: Call, tmp_path: Path) -> None:
    done = configured('[run]\nnetwork = "auto"\ndns = ["::1", "::2"]\n', "info", "--json")
    found = json.loads(done.stdout)["options"]
    file = tmp_path / "pyrootless/config.toml"
    assert (found["network"], found["dns"]) == (f"auto ({file})", f"::1, ::2 ({file})")
    assert found["limits"] == "strict (built in)"


def test_python_takes_them_and_a_sandbox_does_not(
    configured: Call, tmp_path: Path, engine_environment: dict[str, str], monkeypatch: Any
) -> None:
    import pyrootless as engine

    assert configured("[run]\nulimit = 'nofile=74:74'\n", "info").returncode == 0
    for name in ("PYROOTLESS_ROOT", "XDG_RUNTIME_DIR"):
        monkeypatch.setitem(os.environ, name, engine_environment[name])
    monkeypatch.setitem(os.environ, "XDG_CONFIG_HOME", str(tmp_path))
    words = ["sh", "-c", "ulimit -n"]
    assert engine.run("host", words).stdout == b"74\n"
    assert engine.run("host", words, ulimit=["nofile=75:75"]).stdout == b"75\n"
    assert engine.sandbox.run(words).stdout != b"74\n"
