"""Deletes from a workspace what holds something of some samples: tables with a row of theirs, packs that these rows point to,
media tars, pictures of questions, completions; and the commits that name what was deleted, so that the next run makes it again.

What one part of a stage has written lies together (vectors beside their rows, codes beside their places), so all of it goes.
Fitted models stay: they hold no sample, only what was learned from many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataengine.models.serving.cache import FOLDER as COMPLETIONS
from dataengine.storage.garbage import remove, unfinished
from dataengine.storage.row_packs import PLACES
from dataengine.storage.store import Entry, Store
from dataengine.takedown.needles import Needles, tables
from dataengine.takedown.scan import look

_FOLDERS = (
    *("samples", "failures", "media", "annotations", "dedup", "contamination", "index", "decisions", "codes", "shards"),
    *("cot", "sequence", "plans", "staging", "stages", "tokenizers/corpus", "tokenizers/features"),
)
#: Models that are fitted on many samples, and a training's state.
_MODELS = re.compile(
    r"sequence/tokenizers/.*|index/(trees|codebooks|projections)/.*|.*\.safetensors|stages/[^/]+/state/.*"
)
_COMMIT = re.compile(r"stages/[^/]+/([^/]+|parts/.+)\.json")
#: Packs of compressed rows, pictures, tokens, named by digests: those that no table or commit points to go, for nobody can tell
#: what is in them.
_PACK = re.compile(r"(staging/|.*[0-9a-f]{16}).*\.bin")
#: Features of patches, without a name of their sample, and what a person has decided about a question, by the question's id.
_FEATURES, _DECISION = "tokenizers/features/", re.compile(r"cot/decisions/[^/]+/([^/]+)/[^/]+")
_PARALLEL = 8
_SHORTEST = 24
"""Characters of a text that is looked for among completions."""
_OFTEN = 256


@dataclass
class Purged:
    """Objects that were deleted, and their bytes, by the first part of their key."""

    objects: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    keys: list[str] = field(default_factory=list)


@dataclass
class _Content:
    """What lies in a workspace: objects that hold something, packs that tables point to, texts and questions of rows that name a
    sample."""

    held: set[str] = field(default_factory=set)
    packs: dict[str, set[str]] = field(default_factory=dict)
    lost_packs: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    questions: set[str] = field(default_factory=set)


def find(store: Store, needles: Needles) -> tuple[list[Entry], list[Entry]]:
    """Objects to delete, those that name others first, and all that were looked at. Reads every table and tar of the
    workspace; what killed processes left half written goes unread."""
    entries = {e.key: e for folder in _FOLDERS for e in store.list(folder) if not _MODELS.fullmatch(e.key)}
    content = _looked_at(store, entries, needles)
    files = _outputs(store, [key for key in entries if _COMMIT.fullmatch(key)])
    gone = content.held | content.lost_packs | _unnamed(entries, content)
    gone |= {key for key, packs in content.packs.items() if packs & content.lost_packs}
    gone |= _beside(gone, entries.keys(), [keys for outputs in files.values() for keys in outputs])
    named = {pack for key, packs in content.packs.items() if key not in gone for pack in packs}
    named |= {key for outputs in files.values() for keys in outputs for key in keys}
    gone |= {key for key in entries if _PACK.fullmatch(key) and key not in named}
    gone |= {key for key, outputs in files.items() if any(keys & gone for keys in outputs)}
    gone |= set(_completions(store, content.texts))
    listed = [
        entries.get(key) or store.head(key) for key in sorted(gone, key=lambda key: (not _COMMIT.fullmatch(key), key))
    ]
    return [entry for entry in (*listed, *unfinished(store)) if entry is not None], list(entries.values())


def _unnamed(entries: Collection[str], content: _Content) -> set[str]:
    """Decisions about questions that are about a sample; and all features of patches, where anything goes."""
    decided = {key for key in entries if (match := _DECISION.fullmatch(key)) and match[1] in content.questions}
    return decided | {key for key in entries if content.held and key.startswith(_FEATURES)}


def _beside(gone: set[str], keys: Collection[str], outputs: list[set[str]]) -> set[str]:
    """What parts have written beside something that goes. What ingest has written was put right before (ingested.py): of that
    only what still holds something goes."""
    known, more = set(gone), True
    while more:
        beside = {key for output in outputs if output & known for key in output if key in keys}
        beside = {key for key in beside if not key.startswith(("media/", "samples/", "failures/"))}
        more = not beside <= known
        known |= beside
    return known


def delete(store: Store, entries: list[Entry], check: Callable[[], object]) -> Purged:
    """Delete them in their order; ``check`` is called now and then, and may raise."""
    purged = Purged()
    for number, entry in enumerate(entries):
        if number % _OFTEN == 0:
            check()
        remove(store, entry.key)
        folder = entry.key.split("/")[0]
        purged.objects[folder] = purged.objects.get(folder, 0) + 1
        purged.bytes += entry.size
        purged.keys.append(entry.key)
    return purged


def _looked_at(store: Store, entries: dict[str, Entry], needles: Needles) -> _Content:
    content, ids_alone = _Content(), Needles(needles.ids)

    def looked_at(entry: Entry) -> None:
        if look(store, entry, ids_alone):
            content.held.add(entry.key)
        if entry.key.endswith(".parquet"):
            _packs(store, entry, ids_alone, content)

    with ThreadPoolExecutor(_PARALLEL) as pool:
        list(pool.map(looked_at, list(entries.values())))
    return content


def _packs(store: Store, entry: Entry, needles: Needles, content: _Content) -> None:
    """Adds the packs of a table, and of its rows that name a sample their packs and texts. Media tars are no packs."""
    try:
        for table in tables(store.get(entry.key)):
            if "pack" in table.column_names:
                packs = {pack for pack in table["pack"].to_pylist() if pack}
                content.packs[entry.key] = content.packs.get(entry.key, set()) | packs
                if entry.key in content.held and set(PLACES.names) <= set(table.column_names):
                    content.lost_packs |= packs
            if entry.key in content.held:
                for row in needles.rows(table):
                    content.lost_packs |= {str(row["pack"])} if row.get("pack") else set()
                    content.questions |= {str(row["rid"])} if row.get("rid") else set()
                    content.texts |= set(_texts(row))
    except (FileNotFoundError, pa.ArrowException):
        return


def _texts(value: Any) -> Iterator[str]:
    """Longer texts in a row: what models have written of the sample is among them."""
    if isinstance(value, str):
        if len(value) >= _SHORTEST:
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _outputs(store: Store, commits: list[str]) -> dict[str, list[set[str]]]:
    """Keys of the files of each part that a commit or marker names."""

    def read(key: str) -> list[set[str]]:
        try:
            content = json.loads(store.get(key))
            parts = content["parts"].values() if "stage" in content else [content]
            return [{file["key"] for file in part["files"].values()} for part in parts]
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return []

    with ThreadPoolExecutor(_PARALLEL) as pool:
        return dict(zip(commits, pool.map(read, commits), strict=True))


def _completions(store: Store, texts: set[str]) -> Iterator[str]:
    """Completions whose text stands in a row that names a sample, or has such a text in it. They are named by their requests,
    which no table keeps."""
    whole = "\0".join(sorted(texts))
    for entry in store.list(COMPLETIONS) if texts else ():
        try:
            text = str(json.loads(store.get(entry.key)).get("text", "")).strip()
        except (FileNotFoundError, ValueError, AttributeError):
            continue
        if len(text) >= _SHORTEST and (text in whole or json.dumps(text, ensure_ascii=False)[1:-1] in whole):
            yield entry.key
