"""Exports what graded paths hold as JSONL with media files: for DPO and MPO, for RL, and for process reward models.

``OUT/rows/part-00000-of-00003.jsonl``, ``OUT/media``, for LLaMA-Factory ``OUT/dataset_info.json``, and ``OUT/export.json`` with
the checksum of each file, which comes last. The same run and options give the same bytes.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.cot.core.formats import IMAGE_MARK
from dataengine.cot.teachers.renderer import Renderer
from dataengine.errors import RunError, UsageError
from dataengine.export.graded_paths import GradedQuestion, graded_questions
from dataengine.export.jsonl_parts import JsonlParts
from dataengine.export.options import Signal, Trainer
from dataengine.export.preference_media import content_of, frames_of, images_of, save, text_of
from dataengine.export.signals import attempted, fields_of, labelled_steps, pairs
from dataengine.export.target import empty_target, local_folder
from dataengine.shards.sample import canonical
from dataengine.stage import Run
from dataengine.storage.store import Store

ROWS = "rows"
_UNDECODED = "a video that cannot be decoded"


@dataclass(frozen=True)
class Options:
    """``most``: pairs of one question. Raises UsageError."""

    signal: Signal = Signal.pairs
    trainer: Trainer = Trainer.trl
    split: str = "train"
    rows: int = 1000
    most: int = 1

    def __post_init__(self) -> None:
        if min(self.rows, self.most) < 1:
            raise UsageError("--rows and --most must be at least 1")
        if self.trainer is Trainer.llamafactory and self.signal is not Signal.pairs:
            raise UsageError(f"LLaMA-Factory has no reader for --as {self.signal.value}: use --to trl, or --as pairs")


@dataclass(frozen=True)
class Exported:
    """Files as in ``export.json``, rows, media files, and questions left out by reason."""

    files: list[dict[str, Any]]
    rows: int
    media: int
    left_out: dict[str, int]


def export(
    run: Run, out: str, options: Options | None = None, progress: Callable[[int, int], None] = lambda *_: None
) -> Exported:
    """Write one split of a run to an empty folder or s3:// prefix; calls ``progress(done, total)`` for each question. Raises
    UsageError before anything is written, RunError where there is nothing to write."""
    options = options or Options()
    target = empty_target(out, Store(f"{run.workspace.store.url}/releases/{run.recipe.name}"))
    total = sum(output.files["questions"].rows for output in run.records["cot.questions"].parts.values())
    media, left_out = dict[str, str](), Counter[str]()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=local_folder(target), prefix=".export-"))
        renderer = stack.enter_context(closing(Renderer(run.recipe.limits.to_limits(), run.workspace)))
        parts = JsonlParts(Path(folder), options.rows)
        for done, graded in enumerate(graded_questions(run, options.split), 1):
            progress(done, total)
            rows = _rows(graded, options)
            frames = frames_of(renderer, graded) if not isinstance(rows, str) else []
            rows = _UNDECODED if frames is None else rows
            if isinstance(rows, str):
                left_out[rows] += 1
                continue
            for row in rows:
                parts.add(row)
            save(run.workspace.store, target, graded, frames or [], media)
        parts.close()
        if not parts.counts:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items()))
            raise RunError(f"split {options.split} gives no {options.signal.value} ({reasons or 'no questions'})")
        files = parts.publish(Store(f"{target.url}/{ROWS}"))
    exported = Exported(files, sum(parts.counts), len(media), dict(sorted(left_out.items())))
    if options.trainer is Trainer.llamafactory:
        target.put("dataset_info.json", canonical(_info(run.recipe.name, options.split)))
    target.put("export.json", canonical(_described(run, options, exported, media)))
    return exported


def _rows(graded: GradedQuestion, options: Options) -> list[dict[str, Any]] | str:
    """The rows of a question, or why it has none."""
    question = graded.question
    if question.style == "agentic" and options.signal is not Signal.rl:
        return "a tool's output in the reply"
    rows = list(_ROWS[options.signal](graded, options))
    return [fields_of(question) | row for row in rows] or f"no {options.signal.value}"


def _pairs(graded: GradedQuestion, options: Options) -> Iterator[dict[str, Any]]:
    for pair in pairs(graded, options.most):
        more = {"why": pair.why, "rejected_from": pair.rejected.teacher, "images": images_of(graded)}
        chosen, rejected = pair.chosen.text, pair.rejected.text.replace(IMAGE_MARK, "")
        if options.trainer is Trainer.llamafactory:
            turns = [{"from": "human", "value": text_of(graded)}]
            yield more | {"conversations": turns, "chosen": _gpt(chosen), "rejected": _gpt(rejected)}
        else:
            yield more | {"prompt": _asked(graded), "chosen": [_said(chosen)], "rejected": [_said(rejected)]}


def _rl(graded: GradedQuestion, options: Options) -> Iterator[dict[str, Any]]:
    if (tried := attempted(graded)) is not None:
        hints = [{"level": level, "text": hint} for level, hint in sorted(tried.hints.items())]
        yield {
            "prompt": _asked(graded),
            "solution": graded.question.answer,
            "accuracy": tried.accuracy,
            "samples": tried.samples,
            "hints": hints,
            "images": images_of(graded),
        }


def _steps(graded: GradedQuestion, options: Options) -> Iterator[dict[str, Any]]:
    for path in graded.paths:
        if (labelled := labelled_steps(graded.question, path)) is not None:
            steps, labels = labelled
            more = {"path": path.index, "teacher": path.teacher, "images": images_of(graded)}
            yield more | {"prompt": text_of(graded), "completions": steps, "labels": labels}


_ROWS: dict[Signal, Callable[[GradedQuestion, Options], Iterator[dict[str, Any]]]] = {
    Signal.pairs: _pairs,
    Signal.rl: _rl,
    Signal.steps: _steps,
}


def _asked(graded: GradedQuestion) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content_of(graded)}]


def _said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def _gpt(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


def _info(name: str, split: str) -> dict[str, Any]:
    """LLaMA-Factory's entry for preferences in the ShareGPT format; it reads all files of the folder."""
    columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "images": "images"}
    entry = {"file_name": ROWS, "formatting": "sharegpt", "ranking": True, "columns": columns}
    return {f"{name}_{split}_preferences": entry}


def _described(run: Run, options: Options, exported: Exported, media: dict[str, str]) -> dict[str, Any]:
    return {
        "release": run.recipe.name,
        "as": options.signal.value,
        "to": options.trainer.value,
        "split": options.split,
        "files": [{**file, "path": f"{ROWS}/{file['path']}"} for file in exported.files],
        "media": [{"path": path, "sha256": sha256} for path, sha256 in sorted(media.items())],
        "rows": exported.rows,
        "left_out": exported.left_out,
    }
