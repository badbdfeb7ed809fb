"""Interpreter of a small part of Python for programs on a picture, as models write them with PIL (Keye-VL, arXiv 2507.01949,
Appendix C)::

    from PIL import Image
    image = Image.open("image.png")
    part = image.crop((0, 0, image.width // 2, image.height // 2))
    part = part.resize((part.width * 2, part.height * 2))
    part.save("part.png")

The program is parsed with ``ast`` and walked; nothing of it is compiled or executed. Names, methods and modules come from the
allow lists of ``pil_tools``; there are no attributes besides them, no functions, classes, comprehensions or ``while``. Steps,
sizes, numbers and output are bounded. A file is never opened or written: every path that is opened is the question's picture,
and what is saved or shown is the program's output.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from dataengine.cot.core.pil_tools import (
    ENHANCE,
    FUNCTIONS,
    MAX_ITEMS,
    METHODS,
    MODULES,
    Enhancer,
    Module,
    Picture,
    ToolError,
    number,
    shown,
)
from dataengine.cot.core.python_source import parse_python
from dataengine.media.image.pixels import Pixels

MAX_STEPS, MAX_TEXT = 5000, 2000
"""Expressions and statements that a program may evaluate; characters of its output and of a text in it."""
_PATHS = 4096
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def run_python(code: str, picture: Pixels) -> Pixels | str:
    """Run a program on ``(H, W, 3) uint8``: the picture that it saves or shows last, else what it prints, else the picture that
    it ends with. Raises ToolError."""
    tree = parse_python(code)
    program = _Program(Picture(Image.fromarray(picture)))
    try:
        program.block(tree.body)
    except (ArithmeticError, TypeError, ValueError, IndexError) as error:
        raise ToolError.because(f"{type(error).__name__}: {str(error)[:120]}") from None
    return program.output()


@dataclass
class _Program:
    """A run: its names, and what it has shown and printed."""

    picture: Picture
    names: dict[str, Any] = field(default_factory=dict)
    saved: Picture | None = None
    last: Picture | None = None
    printed: list[str] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        self.names = {"image": self.picture, "img": self.picture}

    def output(self) -> Pixels | str:
        text = "\n".join(self.printed).strip()
        shown_last = self.saved or (None if text else self.last)
        if shown_last is not None:
            return np.asarray(shown_last.image.convert("RGB"))
        if not text:
            raise ToolError.because("the program saves, shows and prints nothing")
        if len(text) > MAX_TEXT or "<" in text or "```" in text:
            raise ToolError.because(f"its output is longer than {MAX_TEXT} characters or holds a tag")
        return text

    def block(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self._step()
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Expr):
            self._keep(self.value(node.value))
        elif isinstance(node, ast.Assign):
            value = self._keep(self.value(node.value))
            for target in node.targets:
                self._assign(target, value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.names[node.target.id] = self._binary(node.op, self._name(node.target.id), self.value(node.value))
        elif isinstance(node, ast.If):
            self.block(node.body if self.value(node.test) else node.orelse)
        elif isinstance(node, ast.For) and not node.orelse:
            for item in self._items(self.value(node.iter)):
                self._assign(node.target, item)
                self.block(node.body)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node)
        elif not isinstance(node, ast.Pass):
            raise ToolError.because(f"`{type(node).__name__.lower()}` is not in the language of programs")

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            source = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            known = source == "PIL" and alias.name in MODULES and alias.name != "math"
            if not known and not (not source and alias.name == "math"):
                raise ToolError.because(f"import {source or alias.name}: programs have PIL and math alone")
            self.names[alias.asname or alias.name] = MODULES[alias.name]

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, ast.Tuple):
            items = self._items(value)
            if len(items) != len(target.elts):
                raise ToolError.because(f"{len(items)} values for {len(target.elts)} names")
            for one, item in zip(target.elts, items, strict=True):
                self._assign(one, item)
        else:
            raise ToolError.because("only names can be assigned to")

    def value(self, node: ast.expr) -> Any:
        self._step()
        if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool | int | float | str)):
            return self._bounded(node.value)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Tuple | ast.List):
            values = [self.value(one) for one in node.elts]
            return tuple(values) if isinstance(node, ast.Tuple) else values
        if isinstance(node, ast.BinOp):
            return self._binary(node.op, self.value(node.left), self.value(node.right))
        if isinstance(node, ast.UnaryOp):
            value = self.value(node.operand)
            return (
                not value
                if isinstance(node.op, ast.Not)
                else -number(value)
                if isinstance(node.op, ast.USub)
                else value
            )
        if isinstance(node, ast.BoolOp):
            results = (self.value(one) for one in node.values)
            return all(results) if isinstance(node.op, ast.And) else any(results)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        if isinstance(node, ast.IfExp):
            return self.value(node.body if self.value(node.test) else node.orelse)
        if isinstance(node, ast.Subscript):
            return self._items(self.value(node.value))[int(number(self.value(node.slice)))]
        if isinstance(node, ast.JoinedStr):
            return self._bounded("".join(self._piece(piece) for piece in node.values))
        if isinstance(node, ast.Attribute):
            return self._member(self.value(node.value), node.attr)
        if isinstance(node, ast.Call):
            return self._call(node)
        raise ToolError.because(f"`{type(node).__name__.lower()}` is not in the language of programs")

    def _piece(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.FormattedValue) and node.format_spec is None:
            return shown(self.value(node.value))
        raise ToolError.because("a format in an f-string is not in the language of programs")

    def _name(self, name: str) -> Any:
        if name not in self.names:
            raise ToolError.because(f"unknown name {name[:40]!r}")
        return self.names[name]

    def _member(self, owner: Any, name: str) -> Any:
        if isinstance(owner, Module) and name in owner.members:
            return owner.members[name]
        if isinstance(owner, Picture) and name in ("width", "height", "size"):
            return getattr(owner.image, name)
        raise ToolError.because(f"unknown attribute {name[:40]!r}")

    def _call(self, node: ast.Call) -> Any:
        if any(isinstance(one, ast.Starred) for one in node.args) or any(k.arg is None for k in node.keywords):
            raise ToolError.because("arguments are given one by one")
        function = node.func
        if isinstance(function, ast.Name) and function.id not in self.names:
            return self._bounded(self._function(function.id, *self._arguments(node)))
        if not isinstance(function, ast.Attribute):
            raise ToolError.because("only functions and methods can be called")
        owner = self.value(function.value)
        arguments, named = self._arguments(node)
        if isinstance(owner, Picture):
            return self._method(owner, function.attr, arguments, named)
        if isinstance(owner, Enhancer) and function.attr == "enhance":
            return ENHANCE(owner, *arguments, **named)
        if isinstance(owner, Module) and owner.name == "Image" and function.attr == "open" and len(arguments) == 1:
            return self.picture
        member = self._member(owner, function.attr)
        if not callable(member):
            raise ToolError.because(f"{function.attr} cannot be called")
        return self._bounded(member(*arguments, **named))

    def _method(self, owner: Picture, name: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        if name in ("save", "show"):
            self.saved = owner
            return None
        if name not in METHODS:
            raise ToolError.because(f"unknown method {name[:40]!r}")
        return METHODS[name](owner, *arguments, **named)

    def _function(self, name: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        if name == "print":
            self.printed.append(" ".join(shown(value) for value in arguments)[:_PATHS])
            return None
        if name in ("show", "display") and len(arguments) == 1 and isinstance(arguments[0], Picture):
            self.saved = arguments[0]
            return None
        if name not in FUNCTIONS:
            raise ToolError.because(f"unknown function {name[:40]!r}")
        return FUNCTIONS[name](*arguments, **named)

    def _arguments(self, node: ast.Call) -> tuple[list[Any], dict[str, Any]]:
        return [self.value(one) for one in node.args], {str(k.arg): self.value(k.value) for k in node.keywords}

    def _binary(self, kind: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(kind, ast.Pow):
            return self._bounded(number(left, -1e9, 1e9) ** number(right, -16, 16))
        if type(kind) not in _OPERATORS:
            raise ToolError.because(f"`{type(kind).__name__.lower()}` is not in the language of programs")
        texts = isinstance(left, str) and isinstance(right, str) and isinstance(kind, ast.Add)
        if not texts:
            left, right = number(left), number(right)
        return self._bounded(_OPERATORS[type(kind)](left, right))

    def _compared(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for kind, other in zip(node.ops, node.comparators, strict=True):
            right = self.value(other)
            if type(kind) not in _COMPARISONS:
                raise ToolError.because(f"`{type(kind).__name__.lower()}` is not in the language of programs")
            if not _COMPARISONS[type(kind)](left, right):
                return False
            left = right
        return True

    def _bounded(self, value: Any) -> Any:
        if isinstance(value, complex) or (
            isinstance(value, int | float) and not isinstance(value, bool) and value != value
        ):
            raise ToolError.because("a number that is none")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return number(value)
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise ToolError.because(f"a text of more than {MAX_TEXT} characters")
        return value

    def _items(self, value: Any) -> list[Any]:
        if not isinstance(value, tuple | list) or len(value) > MAX_ITEMS:
            raise ToolError.because("a list or a tuple is due")
        return list(value)

    def _keep(self, value: Any) -> Any:
        self.last = value if isinstance(value, Picture) else self.last
        return value

    def _step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ToolError.because(f"more than {MAX_STEPS} steps")
