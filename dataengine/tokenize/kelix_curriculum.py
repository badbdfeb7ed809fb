"""The report's training of a Kelix tokenizer: tower → features → centres (as every Kelix tokenizer), then an index of the corpus
and three stages with a language model: ``tokenize.align``, ``tokenize.pretrain``, ``tokenize.anneal``.

Each is a commit, and saves itself every few steps. Media stay in their tars: a stage reads them pack by pack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.errors import InputError, UsageError
from dataengine.samples.locate import Located, objects
from dataengine.samples.selection import Selection
from dataengine.samples.stage import PlannedStage, part_name
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest
from dataengine.tokenize.base import FIT_FRAMES
from dataengine.tokenize.kelix.config import CausalLM, KelixConfig
from dataengine.tokenize.kelix.curriculum import Curriculum
from dataengine.tokenize.kelix_stages import Kelix, has_curriculum
from dataengine.tokenize.kelix_workers import AnnealedWorker, PhaseWorker
from dataengine.tokenize.patches import Native
from dataengine.tokenize.stage import FitStage
from dataengine.tokenize.training_set import to_fit


def curriculum_of(config: KelixConfig) -> Curriculum:
    if config.training.curriculum is None:
        raise UsageError("the recipe's tokenizer has no training.curriculum")
    return config.training.curriculum


class _WithCurriculum(Kelix):
    def active(self, recipe: Recipe) -> bool:
        return super().active(recipe) and has_curriculum(recipe)


class KelixCorpus(_WithCurriculum, PlannedStage):
    """Index of texts, tokenized for the language model: one part a media tar."""

    name = "tokenize.corpus"
    needs = ("ingest", "dedup", "filter")
    version = "1"

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        how = [recipe.tokenize.fit_samples, recipe.tokenize.held_out] if recipe.tokenize else []
        text = [lm_digest(config, ("tokenizer.json",)), config.objective.length, curriculum_of(config).instructions]
        return [text, _room(config), config.min_tokens, config.max_tokens, how]

    def selection(self, run: Run) -> Selection:
        return to_fit(run)

    def base(self, run: Run) -> str:
        return digest(self.name, self.version, self.settings(run.recipe), run.records["ingest"].digest)

    def plan(self, run: Run) -> list[Part]:
        """``spec`` is (place of the rows, tables of the ingested samples of their media tar)."""
        parts, tables = PlannedStage.plan(self, run), _tables(run)
        return [Part(p.name, p.key, (p.spec, tables[p.name])) for p in parts]

    def worker(self, run: Run) -> Worker:
        return CorpusWorker(self.config(run.recipe), run.workspace)


def _tables(run: Run) -> dict[str, list[File]]:
    """Tables of the ingested samples, by the name of the part with the samples of their media tar."""
    tables: dict[str, list[File]] = {}
    for out in run.records["ingest"].parts.values():
        if "media" in out.files and "samples" in out.files:
            tables.setdefault(part_name(out.files["media"].key), []).append(out.files["samples"])
    return tables


def _room(config: KelixConfig) -> int:
    """Tokens of the smallest pack."""
    return min(phase.tokens for _, phase in curriculum_of(config).phases())


def lm_digest(config: KelixConfig, names: tuple[str, ...] = ()) -> list[str]:
    """Digests of the language model's files, ``names`` or all that training reads."""
    from pathlib import Path

    from dataengine.models.checkpoint import digest as file_digest

    folder = Path(str(config.objective.path)) if isinstance(config.objective, CausalLM) else Path()
    wanted = [folder / n for n in names] or [*folder.glob("*.json"), *folder.glob("*.safetensors")]
    return [f"{f.name} {file_digest(f)}" for f in sorted(wanted) if f.is_file()]


@dataclass
class CorpusWorker:
    """Publishes a table of packing.INDEX as ``index``."""

    config: KelixConfig
    workspace: Workspace

    def setup(self) -> None:
        from dataengine.tokenize.kelix.texts import TextLayout

        objective = self.config.objective
        if not isinstance(objective, CausalLM):
            raise UsageError("a curriculum needs the objective causal_lm")
        self._layout = TextLayout(str(objective.path), objective.length)

    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        from dataengine.tokenize.kelix.packing import INDEX

        rows_of_part, files = part.spec
        located = objects(rows_of_part.read(self.workspace.store))
        texts = self._texts({row.id for row in located}, files)
        rows = [index for row in located for index in self._indexed(row, texts.get(row.id, []))]
        counts = {"samples": len(located), "texts": len(rows), "tokens": sum(r["tokens"] + len(r["ids"]) for r in rows)}
        for kind in ("captions", "instructions"):
            counts[kind] = sum(r["text"] == kind for r in rows)
        key = f"tokenizers/corpus/{part.name}-{part.key[:16]}.parquet"
        return Output({"index": self.workspace.write_table(key, pa.Table.from_pylist(rows, INDEX))}, counts)

    def _texts(self, ids: set[str], files: list[File]) -> dict[str, list[dict[str, Any]]]:
        """Occurrences of the samples, in the order of their URIs, by id."""
        by_id: dict[str, list[dict[str, Any]]] = {}
        for file in files:
            wanted = ["id", "source", "uri", "captions", "meta"]
            table = self.workspace.read_table([file], contracts.SAMPLES, wanted)
            for row in table.filter(pc.is_in(table["id"], value_set=pa.array(sorted(ids), pa.string()))).to_pylist():
                by_id.setdefault(row["id"], []).append(row)
        return {id_: sorted(rows, key=lambda r: (r["source"], r["uri"])) for id_, rows in by_id.items()}

    def _indexed(self, row: Located, occurrences: list[dict[str, Any]]) -> list[dict[str, Any]]:
        from dataengine.tokenize.kelix.texts import turns_of

        field = curriculum_of(self.config).instructions
        laid = []
        for seen in occurrences:
            laid += [(seen["source"], "captions", self._layout.caption(text)) for text in seen["captions"] if text]
            if conversation := self._layout.conversation(turns_of(seen["meta"], field)):
                laid.append((seen["source"], "instructions", conversation))
        return [indexed for source, kind, text in laid if (indexed := self._row(row, source, kind, text))]

    def _row(self, row: Located, source: str, kind: str, text: Any) -> dict[str, Any] | None:
        config = self.config
        try:
            _, h, w = Native(config.min_tokens, config.max_tokens, config.video).grid(
                row.facts["height"], row.facts["width"]
            )
        except InputError:  # its size does not fit: encoding says so in a failure row
            return None
        stills = min(FIT_FRAMES if row.kind == "video" else 1, (_room(self.config) - len(text.ids)) // (h * w))
        if stills < 1:
            return None
        place = {"id": row.id, "kind": row.kind, "ext": row.ext, "bytes": row.bytes, "media": row.media}
        tokens = {"stills": stills, "tokens": stills * h * w, "ids": text.ids, "learn": text.learn, "at": text.at}
        return {**place, "offset": row.offset, "source": source, "text": kind, **tokens}


class _Phase(_WithCurriculum):
    """One stage of the curriculum: all of its packs are one part."""

    phase: ClassVar[str]
    version = "1"

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        curriculum, training = curriculum_of(config), config.training
        apart = {"processes", "parallel", *(name for name, _ in curriculum.phases())}
        shared = curriculum.model_dump(mode="json", exclude=apart)
        own = getattr(curriculum, self.phase).model_dump(mode="json")
        sizes = config.model_dump(mode="json", include={"vision", "quantiser", "seed", "min_tokens", "max_tokens"})
        return [
            shared,
            own,
            sizes,
            lm_digest(config),
            [training.threads, training.save_every],
            recipe.limits.model_dump(),
        ]

    def processes(self, recipe: Recipe) -> int:
        return curriculum_of(self.config(recipe)).processes

    def base(self, run: Run) -> str:
        earlier = [run.records[name].digest for name in self.needs]
        return digest(self.name, self.version, self.settings(run.recipe), earlier)

    def plan(self, run: Run) -> list[Part]:
        files = run.records["tokenize.corpus"].files("index")
        return [Part("all", digest(self.base(run), [f.sha256 for f in files]), files)]

    def worker(self, run: Run) -> Worker:
        config, limits = self.config(run.recipe), run.recipe.limits.to_limits()
        keys = {role: run.records[stage].files(role)[0].key for stage, role in self.starts().items()}
        return PhaseWorker(limits, run.workspace, config, self.phase, self.name, keys, self.device(run.recipe))

    def starts(self) -> dict[str, str]:
        """Stages whose file it starts from, with the file's role."""
        return {self.needs[1]: self.needs[1].rpartition(".")[2]}


class KelixAlign(_Phase):
    name, phase = "tokenize.align", "align"
    needs = ("tokenize.corpus", "tokenize.encoder", "tokenize.centres")

    def starts(self) -> dict[str, str]:
        return {"tokenize.encoder": "encoder", "tokenize.centres": "centres"}


class KelixPretrain(_Phase):
    name, phase = "tokenize.pretrain", "pretrain"
    needs = ("tokenize.corpus", "tokenize.align")


class KelixAnneal(_Phase):
    name, phase = "tokenize.anneal", "anneal"
    needs = ("tokenize.corpus", "tokenize.pretrain")


class KelixAnnealed(_WithCurriculum, FitStage):
    """Publishes the tokenizer of the last stage, without its language model."""

    name = "tokenize.fit"
    needs = ("tokenize.align", "tokenize.pretrain", "tokenize.anneal")

    def plan(self, run: Run) -> list[Part]:
        states = {name: run.records[name].files(name.rpartition(".")[2])[0].key for name in self.needs}
        return [Part("all", digest(self.name, self.version, [run.records[n].digest for n in self.needs]), states)]

    def key(self, run: Run) -> str:
        return digest(self.name, self.version, [run.records[name].digest for name in self.needs])

    def worker(self, run: Run) -> Worker:
        return AnnealedWorker(self.config(run.recipe), run.workspace)
