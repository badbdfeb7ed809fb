"""Tokenize: fit or load the tokenizer, then encode each kept sample. Codes of two tokenizers are never mixed: the
tokenizer's id is part of the key and of every row.

Which stages fit it depends on the tokenizer; the last of them is always ``tokenize.fit`` and has one part.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from dataengine import contracts
from dataengine.config.lock import FittedOn
from dataengine.config.recipe import Recipe
from dataengine.errors import InputError
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.plugins.offers import Plugin
from dataengine.samples.decode import Decoded
from dataengine.samples.locate import Located, unpacked
from dataengine.samples.selection import Selection, kept
from dataengine.samples.stage import PlannedStage
from dataengine.samples.worker import ONCE, DecodingWorker
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Record, Workspace, digest, parquet
from dataengine.tokenize import checkpoint, decision
from dataengine.tokenize.base import Codes, Tokenizer
from dataengine.tokenize.codec import to_row
from dataengine.tokenize.factory import check, configure, load, tokenizer_class
from dataengine.tokenize.plugin import PluginTokenizer
from dataengine.tokenize.product import ProductTokenizer
from dataengine.tokenize.training_set import fitted_on, is_planned, to_fit

FAILURES = pa.schema([(name, pa.string()) for name in ("id", "failure", "message")])
#: Prepared samples that wait for the model: a video may have 150 MB of pixels.
_AHEAD = 4


class TokenizeStage(RecordStage):
    """Active for the tokenizer called ``tokenizer``, or for all."""

    tokenizer: ClassVar[str | None] = None
    needs: ClassVar[tuple[str, ...]] = ("dedup", "filter")
    version = "3"

    def active(self, recipe: Recipe) -> bool:
        return recipe.tokenize is not None and self.tokenizer in (None, recipe.tokenize.tokenizer.get("name"))

    def validate(self, recipe: Recipe) -> None:
        self.config(recipe)

    def config(self, recipe: Recipe) -> Any:
        if recipe.tokenize is None:
            raise ValueError("the recipe has no tokenizer")
        return configure(recipe.tokenize.tokenizer, recipe.seed, recipe.plugins)

    def settings(self, recipe: Recipe) -> Any:
        config = recipe.tokenize
        how = [config.fit_samples, config.held_out] if config else []
        code = (plugin.code for plugin in decision.plugins_of(recipe))
        return [self.config(recipe).model_dump(mode="json"), how, recipe.limits.model_dump(), *code]

    def device(self, recipe: Recipe) -> str:
        return recipe.tokenize.device if recipe.tokenize else "cpu"


class FitStage(TokenizeStage):
    """The stage that publishes the tokenizer. Its result is a decision: the recipe's lock keeps it."""

    name = "tokenize.fit"

    def locked(self, run: Run) -> Record | None:
        return decision.record(run)

    def unlocked(self, run: Run) -> str:
        return decision.why_anew(run)

    def keep(self, run: Run) -> str:
        decision.check(run)
        return "" if decision.kept_tokenizer(run) is not None else decision.keep(run, self.fitted_on(run))

    def fitted_on(self, run: Run) -> FittedOn:
        """What the lock says of the samples that the tokenizer is fitted on."""
        return fitted_on(run)


class ProductFit(FitStage):
    """One part: a choice of samples by id and seed, on one worker. Its ``spec`` is the place of their rows, by media tar."""

    tokenizer = "product"

    def plan(self, run: Run) -> list[Part]:
        parts = to_fit(run).plan(run)
        key = digest(self.version, self.settings(run.recipe), [part.ids for part in parts])
        return [Part("all", key, tuple(part.rows for part in parts))]

    def is_planned(self, run: Run) -> bool:
        return is_planned(run)

    def worker(self, run: Run) -> Worker:
        decision.check_samples(run, fitted_on)
        return ProductFitWorker(run.recipe.limits.to_limits(), run.workspace, self.config(run.recipe))


class TokenizerGiven(FitStage):
    """A tokenizer made elsewhere: its checkpoint is copied into the workspace, once."""

    tokenizer = "checkpoint"

    def validate(self, recipe: Recipe) -> None:
        check(self.config(recipe))

    def settings(self, recipe: Recipe) -> Any:
        return self.config(recipe).identity()

    def fitted_on(self, run: Run) -> FittedOn:
        return FittedOn(samples=0, digest=digest([]))

    def plan(self, run: Run) -> list[Part]:
        config = self.config(run.recipe)
        return [Part("all", digest(self.version, config.identity()), config)]

    def worker(self, run: Run) -> Worker:
        return GivenWorker(run.workspace)


class TokenizeEncode(TokenizeStage, PlannedStage):
    """Codes of every kept sample."""

    name = "tokenize.encode"
    needs = ("dedup", "filter", "tokenize.fit")

    def selection(self, run: Run) -> Selection:
        return kept(run)

    def base(self, run: Run) -> str:
        tokenizer = run.records["tokenize.fit"].parts["all"]
        return digest(self.version, tokenizer.facts["id"], run.recipe.limits.model_dump())

    def worker(self, run: Run) -> Worker:
        fitted = run.records["tokenize.fit"].parts["all"]
        settings = json.loads(run.workspace.store.get(fitted.files["config"].key, fitted.files["config"].sha256))
        known = fitted.facts["id"] if settings.get("batch", "alone") == "alone" else ""
        limits, device = run.recipe.limits.to_limits(), self.device(run.recipe)
        base, plugins = self.base(run)[:16], decision.plugins_of(run.recipe)
        return EncodeWorker(limits, run.workspace, fitted.files["tokenizer"], base, device, known, plugins)


def _codes(tokenizer: Tokenizer, prepared: list[Any]) -> Sequence[Codes | InputError]:
    """Codes of each sample; of a plugin's tokenizer, maybe why there are none."""
    return tokenizer.attempt(prepared) if isinstance(tokenizer, PluginTokenizer) else tokenizer.encode(prepared)


@dataclass
class StillsWorker(DecodingWorker):
    """Decodes pictures, and frames of videos as pictures, for the tokenizer of ``config``."""

    config: Any

    function = "dataengine.tokenize.prepare:prepare_stills"
    ahead = _AHEAD

    def context(self) -> Any:
        return self.limits, tokenizer_class(self.config.name).preparer(self.config)

    def answer(self) -> Any:
        return list[tokenizer_class(self.config.name).prepared]  # type: ignore[misc]

    def stills(self, rows: Iterable[Located]) -> Iterator[tuple[Located, Any]]:
        """Each sample, or frame of it, that can be decoded."""
        for row, outcome in self.decoded(rows):
            if isinstance(outcome, Ok):
                for prepared in outcome.value:
                    yield row, prepared


class ProductFitWorker(StillsWorker):
    """Fits the product quantiser."""

    def process(self, part: Part) -> Output:
        rows = self.stills(unpacked(self.workspace.store, part.spec))
        stills = ((f"{row.id}/{n}", prepared) for n, (row, prepared) in enumerate(rows))
        tokenizer = ProductTokenizer.fit(self.config, stills)
        return checkpoint.publish(self.workspace.store, tokenizer, {"samples": sum(place.rows for place in part.spec)})


@dataclass
class GivenWorker:
    workspace: Workspace

    def setup(self) -> None: ...

    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        return checkpoint.publish(self.workspace.store, load(part.spec.read()), {})


@dataclass
class EncodeWorker(DecodingWorker):
    """Tokenizer in this process, decoding in children; loaded for the first sample that has no codes yet."""

    checkpoint: File
    base: str
    """Digest of what all codes depend on."""
    device: str
    known: str = ""
    """The tokenizer's id if it encodes each sample by itself, so that codes from other parts may be taken over."""
    plugins: tuple[Plugin, ...] = ()
    _tokenizer: Tokenizer | None = field(default=None, init=False, repr=False)

    function = "dataengine.tokenize.prepare:prepare"
    ahead = _AHEAD
    overlaps = True

    def tokenizer(self) -> Tokenizer:
        """The tokenizer on its device."""
        with ONCE:
            if self._tokenizer is None:
                tokenizer = load(self.workspace.store.get(self.checkpoint.key, self.checkpoint.sha256), self.plugins)
                tokenizer.setup(self.device, 1)
                self._tokenizer = tokenizer
            return self._tokenizer

    def context(self) -> Any:
        tokenizer = self.tokenizer()
        return self.limits, tokenizer.preparer(tokenizer.config)

    def answer(self) -> Any:
        return self.tokenizer().prepared

    def process(self, part: Part) -> Output:
        samples = self.samples(part.spec)
        known = self._known(part, {row.id for row in samples}) if self.known else {}
        new = [row for row in samples if row.id not in known]
        encoded = self._encoded(new) if new else []
        rows = sorted([*known.values(), *(row for row in encoded if "failure" not in row)], key=lambda r: str(r["id"]))
        return self._publish(
            part, self.known or self.tokenizer().id, rows, [row for row in encoded if "failure" in row]
        )

    def _encoded(self, samples: Sequence[Located]) -> list[dict[str, Any]]:
        """Codes of each sample, or why there are none."""
        tokenizer = self.tokenizer()

        def encoded(chunk: Sequence[Decoded]) -> list[dict[str, Any]]:
            good = [(row.id, out.value) for row, out in chunk if isinstance(out, Ok)]
            codes = _codes(tokenizer, [prepared for _, prepared in good])
            failed: list[tuple[str, Failed | InputError]]
            failed = [(row.id, out) for row, out in chunk if isinstance(out, Failed)]
            failed += [(id_, c) for (id_, _), c in zip(good, codes, strict=True) if isinstance(c, InputError)]
            made = [(id_, c) for (id_, _), c in zip(good, codes, strict=True) if isinstance(c, Codes)]
            rows = [to_row(id_, tokenizer.id, c) for id_, c in made]
            return rows + [{"id": i, "failure": f.failure, "message": f.message} for i, f in failed]

        return [row for rows in self.computed(samples, tokenizer.together, encoded) for row in rows]

    def _folder(self, part: Part, tokenizer: str) -> str:
        return f"codes/{tokenizer}/{self.base}/{part.name}"

    def _known(self, part: Part, wanted: set[str]) -> dict[str, dict[str, Any]]:
        """Codes of the part's samples, by id, that it had when other samples were kept. An index is written after its pack."""
        store, rows = self.workspace.store, dict[str, dict[str, Any]]()
        for entry in store.list(f"{self._folder(part, self.known)}/"):
            if entry.key.endswith("/index.parquet") and wanted - rows.keys():
                index = parquet(store.get(entry.key), contracts.CODES_INDEX.names).to_pylist()
                some = [row for row in index if row["id"] in wanted - rows.keys()]
                packed = [(row["offset"], row["size"]) for row in some]
                codes = store.get_ranges(some[0]["pack"], *zip(*packed, strict=True)) if some else []
                rows |= {row["id"]: {**row, "codes": data} for row, data in zip(some, codes, strict=True)}
        return rows

    def _publish(
        self, part: Part, tokenizer: str, rows: list[dict[str, Any]], failures: list[dict[str, Any]]
    ) -> Output:
        base = f"{self._folder(part, tokenizer)}/{part.key[:16]}"
        files: dict[str, File] = {}
        if rows:
            pack = b"".join(row["codes"] for row in rows)
            offset = 0
            for row in rows:
                row.update(pack=f"{base}/pack.bin", offset=offset, size=len(row["codes"]))
                offset += row["size"]
            sha256 = self.workspace.store.put(f"{base}/pack.bin", pack)
            files["pack"] = File(f"{base}/pack.bin", sha256, len(pack), len(rows))
            index = pa.Table.from_pylist(rows, contracts.CODES_INDEX)
            files["codes"] = self.workspace.write_table(f"{base}/index.parquet", index)
        if failures:
            lost = pa.Table.from_pylist(sorted(failures, key=lambda f: f["id"]), FAILURES)
            files["failures"] = self.workspace.write_table(f"{base}/failures.parquet", lost)
        return Output(files, {"samples": len(rows), "failed": len(failures), "tokens": sum(r["tokens"] for r in rows)})
