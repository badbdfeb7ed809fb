"""Makes tokenizers by name. A new one is one entry here; nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dataengine.config.plain_errors import plain
from dataengine.config.yaml_loader import did_you_mean, unnamed
from dataengine.errors import RunError, UsageError
from dataengine.storage.pinned_packages import cache_dir, write_atomically
from dataengine.tokenize.base import Tokenizer
from dataengine.tokenize.checkpoint import unpack

if TYPE_CHECKING:
    from dataengine.tokenize.external import ExternalConfig

#: name → (module, configuration, module, class)
_TOKENIZERS = {
    "product": ("dataengine.tokenize.product", "ProductConfig", "dataengine.tokenize.product", "ProductTokenizer"),
    "kelix": (
        "dataengine.tokenize.kelix.config",
        "KelixConfig",
        "dataengine.tokenize.kelix.tokenizer",
        "KelixTokenizer",
    ),
}
_EXTERNAL = ("dataengine.tokenize.external", "ExternalConfig")


def configure(settings: Mapping[str, Any], seed: int = 0) -> Any:
    """Validate ``settings`` (a recipe's ``tokenizer``), with ``seed`` unless they name their own: the configuration.
    Raises UsageError naming every mistake."""
    name = settings.get("name")
    if name not in _TOKENIZERS and name != "checkpoint":
        raise UsageError(f"tokenize.tokenizer: {unnamed('tokenizer', name, ['checkpoint', *_TOKENIZERS])}")
    module, config = _EXTERNAL if name == "checkpoint" else _TOKENIZERS[str(name)][:2]
    try:
        return getattr(import_module(module), config).model_validate({"seed": seed, **settings})
    except ValidationError as error:
        known = getattr(import_module(module), config).model_fields
        mistakes = "; ".join(_mistake(one, known) for one in error.errors())
        raise UsageError(f"tokenize.tokenizer, {name}: {mistakes}") from error


def _mistake(error: ErrorDetails, known: Iterable[str]) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"unknown field `{where}`; {did_you_mean(where, known)}"
    return f"`{where}` is missing" if error["type"] == "missing" else f"`{where}`: {plain(error)}"


def tokenizer_class(name: str) -> type[Tokenizer]:
    """The class of that name. Raises RunError where there is none."""
    *_, module, cls = _TOKENIZERS[_existing(name)]
    return getattr(import_module(module), cls)  # type: ignore[no-any-return]


def load(data: bytes) -> Tokenizer:
    """The tokenizer in a checkpoint. Raises RunError for a damaged one or an unknown tokenizer."""
    config, _ = unpack(data)
    return tokenizer_class(str(config.get("name"))).load(data)


def check(config: ExternalConfig) -> None:
    """Check that an external checkpoint is undamaged and of a known tokenizer; once for each file. Raises UsageError."""
    proof = cache_dir() / "checkpoints" / "tokenizers" / config.identity()
    if proof.exists():
        return
    try:
        _existing(str(unpack(config.read())[0].get("name")))
    except RunError as error:
        raise UsageError(f"tokenizer {config.path}: {error}") from None
    write_atomically(proof, b"")


def _existing(name: str) -> str:
    if name not in _TOKENIZERS:
        raise RunError(f"there is no tokenizer {name!r}; known are {', '.join(sorted(_TOKENIZERS))}")
    return name
