"""What of a recipe re-captioning reads."""

from __future__ import annotations

from dataengine.config.annotate_captions import CaptionsConfig
from dataengine.config.model_server import ModelServer
from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.score.factory import of_recipe
from dataengine.score.match import match_fields

_MATCH = match_fields()[0].name


def captioning(recipe: Recipe) -> bool:
    """Whether the recipe has the block ``annotate.captions``."""
    return recipe.annotate is not None and recipe.annotate.captions is not None


def captions_config(recipe: Recipe) -> CaptionsConfig:
    """That block. Raises UsageError where there is none."""
    if recipe.annotate is None or recipe.annotate.captions is None:
        raise UsageError("this recipe has no `annotate: captions`")
    return recipe.annotate.captions


def captions_servers(recipe: Recipe) -> dict[str, ModelServer]:
    """The servers that write captions, by name. Raises UsageError for one that the recipe does not have."""
    names = captions_config(recipe).servers
    if missing := sorted(set(names) - recipe.model_servers.keys()):
        known = ", ".join(sorted(recipe.model_servers)) or "none"
        raise UsageError(f"annotate.captions: no model server is called `{missing[0]}`; model_servers has {known}")
    return {name: recipe.model_servers[name] for name in names}


def match_scorer(recipe: Recipe) -> str | None:
    """Name of the scorer with the column ``match``; None where the recipe has none."""
    names = [s.name for s in of_recipe(recipe) if any(f.name == _MATCH for f in s.fields)]
    return names[0] if names else None
