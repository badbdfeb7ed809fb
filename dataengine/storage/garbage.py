"""Finds the objects of a workspace that nothing which is kept needs: commits, parts, tables, media, models and plans.

What a kept commit names is kept, too; of the rest what is older than an age may go. Only what the engine makes and could make
again is ever garbage: releases, completions that were paid for, people's decisions and logs never are, nor is anything that this
module does not know.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.storage.store import Entry, Store
from dataengine.storage.workspace import canonical_json

#: Folders of what the commits name.
_FOLDERS = (
    *(
        "samples",
        "failures",
        "media",
        "annotations",
        "dedup",
        "contamination",
        "index",
        "decisions",
        "tokenizers",
        "codes",
    ),
    *("shards", "cot", "sequence", "plans", "stages"),
)
#: How the engine calls what it makes there: by a digest. All else is somebody's own, such as photos in a folder `media`.
_MADE = re.compile(r"media/[0-9a-f]{32}\.tar|stages/.*|(?!media/).*[0-9a-f]{16}.*")
#: Among them, what a person has decided, or what points to a recipe's last result.
_NEVER = re.compile(r"cot/decisions/.*|index/[^/]+\.json")
_PICTURES, _MEASURED = "cot/pictures/", re.compile(r"annotations/[^/]+/ingest-([0-9a-f]{32})-[^/]+\.parquet")
_PARTS, _STATE = re.compile(r"stages/[^/]+/parts/.+\.json"), re.compile(r"stages/[^/]+/state/.+")
_COMMIT = re.compile(r"stages/[^/]+/[^/]+\.json")
_MODELS = re.compile(r"(tokenizers|sequence/tokenizers)/.*|.*\.(safetensors|faiss|npy)|stages/[^/]+/state/.*")
_UNFINISHED = re.compile(rf"([0-9a-f]{{32}}|staging/.+|{_MADE.pattern})#\d+")
"""Names under which objects are written in a folder until they are whole; no listing shows them."""
_PARALLEL = 32
Json = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """What must stay. ``commits``: keys of commits; ``files``: keys that no commit names; ``unfinished``: stages of which every
    committed part is kept, because a recipe has not finished them; ``unknown``: stages of which every commit and part is kept,
    because what a recipe used of them cannot be read; ``models``: ids of fitted models, the folders that their files lie in."""

    commits: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    unfinished: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()

    def __or__(self, other: Kept) -> Kept:
        return Kept(*(getattr(self, one.name) | getattr(other, one.name) for one in fields(self)))


@dataclass
class Garbage:
    """Objects that may be deleted, in the order in which they should be: what names others goes before them, so that a deletion
    that is killed leaves nothing named that is gone. ``kept`` and ``free``: objects and bytes by kind."""

    entries: list[Entry] = field(default_factory=list)
    free: dict[str, list[int]] = field(default_factory=dict)
    kept: dict[str, list[int]] = field(default_factory=dict)


def find(store: Store, kept: Kept, older_than: float, now: float) -> Garbage:
    """Garbage of a workspace that was written more than ``older_than`` seconds before ``now``. Holds the names of all objects in
    memory, and no table."""
    entries = {e.key: e for folder in _FOLDERS for e in store.list(folder) if _may_go(e.key)}
    entries |= {entry.key: entry for entry in unfinished(store)}
    young = {key for key, entry in entries.items() if entry.modified > now - older_than}
    commits = [key for key in entries if _COMMIT.fullmatch(key)]
    markers = [key for key in entries if _PARTS.fullmatch(key)]
    content = dict(zip([*commits, *markers], _read(store, [*commits, *markers]), strict=True))
    kept = _with_unknown(kept, content)
    retained = _retained_commits(commits, content, kept, young)
    retained |= _retained_markers(markers, content, kept, young, retained)
    named = {key for one in content.values() for key in _files(one)}
    needed = kept.files | {key for name in retained for key in _files(content[name])}
    retained |= {key for key in entries if key in needed or (key in young and key not in content)}
    retained |= {key for key in entries if _STATE.fullmatch(key) and key.split("/")[1] in kept.unfinished}
    retained |= {key for key in entries if key.rpartition("/")[0].rpartition("/")[2] in kept.models}
    unnamed = [key for key in entries if key not in named and key not in retained and key not in content]
    retained |= _owned(store, unnamed, retained, young)
    return _sorted(entries, retained)


def delete(store: Store, garbage: Garbage, check: Callable[[], object]) -> int:
    """Delete garbage; ``check`` is called now and then, and may raise. Returns the bytes that were freed."""
    freed = 0
    for start in range(0, len(garbage.entries), _PARALLEL * 8):
        check()
        some = garbage.entries[start : start + _PARALLEL * 8]
        ranks = sorted({_rank(entry.key) for entry in some})
        for rank in ranks:
            with ThreadPoolExecutor(_PARALLEL) as pool:
                list(pool.map(lambda e: remove(store, e.key), [e for e in some if _rank(e.key) == rank]))
        freed += sum(entry.size for entry in some)
    return freed


def remove(store: Store, key: str) -> None:
    """Delete an object, or what was to become one."""
    if _UNFINISHED.fullmatch(key):
        Path(store.url, key).unlink(missing_ok=True)
    else:
        store.delete([key])


def unfinished(store: Store) -> Iterator[Entry]:
    """What processes that were killed, or still run, are writing to a folder; of a bucket none: a lifecycle rule ends uploads."""
    if store.remote:
        return
    below = (found for name in (*_FOLDERS, "staging") for found in Path(store.url, name).rglob("*#*"))
    for path in (*Path(store.url).glob("*#*"), *below):
        with suppress(OSError):  # gone meanwhile: a run was writing it
            key, about = path.relative_to(store.url).as_posix(), path.stat()
            if _UNFINISHED.fullmatch(key) and path.is_file():
                yield Entry(key, about.st_size, "", about.st_mtime)


def kind(key: str) -> str:
    """What an object is, in a word for a table."""
    if _UNFINISHED.fullmatch(key):
        return "unfinished files"
    if key.startswith("media/"):
        return "media"
    if _MODELS.fullmatch(key):
        return "models"
    if key.startswith("stages/"):
        return "parts" if _PARTS.fullmatch(key) else "commits"
    if key.startswith("plans/"):
        return "plans"
    return "pictures of questions" if key.startswith(_PICTURES) else "tables"


def _may_go(key: str) -> bool:
    return _MADE.fullmatch(key) is not None and _NEVER.fullmatch(key) is None


def _rank(key: str) -> int:
    """Commits, then parts, then tables, then what tables name."""
    if key.startswith("stages/"):
        return 1 if _PARTS.fullmatch(key) else 0
    return 2 if key.endswith(".parquet") else 3


def _with_unknown(kept: Kept, content: Mapping[str, Json]) -> Kept:
    """With the stages of kept commits that are gone or cannot be read as ``unknown``: these are made again from their parts."""
    lost = {key.split("/")[1] for key in kept.commits if not content.get(key)}
    return replace(kept, unknown=kept.unknown | lost, unfinished=kept.unfinished | kept.unknown | lost)


def _retained_commits(commits: list[str], content: Mapping[str, Json], kept: Kept, young: set[str]) -> set[str]:
    def stays(key: str) -> bool:
        return key in kept.commits or key in young or key.split("/")[1] in kept.unknown

    return {key for key in commits if stays(key) or _in_place(key, content[key])}


def _in_place(key: str, content: Json) -> bool:
    """Whether a commit or part is of a release: its name has no key. What cannot be read is left alone, too."""
    return not content or not key.removesuffix(".json").endswith(str(content["key"]))


def _retained_markers(
    markers: list[str], content: Mapping[str, Json], kept: Kept, young: set[str], commits: set[str]
) -> set[str]:
    """Those of kept commits, of stages that are not finished, and of releases."""
    of_commits = {
        (content[key]["stage"], _digest(output)) for key in commits for output in content[key].get("parts", {}).values()
    }
    retained = set()
    for key in markers:
        stage, one = key.split("/")[1], content[key]
        stays = key in young or stage in kept.unfinished or _in_place(key, one)
        if stays or (stage, _digest(one)) in of_commits:
            retained.add(key)
    return retained


def _digest(output: Json) -> bytes:
    return hashlib.sha256(canonical_json([output["files"], output["counts"], output["facts"]])).digest()


def _files(content: Json) -> list[str]:
    """Keys that a commit or part names."""
    outputs = content.get("parts", {}).values() if "stage" in content else [content] if content else []
    return [file["key"] for output in outputs for file in output["files"].values()]


def _owned(store: Store, unnamed: list[str], retained: set[str], young: set[str]) -> set[str]:
    """Of objects that no commit names, those that belong to one which stays: packs of a table, pictures of questions, measures of
    a media file, reports of a tokenizer; and all of a plan of which a part is young."""
    folders = {key.rpartition("/")[0] for key in retained if "tokenizers/" in key}
    plans = {key.split("/")[1].removesuffix(".parquet") for key in young if key.startswith("plans/")}
    owned = set()
    for key in unnamed:
        folder, measured = key.rpartition("/")[0], _MEASURED.fullmatch(key)
        if key.startswith("plans/"):
            stays = key.split("/")[1].removesuffix(".parquet") in plans
        elif measured:
            stays = f"media/{measured[1]}.tar" in retained
        else:
            stays = f"{folder}.parquet" in retained or folder in folders
        if stays:
            owned.add(key)
    if any(key.startswith(_PICTURES) for key in unnamed):
        tables = [key for key in retained if key.startswith("cot/") and key.endswith(".parquet")]
        owned |= _packs(store, tables)
    return owned


def _packs(store: Store, tables: Iterable[str]) -> set[str]:
    """Values of the column ``pack`` of tables that have one."""

    def of(key: str) -> set[str]:
        file = pq.ParquetFile(pa.BufferReader(store.get(key)), pre_buffer=False)
        if "pack" not in file.schema_arrow.names:
            return set()
        packs: set[str] = set()
        for batch in file.iter_batches(columns=["pack"], use_threads=False):
            packs.update(filter(None, batch["pack"].unique().to_pylist()))
        return packs

    with ThreadPoolExecutor(_PARALLEL) as pool:
        return set().union(*pool.map(of, sorted(tables)))


def _read(store: Store, keys: list[str]) -> list[Json]:
    """Commits and parts; an empty one for what cannot be read."""

    def read(key: str) -> Json:
        try:
            content = json.loads(store.get(key))
            parts = content["parts"].values() if "stage" in content else [content]
            whole = "key" in content and all({"files", "counts", "facts"} <= part.keys() for part in parts)
            return dict(content) if whole else {}
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    with ThreadPoolExecutor(_PARALLEL) as pool:
        return list(pool.map(read, keys))


def _sorted(entries: Mapping[str, Entry], retained: set[str]) -> Garbage:
    free: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    stay: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for key, entry in entries.items():
        sums = (stay if key in retained else free)[kind(key)]
        sums[:] = [sums[0] + 1, sums[1] + entry.size]
    garbage = sorted((e for key, e in entries.items() if key not in retained), key=lambda e: (_rank(e.key), e.key))
    return Garbage(garbage, dict(sorted(free.items())), dict(sorted(stay.items())))
