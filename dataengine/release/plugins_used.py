"""Plugins that took part in a run: for its manifest, its card and the digest of its recipe."""

from __future__ import annotations

from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.config.sources import PluginSource
from dataengine.cot.tasks.plugin_tasks import task_plugins
from dataengine.ingest.plugin import plugin_reader
from dataengine.plugins.offers import Plugin, described
from dataengine.score import factory as scorers
from dataengine.score.plugin import plugins_of
from dataengine.tokenize import decision


def plugins_used(recipe: Recipe) -> list[Plugin]:
    """The files that the recipe names, and the installed packages whose plugins it names."""
    readers = [plugin_reader(source, recipe.plugins) for source in recipe.sources if isinstance(source, PluginSource)]
    teachers = [origin for server in recipe.model_servers.values() if (origin := server.teacher) is not None]
    named = [*plugins_of(scorers.of_recipe(recipe)), *(one.origin.plugin for one in readers), *task_plugins(recipe)]
    named += decision.plugins_of(recipe)
    return list(dict.fromkeys([*recipe.plugins, *named, *(origin.plugin for origin in teachers)]))


def section(recipe: Recipe) -> dict[str, Any]:
    """Nothing where there are none."""
    used = plugins_used(recipe)
    return {"plugins": described(used)} if used else {}
