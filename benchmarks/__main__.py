"""``python -m benchmarks`` lists the benchmarks, ``python -m benchmarks NAME [--options]`` runs one."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

_HERE = Path(__file__).parent


def names() -> dict[str, str]:
    """Every file here that has a ``main``, and the first sentence of its docstring."""
    described = {}
    for path in sorted(_HERE.glob("[a-z]*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            described[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return described


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in names():
        width = max(map(len, names()))
        print("\n".join(["python -m benchmarks NAME [--help]", *(f"  {n:<{width}}  {d}" for n, d in names().items())]))
        sys.exit(f"no benchmark is called {name!r}" if name and not name.startswith("-") else 0)
    sys.path.insert(0, str(_HERE))  # as ``python benchmarks/NAME.py`` does: the scripts import each other by name
    sys.argv = [f"python -m benchmarks {name}", *sys.argv[2:]]
    importlib.import_module(name).main()


if __name__ == "__main__":
    main()
