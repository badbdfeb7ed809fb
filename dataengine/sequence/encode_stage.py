"""sequence.encode: documents of each source, tokenized; a part a tar or file of texts."""

from __future__ import annotations

from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import SamplesSource, SegmentsSource, SequenceConfig, TextSource
from dataengine.sequence.base import (
    CORPORA,
    ENCODE,
    SAMPLES,
    VOCABULARY,
    Sequencing,
    codebook_sizes,
    families,
    releases,
    splitting_from,
)
from dataengine.sequence.corpus import files
from dataengine.sequence.encode_part import EncodePart, Material
from dataengine.sequence.read_stages import sample_tars
from dataengine.sequence.record_visuals import PictureEncoder
from dataengine.sequence.releases import OWN, Tar
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import digest
from dataengine.tokenize.decision import plugins_of


class SequenceEncode(Sequencing, RecordStage):
    name = ENCODE
    version = "4"
    needs = ("ingest", "dedup", "tokenize.fit", CORPORA, SAMPLES, VOCABULARY, "cot.write")

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        sources = [source.model_dump(exclude={"epochs", "cap"}) for source in config.sources]
        return [sources, families(config), self._how(config)]

    def _how(self, config: SequenceConfig) -> Any:
        return [
            config.vision.model_dump(mode="json"),
            config.frame_markers,
            splitting_from(config),
            config.tokenizer.system,
        ]

    def key(self, run: Run) -> str:
        """Tars of other releases are inputs."""
        return digest(super().key(run), [part.key for part in self.plan(run)])

    def plan(self, run: Run) -> list[Part]:
        config = self.config(run.recipe)
        encoder = self._encoder(run)
        own = encoder.checkpoint.sha256 if encoder else ""
        base = digest(self.version, own, run.records[VOCABULARY].parts["all"].facts["id"], self._how(config))
        by_name = {source.name: source for source in config.sources}
        parts = []
        for family, names in families(config).items():
            for name in names:
                for label, spec, depends in self._of(run, family, by_name[name]):
                    settings = by_name[name].model_dump(exclude={"epochs", "cap"})
                    parts.append(Part(f"{family}-{name}-{label}", digest(base, family, settings, depends), spec))
        return parts

    def _of(self, run: Run, family: str, source: Any) -> list[tuple[str, EncodePart, list[str]]]:
        if isinstance(source, TextSource):
            texts = run.records[CORPORA].parts
            return [
                (name, EncodePart(family, source, texts=out.files["texts"]), [out.files["texts"].sha256])
                for name, out in sorted(texts.items())
                if out.facts["source"] == source.name
            ]
        release = releases(run, self.config(run.recipe))[source.release or OWN]
        materials = self._materials(run, release.tars("samples", source.split))
        if isinstance(source, SamplesSource):
            return [
                (m.tar.name, EncodePart(family, source, samples=m), [m.file.sha256, m.tar.sha256]) for m in materials
            ]
        if isinstance(source, SegmentsSource):
            depends = [d for m in materials for d in (m.file.sha256, m.tar.sha256)] + release.inputs.digests
            return [
                (
                    f"{n:05d}",
                    EncodePart(family, source, rows=file, parents=tuple(materials), inputs=release.inputs),
                    [file.key, str(file.size), file.tag, *depends],
                )
                for n, file in enumerate(files(source))
            ]
        known = [digest_ for m in materials for digest_ in (m.file.sha256, m.tar.sha256)]
        return [
            (tar.name, EncodePart(family, source, records=tar, parents=tuple(materials)), [tar.sha256, *known])
            for tar in release.tars("records", source.split)
        ]

    def _materials(self, run: Run, tars: list[Tar]) -> list[Material]:
        by_tar = {tar: name for name, tar in sample_tars(run, self).items()}
        parts = run.records[SAMPLES].parts
        return [Material(parts[by_tar[tar]].files["material"], tar) for tar in tars]

    def worker(self, run: Run) -> Worker:
        from dataengine.sequence.encode_worker import EncodeWorker

        config = self.config(run.recipe)
        vocabulary = run.records[VOCABULARY].parts["all"]
        return EncodeWorker(
            run.workspace,
            dict(vocabulary.files),
            dict(vocabulary.facts),
            codebook_sizes(releases(run, config)),
            config.vision,
            config.frame_markers,
            splitting_from(config),
            config.tokenizer.system,
            self._encoder(run),
        )

    def _encoder(self, run: Run) -> PictureEncoder | None:
        """Of records' own pictures, where the recipe's visual tokenizer is that of the releases."""
        fitted = run.records["tokenize.fit"].parts["all"] if "tokenize.fit" in run.records else None
        makers = {release.tokenizer for release in releases(run, self.config(run.recipe)).values()}
        if fitted is None or makers != {fitted.facts["id"]}:
            return None
        return PictureEncoder(run.workspace, fitted.files["tokenizer"], plugins_of(run.recipe))
