"""cot.texts: text-only long chains of thought of the recipe's sources, as questions with one graded path each.

They pass through as their source has them, in the form of the thinking mode; a row that has no final answer, or cannot be read,
is a row with its reason. The same record twice is one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dataengine.config.contamination import TableBenchmark
from dataengine.config.cot import TextSource
from dataengine.config.recipe import Recipe
from dataengine.contamination.benchmarks import Reader
from dataengine.cot.core.record import VERSION
from dataengine.cot.core.stage import TEXTS, Cot
from dataengine.cot.core.tables import CheckRow, PathRow, QuestionRow, table_of
from dataengine.cot.questions.text_records import NoRecord, check_row, lost_row, path_row, question_row, text_record
from dataengine.errors import UsageError
from dataengine.ingest.listing_stage import ListingStage
from dataengine.ingest.occurrence import Occurrence
from dataengine.media.limits import Limits
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import Output, Workspace, digest


class CotTexts(Cot, ListingStage):
    """One part a hash bucket of a table's rows. Left out where the recipe has no ``cot.texts``."""

    name = TEXTS
    version = "2"

    def active(self, recipe: Recipe) -> bool:
        return recipe.cot is not None and bool(recipe.cot.texts)

    def listed(self, recipe: Recipe, base: str) -> list[Part]:
        parts, mistakes = [], []
        for number, source in enumerate(self.config(recipe).texts):
            settings = source.model_dump(exclude={"path"})
            try:
                reader = reader_of(source, recipe.limits.to_limits())
                parts += [
                    Part(p.name, digest(base, VERSION, settings, p.key), (source, p.spec)) for p in reader.parts()
                ]
            except UsageError as error:
                line = recipe.line("cot", "texts", number, "path")
                mistakes.append(f"{line}cot.texts `{source.name}`: {error}")
        if mistakes:
            raise UsageError("\n".join(mistakes))
        return sorted(parts, key=lambda p: p.name)

    def worker(self, run: Run) -> Worker:
        return TextWorker(run.recipe.limits.to_limits(), run.workspace)


def reader_of(source: TextSource, limits: Limits) -> Reader:
    """Reads a source's rows as a list of questions without pictures is read."""
    fields = {"type": "table", "name": source.name, "path": source.path, "media": None}
    named = {"question": source.question, "answer": source.answer}
    return Reader(TableBenchmark.model_validate(fields | named), limits)


@dataclass
class TextWorker:
    limits: Limits
    workspace: Workspace

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        source, spec = part.spec
        rows = list(_rows(source, reader_of(source, self.limits).occurrences(spec)))
        rows.sort(key=lambda row: (row[0].rid, row[0].rejected or ""))
        base, write = f"cot/texts/{part.name}-{part.key[:16]}", self.workspace.write_table
        questions = [question for question, _, _ in rows]
        checks = [check for _, _, check in rows if check is not None]
        files = {
            "questions": write(f"{base}.parquet", table_of(QuestionRow, questions)),
            "paths": write(
                f"{base}-paths.parquet", table_of(PathRow, [path for _, path, _ in rows if path is not None])
            ),
            "checks": write(f"{base}-checks.parquet", table_of(CheckRow, checks)),
        }
        grades = Counter(check.grade for check in checks if check.grade)
        licenses = Counter(row.question.parameters.get("license", "") for row in questions if row.question is not None)
        facts: dict[str, Any] = {"grades": dict(sorted(grades.items())), "planted": {}, "caught": {}}
        facts |= {"source": source.name, "licenses": dict(sorted(licenses.items()))}
        return Output(files, {"texts": len(questions), "records": len(checks)}, facts)


def _rows(
    source: TextSource, items: Iterator[Occurrence]
) -> Iterator[tuple[QuestionRow, PathRow | None, CheckRow | None]]:
    """Of each row its question, path and check; of one without a record the reason alone. A record that comes again is left
    out."""
    known = set[str]()
    for item in items:
        place = f"{source.name}/{item.uri}"
        if item.error is not None:
            yield lost_row(place, item.error.failure, True), None, None
            continue
        row = json.loads(item.meta) if item.meta else {}
        record = text_record(row | ({"license": item.license} if item.license else {}), source, place)
        if isinstance(record, NoRecord):
            yield lost_row(place, record.reason, False), None, None
        elif record.question.id not in known:
            known.add(record.question.id)
            path = path_row(record, source.name)
            yield question_row(record.question), path, check_row(record, path)
