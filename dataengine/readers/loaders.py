"""Loads a release on s3:// by its card with Hugging Face's datasets, or by its Croissant description with mlcroissant.

Both only know local folders: ``datasets.load_dataset`` reads a card only there, and mlcroissant opens files next to the
description. So the first is called with its own loader of tars and the s3:// globs of the card, and for the second a
folder is filled with the description and the files that it needs, named by their SHA-256. Their caches stay their own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from dataengine.errors import RunError, UsageError
from dataengine.release.reader import Published, Tar, open_release

_PARALLEL = 4


def load_dataset(release: str, name: str | None = None, **options: Any) -> Any:
    """``datasets.load_dataset`` of a release's configuration ``name`` (``image``, ``video``, ``cot-…``; None: the
    card's default), from s3:// as from a folder; ``options`` (``split``, ``streaming``, ``cache_dir`` …) are handed on. Raises as
    ``open_release``; UsageError for a configuration that the card does not have."""
    import datasets

    from dataengine.readers.fsspec_s3 import register

    files = data_files(release, name)
    register()
    return datasets.load_dataset("webdataset", data_files=files, **options)


def data_files(release: str, name: str | None = None) -> dict[str, str]:
    """The glob of each split of a configuration in the card's header, as paths or s3:// URLs. Raises as ``load_dataset``."""
    store = open_release(release).store
    try:
        header = yaml.safe_load(store.get("README.md").decode().split("---\n")[1])
        configs = {c["config_name"]: c for c in header["configs"]}
        chosen = next((n for n, c in configs.items() if c.get("default")), "") if name is None else name
        if chosen in configs:
            return {f["split"]: store.uri(f["path"]) for f in configs[chosen]["data_files"]}
    except FileNotFoundError:
        raise RunError(f"{store.uri('README.md')} does not exist: the release has no card") from None
    except (ValueError, LookupError, TypeError, yaml.YAMLError) as error:
        raise RunError(f"{store.uri('README.md')} has no YAML header with configs and data_files ({error!r})") from None
    raise UsageError(f"{store.url} has no configuration `{chosen}`; its card has {', '.join(sorted(configs))}")


def croissant(release: str, folder: str | Path, *records: str) -> Path:
    """Path of a description for ``mlcroissant.Dataset`` in ``folder``, where the files that these record sets need (default: all)
    are fetched and checked. Files that exist are not fetched again, and one folder serves any number of releases. Raises
    as ``open_release``; UsageError for a record set that the release does not have, RunError for a checksum mismatch."""
    published = open_release(release)
    about = json.loads(published.store.get("croissant.json"))
    files = {d["@id"]: d for d in about["distribution"] if d["@type"] == "cr:FileObject"}
    needed = sorted(_needed(published, about, records))
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        list(pool.map(lambda id_: _fetched(published, files[id_], place), needed))
    for file in files.values():
        # mlcroissant keeps what it has extracted by this name; the digest never means two contents.
        file["contentUrl"] = _name(file)
    path = place / f"{published.manifest.name}-{published.manifest.recipe_digest}.json"
    path.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    return path


def _needed(published: Published, about: dict[str, Any], records: tuple[str, ...]) -> set[str]:
    """Ids of the files that the record sets read, through file sets or directly."""
    sets = {r["@id"]: r for r in about["recordSet"]}
    if unknown := sorted(set(records) - sets.keys()):
        raise UsageError(f"{published.store.url} has no record set `{unknown[0]}`; it has {', '.join(sorted(sets))}")
    inside = {d["@id"]: d["containedIn"] for d in about["distribution"] if d["@type"] == "cr:FileSet"}

    def of(record: dict[str, Any]) -> Iterator[str]:
        for field in record["field"]:
            source = field["source"]
            yield from (t["@id"] for t in inside[source["fileSet"]["@id"]]) if "fileSet" in source else ()
            yield from [source["fileObject"]["@id"]] if "fileObject" in source else ()

    return {id_ for name, record in sets.items() if not records or name in records for id_ in of(record)}


def _fetched(published: Published, file: dict[str, Any], folder: Path) -> None:
    """Fetch the file under its checksum as name; an incomplete one never has that name."""
    target = folder / _name(file)
    if target.exists():
        return
    tar = Tar(file["contentUrl"], file["sha256"], int(file["contentSize"].removesuffix(" B")), 0)
    with published.local(tar) as path:
        part = target.with_suffix(f"{target.suffix}.part")
        shutil.copyfile(path, part)
        part.rename(target)


def _name(file: dict[str, Any]) -> str:
    return f"{file['sha256']}{PurePosixPath(file['name']).suffix}"
