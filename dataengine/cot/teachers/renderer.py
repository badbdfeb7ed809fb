"""Pictures for a model through the decode child: samples, outputs of its programs, and a question's own images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from dataengine.cot.core.question import Question
from dataengine.cot.core.tables import AskedQuestion
from dataengine.cot.teachers.program import Program
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.samples.decode import Decoder
from dataengine.samples.locate import Located
from dataengine.storage.workspace import Workspace


class Renderer:
    """Owns decode children: close it."""

    def __init__(self, limits: Limits, workspace: Workspace) -> None:
        self._workspace = workspace
        self._limits = limits
        self._samples = Decoder("dataengine.cot.teachers.render:render_sample", limits, limits, dict[str, list[bytes]])
        self._programs: Decoder | None = None

    def samples(
        self, questions: Iterable[Question], located: Mapping[str, Located]
    ) -> dict[str, dict[str, list[bytes]]]:
        """JPEGs of the samples that questions are about, by id and frame sampling; what cannot be decoded is left out."""
        samplings: dict[str, set[str]] = {}
        for question in questions:
            samplings.setdefault(question.parents[0], set()).add(question.parameters.get("sampling", ""))
        return self.rendered(samplings, located)

    def rendered(
        self, samplings: Mapping[str, Collection[str]], located: Mapping[str, Located]
    ) -> dict[str, dict[str, list[bytes]]]:
        """JPEGs of samples by id and frame sampling, for each those that ``samplings`` wants; what cannot be decoded is left
        out."""
        rows = sorted((located[i] for i in samplings if i in located), key=lambda r: (r.media, r.offset))
        outcomes = self._samples.over(
            self._workspace.store, rows, lambda row, data: (row.kind, data, set(samplings[row.id]) - {""})
        )
        return {row.id: outcome.value for row, outcome in outcomes if isinstance(outcome, Ok)}

    def run_programs(self, programs: Sequence[tuple[Located, Program]]) -> list[bytes | str | Failed]:
        """Output of each program on its question's picture, in order: a PNG, text, or the failure of the child that ran it."""
        if self._programs is None:
            function = "dataengine.cot.teachers.render:run_program"
            self._programs = Decoder(function, self._limits, self._limits, tuple[bytes, str])
        order = sorted(range(len(programs)), key=lambda n: (programs[n][0].media, programs[n][0].offset, n))
        codes = iter([programs[n][1] for n in order])
        rows = [programs[n][0] for n in order]
        outcomes = self._programs.over(self._workspace.store, rows, lambda row, data: (data, next(codes)))
        outputs: dict[int, bytes | str | Failed] = {}
        for place, (_, outcome) in zip(order, outcomes, strict=True):
            outputs[place] = outcome if isinstance(outcome, Failed) else outcome.value[0] or outcome.value[1]
        return [outputs[n] for n in range(len(programs))]

    def question_images(self, asked: AskedQuestion) -> list[bytes]:
        """PNGs of a question, from its pack."""
        places = [(asked.pack, m.offset, m.size) for m in asked.members]
        store = self._workspace.store
        return self._workspace.each(lambda place: store.get_range(*place), places)

    def close(self) -> None:
        self._samples.close()
        if self._programs is not None:
            self._programs.close()
