"""pyrootless.cli.go_template: Go's templates as docker's --format uses them.

The expected texts are those of a Docker Engine 26.1 (docker inspect -f) for the same values.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyrootless.cli.go_template import Template, TemplateError
from pyrootless.cli.rows import align, format_list
from pyrootless.errors import UsageError

VALUE: dict[str, Any] = {
    "ID": "abc",
    "Names": ["/x", "/y"],
    "State": {"Status": "running", "Pid": 5, "Dead": False},
    "Labels": {"a.b": "v", "z": "w"},
    "None": None,
    "Part": 1.5,
    "Empty": [],
    "Label": lambda name: f"<{name}>",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("plain } text {", "plain } text {"),
        ("{{.ID}}", "abc"),
        ("{{ .ID }}-{{.State.Status}}", "abc-running"),
        ("{{.Names}} {{.Labels}} {{.None}} {{.Part}}", "[/x /y] map[a.b:v z:w] <nil> 1.5"),
        ("{{.State.Dead}} {{.State.Pid}}", "false 5"),
        ('{{json .State}} {{json "<a>"}}', '{"Status":"running","Pid":5,"Dead":false} "<a>"'),
        ("{{json .Names}}{{json .None}}", '["/x","/y"]null'),
        ("{{range .Names}}[{{.}}]{{end}}", "[/x][/y]"),
        ("{{range $i, $e := .Names}}{{$i}}={{$e}};{{end}}", "0=/x;1=/y;"),
        ("{{range $k, $v := .Labels}}{{$k}}:{{$v}} {{end}}", "a.b:v z:w "),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range .Names}}{{if eq . \"/y\"}}{{break}}{{end}}{{.}}{{end}}", "/x"),
        ("{{range .Names}}{{continue}}{{.}}{{end}}!", "!"),
        ("{{if .State.Dead}}d{{else if eq .ID \"abc\"}}A{{else}}B{{end}}", "A"),
        ("{{if not .Empty}}e{{end}}{{if .None}}n{{end}}{{if and .ID .Names}}b{{end}}", "eb"),
        ("{{with .State}}{{.Pid}}{{$.ID}}{{end}}", "5abc"),
        ("{{with .None}}x{{else with .ID}}{{.}}{{end}}", "abc"),
        ('{{index .Labels "a.b"}}|{{index .Labels "no"}}|{{index .Names 1}}', "v||/y"),
        ('{{join .Names ","}} {{len .Names}} {{upper .ID}} {{lower "AB"}}', "/x,/y 2 ABC ab"),
        ('{{title "ab cd"}}{{pad .ID 1 2}}|{{truncate .ID 2}}', "Ab Cd abc  |ab"),
        ('{{split "a,b" ","}}', "[a b]"),
        ('{{printf "%-5s|%4d|%04d|%q|%t|%v|%%" .ID 42 7 "x" true .Names}}',
         'abc  |  42|0007|"x"|true|[/x /y]|%'),
        ('{{printf "%d" "x"}} {{printf "%s"}} {{printf "" 1}}',
         "%!d(string=x) %!s(MISSING) %!(EXTRA int=1)"),
        ("{{html `<'\"&>`}} {{js `a'<b>`}}", r"&lt;&#39;&#34;&amp;&gt; a\'\u003Cb\u003E"),
        ("{{1e6}} {{123456.0}} {{0.00001}} {{json 1.0}}", "1e+06 123456 1e-05 1"),
        ("{{title \"o'neil foo-bar\"}} {{index `abc` 1}} {{len `é`}}", "O'Neil Foo-Bar 98 2"),
        ("{{.ID | upper | printf \"%s-%s\" \"x\"}}", "x-ABC"),
        ('{{.Label "k"}} {{.Labels | len}} {{(index .Names 0)}}', "<k> 2 /x"),
        ("{{(.State).Pid}} {{gt .State.Pid 3}} {{ne 1 2}} {{le 2 2}}", "5 true true true"),
        ('{{eq .ID "x" "abc"}} {{or .None .ID}} {{and .ID .Empty}}', "true abc []"),
        ("{{$x := .ID}}{{if true}}{{$x = \"new\"}}{{end}}{{$x}}", "new"),
        (' a {{- " b " -}} c {{- /* gone */ -}} d', " a b cd"),
        ('{{"}}"}} {{`raw "`}} {{"\\t\\x41\\u00e9"}} {{\'a\'}}', '}} raw " \tA\u00e9 97'),
        ("{{println .ID}}{{print 1 2 \"x\"}}", "abc\n1 2x"),
        ("{{html \"<a>\"}} {{urlquery \"a b\"}} {{slice .ID 1 2}}", "&lt;a&gt; a+b b"),
    ],
)  # fmt: skip
def test_what_docker_prints(template: str, text: str) -> None:
    assert Template(template).render(VALUE) == text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{.Missing}}", 'map has no entry for key "Missing"'),
        ("{{.State.Missing}}", 'map has no entry for key "Missing"'),
        ("{{.ID.x}}", "can't evaluate field x"),
        ("{{.None.x}}", "nil data"),
        ("{{foo}}", 'function "foo" not defined'),
        ("{{.ID", "unclosed action"),
        ("{{if .ID}}x", "without {{end}}"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{if}}x{{end}}", "missing value for command"),
        ("{{}}", "missing value for command"),
        ("{{(.ID}}", "unclosed left paren"),
        ("{{$x}}", 'undefined variable "$x"'),
        ("{{range $x := .Names}}{{end}}{{$x}}", 'undefined variable "$x"'),
        ("{{.State.Pid | upper}}", "wrong type for value; expected string; got int"),
        ("{{index .Names 5}}", "error calling index: index out of range: 5"),
        ("{{index .None 1}}", "error calling index"),
        ("{{range .ID}}{{end}}", "range can't iterate over abc"),
        ('{{eq 1 "x"}}', "incompatible types for comparison"),
        ('{{.ID "x"}}', "can't give argument to non-function"),
        ("{{break}}", "outside {{range}}"),
        ("{{.ID | 5}}", "a constant can take no value"),
        ("{{?}}", 'unexpected "?"'),
        ("{{" + "(" * 200 + ".ID" + ")" * 200 + "}}", "nested too deep"),
        ("{{if .ID}}" * 200, "nested too deep"),
    ],
)
def test_what_has_no_meaning(template: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(template).render(VALUE)
    assert said in str(caught.value)


TITLES = {"A": "FIRST", "B": "SECOND", "Label": lambda name: name}
ROWS: list[dict[str, Any]] = [
    {"A": "1", "B": "a longer cell", "Label": lambda name: f"of {name}"},
    {"A": "2", "B": "", "Label": lambda name: ""},
]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{{.A}}", "1\n2\n"),
        ("{{.A}}\\t{{.B}}", "1\ta longer cell\n2\t\n"),
        ("table", "FIRST     SECOND\n1         a longer cell\n2\n"),
        (
            "table {{.B}}\\t{{.A}}",
            "SECOND          FIRST\na longer cell   1\n                2\n",
        ),
        ('table {{upper .A}} {{.Label "k"}}', "FIRST k\n1 of k\n2\n"),
        ("json", '{"A":"1","B":"a longer cell"}\n{"A":"2","B":""}\n'),
    ],
)
def test_lists(form: str, text: str) -> None:
    assert format_list(form, ROWS, TITLES, "{{.A}}\t{{.B}}") == text


def test_raw_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match='the format "raw" is not there'):
        format_list("raw", ROWS, TITLES, "")


def test_columns_of_docker() -> None:
    assert align([["A", "B"], ["12345678901", "x"]]) == "A             B\n12345678901   x\n"
    assert align([]) == ""
