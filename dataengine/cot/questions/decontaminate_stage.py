"""cot.decontaminate: questions that a benchmark asks of the same picture, by embeddings of both.

As in Keye-VL's post-training (arXiv 2507.01949, Appendix A). Only questions about samples that contamination.pictures names are
embedded: those whose picture, or that of a near-duplicate, is in a benchmark. All samples that a question is composed of count.
It only reports; cot.score puts it beside the rule about words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.config.contamination import QuestionContamination
from dataengine.config.recipe import Recipe
from dataengine.contamination.embed import schema
from dataengine.contamination.pictures import PICTURED
from dataengine.cot.core import formats
from dataengine.cot.core.question import Question
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import AskedQuestion, QuestionHit, rows_of, table_of
from dataengine.dedup.semantic import DECIMALS
from dataengine.models.encoders import Encoder, encoder_of, text_vectors
from dataengine.samples.locate import chunks
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

_OPTION = re.compile(r"\s{0,8}\(?[A-Z][.):]\s")
_CHUNK = 256
"""Texts that are embedded at once; fixed, so that batches never depend on the machine."""
_READ = (("pictures", "pictures"), ("embed", "benchmarks"))


@dataclass(frozen=True)
class Pictured:
    """Files of the pairs of samples and items with their picture, and of the items with the embeddings of their questions."""

    pictures: Sequence[File]
    items: Sequence[File]

    @property
    def digests(self) -> list[list[str]]:
        return [[file.sha256 for file in files] for files in (self.pictures, self.items)]


class CotDecontaminate(Cot, RecordStage):
    """One part a part of the questions, as far as a sample in it has the picture of an item."""

    name = "cot.decontaminate"
    version = "2"
    needs = ("cot.questions", "contamination.embed", "contamination.pictures")

    def active(self, recipe: Recipe) -> bool:
        return recipe.question_contamination is not None

    def settings(self, recipe: Recipe) -> Any:
        config = recipe.question_contamination
        return [None if config is None else config.text_cosine, encoder_of(recipe).version]

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def plan(self, run: Run) -> list[Part]:
        read = Pictured(*(run.records[f"contamination.{of}"].files(role) for of, role in _READ))
        if not any(file.rows for file in read.pictures):
            return []
        base = digest(self.version, self.settings(run.recipe), read.digests)
        questions = {name: out.files["questions"] for name, out in run.records["cot.questions"].parts.items()}
        return [Part(n, digest(base, file.sha256), (file, read)) for n, file in sorted(questions.items())]

    def worker(self, run: Run) -> Worker:
        config, score = run.recipe.question_contamination or QuestionContamination(), run.recipe.score
        return QuestionComparer(run.workspace, encoder_of(run.recipe), config.text_cosine, score.device, score.threads)


@dataclass
class QuestionComparer:
    """``text``: cosine above which a question is an item's, rounded as the preset keye_posttrain rounds. The model is loaded when
    there is something to embed."""

    workspace: Workspace
    encoder: Encoder
    text: float
    device: str
    threads: int
    _model: Encoder | None = field(default=None, init=False, repr=False)

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        file, read = part.spec
        questions = self._questions(file)
        items = self._items(read, {id_ for row in questions for id_ in row.question.parents})
        asked = (row for row in questions if any(id_ in items for id_ in row.question.parents))
        hits = [hit for some in chunks(asked, _CHUNK) for hit in self._hits(some, items)]
        table = table_of(QuestionHit, sorted(hits, key=lambda hit: (hit.rid, hit.benchmark, hit.item)))
        key = f"cot/contaminated/{part.name}-{part.key[:16]}.parquet"
        written = self.workspace.write_table(key, table)
        return Output({"hits": written}, {"contaminated": len({hit.rid for hit in hits})})

    def _questions(self, file: File) -> list[AskedQuestion]:
        table = self.workspace.read_table([file], AskedQuestion.schema, AskedQuestion.columns())
        return [*rows_of(table.filter(pc.is_valid(table["question"])), AskedQuestion)]

    def _items(self, read: Pictured, ids: set[str]) -> dict[str, pa.Table]:
        """For each of these samples that has the picture of an item such items, with their questions."""
        pairs = self.workspace.rows_of(read.pictures, PICTURED, ids).sort_by(
            [("id", "ascending"), ("row", "ascending")]
        )
        return _by_sample(pairs.append_column("text", self._texts(read.items, pairs["row"])))

    def _texts(self, items: Sequence[File], rows: Any) -> Any:
        """Embeddings of the questions of some items, by number; the others are not held."""
        wanted = np.unique(rows.to_numpy())
        column = pa.schema([schema(self.encoder).field("text")])
        texts, start = [column.empty_table()["text"].combine_chunks()], 0
        for table in self.workspace.batches(items, column):
            own = wanted[(wanted >= start) & (wanted < start + len(table))] - start
            texts.append(table["text"].combine_chunks().take(pa.array(own)))
            start += len(table)
        return pa.concat_arrays(texts).take(pa.array(np.searchsorted(wanted, rows.to_numpy())))

    def _hits(self, questions: Sequence[AskedQuestion], items: Mapping[str, pa.Table]) -> Iterator[QuestionHit]:
        """For each question and item the texts of which are alike: one, the most similar."""
        if self._model is None:
            self._model = copy(self.encoder)
            self._model.setup(self.device, self.threads)
        vectors = text_vectors(self._model, [bare_text(row.question) for row in questions])
        for row, vector in zip(questions, vectors.astype(np.float64), strict=True):
            best: dict[tuple[str, str], QuestionHit] = {}
            for id_ in sorted(set(row.question.parents) & items.keys()):
                for hit in _compared(row.rid, vector, items[id_]):
                    known = best.get((hit.benchmark, hit.item))
                    if hit.text > self.text and (known is None or hit.text > known.text):
                        best[hit.benchmark, hit.item] = hit
            yield from best.values()


def bare_text(question: Question) -> str:
    """What a question asks, as a benchmark would list it: without pictures, options and the mode switch."""
    text = formats.without_switch(question.text, question.style, question.switches).replace(formats.IMAGE_MARK, " ")
    lines = [line for line in text.splitlines() if not _OPTION.match(line)]
    return " ".join(" ".join(lines).split()) or text.strip()


def _compared(rid: str, vector: NDArray[np.float64], items: pa.Table) -> Iterator[QuestionHit]:
    texts = np.array(items["text"].to_pylist(), np.float64)
    lengths = np.linalg.norm(texts, axis=1) * np.linalg.norm(vector)
    cosines = np.round(texts @ vector / np.where(lengths > 0, lengths, np.inf), DECIMALS)
    rows = items.drop_columns(["id", "row", "text"]).to_pylist()
    for row, cosine in zip(rows, cosines, strict=True):
        yield QuestionHit(rid, row["benchmark"], row["item"], row["similarity"], float(cosine))


def _by_sample(pictures: pa.Table) -> dict[str, pa.Table]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, id_ in enumerate(pictures["id"].to_pylist()):
        places[str(id_)].append(place)
    return {id_: pictures.take(pa.array(some)) for id_, some in places.items()}
