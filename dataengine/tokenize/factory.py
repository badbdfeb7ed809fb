"""Makes tokenizers by name: the engine's own, one entry each here, and those of plugins. Nothing heavy is imported before it is
needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dataengine.config.plain_errors import plain
from dataengine.config.yaml_loader import did_you_mean, unnamed
from dataengine.errors import RunError, UsageError
from dataengine.plugins.kinds import Kind
from dataengine.plugins.offers import Plugin, names
from dataengine.plugins.origin import Origin, origin_of
from dataengine.storage.pinned_packages import cache_dir, write_atomically
from dataengine.tokenize.base import Tokenizer
from dataengine.tokenize.checkpoint import unpack
from dataengine.tokenize.plugin import PluginTokenizer, class_of

if TYPE_CHECKING:
    from dataengine.tokenize.external import ExternalConfig

#: name → (module, configuration, module, class)
TOKENIZERS = {
    "product": ("dataengine.tokenize.product", "ProductConfig", "dataengine.tokenize.product", "ProductTokenizer"),
    "kelix": (
        "dataengine.tokenize.kelix.config",
        "KelixConfig",
        "dataengine.tokenize.kelix.tokenizer",
        "KelixTokenizer",
    ),
}
_EXTERNAL = ("dataengine.tokenize.external", "ExternalConfig")
OWN = frozenset({"checkpoint", *TOKENIZERS})


def configure(settings: Mapping[str, Any], seed: int = 0, plugins: Sequence[Plugin] = ()) -> Any:
    """Validate ``settings`` (a recipe's ``tokenizer``), with ``seed`` unless they name their own: the configuration.
    Raises UsageError naming every mistake."""
    name = settings.get("name")
    origin = of_plugin(name, plugins)
    if origin is None and name not in OWN:
        known = [*OWN, *names(Kind.TOKENIZER, plugins)]
        raise UsageError(f"tokenize.tokenizer: {unnamed('tokenizer', name, known)}")
    config = class_of(origin).Config if origin else _config_class(str(name))
    try:
        return config.model_validate({"seed": seed, **settings})
    except ValidationError as error:
        mistakes = "; ".join(_mistake(one, config.model_fields) for one in error.errors())
        raise UsageError(f"tokenize.tokenizer, {name}: {mistakes}") from error


def of_plugin(name: Any, plugins: Sequence[Plugin]) -> Origin | None:
    """The plugin's tokenizer of that name; None for one of the engine's own, and where there is none."""
    return None if name in OWN or not isinstance(name, str) else origin_of(Kind.TOKENIZER, name, {}, plugins)


def _config_class(name: str) -> Any:
    module, config = _EXTERNAL if name == "checkpoint" else TOKENIZERS[name][:2]
    return getattr(import_module(module), config)


def _mistake(error: ErrorDetails, known: Iterable[str]) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"unknown field `{where}`; {did_you_mean(where, known)}"
    return f"`{where}` is missing" if error["type"] == "missing" else f"`{where}`: {plain(error)}"


def tokenizer_class(name: str) -> type[Tokenizer]:
    """The class of that name. Raises RunError where there is none."""
    *_, module, cls = TOKENIZERS[_existing(name)]
    return getattr(import_module(module), cls)  # type: ignore[no-any-return]


def load(data: bytes, plugins: Sequence[Plugin] = ()) -> Tokenizer:
    """The tokenizer in a checkpoint, maybe of one of ``plugins``. Raises RunError for a damaged one or an unknown tokenizer."""
    config, _ = unpack(data)
    if (origin := of_plugin(config.get("name"), plugins)) is not None:
        tokenizer: Any = PluginTokenizer.loaded(origin, data)
        return tokenizer  # type: ignore[no-any-return]
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
    if name not in TOKENIZERS:
        raise RunError(f"there is no tokenizer {name!r}; known are {', '.join(sorted(TOKENIZERS))}")
    return name
