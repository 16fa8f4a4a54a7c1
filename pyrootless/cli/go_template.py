"""Go's text/template, as far as docker's `--format` uses it: text and a value → text.

What comes in: a template, plain values (dict, list, str, numbers, bool, None, callables).
What goes out: the text that docker's own implementation would print.
Must never: reach anything but the value and go_functions.py; run for ever: a template
is executed once from its begin to its end.

Source: pkg.go.dev/text/template; docker's formatting page. Left out: `define`, `template` and
`block`, which nothing here would call.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyrootless.cli.go_functions import FUNCTIONS, NO_VALUE, show, truth
from pyrootless.errors import UsageError

_ACTION = re.compile(r"\{\{(- )?(.*?)( -)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s+ | (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<raw>`[^`]*`) | (?P<char>'(?:[^'\\\n]|\\.)+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?))
    | (?P<field>\.[A-Za-z_]\w*) | (?P<variable>\$\w*) | (?P<name>[A-Za-z_]\w*)
    | (?P<sign>:=|[|(),=.])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
            "\\": "\\", '"': '"', "'": "'"}  # fmt: skip
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{3})|(.))", re.DOTALL)
_MAX_DEPTH = 100
_CONSTANTS = {"true": True, "false": False, "nil": None}


class TemplateError(UsageError):
    """A template that has no meaning, or not for this value."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    spaced: bool


@dataclass(frozen=True, slots=True)
class _Operand:
    """One word: kind "dot", "variable", "constant", "function" or "pipe"; then fields."""

    kind: str
    value: Any
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pipe:
    """Commands, each a list of words; the names it declares or sets."""

    commands: tuple[tuple[_Operand, ...], ...]
    names: tuple[str, ...] = ()
    declares: bool = True


@dataclass(slots=True)
class _Node:
    """kind "text", "print", "if", "with", "range", "break" or "continue"."""

    kind: str
    text: str = ""
    pipe: _Pipe | None = None
    body: list[_Node] = field(default_factory=list)
    other: list[_Node] = field(default_factory=list)


class _BreakLoop(Exception):
    pass


class _NextRound(Exception):
    pass


class Template:
    """A template that has a meaning; `render` may be called any number of times."""

    def __init__(self, text: str) -> None:
        """Read it.

        Raises:
            TemplateError: It has no meaning.
        """
        self._nodes = _Reader(text).read()

    def render(self, value: Any) -> str:
        """Execute it with a value as its dot.

        Raises:
            TemplateError: The value has no such field, or not of that kind.
        """
        run = _Run(value)
        try:
            run.nodes(self._nodes, value)
        except (_BreakLoop, _NextRound):
            raise TemplateError(
                "template: {{break}} or {{continue}} outside {{range}}"
            ) from None
        except (RecursionError, MemoryError, OverflowError) as error:
            raise TemplateError(f"template: {type(error).__name__}") from None
        return "".join(run.out)


class _Reader:
    """Text to nodes."""

    def __init__(self, text: str) -> None:
        self.pieces = _split(text)
        self.variables = [{"$"}]

    def read(self) -> list[_Node]:
        nodes, end = self.until(0)
        if end:
            raise TemplateError(f"template: unexpected {{{{{end}}}}}")
        return nodes

    def until(self, depth: int) -> tuple[list[_Node], str]:
        """Nodes up to an `end` or `else`; the rest of that action."""
        if depth > _MAX_DEPTH:
            raise TemplateError("template: nested too deep")
        nodes: list[_Node] = []
        while self.pieces:
            is_action, text = self.pieces.pop(0)
            if not is_action:
                nodes.append(_Node("text", text))
                continue
            word, _, rest = text.strip().partition(" ")
            if word in ("end", "else"):
                return nodes, f"{word} {rest.strip()}".strip()
            if word in ("if", "with", "range"):
                nodes.append(self.block(word, rest, depth))
            elif word in ("break", "continue") and not rest.strip():
                nodes.append(_Node(word))
            elif text.strip():
                nodes.append(_Node("print", pipe=self.pipe(text)))
        return nodes, ""

    def block(self, word: str, rest: str, depth: int) -> _Node:
        self.variables.append(set())
        node = _Node(word, pipe=self.pipe(rest, range_=word == "range"))
        node.body, end = self.until(depth + 1)
        if end.startswith("else "):
            inner = end.removeprefix("else ").strip()
            kind, _, more = inner.partition(" ")
            if kind not in ("if", "with"):
                raise TemplateError(f"template: unexpected {{{{{end}}}}}")
            node.other = [self.block(kind, more, depth + 1)]
            end = "end"
        elif end == "else":
            node.other, end = self.until(depth + 1)
        if end != "end":
            raise TemplateError(f"template: {{{{{word}}}}} without {{{{end}}}}")
        self.variables.pop()
        return node

    def pipe(self, text: str, *, range_: bool = False) -> _Pipe:
        tokens = _tokens(text)
        names, declares = self.names(tokens, range_=range_)
        pipe = self.commands(tokens, 0)
        if tokens:
            raise TemplateError(f'template: unexpected "{tokens[0].text}" in {{{{{text}}}}}')
        if declares:
            self.variables[-1].update(names)
        return _Pipe(pipe.commands, tuple(names), declares)

    def names(self, tokens: list[_Token], *, range_: bool) -> tuple[list[str], bool]:
        """`$a :=`, `$a, $b :=` or `$a =` at the begin."""
        found, at = [], 0
        while at < len(tokens) and tokens[at].kind == "variable":
            found.append(tokens[at].text)
            at += 1
            if at < len(tokens) and tokens[at].text == "," and range_:
                at += 1
                continue
            break
        if not found or at >= len(tokens) or tokens[at].text not in (":=", "="):
            return [], True
        declares = tokens[at].text == ":="
        if len(found) > 2 or (not declares and not all(map(self.known, found))):
            raise TemplateError(f"template: variables {', '.join(found)}")
        del tokens[: at + 1]
        return found, declares

    def commands(self, tokens: list[_Token], depth: int) -> _Pipe:
        commands: list[tuple[_Operand, ...]] = []
        while True:
            words = []
            while (
                tokens
                and tokens[0].text not in ("|", ")")
                or (tokens and tokens[0].kind in ("string", "raw", "char"))
            ):
                words.append(self.operand(tokens, depth))
            if not words:
                raise TemplateError("template: missing value for command")
            if commands and words[0].kind == "constant":
                raise TemplateError("template: a constant can take no value from a pipe")
            commands.append(tuple(words))
            if not tokens or tokens[0].text != "|" or tokens[0].kind != "sign":
                return _Pipe(tuple(commands))
            tokens.pop(0)

    def operand(self, tokens: list[_Token], depth: int) -> _Operand:
        token = tokens.pop(0)
        kind, value = token.kind, token.text
        fields: list[str] = []
        if kind == "sign" and value == "(":
            if depth > _MAX_DEPTH:
                raise TemplateError("template: nested too deep")
            found = _Operand("pipe", self.commands(tokens, depth + 1))
            if not tokens or tokens.pop(0).text != ")":
                raise TemplateError("template: unclosed left paren")
        elif kind == "sign" and value == ".":
            found = _Operand("dot", None)
        elif kind == "field":
            found, fields = _Operand("dot", None), [value[1:]]
        elif kind == "variable":
            if not self.known(value):
                raise TemplateError(f'template: undefined variable "{value}"')
            found = _Operand("variable", value)
        elif kind == "name":
            found = _named(value)
        elif kind in ("string", "raw", "char", "number"):
            found = _Operand("constant", _literal(kind, value))
        else:
            raise TemplateError(f'template: unexpected "{value}"')
        while tokens and tokens[0].kind == "field" and not tokens[0].spaced:
            fields.append(tokens.pop(0).text[1:])
        if fields and found.kind in ("constant", "function"):
            raise TemplateError(f'template: unexpected "." after "{value}"')
        return _Operand(found.kind, found.value, tuple(fields))

    def known(self, name: str) -> bool:
        return any(name in scope for scope in self.variables)


class _Run:
    """Nodes to text."""

    def __init__(self, value: Any) -> None:
        self.scopes: list[dict[str, Any]] = [{"$": value}]
        self.out: list[str] = []

    def nodes(self, nodes: list[_Node], dot: Any) -> None:
        for node in nodes:
            self.node(node, dot)

    def node(self, node: _Node, dot: Any) -> None:
        if node.kind == "text":
            self.out.append(node.text)
        elif node.kind == "break":
            raise _BreakLoop
        elif node.kind == "continue":
            raise _NextRound
        elif node.pipe is not None:
            self.scopes.append({})
            try:
                self.action(node, node.pipe, dot)
            finally:
                ended = self.scopes.pop()
                if node.kind == "print":
                    self.scopes[-1].update(ended)

    def action(self, node: _Node, pipe: _Pipe, dot: Any) -> None:
        value = self.pipe(pipe, dot)
        if node.kind == "range":
            self.loop(node, pipe, value, dot)
            return
        self.name(pipe, value)
        if node.kind == "print":
            if not pipe.names:
                self.out.append(show(value))
        elif truth(value):
            self.nodes(node.body, value if node.kind == "with" else dot)
        else:
            self.nodes(node.other, dot)

    def loop(self, node: _Node, pipe: _Pipe, value: Any, dot: Any) -> None:
        if isinstance(value, dict):
            rows = sorted(value.items(), key=lambda row: str(row[0]))
        elif isinstance(value, list | tuple):
            rows = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            rows = [(number, number) for number in range(min(value, 1_000_000))]
        elif value is None:
            rows = []
        else:
            raise TemplateError(f"template: range can't iterate over {show(value)}")
        for key, item in rows:
            given = (key, item) if len(pipe.names) == 2 else (item,)
            self.scopes.append(dict(zip(pipe.names, given, strict=False)))
            try:
                self.nodes(node.body, item)
            except _NextRound:
                continue
            except _BreakLoop:
                break
            finally:
                self.scopes.pop()
        if not rows:
            self.nodes(node.other, dot)

    def name(self, pipe: _Pipe, value: Any) -> None:
        for name in pipe.names:
            if pipe.declares:
                self.scopes[-1][name] = value
            else:
                next(scope for scope in reversed(self.scopes) if name in scope)[name] = value

    def pipe(self, pipe: _Pipe, dot: Any) -> Any:
        value: tuple[Any, ...] = ()
        for command in pipe.commands:
            value = (self.command(command, dot, value),)
        return value[0]

    def command(self, words: tuple[_Operand, ...], dot: Any, piped: tuple[Any, ...]) -> Any:
        first, rest = words[0], words[1:]
        if first.kind == "function":
            return self.function(first.value, rest, dot, piped)
        given = (*(self.operand(word, dot) for word in rest), *piped)
        return self.operand(first, dot, given)

    def function(
        self, name: str, words: tuple[_Operand, ...], dot: Any, piped: tuple[Any, ...]
    ) -> Any:
        if name in ("and", "or"):  # the rest is not looked at once it is decided
            value: Any = None
            for number in range(len(words) + len(piped)):
                more = number - len(words)
                value = piped[more] if more >= 0 else self.operand(words[number], dot)
                if truth(value) == (name == "or"):
                    return value
            return value
        given = (*(self.operand(word, dot) for word in words), *piped)
        return _call(name, FUNCTIONS[name], given)

    def operand(self, word: _Operand, dot: Any, given: tuple[Any, ...] = ()) -> Any:
        value = dot
        if word.kind == "constant":
            value = word.value
        elif word.kind == "variable":
            value = next(s[word.value] for s in reversed(self.scopes) if word.value in s)
        elif word.kind == "pipe":
            value = self.pipe(word.value, dot)
        elif word.kind == "function":
            return _call(word.value, FUNCTIONS[word.value], given)
        for number, name in enumerate(word.fields):
            last = number == len(word.fields) - 1
            value = _field(value, name)
            if callable(value):
                value = _call(name, value, given if last else ())
                given = () if last else given
        if given:
            raise TemplateError("template: can't give argument to non-function")
        return value


def _split(text: str) -> list[tuple[bool, str]]:
    """(is an action, its text), with the blanks cut that `{{-` and `-}}` ask for."""
    pieces: list[tuple[bool, str]] = []
    at, cut = 0, False
    while True:
        begin = text.find("{{", at)
        plain = text[at:] if begin < 0 else text[at:begin]
        plain = plain.lstrip(" \t\r\n") if cut else plain
        if begin < 0:
            pieces.append((False, plain))
            return [piece for piece in pieces if piece != (False, "")]
        end = _end_of(text, begin + 2)
        inner = text[begin + 2 : end]
        if re.match(r"-\s", inner):
            plain, inner = plain.rstrip(" \t\r\n"), inner[1:]
        cut = bool(re.search(r"\s-$", inner))
        inner = inner[:-1] if cut else inner
        pieces.append((False, plain))
        if not (inner.strip().startswith("/*") and inner.strip().endswith("*/")):
            if not inner.strip():
                raise TemplateError("template: missing value for command")
            pieces.append((True, " ".join(("", inner.strip()))))
        at = end + 2


def _end_of(text: str, at: int) -> int:
    """Where the }} of an action is, which is not one in a string."""
    for match in re.finditer(
        r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|/\*.*?\*/|\}\}', text[at:], re.DOTALL
    ):
        if match[0] == "}}":
            return at + match.start()
    raise TemplateError("template: unclosed action")


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, spaced = 0, True
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.end() == at:
            raise TemplateError(f'template: unexpected "{text[at : at + 20]}"')
        if match.lastgroup is None:
            spaced = True
        else:
            found.append(_Token(match.lastgroup, match[0], spaced))
            spaced = False
        at = match.end()
    return found


def _named(name: str) -> _Operand:
    if name in _CONSTANTS:
        return _Operand("constant", _CONSTANTS[name])
    if name in FUNCTIONS or name in ("and", "or"):
        return _Operand("function", name)
    raise TemplateError(f'template: function "{name}" not defined')


def _literal(kind: str, text: str) -> Any:
    if kind == "raw":
        return text[1:-1]
    if kind in ("string", "char"):
        plain = _ESCAPE.sub(_unescape, text[1:-1])
        return plain if kind == "string" else ord(plain[:1] or "\0")
    if text.lower().lstrip("+-").startswith("0x"):
        return int(text, 16)
    return float(text) if set(text) & set(".eE") else int(text)


def _unescape(match: re.Match[str]) -> str:
    if match[4] is not None:
        return _ESCAPES.get(match[4], match[4])
    code = match[1] or match[2]
    return chr(int(code, 16) if code else int(match[3], 8))


def _field(value: Any, name: str) -> Any:
    if value is None or value is NO_VALUE:
        raise TemplateError(f"template: nil data; no entry for key {name!r}")
    if not isinstance(value, dict):
        raise TemplateError(f"template: can't evaluate field {name} in {show(value)[:60]}")
    if name not in value:
        raise TemplateError(f'template: map has no entry for key "{name}"')
    return value[name]


def _call(name: str, function: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    try:
        return function(*given)
    except TemplateError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise TemplateError(f"template: error calling {name}: {error}") from None
