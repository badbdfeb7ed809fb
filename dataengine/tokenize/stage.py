"""Tokenize: fit the tokenizer on kept samples, then encode each of them. Codes of two tokenizers are never mixed: the
tokenizer's id is part of the key and of every row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.decode import Decoder
from dataengine.ingest.stage import limits_of
from dataengine.locate import Located, by_media, chunks, locate, representatives
from dataengine.media.limits import Limits
from dataengine.media.sandbox import Failed, Ok
from dataengine.recipe import Recipe
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.tokenize.base import Tokenizer
from dataengine.tokenize.codec import to_row
from dataengine.tokenize.factory import configure, load, tokenizer_class
from dataengine.tokenize.sample import chosen
from dataengine.workspace import File, Output, Workspace, digest

FAILURES = pa.schema([(name, pa.string()) for name in ("id", "failure", "message")])
_CHUNK = 64


def kept(run: Run) -> list[Located]:
    """Samples that the policy kept, ordered by id."""
    decisions = run.table("filter", "decisions", contracts.DECISIONS, ["id", "kept"])
    ids = decisions.filter(decisions["kept"])["id"]
    rows = representatives(run)
    return locate(rows.filter(pc.is_in(rows["id"], value_set=ids.combine_chunks())))


class _Tokenize(RecordStage):
    def active(self, recipe: Recipe) -> bool:
        return recipe.tokenize is not None

    def config(self, recipe: Recipe) -> Any:
        if recipe.tokenize is None:
            raise ValueError("the recipe has no tokenizer")
        return configure(recipe.tokenize.tokenizer, recipe.seed)


class TokenizeFit(_Tokenize):
    """One part: a choice of samples by id and seed, on one worker."""

    name = "tokenize.fit"
    version = "1"
    needs = ("dedup", "filter")

    def validate(self, recipe: Recipe) -> None:
        self.config(recipe)

    def settings(self, recipe: Recipe) -> Any:
        most = recipe.tokenize.fit_samples if recipe.tokenize else 0
        return [self.config(recipe).model_dump(mode="json"), most, recipe.limits.model_dump()]

    def plan(self, run: Run) -> list[Part]:
        rows = {r.id: r for r in kept(run)}
        most = run.recipe.tokenize.fit_samples if run.recipe.tokenize else 0
        ids = chosen(rows, seed=run.recipe.seed, count=most)
        key = digest(self.version, self.settings(run.recipe), ids)
        return [Part("all", key, sorted((rows[i] for i in ids), key=lambda r: (r.media, r.offset)))]

    def worker(self, run: Run) -> Worker:
        return FitWorker(self.config(run.recipe), limits_of(run.recipe), run.workspace)


class TokenizeEncode(_Tokenize):
    """One part a media tar."""

    name = "tokenize.encode"
    version = "1"
    needs = ("dedup", "filter", "tokenize.fit")

    def plan(self, run: Run) -> list[Part]:
        tokenizer = run.records["tokenize.fit"].parts["all"]
        base = digest(self.version, tokenizer.facts["id"], run.recipe.limits.model_dump())
        return [
            Part(media.removeprefix("media/").removesuffix(".tar"), digest(base, [r.id for r in rows]), rows)
            for media, rows in by_media(kept(run)).items()
        ]

    def worker(self, run: Run) -> Worker:
        [file] = run.records["tokenize.fit"].files("tokenizer")
        return EncodeWorker(file.key, self.config(run.recipe), limits_of(run.recipe), run.workspace)


@dataclass
class FitWorker:
    config: Any
    limits: Limits
    workspace: Workspace
    _decoder: Decoder | None = None

    def setup(self) -> None:
        self._decoder = _decoder(self.config, self.limits)

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()

    def process(self, part: Part) -> Output:
        if self._decoder is None:
            raise RuntimeError("setup() comes before process()")
        seen = self._decoder.over(self.workspace.store, part.spec, lambda row, data: (data, row.kind))
        samples = ((row.id, out.value) for row, out in seen if isinstance(out, Ok))
        tokenizer = tokenizer_class(self.config.name).fit(self.config, samples)
        data = tokenizer.save()
        key = f"tokenizers/{tokenizer.id}.safetensors"
        self.workspace.store.put(key, data)
        facts = {"name": tokenizer.name, "id": tokenizer.id, "codebook_sizes": list(tokenizer.codebook_sizes)}
        file = File(key, hashlib.sha256(data).hexdigest(), len(data))
        return Output({"tokenizer": file}, {"samples": len(part.spec)}, facts)


@dataclass
class EncodeWorker:
    checkpoint: str
    config: Any
    limits: Limits
    workspace: Workspace
    _decoder: Decoder | None = None
    _tokenizer: Tokenizer | None = None

    def setup(self) -> None:
        self._tokenizer = load(self.workspace.store.get(self.checkpoint))
        self._decoder = _decoder(self.config, self.limits)

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()

    def process(self, part: Part) -> Output:
        if self._tokenizer is None or self._decoder is None:
            raise RuntimeError("setup() comes before process()")
        seen = self._decoder.over(self.workspace.store, part.spec, lambda row, data: (data, row.kind))
        rows: list[dict[str, Any]] = []
        failures: list[dict[str, str]] = []
        for chunk in chunks(seen, _CHUNK):
            failures += [
                {"id": row.id, "failure": out.failure, "message": out.message}
                for row, out in chunk
                if isinstance(out, Failed)
            ]
            good = [(row.id, out.value) for row, out in chunk if isinstance(out, Ok)]
            codes = self._tokenizer.encode([prepared for _, prepared in good])
            rows += [to_row(id_, self._tokenizer.id, c) for (id_, _), c in zip(good, codes, strict=True)]
        return self._publish(part, self._tokenizer.id, sorted(rows, key=lambda r: r["id"]), failures)

    def _publish(
        self, part: Part, tokenizer: str, rows: list[dict[str, Any]], failures: list[dict[str, str]]
    ) -> Output:
        base = f"codes/{tokenizer}/{part.name}-{part.key[:16]}"
        files: dict[str, File] = {}
        if rows:
            pack = b"".join(row["codes"] for row in rows)
            offset = 0
            for row in rows:
                row.update(pack=f"{base}.bin", offset=offset, size=len(row["codes"]))
                offset += row["size"]
            sha256 = self.workspace.store.put(f"{base}.bin", pack)
            files["pack"] = File(f"{base}.bin", sha256, len(pack), len(rows))
            index = pa.Table.from_pylist(rows, contracts.CODES_INDEX)
            files["codes"] = self.workspace.write_table(f"{base}.parquet", index)
        if failures:
            lost = pa.Table.from_pylist(sorted(failures, key=lambda f: f["id"]), FAILURES)
            files["failures"] = self.workspace.write_table(f"{base}-failures.parquet", lost)
        return Output(files, {"samples": len(rows), "failed": len(failures), "tokens": sum(r["tokens"] for r in rows)})


def _decoder(config: Any, limits: Limits) -> Decoder:
    preparer = tokenizer_class(config.name).preparer(config)
    return Decoder("dataengine.tokenize.prepare:prepare", (limits, preparer), limits)
