"""Tokenizers by name. A new one is one line here; nothing heavy is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from dataengine.errors import RunError, UsageError
from dataengine.tokenize.base import Tokenizer
from dataengine.tokenize.checkpoint import unpack

#: name → (module, configuration, module, class)
_KNOWN = {
    "product": ("dataengine.tokenize.product", "ProductConfig", "dataengine.tokenize.product", "ProductTokenizer"),
    "kelix": (
        "dataengine.tokenize.kelix.config",
        "KelixConfig",
        "dataengine.tokenize.kelix.tokenizer",
        "KelixTokenizer",
    ),
}
_GIVEN = ("dataengine.tokenize.external", "GivenConfig")


def configure(settings: Mapping[str, Any], seed: int = 0) -> Any:
    """The validated configuration of ``settings`` (a recipe's ``tokenizer``), with ``seed`` unless it names its own.
    Raises UsageError naming every mistake."""
    name = settings.get("name")
    if name not in _KNOWN and name != "checkpoint":
        raise UsageError(f"there is no tokenizer {name!r}; known are checkpoint, {', '.join(sorted(_KNOWN))}")
    module, config = _GIVEN if name == "checkpoint" else _KNOWN[str(name)][:2]
    try:
        return getattr(import_module(module), config).model_validate({"seed": seed, **settings})
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"tokenizer {name}: {mistakes}") from error


def known(name: str) -> str:
    """``name``, if there is such a tokenizer. Raises RunError."""
    if name not in _KNOWN:
        raise RunError(f"there is no tokenizer {name!r}; known are {', '.join(sorted(_KNOWN))}")
    return name


def tokenizer_class(name: str) -> type[Tokenizer]:
    """The class of that name. Raises RunError."""
    *_, module, cls = _KNOWN[known(name)]
    return getattr(import_module(module), cls)  # type: ignore[no-any-return]


def load(data: bytes) -> Tokenizer:
    """The tokenizer in a checkpoint. Raises RunError for a damaged or unknown one."""
    config, _ = unpack(data)
    return tokenizer_class(str(config.get("name"))).load(data)
