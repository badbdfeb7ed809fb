"""What the stages of balance share: the recipe's block."""

from __future__ import annotations

from dataengine.config.index_codes import BalanceConfig, CoverageConfig
from dataengine.config.recipe import Recipe


def balancing(recipe: Recipe) -> bool:
    """Whether the recipe wants columns to balance by."""
    return recipe.index is not None and recipe.index.balance is not None


def balance_config(recipe: Recipe) -> BalanceConfig:
    """The recipe's ``index.balance``. Raises ValueError where it has none, which is a mistake in the code."""
    if recipe.index is None or recipe.index.balance is None:
        raise ValueError("the recipe has no index.balance")
    return recipe.index.balance


def covering(recipe: Recipe) -> CoverageConfig | None:
    """The recipe's ``index.balance.coverage``, if it has one."""
    return recipe.index.balance.coverage if recipe.index and recipe.index.balance else None
