"""dedup.fingerprint: what distinct pictures are compared by beyond their hashes, from one decode each.

A part is a media tar, so a new batch decodes and embeds only its own pictures. Runs only where the recipe looks for equal
pixels, aligned or semantic edges; a model is loaded for the last only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.ingest.stage import limits_of
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok
from dataengine.models.encoders import Towers, towers_of
from dataengine.samples.decode import Decoder
from dataengine.samples.locate import Located, by_media, chunks, locate
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import Output, Workspace, digest

_CHUNK = 256
_LOOK = "dataengine.dedup.fingerprint_views:look"

Row = dict[str, Any]


class DedupFingerprint(RecordStage):
    name = "dedup.fingerprint"
    version = "2"
    needs = ("dedup.unique",)

    def active(self, recipe: Recipe) -> bool:
        return bool({"pixels", "aligned", "semantic"} & set(recipe.dedup.found))

    def validate(self, recipe: Recipe) -> None:
        if recipe.dedup.semantic is not None:
            towers_of(recipe).scorer.validate()

    def settings(self, recipe: Recipe) -> Any:
        semantic = recipe.dedup.semantic
        asked = semantic and [towers_of(recipe).version, semantic.text is not None]
        return [recipe.limits.model_dump(), asked]

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe))
        unique = run.table("dedup.unique", "unique", contracts.UNIQUE)
        pictures = locate(unique.filter(pc.equal(unique["kind"], pa.scalar("image"))))
        semantic = run.recipe.dedup.semantic
        with_text = semantic is not None and semantic.text is not None
        found = []
        for media, rows in by_media(pictures).items():
            name = media.removeprefix("media/").removesuffix(".tar")
            named = [(r.id, longest(r.captions) if with_text else "") for r in rows]
            found.append(Part(name, digest(base, named), rows))
        return found

    def worker(self, run: Run) -> Worker:
        recipe, semantic = run.recipe, run.recipe.dedup.semantic
        towers = towers_of(recipe) if semantic is not None else None
        text = semantic is not None and semantic.text is not None
        score = recipe.score
        return FingerprintWorker(towers, text, score.device, score.threads, limits_of(recipe), run.workspace)


def longest(captions: Sequence[str]) -> str:
    """The first of the longest captions; "" where there is none."""
    return max(captions, key=len, default="")


@dataclass
class FingerprintWorker:
    """Models, if any, in this process, decoding in a child."""

    towers: Towers | None
    text: bool
    device: str
    threads: int
    limits: Limits
    workspace: Workspace
    _decoder: Decoder | None = None

    def setup(self) -> None:
        if self.towers is not None:
            self.towers.setup(self.device, self.threads)

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()

    def process(self, part: Part) -> Output:
        if self._decoder is None:
            scorer = self.towers.scorer if self.towers is not None else None
            self._decoder = Decoder(_LOOK, (self.limits, scorer), self.limits)
        seen = self._decoder.over(self.workspace.store, part.spec, lambda r, data: (data, r.facts["frames"]))
        rows = [row for chunk in chunks(seen, _CHUNK) for row in self._rows(chunk)]
        table = pa.Table.from_pylist(sorted(rows, key=lambda r: r["id"]), contracts.FINGERPRINTS)
        key = f"dedup/fingerprints/{part.name}-{part.key[:16]}.parquet"
        file = self.workspace.write_table(key, table, contracts.FINGERPRINTS)
        unreadable = sum(row["thumbnail"] is None for row in rows)
        return Output({"fingerprints": file}, {"pictures": len(rows), "not_compared": unreadable})

    def _rows(self, chunk: Sequence[tuple[Located, Any]]) -> Iterator[Row]:
        found = [outcome.value if isinstance(outcome, Ok) else None for _, outcome in chunk]
        vectors = iter(self._vectors([view for look in found if look for view in look["views"]]))
        texts = self._texts([row for row, _ in chunk])
        for (row, _), look, text in zip(chunk, found, texts, strict=True):
            told: Row = dict.fromkeys(contracts.FINGERPRINTS.names) | {"id": row.id}
            if look is not None:
                own = [next(vectors) for _ in look["views"]]
                told |= dict(zip(("vector", "inner"), own, strict=False))
                told |= {"pixels": look["pixels"], "thumbnail": look["thumbnail"].tobytes(), "text": text}
            yield told

    def _vectors(self, prepared: Sequence[Any]) -> list[bytes]:
        if self.towers is None or not prepared:
            return []
        return [v.astype("<f2").tobytes() for v in self.towers.pictures(prepared)]

    def _texts(self, rows: Sequence[Located]) -> list[bytes | None]:
        said = [longest(row.captions) for row in rows]
        asked = [text for text in said if text]
        if self.towers is None or not self.text or not asked:
            return [None] * len(rows)
        made = iter(np.asarray(self.towers.texts(asked), "<f2"))
        return [next(made).tobytes() if text else None for text in said]
