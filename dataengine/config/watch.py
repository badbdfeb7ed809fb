"""How runs of a recipe are watched: none of it changes a result."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from dataengine.config.sources import Model

#: Environment variables that take the place of the recipe's, for schedulers.
LOG_FILE, METRICS, LINEAGE = "DATAENGINE_LOG_FILE", "DATAENGINE_METRICS", "DATAENGINE_LINEAGE"


class WatchConfig(Model):
    """``log_file``: file of JSON lines, ``-`` for standard error. ``metrics``: each a HOST:PORT to answer Prometheus at while the
    run lives, a file NAME.prom for the node exporter's textfile collector, or the URL of a Pushgateway. ``lineage``: URL of a
    server of OpenLineage events, a file, or ``client`` for what the client's own configuration says."""

    log_file: str | None = None
    metrics: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    lineage: str | None = None

    def with_environment(self, environment: Mapping[str, str] = os.environ) -> WatchConfig:
        """With what the environment says instead; several places of metrics are separated by commas."""
        metrics = [place.strip() for place in environment.get(METRICS, "").split(",") if place.strip()]
        return self.replaced(environment.get(LOG_FILE), metrics, environment.get(LINEAGE))

    def replaced(self, log_file: str | None, metrics: Sequence[str], lineage: str | None) -> WatchConfig:
        """With whatever is not empty instead."""
        return WatchConfig(
            log_file=log_file or self.log_file, metrics=tuple(metrics) or self.metrics, lineage=lineage or self.lineage
        )
