"""Exports a release as the Parquet files that the released Kelix trainer reads, about 1000 rows a file, in bounded memory.

The names have the number of files in them, so files are collected on disk and published when the last one is written;
``export.json``, with the checksum of each, comes last. The same release and options give the same bytes.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine.errors import RunError, UsageError
from dataengine.export.kelix_items import Item
from dataengine.export.kelix_rows import (
    PROMPTS,
    SAMPLE,
    Draft,
    LeftOut,
    body_of,
    captioned,
    item_of,
    parse_record,
    reasoned,
    row_of,
)
from dataengine.export.kelix_scores import SUFFIX
from dataengine.export.options import Form, MediaAs, ToolsAs
from dataengine.export.parquet_parts import Parts
from dataengine.export.target import absolute, empty_target, local_folder
from dataengine.release.reader import Place, Published, Tar, open_release
from dataengine.shards.sample import canonical
from dataengine.storage.store import Store


@dataclass(frozen=True)
class Options:
    """``codes``: None includes them where the release has any. ``prefix`` is put before the paths of media; by ``source`` the
    trainer chooses its system prompt; both have defaults made from the target and the release. Raises UsageError."""

    form: Form = Form.segments
    media: MediaAs = MediaAs.inline
    split: str = "train"
    rows: int = 1000
    prompt: str | None = None
    prefix: str | None = None
    source: str | None = None
    codes: bool | None = None
    tools: ToolsAs = ToolsAs.turns

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise UsageError(f"--rows must be at least 1, not {self.rows}")
        if self.prompt is not None and self.form not in PROMPTS:
            raise UsageError(f"--prompt works with --as {' and '.join(PROMPTS)}, not with --as {self.form.value}")
        if self.form is Form.t2i and "{caption}" not in self.user_prompt:
            raise UsageError(f"--prompt of --as t2i must contain {{caption}}: {self.user_prompt!r}")
        if self.source is not None and not self.source.strip():
            raise UsageError("--source must not be empty: the trainer refuses such rows")
        if self.media is MediaAs.none and self.codes is False:
            raise UsageError("--media none needs codes, or rows would have neither pixels nor codes; drop --no-codes")

    @property
    def user_prompt(self) -> str:
        return self.prompt if self.prompt is not None else PROMPTS.get(self.form, "")


@dataclass(frozen=True)
class Exported:
    """What was written: files as in ``export.json``, rows, and samples or records left out by reason."""

    files: list[dict[str, Any]]
    rows: int
    left_out: dict[str, int]


def export(
    release: str,
    out: str,
    options: Options | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Exported:
    """Write the rows of one split of a release to an empty folder or s3:// prefix; calls ``progress(done, total)`` for each tar.
    Raises UsageError before anything is written, RunError for a damaged release."""
    options = options or Options()
    published = open_release(release)
    target = empty_target(out, published.store)
    codes = _codes(published, options)
    tars = _tars(published, options)
    left_out: Counter[str] = Counter()
    source = options.source or _source(options.form, published.manifest.name)
    prefix = options.prefix if options.prefix is not None else absolute(target)
    with tempfile.TemporaryDirectory(dir=local_folder(target), prefix=".export-") as folder:
        parts = Parts(Path(folder), _schema(options.form, codes), options.rows)
        for draft in _drafts(published, tars, options, codes, progress):
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
                f"{release}: split {options.split} gives no rows as {options.form.value} ({reasons or 'empty'})"
            )
        files = parts.publish(target)
    rows = sum(parts.counts)
    result = Exported(files, rows, dict(sorted(left_out.items())))
    description = _described(published, options, codes, source) | asdict(result)
    target.put("export.json", canonical(description))
    return result


def _drafts(
    published: Published, tars: list[Tar], options: Options, codes: bool, progress: Callable[[int, int], None]
) -> Iterator[Draft | LeftOut]:
    find = _finder(published, tars, options, codes) if options.form is Form.cot else None
    for number, tar in enumerate(tars):
        for key, fields in published.read(tar):
            try:
                if find is not None:
                    yield reasoned(*_record_inputs(fields, find), options.tools, codes)
                else:
                    metadata = SAMPLE.decode(fields["json"])
                    item = item_of(metadata, fields.__getitem__, codes)
                    yield captioned(options.form, metadata, item, options.user_prompt)
            except (KeyError, ValueError) as error:
                raise RunError(
                    f"{published.store.uri(tar.path)}: {key} is not in the form that this version writes: {error!r}"
                ) from error
        progress(number + 1, len(tars))


def _record_inputs(
    fields: dict[str, bytes], find: Callable[[str], Item]
) -> tuple[dict[str, Any], Callable[[str], Item], dict[str, bytes]]:
    record, pictures = parse_record(fields)
    return record, find, pictures


def _finder(published: Published, tars: list[Tar], options: Options, codes: bool) -> Callable[[str], Item]:
    """A function from id to sample, of the samples that the records are about."""
    wanted = {
        parent for tar in tars for _, fields in published.read(tar) for parent in parse_record(fields)[0]["parents"]
    }
    places = published.locate(published.shards(options.split), wanted)

    def find(sample: str) -> Item:
        place: Place = places[sample]
        return item_of(place.metadata, lambda ext: published.member(place, ext), codes)

    return find


def _placed(item: Item, target: Store, media: MediaAs, prefix: str) -> str | None:
    """Write the media of an item where it is to be a file; its path, None where it is not."""
    if media is MediaAs.none or (media is MediaAs.inline and item.kind == "image"):
        return None
    key = f"media/{item.id[:2]}/{item.id}.{item.ext}"
    if not target.exists(key):
        target.put(key, item.data())
        if item.scores:
            target.put(f"{key}{SUFFIX}", canonical(item.scores))
    return f"{prefix.rstrip('/')}/{key}" if prefix else key


def _schema(form: Form, codes: bool) -> pa.Schema:
    names = ["uuid", "source", "metadata", "images", "videos", body_of(form), *(["codes"] if codes else [])]
    return pa.schema([pa.field(name, pa.string(), nullable=False) for name in names])


def _tars(published: Published, options: Options) -> list[Tar]:
    if options.split not in published.splits:
        raise UsageError(
            f"{published.store.url} has no split `{options.split}`; it has {', '.join(published.splits) or 'none'}"
        )
    tars = published.cot(options.split) if options.form is Form.cot else published.shards(options.split)
    if not tars:
        raise UsageError(f"{published.store.url} has no chain-of-thought shards in split {options.split}")
    return tars


def _codes(published: Published, options: Options) -> bool:
    has = published.manifest.tokenizer is not None
    if not has and (options.codes or options.media is MediaAs.none):
        raise UsageError(f"{published.store.url} has no visual codes: its recipe has `tokenize: null`")
    return has if options.codes is None else options.codes


def _source(form: Form, name: str) -> str:
    """The trainer takes ``gen_`` in it for image generation."""
    return f"gen_{name}" if form is Form.t2i else f"{name}_cot" if form is Form.cot else str(name)


def _described(published: Published, options: Options, codes: bool, source: str) -> dict[str, Any]:
    tokenizer = published.manifest.tokenizer if codes else None
    return {
        "release": published.manifest.name,
        "recipe_digest": published.manifest.recipe_digest,
        "as": options.form.value,
        "media": options.media.value,
        "split": options.split,
        "source": source,
        "tokenizer": tokenizer and {"id": tokenizer.id, "codebook_sizes": tokenizer.codebook_sizes},
    }
