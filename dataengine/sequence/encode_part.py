"""What a part of sequence.encode is made from."""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.config.sequence import CotSource, PairsSource, SamplesSource, SegmentsSource, TextSource
from dataengine.sequence.corpus import CorpusFile
from dataengine.sequence.releases import Tar
from dataengine.sequence.segments import Inputs
from dataengine.storage.workspace import File


@dataclass(frozen=True)
class Material:
    """Samples of a tar as a table, and the tar where their codes lie."""

    file: File
    tar: Tar


@dataclass(frozen=True)
class EncodePart:
    """``texts``: a table of a corpus; ``samples``: the tar whose samples become documents; ``records``: a tar of records, or
    ``rows``: a table of segments with the ``inputs`` that its media are found by; and in
    ``parents`` all samples that they may be about."""

    family: str
    source: SamplesSource | PairsSource | CotSource | TextSource | SegmentsSource
    texts: File | None = None
    samples: Material | None = None
    records: Tar | None = None
    parents: tuple[Material, ...] = ()
    rows: CorpusFile | None = None
    inputs: Inputs | None = None
