"""pyrootless.Sandbox: steps over one scratch, the languages that come along, compile errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrootless import Limits, Sandbox
from pyrootless.errors import UsageError
from pyrootless.sandbox.languages.table import find_language

pytestmark = pytest.mark.usefixtures("engine")

SUMS = {
    "c": (
        "sum.c",
        '#include <stdio.h>\nint main(){int a,b;scanf("%d%d",&a,&b);printf("%d\\n",a+b);}',
    ),
    "cpp": (
        "sum.cpp",
        "#include <iostream>\nint main(){int a,b;std::cin>>a>>b;std::cout<<a+b<<'\\n';}",
    ),
    "python": ("sum.py", "print(sum(map(int, input().split())))"),
    "java": (
        "Sum.java",
        "import java.util.*; public class Main { public static void main(String[] a) {"
        " Scanner s = new Scanner(System.in);"
        " System.out.println(s.nextInt() + s.nextInt()); } }",
    ),
    "rust": (
        "sum.rs",
        "fn main() { let mut s = String::new(); std::io::stdin().read_line(&mut s).unwrap();"
        " let sum: i64 = s.split_whitespace().map(|x| x.parse::<i64>().unwrap()).sum();"
        ' println!("{}", sum); }',
    ),
    "javascript": (
        "sum.js",
        "const w = require('fs').readFileSync(0, 'utf8').split(/\\s+/).map(Number);"
        " console.log(w[0] + w[1])",
    ),
    "ruby": ("sum.rb", "puts gets.split.map(&:to_i).sum"),
    "shell": ("sum.sh", "read a b; echo $((a + b))"),
}
NEEDS = {
    "c": ["gcc"],
    "cpp": ["g++"],
    "java": ["java", "javac"],
    "rust": ["rustc"],
    "javascript": ["node"],
    "ruby": ["ruby"],
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.needs(*NEEDS[name]) if name in NEEDS else ())
        for name in SUMS
    ],
)
def test_a_language_builds_once_and_runs(name: str) -> None:
    file, source = SUMS[name]
    assert set(NEEDS.get(name, [])) <= set(find_language(name).needs)
    with Sandbox(limits=Limits(cpu="20s", memory="64M", procs=4)) as box:
        built = box.compile({file: source.encode()})
        assert built.ok, built.log
        outcomes = [box.run(built, stdin=line) for line in (b"2 3\n", b"40 2\n")]
    assert [(o.verdict.name, o.stdout) for o in outcomes] == [("OK", b"5\n"), ("OK", b"42\n")]


NAMES = {"c": ("-specs=x.c", "@x.c"), "cpp": ("-specs=x.cpp",), "java": ("-version.java",)}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.needs(*NEEDS[name]) if name in NEEDS else ())
        for name in SUMS
    ],
)
def test_a_file_called_as_an_option_is_a_file(name: str) -> None:
    file, source = SUMS[name]
    end = file.rpartition(".")[2]
    for called in NAMES.get(name, (f"-c.{end}",)):
        with Sandbox(limits=Limits(cpu="20s", memory="64M", procs=4)) as box:
            built = box.compile({called: source.replace("public class", "class").encode()})
            assert built.ok, built.log
            outcome = box.run(built, stdin=b"2 3\n")
        assert (outcome.verdict.name, outcome.stdout) == ("OK", b"5\n"), outcome.stderr


HELLO = "public static void main(String[] a) { System.out.println(7); }"
JAVA = {
    "another name": {"prog.java": f"/* class */ public class Sum {{ {HELLO} }}"},
    "its own name": {"Solution.java": f"public class Solution {{ {HELLO} }}"},
    "nothing public": {"Sum.java": f"class Tool {{ }} class Start {{ {HELLO} }}"},
    "a package": {"Main.java": f"package a.b; public class Main {{ {HELLO} }}"},
    "several": {
        "Sum.java": "package p; public class Sum { public static int of() { return 7; } }",
        "Zoo.java": "import p.Sum; public class Zoo {"
        " public static void main(String[] a) { System.out.println(Sum.of()); } }",
    },
    "an interface": {"x y.java": f"public interface Start {{ {HELLO} }}"},
}


@pytest.mark.needs("java", "javac")
@pytest.mark.parametrize("kind", JAVA)
def test_any_class_of_java(kind: str) -> None:
    with Sandbox(limits=Limits(cpu="20s", memory="64M", procs=4)) as box:
        built = box.compile({name: text.encode() for name, text in JAVA[kind].items()})
        assert built.ok, built.log
        outcome = box.run(built)
    assert (outcome.verdict.name, outcome.stdout) == ("OK", b"7\n"), outcome.stderr


@pytest.mark.needs("go")
@pytest.mark.slow
def test_go_builds() -> None:
    source = b'package main\nimport "fmt"\nfunc main() { fmt.Println(6 * 7) }'
    with Sandbox() as box:
        built = box.compile({"a.go": source})
        assert built.ok, built.log
        assert box.run(built).stdout == b"42\n"


def test_what_does_not_compile() -> None:
    with Sandbox() as box:
        built = box.compile({"a.c": b"int main( {"})
        assert (built.ok, built.files) == (False, {})
        assert built.outcome is not None and built.outcome.verdict.name == "CE"
        assert b"error" in built.log
        with pytest.raises(UsageError, match="did not compile"):
            box.run(built)


def test_a_compiler_that_never_ends() -> None:
    with Sandbox() as box:
        built = box.compile({"a.c": b'#include "/dev/zero"\n'}, limits=Limits(cpu="500ms"))
        assert built.outcome is not None and built.outcome.verdict.name == "CE"
        assert built.outcome.cause.split(":")[0] in ("TLE", "MLE")


def test_a_compiler_sees_the_source_alone() -> None:
    with Sandbox() as box:
        box.put({"answers.h": b"#define ANSWER 42"})
        built = box.compile({"a.c": b'#include "answers.h"\nint main() { return ANSWER; }'})
        assert not built.ok and b"answers.h" in built.log


def test_steps_over_one_scratch() -> None:
    with Sandbox() as box:
        box.put({"in.txt": b"1\n", "tool": b"#!/bin/sh\ncat in.txt in.txt > d/out.txt\n"})
        first = box.run(["sh", "-c", "mkdir d && sh tool && chmod 640 d/out.txt"], keep=True)
        assert first.ok and first.files == {}
        assert (
            box.run(["sh", "-c", "cat d/out.txt; stat -c %a d/out.txt"]).text == "1\n1\n640\n"
        )
        assert box.collect("d/*") == {"d/out.txt": b"1\n1\n"}
        assert box.run(["sh", "-c", "echo lost > x"]).ok
        assert box.collect("x") == {}


def test_what_one_run_leaves_the_next_does_not_find() -> None:
    leave = "echo 1 > /dev/shm/a; echo 1 > /tmp/a; echo 1 > a; ln -s /etc e; sleep 600 & exit 0"
    look = "ls -A . /tmp /dev/shm; echo /proc/[0-9]*"  # the shell alone is left to look
    with Sandbox() as box:
        before = box.run(["sh", "-c", look]).text
        assert box.run(["sh", "-c", leave]).ok
        assert box.run(["sh", "-c", look]).text == before


def test_an_image_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a directory"):
        Sandbox(rootfs=tmp_path / "none")
