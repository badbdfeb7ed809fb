"""Where an input came from: the file, row or member of its source."""

from __future__ import annotations

from pathlib import PurePosixPath

from dataengine.config.partitions import at, is_partitioned
from dataengine.config.recipe import Recipe
from dataengine.config.sources import FolderSource, PluginSource, RowsSource, Source, TableSource, WebDatasetSource
from dataengine.ingest.listing import folder_of


def origin(recipe: Recipe, source: str, uri: str) -> str:
    """The file, row or member that an input of a recipe was read from."""
    config = next((one for one in recipe.sources if one.name == source), None)
    whole, _, span = uri.partition("#t=")
    text = _origin(*of_partition(config, whole)) if config is not None else f"{uri} of {source}"
    return f"{text}, seconds {span.replace(',', ' to ')}" if span else text


def of_partition(config: Source, uri: str) -> tuple[Source, str]:
    """The source of the partition that a uri begins with, and the uri within it; both as they are where a source has none."""
    if not is_partitioned(config.path):
        return config, uri
    value, _, inside = uri.partition("/")
    return at(config, value), inside


def _origin(config: Source, uri: str) -> str:
    if isinstance(config, FolderSource):
        return f"{config.path.rstrip('/')}/{uri}"
    if isinstance(config, PluginSource):
        return f"{uri}, as the reader {config.reader} calls it"
    base = folder_of(config.path)
    container, _, inside = uri.partition("#")
    if isinstance(config, WebDatasetSource):
        return f"member {inside} of {base}/{container}" if inside else f"{base}/{container}"
    assert isinstance(config, RowsSource)
    table = f"{base}/{container}"
    if inside.startswith("row ") or not inside:
        return f"{inside or 'all'} of {table}"
    media = inside if "://" in inside or inside.startswith("/") or not isinstance(config, TableSource) else None
    return f"{media or f'{base}/{PurePosixPath(container).parent / inside}'}, named by {table}"
