"""Base of the CoT stages: their configuration, and when they are left out."""

from __future__ import annotations

from dataengine.config.cot import CotConfig
from dataengine.config.recipe import Recipe


class Cot:
    """Left out where the recipe says ``cot: null``."""

    def active(self, recipe: Recipe) -> bool:
        return recipe.cot is not None

    def config(self, recipe: Recipe) -> CotConfig:
        if recipe.cot is None:
            raise ValueError("the recipe has no cot")
        return recipe.cot
