"""Jinja templates, parsed and never rendered: which names they reach, build, call and include."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from scanner.errors import FormatError
from scanner.reader import Budget
from scanner.wire.jinja_values import BUILT, DATA, Folding, Values

LENGTH = 1 << 20
"""Longest template that is parsed, in characters."""
NESTING = 60
"""Deepest nesting of brackets and of blocks."""

_BLOCKS = frozenset(("if", "for", "macro", "call", "filter", "block", "with", "autoescape", "generation"))
_ATTRIBUTE_FILTERS = frozenset(
    ("map", "selectattr", "rejectattr", "groupby", "sort", "unique", "sum", "min", "max", "dictsort")
)
_MARKUP = re.compile(r"<[^<>]*>")
_SEPARATORS = re.compile(r"[.\[\]{}!:]")
# An index that is not known.
_SOME = nodes.Name("", "load")


class _Generation(Extension):
    """``{% generation %}``, by which transformers marks what the assistant wrote."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own declaration

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a template does."""

    kind: str
    """``name`` (an attribute or item by constant name), ``built-name``, ``text`` (any constant, wherever it
    goes), ``call`` (of a global), ``include``, ``switch`` (text that depends on words in a message)."""
    value: str
    line: int
    how: str = ""
    """For people: where the name stands."""


def environment() -> Environment:
    """The tags that chat templates are written with: transformers' own and the usual extensions."""
    return Environment(  # noqa: S701 - nothing is ever rendered
        extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", _Generation], cache_size=0
    )


def parse(text: str) -> nodes.Template:
    """Parse a template.

    Raises:
        FormatError: It is longer or nested deeper than allowed, or is no template.
    """
    if len(text) > LENGTH:
        raise FormatError(f"a template of more than {LENGTH} characters")
    grammar = environment()
    try:
        _check_nesting(grammar, text)
        return grammar.parse(text)
    except TemplateSyntaxError as error:
        raise FormatError(f"{str(error.message)[:120]} in line {error.lineno}") from error
    except RecursionError as error:
        raise FormatError("nested too deeply") from error


def _check_nesting(grammar: Environment, text: str) -> None:
    brackets, blocks, prefixes, begins = 0, 0, 0, False
    for line, kind, value in grammar.lex(text):
        if kind == "whitespace":
            continue
        if kind == "operator" and value in "([{":
            brackets += 1
        elif kind == "operator" and value in ")]}":
            brackets -= 1
        elif kind == "name" and begins:
            blocks += (value in _BLOCKS) - (value[:3] == "end" and value[3:] in _BLOCKS)
        elif kind in {"variable_begin", "block_begin"}:
            brackets = 0
        # Prefix operators and conditions nest without brackets.
        repeats = (kind == "name" and value in {"not", "if", "else", "is"}) or value in {"-", "+"}
        prefixes = prefixes + 1 if repeats else prefixes if kind == "name" else 0
        begins = kind == "block_begin"
        if max(brackets, blocks, prefixes) > NESTING:
            raise FormatError(f"nested more than {NESTING} deep in line {line}")


def events(template: nodes.Template, budget: Budget) -> Iterator[Event]:
    """Everything in a template that may reach beyond the data it is given, in no particular order."""
    every = list(_walk(template, budget))
    folding = Folding({}, {node.name: node for node in every if isinstance(node, nodes.Macro)})
    for node in every:
        _collect(node, folding)
    assigned = _bound_names(every)
    for node in every:
        match node:
            case nodes.Getattr():
                yield Event("name", node.attr, node.lineno, "attribute")
            case nodes.Const(value=str() as text):
                yield Event("text", text, node.lineno, "a text")
            case nodes.Getitem():
                if not isinstance(node.arg, nodes.Slice):
                    yield from _names(folding.values(node.arg), node.lineno, "item")
            case nodes.Filter():
                yield from _filter(node, folding)
            case nodes.Call():
                yield from _call(node, folding, assigned)
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
                values = folding.values(node.template)
                shown = ", ".join(map(str, values)) if isinstance(values, tuple) else "a computed name"
                yield Event("include", shown, node.lineno, type(node).__name__.lower())
            case nodes.If():
                yield from _switch(node, folding)


def _walk(template: nodes.Node, budget: Budget) -> Iterator[nodes.Node]:
    pending = [template]
    while pending:
        node = pending.pop()
        budget.spend_items()
        yield node
        pending += node.iter_child_nodes()


def _collect(node: nodes.Node, folding: Folding) -> None:
    match node:
        case nodes.Assign(node=nodes.Expr() as value):
            _assign(node.target, value, folding)
        case nodes.AssignBlock():
            parts = [part for inner in node.find_all(nodes.Output) for part in inner.nodes]
            text = nodes.Concat(parts, lineno=node.lineno)
            _assign(node.target, node.filter if node.filter is not None else text, folding)
        case nodes.For():
            every = nodes.Filter(node.iter, "list", [], [], None, None, lineno=node.lineno)
            _assign(node.target, nodes.Getitem(every, _SOME, "load", lineno=node.lineno), folding)
        case nodes.With():
            for target, value in zip(node.targets, node.values, strict=False):
                if isinstance(value, nodes.Expr):
                    _assign(target, value, folding)
        case nodes.Macro():
            names = [argument.name for argument in node.args]
            for name, default in zip(reversed(names), reversed(node.defaults), strict=False):
                folding.assign(name, default)
        case nodes.Call():
            _collect_call(node, folding)


def _collect_call(node: nodes.Call, folding: Folding) -> None:
    if isinstance(node.node, nodes.Name):
        macro = folding.macros.get(node.node.name)
        if macro:
            for argument, value in zip(macro.args, node.args, strict=False):
                folding.assign(argument.name, value)
        for pair in node.kwargs:
            folding.assign(pair.key, pair.value)


def _assign(target: nodes.Node, value: nodes.Expr, folding: Folding) -> None:
    match target:
        case nodes.Name():
            folding.assign(target.name, value)
            if isinstance(value, nodes.Call) and isinstance(value.node, nodes.Name):
                # `namespace(a=…)` and `dict(a=…)`
                for pair in value.kwargs:
                    folding.assign(f"{target.name}.{pair.key}", pair.value)
        case nodes.NSRef():
            folding.assign(f"{target.name}.{target.attr}", value)
        case nodes.Tuple():
            for index, inner in enumerate(target.items):
                part = nodes.Getitem(value, nodes.Const(index), "load", lineno=target.lineno)
                _assign(inner, part, folding)


def _bound_names(every: list[nodes.Node]) -> frozenset[str]:
    """Names that the template itself gives a value."""
    stored = {node.name for node in every if isinstance(node, nodes.Name) and node.ctx != "load"}
    stored |= {node.name for node in every if isinstance(node, nodes.Macro)}
    for node in every:
        if isinstance(node, nodes.FromImport):
            stored |= {name if isinstance(name, str) else name[1] for name in node.names}
        elif isinstance(node, nodes.Import):
            stored.add(node.target)
    return frozenset(stored)


def _names(values: Values, line: int, how: str, *, strict: bool = False) -> Iterator[Event]:
    """Events for an expression that stands where a name is looked up."""
    if values is BUILT or (strict and values is DATA):
        yield Event("built-name", "", line, how)
    elif isinstance(values, tuple):
        for value in dict.fromkeys(one for one in values if isinstance(one, str)):
            yield Event("name", value, line, how)


def _filter(node: nodes.Filter, folding: Folding) -> Iterator[Event]:
    arguments = [*node.args, *(pair.value for pair in node.kwargs)]
    if node.name == "attr":
        for part in arguments:
            yield from _names(folding.values(part), node.lineno, "the attr filter", strict=True)
        if node.dyn_args or node.dyn_kwargs:
            yield Event("built-name", "", node.lineno, "the attr filter")
    elif node.name in _ATTRIBUTE_FILTERS:
        how = f"the {node.name} filter"
        for part in arguments:
            for event in _names(folding.values(part), node.lineno, how):
                for piece in event.value.split("."):
                    yield Event(event.kind, piece, event.line, how)


def _call(node: nodes.Call, folding: Folding, assigned: frozenset[str]) -> Iterator[Event]:
    called = node.node
    if isinstance(called, nodes.Name):
        if called.name not in assigned:
            yield Event("call", called.name, node.lineno)
    elif isinstance(called, nodes.Getattr) and called.attr in {"format", "format_map"}:
        values = folding.values(called.node)
        if values is BUILT:
            yield Event("built-name", "", node.lineno, "a format string")
        elif isinstance(values, tuple):
            for value in values:
                for name in _format_names(value):
                    yield Event("name", name, node.lineno, "a format string")


def _format_names(text: object) -> Iterator[str]:
    """Attributes and items that ``"{0.a[b]}".format(x)`` looks up."""
    try:
        fields = list(string.Formatter().parse(str(text)))
    except ValueError:
        return
    for _, name, nested, _ in fields:
        yield from _SEPARATORS.split(f"{name or ''}.{nested or ''}")


def _switch(node: nodes.If, folding: Folding) -> Iterator[Event]:
    """A branch that is taken when a message contains certain words, and that adds text of its own."""
    words = [
        value
        for compare in (node.test, *node.test.find_all(nodes.Compare))
        if isinstance(compare, nodes.Compare)
        and compare.ops
        and compare.ops[0].op == "in"
        and _reads_content(compare.ops[0].expr)
        for value in _texts(folding.values(compare.expr))
        if re.fullmatch(r"[^\W_][\w' -]+", value)
    ]
    if not words:
        return
    outputs = [out for inner in node.body for out in (inner, *inner.find_all(nodes.Output))]
    parts = [part for out in outputs if isinstance(out, nodes.Output) for part in out.nodes]
    said = " ".join(text for part in parts for text in _texts(folding.values(part)))
    said = _MARKUP.sub(" ", said)
    if len(re.findall(r"[^\W\d_]{2,}", said)) >= 5:
        yield Event("switch", words[0], node.lineno, " ".join(said.split())[:200])


def _texts(values: Values) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, tuple) else []


def _reads_content(node: nodes.Node) -> bool:
    for part in (node, *node.find_all((nodes.Getattr, nodes.Getitem, nodes.Name))):
        if isinstance(part, nodes.Getattr) and part.attr == "content":
            return True
        if isinstance(part, nodes.Name) and part.name == "content":
            return True
        if (
            isinstance(part, nodes.Getitem)
            and isinstance(part.arg, nodes.Const)
            and part.arg.value == "content"
        ):
            return True
    return False
