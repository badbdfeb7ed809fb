"""Builds scorers by name from the recipe's ``score.scorers``: the engine's own, one line each here, and those of plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.config.yaml_loader import did_you_mean, unnamed
from dataengine.errors import UsageError
from dataengine.plugins.kinds import Kind
from dataengine.plugins.offers import Plugin, names
from dataengine.plugins.origin import Origin, origin_of
from dataengine.score.base import AnyScorer, EmbeddingScorer
from dataengine.score.plugin_checks import adapted

KNOWN = {
    "technical": ("dataengine.score.technical", "Technical"),
    "nsfw": ("dataengine.score.nsfw", "Nsfw"),
    "imagehash": ("dataengine.score.imagehash", "ImageHash"),
    "conse": ("dataengine.score.conse", "Conse"),
    "clip": ("dataengine.score.clip", "Clip"),
    "brisque": ("dataengine.score.brisque", "Brisque"),
    "aesthetic": ("dataengine.score.clip_heads", "Aesthetic"),
    "watermark": ("dataengine.score.clip_heads", "Watermark"),
    "clip_iqa": ("dataengine.score.clip_heads", "ClipIqa"),
    "quality": ("dataengine.score.quality", "Quality"),
    "motion": ("dataengine.score.motion", "Motion"),
}


def of_recipe(recipe: Recipe) -> list[AnyScorer]:
    """The scorers of a recipe, in its order. Raises UsageError."""
    return build(recipe.score.scorers, recipe.plugins)


def build(configs: Sequence[Mapping[str, Any]], plugins: Sequence[Plugin] = ()) -> list[AnyScorer]:
    """Scorers in the order given, not set up. Raises UsageError for an unknown name or option, or two of one column."""
    scorers = [_one(dict(config), plugins) for config in configs]
    seen: dict[str, str] = {}
    for scorer in scorers:
        for field in scorer.fields:
            if field.name in seen:
                raise UsageError(
                    f"score.scorers: `{scorer.name}` and `{seen[field.name]}` both add a column `{field.name}`"
                )
            seen[field.name] = scorer.name
    _hand_over_clip(scorers)
    return scorers


def _hand_over_clip(scorers: Sequence[AnyScorer]) -> None:
    """Give the encoder of the scorer ``clip`` to those that read its embeddings."""
    encoder = next((getattr(s, "encoder", None) for s in scorers if s.name == "clip"), None)
    for scorer in scorers:
        if isinstance(scorer, EmbeddingScorer) and scorer.name != "clip":
            if encoder is None:
                raise UsageError(f"score.scorers: {scorer.name} reads the embeddings of `clip`; add that scorer, too")
            scorer.encoder = encoder


def _one(config: dict[str, Any], plugins: Sequence[Plugin]) -> AnyScorer:
    name = config.pop("name", None)
    origin = _origin(name, config, plugins)
    scorer: type[AnyScorer] = origin.class_ if origin else getattr(import_module(KNOWN[name][0]), KNOWN[name][1])
    if mistakes := _options(scorer, config):
        raise UsageError(f"score.scorers: {name}: {'; '.join(mistakes)}")
    if origin is not None:
        return adapted(origin)
    try:
        return scorer(**config)
    except TypeError as error:
        raise UsageError(f"score.scorers: {name}: {str(error).partition('() ')[2] or error}") from None


def _origin(name: Any, options: Mapping[str, Any], plugins: Sequence[Plugin]) -> Origin | None:
    """The plugin's class of that name; None for one of the engine's own. Raises UsageError for a name of neither."""
    if name in KNOWN:
        return None
    origin = origin_of(Kind.SCORER, name, options, plugins) if isinstance(name, str) else None
    if origin is None:
        known = [*KNOWN, *names(Kind.SCORER, plugins)]
        raise UsageError(f"score.scorers: {unnamed('scorer', name, known)}")
    return origin


def _options(scorer: type[AnyScorer], config: Mapping[str, Any]) -> list[str]:
    """Options that the scorer does not have, and those that it needs."""
    parameters = signature(getattr(scorer, "options_of", scorer)).parameters
    options = {n: p for n, p in parameters.items() if p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)}
    takes_any = len(options) < len(parameters)
    known = did_you_mean if options else lambda name, names: "it has no options"
    unknown = [
        f"unknown option `{name}`; {known(str(name), options)}"
        for name in config
        if name not in options and not takes_any
    ]
    missing = [n for n, p in options.items() if p.default is Parameter.empty and n not in config]
    return [*unknown, *(f"the option `{name}` is missing" for name in missing)]
