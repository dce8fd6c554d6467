"""The allow-list over a template's syntax tree: what is not named here is refused when it is saved.

The walk also prepares the tree for rendering: `{name}` in plain text becomes a field, comparisons and the
loop get the forms that accept data as it comes out of a spreadsheet, and a template of plain substitutions
is split into segments that need no template engine at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from jinja2 import nodes

from engine.compose.errors import TemplateError

FILTERS = ("default", "upper", "lower", "title", "capitalize", "trim")
ALLOWED = (
    "Allowed: {{ field }}, {field}, the filters default(...), upper, lower, title, capitalize and trim, "
    "if/elif/else with ==, !=, <, >, in, and, or, not, and one loop "
    "{% for item in rows %}{{ item.field }}{% endfor %}."
)

_COMPARISONS = {"eq": "_eq", "ne": "_ne", "lt": "_lt", "gt": "_gt", "in": "_in", "notin": "_notin"}
_LOOP_WORDS = ("index", "last")
_RESERVED = ("self", "loop")
_SHORT_FORM = re.compile(r"(?P<tag></?style\b)|(?<!\{)\{(?P<name>[A-Z]\w*)\}(?!\})", re.ASCII | re.IGNORECASE)
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "calls are not allowed",
    nodes.Getitem: "subscripts are not allowed",
    nodes.BinExpr: "arithmetic is not allowed",
    nodes.UnaryExpr: "arithmetic is not allowed",
    nodes.Concat: "joining with ~ is not allowed",
    nodes.CondExpr: "an inline if is not allowed, use {% if %}",
    nodes.Test: "tests with 'is' are not allowed",
    nodes.Assign: "set is not allowed",
    nodes.AssignBlock: "set is not allowed",
    nodes.Macro: "macros are not allowed",
    nodes.CallBlock: "macros are not allowed",
    nodes.Include: "include is not allowed",
    nodes.Import: "import is not allowed",
    nodes.FromImport: "import is not allowed",
    nodes.Extends: "extends is not allowed",
    nodes.Scope: "with is not allowed",
    nodes.Block: "blocks are not allowed",
    nodes.FilterBlock: "filter blocks are not allowed",
}


class Segment(NamedTuple):
    """A literal, then the field `name` ("": none, the last one), or `fallback` where that field is empty."""

    literal: str
    name: str = ""
    fallback: str | None = None


@dataclass(slots=True)
class Syntax:
    """What the walk found. `fields`: every name used. `required`: names that every rendering prints without
    a default. `segments`: the template in pieces when it is plain substitution, else None."""

    fields: set[str] = field(default_factory=set)
    required: set[str] = field(default_factory=set)
    segments: tuple[Segment, ...] | None = None


def read_syntax(tree: nodes.Template, name: str, *, html: bool) -> Syntax:
    """Check `tree` against the allow-list and rewrite it in place.

    `name` is the template's name for messages; with `html`, `<style>` blocks keep their braces.
    Raises TemplateError with the line of the first thing that is not allowed.
    """
    walk = _Walk(name, html)
    walk.block(tree.body, conditional=False, in_loop=False)
    walk.syntax.segments = _segments(tree)
    return walk.syntax


class _Walk:
    def __init__(self, name: str, html: bool) -> None:
        self.name = name
        self.html = html
        self.syntax = Syntax()
        self.in_style = False
        self.loops = 0

    def refuse(self, node: nodes.Node, message: str) -> NoReturn:
        raise TemplateError(message, node.lineno or 1, self.name, hint=ALLOWED)

    def refuse_kind(self, node: nodes.Node) -> NoReturn:
        words = next((text for kind, text in _WORDS.items() if isinstance(node, kind)), "")
        self.refuse(node, words or f"{type(node).__name__.lower()} is not allowed here")

    def block(self, body: list[nodes.Node], *, conditional: bool, in_loop: bool) -> None:
        for node in body:
            if isinstance(node, nodes.Output):
                node.nodes = [part for child in node.nodes for part in self.output(child, conditional, in_loop)]
            elif isinstance(node, nodes.If):
                self.branch(node, in_loop)
            elif isinstance(node, nodes.For):
                self.loop(node, conditional, in_loop)
            else:
                self.refuse_kind(node)

    def branch(self, node: nodes.If, in_loop: bool) -> None:
        node.test = self.test(node.test, in_loop)
        self.block(node.body, conditional=True, in_loop=in_loop)
        for other in node.elif_:
            self.branch(other, in_loop)
        self.block(node.else_, conditional=True, in_loop=in_loop)

    def loop(self, node: nodes.For, conditional: bool, in_loop: bool) -> None:
        plain = (
            isinstance(node.target, nodes.Name)
            and node.target.name == "item"
            and isinstance(node.iter, nodes.Name)
            and node.iter.name == "rows"
        )
        if not plain or node.test is not None or node.recursive or node.else_:
            self.refuse(node, "the only loop is {% for item in rows %}, without a condition or else")
        if in_loop:
            self.refuse(node, "a loop inside a loop is not allowed")
        self.loops += 1
        if self.loops > 1:
            self.refuse(node, "one loop a template")
        self.use("rows", conditional)
        node.iter = _filtered(node.iter, "_rows")
        self.block(node.body, conditional=conditional, in_loop=True)

    def use(self, name: str, conditional: bool) -> None:
        self.syntax.fields.add(name)
        if not conditional:
            self.syntax.required.add(name)

    def output(self, node: nodes.Expr, conditional: bool, in_loop: bool) -> list[nodes.Expr]:
        if isinstance(node, nodes.TemplateData):
            return self.data(node, conditional, in_loop)
        return [self.value(node, conditional, in_loop, printed=True)]

    def data(self, node: nodes.TemplateData, conditional: bool, in_loop: bool) -> list[nodes.Expr]:
        """Split the short form `{name}` out of plain text; a `<style>` block may span several texts."""
        parts: list[nodes.Expr] = []
        line, start = node.lineno, 0
        for match in _SHORT_FORM.finditer(node.data):
            if match["tag"]:
                self.in_style = self.html and not match["tag"].startswith("</")
            if self.in_style or not match["name"]:
                continue
            literal = node.data[start : match.start()]
            parts.append(nodes.TemplateData(literal, lineno=line))
            line, start = line + literal.count("\n"), match.end()
            short = nodes.Name(match["name"], "load", lineno=line)
            parts.append(self.value(short, conditional, in_loop, printed=True))
        parts.append(nodes.TemplateData(node.data[start:], lineno=line))
        return parts

    def value(self, node: nodes.Node, conditional: bool, in_loop: bool, *, printed: bool) -> nodes.Expr:
        """A field or a constant, perhaps through filters; in a test (`printed` False) it may be empty."""
        if isinstance(node, nodes.Const):
            return node
        if isinstance(node, nodes.Name):
            self.check_name(node, in_loop, printed)
            self.use(node.name, conditional or not printed)
            return node
        if isinstance(node, nodes.Getattr):
            return self.member(node, in_loop)
        if isinstance(node, nodes.Filter):
            return self.filter(node, conditional, in_loop, printed)
        return self.refuse_kind(node)

    def check_name(self, node: nodes.Name, in_loop: bool, printed: bool) -> None:
        if node.name.startswith("_") or node.name in _RESERVED:
            self.refuse(node, f"'{node.name}' is not a field's name")
        if node.name == "rows" and printed:
            self.refuse(node, "'rows' can only be looped over")
        if node.name == "item" and in_loop:
            self.refuse(node, "write item.field for a value of the row")

    def member(self, node: nodes.Getattr, in_loop: bool) -> nodes.Expr:
        owner = node.node.name if isinstance(node.node, nodes.Name) else ""
        if not in_loop or owner not in ("item", "loop") or node.attr.startswith("_"):
            self.refuse(node, "dots are allowed only as item.field inside {% for item in rows %}")
        if owner == "item":
            # By subscript, so that a column named "items" or "keys" is data and no method of a mapping.
            return nodes.Getitem(node.node, nodes.Const(node.attr), "load", lineno=node.lineno)
        if node.attr not in _LOOP_WORDS:
            self.refuse(node, "of loop only loop.index and loop.last are allowed")
        return node

    def filter(self, node: nodes.Filter, conditional: bool, in_loop: bool, printed: bool) -> nodes.Expr:
        if node.name not in FILTERS:
            self.refuse(node, f"the filter '{node.name}' is not allowed")
        if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs:
            self.refuse(node, f"the filter '{node.name}' takes no such arguments")
        if node.name == "default":
            printed = False
            if len(node.args) != 1 or not isinstance(node.args[0], nodes.Const):
                self.refuse(node, 'default takes one constant: default("there")')
        elif node.args:
            self.refuse(node, f"the filter '{node.name}' takes no arguments")
        if isinstance(node.node, nodes.Name) and node.node.name == "rows":
            self.refuse(node, "'rows' can only be looped over")
        node.node = self.value(node.node, conditional, in_loop, printed=printed)
        return node

    def test(self, node: nodes.Node, in_loop: bool) -> nodes.Expr:
        if isinstance(node, (nodes.And, nodes.Or)):
            node.left = self.test(node.left, in_loop)
            node.right = self.test(node.right, in_loop)
            return node
        if isinstance(node, nodes.Not):
            node.node = self.test(node.node, in_loop)
            return node
        if not isinstance(node, nodes.Compare):
            return self.value(node, True, in_loop, printed=False)
        operand = node.ops[0]
        if len(node.ops) > 1 or operand.op not in _COMPARISONS:
            self.refuse(node, "compare two values with ==, !=, <, > or in")
        left = self.value(node.expr, True, in_loop, printed=False)
        right = self.value(operand.expr, True, in_loop, printed=False)
        return _filtered(left, _COMPARISONS[operand.op], right)


def _filtered(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def _segments(tree: nodes.Template) -> tuple[Segment, ...] | None:
    pieces: list[Segment] = []
    literal = ""
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                literal += node.data
            elif isinstance(node, nodes.Name):
                pieces.append(Segment(literal, node.name))
                literal = ""
            elif (
                isinstance(node, nodes.Filter)
                and node.name == "default"
                and isinstance(node.node, nodes.Name)
                and isinstance(node.args[0], nodes.Const)
            ):
                pieces.append(Segment(literal, node.node.name, str(node.args[0].value)))
                literal = ""
            else:
                return None
    return (*pieces, Segment(literal))
