"""Where an input came from and where its sample went: the file or row of its source, and the tar and members of its shard."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

from dataengine.config.partitions import at, is_partitioned
from dataengine.config.recipe import Recipe
from dataengine.config.sources import FolderSource, RowsSource, Source, TableSource, WebDatasetSource
from dataengine.ingest.listing import folder_of
from dataengine.release.reader import Published

#: Samples of a release in whose shards one is looked for without knowing which.
_SEARCHED = 200_000


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


def members(published: Published, shard: str, id_: str) -> tuple[str, list[str]] | None:
    """Tar and members of a sample in a release on disk; ``shard`` is where it is known to be, or "". None where it is not found,
    and for a bucket, whose tars are not read for this."""
    if published.store.remote:
        return None
    shards = [one for one in sorted(published.manifest.shards) if not shard or one.name == shard]
    if not shard and published.manifest.samples > _SEARCHED:
        return None
    for one in shards:
        path = f"shards/{one.name}.tar"
        if names := _names(Path(published.store.url, path), id_):
            return path, names
    return None


def _names(path: Path, id_: str) -> list[str]:
    """Members of one sample, which are adjacent; only headers are read."""
    names: list[str] = []
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.name.startswith(f"{id_}."):
                    names.append(member.name)
                elif names:
                    break
    except (OSError, tarfile.TarError):
        return []
    return names
