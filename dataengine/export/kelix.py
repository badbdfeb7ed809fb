"""Writes a release as the Parquet files of the released Kelix trainer, about 1000 rows a file, in bounded memory.

How many files there are is in their names, so they are collected on disk first and published when the last one is known;
``export.json``, with the digest of each, comes last. The same release and options give the same bytes.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine.errors import RunError, UsageError
from dataengine.export.kelix_rows import (
    PROMPTS,
    SAMPLE,
    Draft,
    Item,
    LeftOut,
    body_of,
    captioned,
    item_of,
    parse_record,
    reasoned,
    row_of,
)
from dataengine.export.options import Form, MediaAs
from dataengine.export.parquet_parts import Parts
from dataengine.release.reader import Place, Published, Tar, open_release
from dataengine.shards.sample import canonical
from dataengine.storage.store import Store


@dataclass(frozen=True)
class Options:
    """``codes``: None takes them where the release has some. ``prefix`` stands before the paths of media, ``source`` is what the
    reader chooses its system prompt by; both have defaults made from the places. Raises UsageError."""

    form: Form = Form.segments
    media: MediaAs = MediaAs.inline
    split: str = "train"
    rows: int = 1000
    prompt: str | None = None
    prefix: str | None = None
    source: str | None = None
    codes: bool | None = None
    tool_pictures: bool = False

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise UsageError(f"--rows is 1 or more, not {self.rows}")
        if self.prompt is not None and self.form not in PROMPTS:
            raise UsageError(f"--prompt is for --as {' and '.join(PROMPTS)}, not for {self.form.value}")
        if self.form is Form.t2i and "{caption}" not in self.asked:
            raise UsageError(f"--prompt of --as t2i must have {{caption}} in it: {self.asked!r}")
        if self.source is not None and not self.source.strip():
            raise UsageError("--source may not be empty: the reader refuses such rows")
        if self.media is MediaAs.none and self.codes is False:
            raise UsageError("--media none needs codes: there would be neither pixels nor codes")

    @property
    def asked(self) -> str:
        return self.prompt if self.prompt is not None else PROMPTS.get(self.form, "")


@dataclass(frozen=True)
class Exported:
    """What was written: files as in ``export.json``, rows, and how many samples or records were left out for what reason."""

    files: list[dict[str, Any]]
    rows: int
    left_out: dict[str, int]


def export(
    release: str,
    out: str,
    options: Options | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Exported:
    """Write the rows of one split of a release to a folder or s3:// prefix that is empty; ``progress`` is told how many of how
    many tars are done. Raises UsageError before anything is written, RunError for a damaged release."""
    options = options or Options()
    found = open_release(release)
    target = _empty(out, found.store)
    codes = _codes(found, options)
    tars = _tars(found, options)
    left_out: Counter[str] = Counter()
    source = options.source or _source(options.form, found.manifest.name)
    prefix = options.prefix if options.prefix is not None else _absolute(target)
    with tempfile.TemporaryDirectory(dir=_made(target), prefix=".export-") as folder:
        parts = Parts(Path(folder), _schema(options.form, codes), options.rows)
        for draft in _drafts(found, tars, options, codes, progress):
            if isinstance(draft, LeftOut):
                left_out[draft.reason] += 1
                continue
            paths = [_placed(item, target, options.media, prefix) for item in draft.items]
            row = row_of(draft, options.form, source, paths, options.media is MediaAs.inline)
            parts.add({name: row[name] for name in parts.schema.names})
        parts.close()
        if not parts.counts:
            reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(left_out.items()))
            raise RunError(
                f"{release}: no row came out of split {options.split} as {options.form.value} ({reasons or 'empty'})"
            )
        files = parts.publish(target)
    rows = sum(parts.counts)
    told = _told(found, options, codes, source) | {
        "files": files,
        "rows": rows,
        "left_out": dict(sorted(left_out.items())),
    }
    target.put("export.json", canonical(told))
    return Exported(files, rows, told["left_out"])


def _drafts(
    found: Published, tars: list[Tar], options: Options, codes: bool, progress: Callable[[int, int], None]
) -> Iterator[Draft | LeftOut]:
    find = _finder(found, tars, options, codes) if options.form is Form.cot else None
    for number, tar in enumerate(tars):
        for key, fields in found.read(tar):
            try:
                if find is not None:
                    yield reasoned(*_found_record(fields, find), options.tool_pictures)
                else:
                    metadata = SAMPLE.decode(fields["json"])
                    item = item_of(metadata, fields.__getitem__, codes)
                    yield captioned(options.form, metadata, item, options.asked)
            except (KeyError, ValueError) as error:
                raise RunError(
                    f"{found.store.uri(tar.path)}: {key} is not as this version writes it: {error!r}"
                ) from error
        progress(number + 1, len(tars))


def _found_record(
    fields: dict[str, bytes], find: Callable[[str], Item]
) -> tuple[dict[str, Any], Callable[[str], Item], dict[str, bytes]]:
    record, pictures = parse_record(fields)
    return record, find, pictures


def _finder(found: Published, tars: list[Tar], options: Options, codes: bool) -> Callable[[str], Item]:
    """Samples by id, of those that the records are about."""
    wanted = {parent for tar in tars for _, fields in found.read(tar) for parent in parse_record(fields)[0]["parents"]}
    places = found.locate(found.shards(options.split), wanted)

    def find(sample: str) -> Item:
        place: Place = places[sample]
        return item_of(place.metadata, lambda ext: found.member(place, ext), codes)

    return find


def _placed(item: Item, target: Store, media: MediaAs, prefix: str) -> str | None:
    """Write an item where it is to be a file; its path."""
    if media is MediaAs.none or (media is MediaAs.inline and item.kind == "image"):
        return None
    key = f"media/{item.id[:2]}/{item.id}.{item.ext}"
    if not target.exists(key):
        target.put(key, item.data())
    return f"{prefix.rstrip('/')}/{key}" if prefix else key


def _schema(form: Form, codes: bool) -> pa.Schema:
    names = ["uuid", "source", "metadata", "images", "videos", body_of(form), *(["codes"] if codes else [])]
    return pa.schema([pa.field(name, pa.string(), nullable=False) for name in names])


def _tars(found: Published, options: Options) -> list[Tar]:
    if options.split not in found.splits:
        raise UsageError(
            f"{found.store.url} has no split `{options.split}`; it has {', '.join(found.splits) or 'none'}"
        )
    tars = found.cot(options.split) if options.form is Form.cot else found.shards(options.split)
    if not tars:
        raise UsageError(f"{found.store.url} has no chain-of-thought shards in split {options.split}")
    return tars


def _codes(found: Published, options: Options) -> bool:
    has = found.manifest.tokenizer is not None
    if not has and (options.codes or options.media is MediaAs.none):
        raise UsageError(f"{found.store.url} has no codes: its recipe has `tokenize: null`")
    return has if options.codes is None else options.codes


def _source(form: Form, name: str) -> str:
    """The reader takes ``gen_`` in it for the generation of pictures."""
    return f"gen_{name}" if form is Form.t2i else f"{name}_cot" if form is Form.cot else str(name)


def _empty(out: str, release: Store) -> Store:
    target = Store(out)
    if not target.remote:
        path = Path(target.url).absolute()
        if path.exists() and not path.is_dir():
            raise UsageError(f"{out} is a file; name a folder to write to")
    if f"{_real(target)}/".startswith(f"{_real(release)}/"):
        raise UsageError(f"{out} lies inside the release; the next run would delete it")
    if not target.remote and not path.exists():
        return target
    if next(target.list(), None) is not None:
        raise UsageError(f"{out} is not empty; name a new folder, or delete what is there")
    return target


def _made(target: Store) -> Path | None:
    """The folder to write to, for what is collected on the disk that it goes to; None where that is no disk."""
    if target.remote:
        return None
    path = Path(target.url).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be made: {error.strerror}") from None
    return path


def _real(store: Store) -> str:
    return store.url if store.remote else str(Path(store.url).resolve())


def _absolute(target: Store) -> str:
    return target.url if target.remote else str(Path(target.url).absolute())


def _told(found: Published, options: Options, codes: bool, source: str) -> dict[str, Any]:
    tokenizer = found.manifest.tokenizer if codes else None
    return {
        "release": found.manifest.name,
        "recipe_digest": found.manifest.recipe_digest,
        "as": options.form.value,
        "media": options.media.value,
        "split": options.split,
        "source": source,
        "tokenizer": tokenizer and {"id": tokenizer.id, "codebook_sizes": tokenizer.codebook_sizes},
    }
