"""Parses programs of models into syntax trees, bounded in length and depth; nothing is compiled or executed."""

from __future__ import annotations

import ast

from dataengine.cot.core.pil_tools import ToolError

MAX_CODE, MAX_DEPTH = 4000, 24
"""Characters of a program, and how deep its syntax tree may be."""


def parse_python(code: str) -> ast.Module:
    """The syntax tree of a program. Raises ToolError where it is no Python, too long or too deep."""
    if len(code) > MAX_CODE:
        raise ToolError.because(f"a program of {len(code)} characters, at most {MAX_CODE}")
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ToolError.because(f"not a program: {str(error)[:80]}") from None
    if _depth(tree) > MAX_DEPTH:
        raise ToolError.because("a program that is nested too deep")
    return tree


def _depth(tree: ast.AST) -> int:
    level, depth = [tree], 0
    while level and depth <= MAX_DEPTH:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth
