"""How a recipe is run, beside what it says itself: the options of ``dataengine run``, of ``dataengine STAGE`` and of
``dataengine.run``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """``workspace``, ``workers`` and ``engine`` (``duckdb`` or ``spark``) take the place of the recipe's, and so do ``log_file``,
    ``metrics`` and ``lineage`` in its block ``watch``; ``partition``: partitions of the sources to take up. ``only``: a group of
    stages, or a stage; ``parts``: a share of its parts, as ``3/8``. ``retry_failed``: first retry inputs with transient
    failures. ``accept``, ``locked`` and ``dry_run`` as ``pipeline.execute`` has them."""

    workspace: str | None = None
    workers: int | None = None
    engine: str | None = None
    dry_run: bool = False
    accept: bool = False
    retry_failed: bool = False
    locked: bool = False
    only: str | None = None
    parts: str | None = None
    log_file: str | None = None
    metrics: Sequence[str] | None = None
    lineage: str | None = None
    partition: Sequence[str] | None = None
