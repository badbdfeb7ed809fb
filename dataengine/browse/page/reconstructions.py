"""What a sample's discrete codes keep of it: frames that the tokenizer decodes from them, one at a time when they are shown."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from dataengine.browse.page.cached import Cached
from dataengine.browse.session import Session
from dataengine.browse.shard_search import ShardSearch
from dataengine.contracts import CODES_INDEX
from dataengine.errors import DataEngineError, RunError
from dataengine.shards.codes import codes_of_sample
from dataengine.storage.store import Store
from dataengine.text.bounded_json import parse_json
from dataengine.tokenize.base import Codes, Tokenizer
from dataengine.tokenize.checkpoint import FILE
from dataengine.tokenize.codec import from_row
from dataengine.tokenize.factory import load

#: Samples whose codes are kept, and frames, of some 40 KB each.
_CODES, _FRAMES = 64, 600
_LARGEST = 16_384
"""Tokens of a frame that is decoded: 28 pixels a side each."""
_SIDE, _QUALITY = 720, 85
_CHECKPOINT = 8 << 30
"""Bytes of a checkpoint that is loaded for this."""


@dataclass(frozen=True)
class SampleCodes:
    """Codes of a sample, and the id of the tokenizer that made them."""

    tokenizer: str
    codes: Codes

    @property
    def times(self) -> list[float]:
        """Seconds of each frame; 0 of a picture."""
        timeline = self.codes.timeline
        return list(timeline.times) if timeline else [0.0] * self.codes.grid[0]

    def frame(self, n: int) -> Codes:
        """Codes of one frame, as of a picture. Raises KeyError."""
        if not 0 <= n < self.codes.grid[0]:
            raise KeyError(n)
        t, h, w = self.codes.grid
        grids = self.codes.timeline.grids(self.codes.grid) if self.codes.timeline else [(h, w)] * t
        ends = np.cumsum([0, *self.codes.frame_tokens])
        return Codes(self.codes.tokens[ends[n] : ends[n + 1]], (1, *grids[n]))


class Reconstructions:
    """Codes by sample id, and their decoded frames. May be used by several threads; one of them decodes at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._codes = Cached(_CODES, self._read)
        self._frames = Cached(_FRAMES, self._decoded)

    def of(self, id_: str) -> SampleCodes | None:
        """None where the sample has no codes. Raises RunError for damaged ones."""
        return self._codes[id_]

    def why_not(self, id_: str) -> str:
        """Why codes of a sample cannot be shown as a picture; "" where they can. Raises KeyError where it has none."""
        try:
            self._frames[id_, 0]
        except (DataEngineError, FileNotFoundError, ImportError) as error:
            return str(error)
        return ""

    def picture(self, id_: str, n: int) -> bytes:
        """Frame ``n`` of a sample as its codes tell it, a JPEG. Raises KeyError, RunError."""
        return self._frames[id_, n]

    def _decoded(self, key: tuple[str, int]) -> bytes:
        sample = self.of(key[0])
        if sample is None:
            raise KeyError(key[0])
        codes = sample.frame(key[1])
        if len(codes.tokens) > _LARGEST:
            raise RunError(f"a frame of {len(codes.tokens):,} tokens is not shown, limit {_LARGEST:,}")
        frames = self._tokenizer(sample.tokenizer).decode(codes)
        if frames is None:
            raise RunError(f"tokenizer {sample.tokenizer} has no decoder")
        picture = Image.fromarray(np.ascontiguousarray(frames[0]))
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=_QUALITY)
        return out.getvalue()

    def _tokenizer(self, id_: str) -> Tokenizer:
        """The tokenizer of the recipe or release, loaded when it is first needed. Raises RunError where it does not lie here."""
        tokenizer = self._loaded
        if tokenizer.id != id_:
            raise RunError(f"the codes are of tokenizer {id_}, and the one here is {tokenizer.id}")
        return tokenizer

    @cached_property
    def _loaded(self) -> Tokenizer:
        store, key = self._checkpoint()
        entry = store.head(key)
        if entry is None:
            raise RunError(f"{store.uri(key)} does not exist: the tokenizer does not lie here; browse the recipe")
        if entry.size > _CHECKPOINT:
            raise RunError(f"{store.uri(key)} has {entry.size:,} bytes; it is not loaded for this")
        run = self._session.run
        tokenizer = load(store.get(key), run.recipe.plugins if run is not None else ())
        tokenizer.setup("cpu", 2)
        return tokenizer

    def _checkpoint(self) -> tuple[Store, str]:
        """Where the tokenizer lies: in the workspace of the recipe, or in that which the release lies in. Raises RunError."""
        run, published = self._session.run, self._session.published
        if run is not None:
            return run.workspace.store, run.records["tokenize.fit"].parts["all"].files["tokenizer"].key
        assert published is not None
        workspace, inside, _ = published.store.url.rpartition("/releases/")
        if not inside or published.manifest.tokenizer is None:
            raise RunError(
                "the release holds codes, but not their tokenizer: browse its recipe to see them as pictures"
            )
        return Store(workspace), f"tokenizers/{published.manifest.tokenizer.id}/{FILE}"

    def _read(self, id_: str) -> SampleCodes | None:
        return self._of_run(id_) if self._session.run is not None else _of_shard(self._session.shards, id_)

    def _of_run(self, id_: str) -> SampleCodes | None:
        session = self._session
        run = session.needed()
        if "tokenize.encode" not in run.records:
            return None
        with session.lock, session.engine.passing():
            frame = run.frame("tokenize.encode", "codes", CODES_INDEX)
            rows = session.engine.rows(f'SELECT * FROM {frame} WHERE "id" = $id', {"id": id_}).to_pylist()
        for row in rows:
            data = run.workspace.store.get_range(row["pack"], row["offset"], row["size"])
            return SampleCodes(row["tokenizer"], from_row({**row, "codes": data}))
        return None


def _of_shard(search: ShardSearch, id_: str) -> SampleCodes | None:
    try:
        members = search.members(id_)
    except KeyError:
        return None
    if "codes.npy" not in members.extents:
        return None
    fields = {ext: search.store.get_range(members.tar, *members.extents[ext]) for ext in ("json", "codes.npy")}
    codes = codes_of_sample(fields)
    return SampleCodes(_tokenizer_id(fields), codes)


def _tokenizer_id(fields: Mapping[str, bytes]) -> str:
    described: Any = parse_json(fields["json"])
    return str(described.get("codes", {}).get("tokenizer", ""))
