"""pyrootless.sandbox.selftest.attacks: heads of attacks, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless.errors import UsageError
from pyrootless.sandbox import Verdict
from pyrootless.sandbox.selftest.attacks import Bound, find_attacks, parse_attack

NEEDED = "# attack: tries\n# verdict: TLE ILE\n# outside: nothing\n"


def test_a_head_in_a_comment_of_c() -> None:
    text = (
        "/* attack: tries\n * verdict: OK\n * outside: nothing\n * limits: cpu=2s procs=4\n"
        " * holds: cpu-ms 5..\n * holds: exit-code 0..0\n * at: compile */\n"
        "/* attack: this comment is the program's own */\nint main(void);\n"
    )
    attack = parse_attack(Path("a.c"), text)
    assert (attack.name, attack.about, attack.outside) == ("a.c", "tries", "nothing")
    assert attack.verdicts == {Verdict.OK}
    assert (attack.limits.cpu_ns, attack.limits.procs) == (2_000_000_000, 4)
    assert attack.holds == (Bound("cpu-ms", 5, None), Bound("exit-code", 0, 0))
    assert attack.at_compile and not attack.held_open and attack.repeat == 1


def test_a_head_in_lines_of_python() -> None:
    more = "# stdin: open\n# collect: a b?\n# repeat: 2\n# burns: 500ms\n\n# attack: no head\n"
    attack = parse_attack(Path("a.py"), NEEDED + more)
    assert attack.verdicts == {Verdict.TLE, Verdict.ILE}
    assert (attack.held_open, attack.collect, attack.repeat) == (True, ("a", "b?"), 2)
    assert attack.burns_ns == 500_000_000


BAD = [
    ("", "lack attack, verdict, outside"),
    ("# attack: x\n# verdict: OK\n", "lack outside"),
    (NEEDED + "# colour: red\n", "colour: not known"),
    (NEEDED + "# attack: twice\n", "attack: not known, or said twice"),
    (NEEDED.replace("ILE", "FINE"), "'FINE' is none of"),
    (NEEDED + "# holds: cpu-ms 5\n", "write FACT LEAST..MOST"),
    (NEEDED + "# holds: speed 5..6\n", "write FACT LEAST..MOST"),
    (NEEDED + "# stdin: closed\n", "only 'open' is known"),
    (NEEDED + "# limits: cpus=1\n", "unexpected keyword argument 'cpus'"),
    (NEEDED + "# limits: procs=many\n", "invalid literal"),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_a_bad_head_is_an_error_that_names_the_file(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "bad.sh"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        find_attacks([file])
    assert str(file) in str(caught.value) and words in str(caught.value)


def test_a_file_without_a_language(tmp_path: Path) -> None:
    file = tmp_path / "a.nothing"
    file.write_text(NEEDED)
    with pytest.raises(UsageError, match="no language known"):
        find_attacks([file])


def test_own_attacks_are_found_and_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pyrootless" / "hostile"
    folder.mkdir(parents=True)
    (folder / "sleep.c").write_text(NEEDED)
    (folder / "mine.sh").write_text(NEEDED)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    found = {attack.name: attack.path for attack in find_attacks()}
    assert found["sleep.c"] == folder / "sleep.c" and found["mine.sh"] == folder / "mine.sh"
    assert found["fork-bomb.c"].parent != folder
