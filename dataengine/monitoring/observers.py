"""Starts whatever watches a run, as its recipe, environment and command line say."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dataengine.storage.store import Store

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe
    from dataengine.config.watch import WatchConfig
    from dataengine.progress import Reporter


@contextmanager
def observers(recipe: Recipe, config: WatchConfig) -> Iterator[list[Reporter]]:
    """Reporters of a run, at work while the block runs. Raises UsageError where one cannot start."""
    with ExitStack() as stack:
        reporters: list[Reporter] = []
        if config.log_file:
            from dataengine.monitoring.json_log import json_log

            reporters.append(stack.enter_context(json_log(config.log_file)))
        if config.metrics:
            reporters += _metrics(recipe, config.metrics, stack)
        if config.lineage:
            from dataengine.monitoring.lineage import Lineage

            reporters.append(Lineage(config.lineage, recipe))
        yield reporters


def _metrics(recipe: Recipe, places: Sequence[str], stack: ExitStack) -> list[Reporter]:
    from dataengine.monitoring.metrics import RunMetrics
    from dataengine.monitoring.metrics_places import metrics_server, written

    metrics = RunMetrics(Store(recipe.workspace), recipe.name, tuple(recipe.model_servers))
    reporters: list[Reporter] = [metrics]
    for place in places:
        if (writer := written(place, metrics)) is not None:
            reporters.append(writer)
            continue
        if address := stack.enter_context(metrics_server(place, metrics)):
            print(f"metrics at http://{address}/metrics", file=sys.stderr, flush=True)
    return reporters
