"""Loads a release on s3:// by its card with Hugging Face's datasets, or by its Croissant description with mlcroissant.

Both only know local folders: ``datasets.load_dataset`` reads a card only there, and mlcroissant opens files next to the
description. So the first is called with its own loader of tars and the s3:// globs of the card, and for the second a
folder is filled with the description and the files that it needs, named by their SHA-256. Their caches stay their own.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from dataengine.config import yaml_loader
from dataengine.errors import InputError, RunError, UsageError
from dataengine.release.reader import Published, Tar, open_release
from dataengine.text.bounded_json import parse_json

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_GLOB = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._*-]*(?:/[A-Za-z0-9_*][A-Za-z0-9._*-]*)*")
_LARGEST = 64 << 20
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
        text = store.get("README.md").decode().split("---\n")[1]
        header = yaml_loader.value_of(yaml_loader.parse(text, "README.md"), "README.md")
        configs = {c["config_name"]: c for c in header["configs"]}
        chosen = next((n for n, c in configs.items() if c.get("default")), "") if name is None else name
        if chosen in configs:
            return {f["split"]: store.uri(_inside(f["path"], _GLOB)) for f in configs[chosen]["data_files"]}
    except FileNotFoundError:
        raise RunError(f"{store.uri('README.md')} does not exist: the release has no card") from None
    except (ValueError, LookupError, TypeError, AttributeError, UsageError) as error:
        raise RunError(f"{store.uri('README.md')} has no YAML header with configs and data_files ({error!r})") from None
    raise UsageError(f"{store.url} has no configuration `{chosen}`; its card has {', '.join(sorted(configs))}")


def croissant(release: str, folder: str | Path, *records: str) -> Path:
    """Path of a description for ``mlcroissant.Dataset`` in ``folder``, where the files that these record sets need (default: all)
    are fetched and checked. Files that exist are not fetched again, and one folder serves any number of releases. Raises
    as ``open_release``; UsageError for a record set that the release does not have, RunError for a checksum mismatch and for a
    description that names files outside the release."""
    published = open_release(release)
    try:
        about = parse_json(published.store.get("croissant.json"), size=_LARGEST)
        files = {d["@id"]: _checked(d) for d in about["distribution"] if d["@type"] == "cr:FileObject"}
        needed = sorted(_needed(published, about, records))
    except (InputError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RunError(f"{published.store.uri('croissant.json')} does not describe a release ({error})") from None
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


def _checked(file: dict[str, Any]) -> dict[str, Any]:
    """The description of a file. Raises ValueError where its name, address, checksum or size is not one of a release's."""
    _inside(file["contentUrl"], _PATH)
    _inside(file["name"], _PATH)
    if not re.fullmatch(r"[0-9a-f]{64}", file["sha256"]) or not re.fullmatch(r"\d{1,18} B", file["contentSize"]):
        raise ValueError(f"the sha256 or contentSize of {file['contentUrl']}")
    return file


def _inside(path: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(path):
        raise ValueError(f"{path!r} is outside the release")
    return path


def _fetched(published: Published, file: dict[str, Any], folder: Path) -> None:
    """Fetch the file under its checksum as name; an incomplete one never has that name."""
    target = folder / _name(file)
    size = int(file["contentSize"].removesuffix(" B"))
    if target.is_file() and not target.is_symlink() and target.stat().st_size == size:
        return
    with published.local(Tar(file["contentUrl"], file["sha256"], size, 0)) as path:
        if path.stat().st_size != size:
            raise RunError(f"{published.store.uri(file['contentUrl'])} has {path.stat().st_size:,} bytes, not {size:,}")
        part = target.with_suffix(f"{target.suffix}.part")
        part.unlink(missing_ok=True)  # never through a link that lies there
        shutil.copyfile(path, part)
        part.replace(target)


def _name(file: dict[str, Any]) -> str:
    return f"{file['sha256']}{PurePosixPath(file['name']).suffix}"
