"""Matches new captions with media that a scorer has embedded already: only texts go through a model, and frames of the parts of
long videos, whose captions are of them alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Protocol

import numpy as np

from dataengine.annotate.captions.span_frames import Preparer
from dataengine.config.recipe import Recipe
from dataengine.contracts import EMBEDDINGS
from dataengine.embed.vectors import rows_of
from dataengine.embed.worker import PICTURES, VIDEOS
from dataengine.models.clip import ClipEncoder
from dataengine.models.device import Float32, unit
from dataengine.models.encoders import encoder_of, picture_vectors, text_vectors
from dataengine.score.clip import Clip
from dataengine.score.conse import Conse, LabelSpace
from dataengine.score.factory import of_recipe
from dataengine.stage import Run
from dataengine.storage.workspace import File, Workspace, parquet


class CaptionMatcher(Protocol):
    """Pictures and captions as unit vectors whose product is the column ``match`` of a scorer. Pickles before ``setup``."""

    @property
    def version(self) -> str:
        """That of the scorer."""

    def files(self, run: Run, part: str) -> dict[str, File]:
        """Where the vectors of a part's samples lie, by role."""

    def setup(self, device: str, threads: int) -> None:
        """Load what embeds texts."""

    def pictures(self, workspace: Workspace, files: Mapping[str, File]) -> dict[str, Float32]:
        """``(D,)`` of each sample that could be embedded."""

    def texts(self, texts: Sequence[str]) -> Float32:
        """``(n, D)``."""

    @property
    def preparer(self) -> Preparer:
        """What makes of frames what ``parts`` takes; pickles."""

    def parts(self, prepared: Sequence[Any]) -> Float32:
        """``(n, D)`` of parts of videos, the mean of the frames of each."""


def matcher_of(recipe: Recipe) -> CaptionMatcher | None:
    """By the recipe's scorer with the column ``match``; None where it has none."""
    for scorer in of_recipe(recipe):
        if isinstance(scorer, Conse):
            return ConseMatcher(scorer.version)
        if isinstance(scorer, Clip):
            encoder = encoder_of(recipe)
            return ClipMatcher(scorer.version, encoder) if isinstance(encoder, ClipEncoder) else None
    return None


class ConseMatcher:
    """By labels: the scorer's table has the vectors."""

    def __init__(self, version: str) -> None:
        self.version = version

    def files(self, run: Run, part: str) -> dict[str, File]:
        return {"vectors": run.records["score"].parts[part].files[Conse.name]}

    def setup(self, device: str, threads: int) -> None:
        self._labels = LabelSpace(threads)
        self._device, self._threads = device, threads
        self._scorer: Conse | None = None

    def pictures(self, workspace: Workspace, files: Mapping[str, File]) -> dict[str, Float32]:
        file = files["vectors"]
        table = parquet(workspace.store.get(file.key, file.sha256), ["id", "embedding"])
        rows = zip(table["id"].to_pylist(), table["embedding"].to_pylist(), strict=True)
        return {str(id_): unit(np.array([vector], np.float32))[0] for id_, vector in rows if vector is not None}

    def texts(self, texts: Sequence[str]) -> Float32:
        return self._labels.texts(texts)

    @property
    def preparer(self) -> Preparer:
        return Conse()

    def parts(self, prepared: Sequence[Any]) -> Float32:
        if self._scorer is None:
            self._scorer = Conse()
            self._scorer.setup(self._device, self._threads)
        return np.stack(self._scorer.pictures(prepared))


class ClipMatcher:
    """By CLIP: the stage ``embed`` has the vectors."""

    def __init__(self, version: str, encoder: ClipEncoder) -> None:
        self.version = version
        self._encoder = encoder

    def files(self, run: Run, part: str) -> dict[str, File]:
        files = run.records["embed"].parts[part].files
        return {role: files[role] for role in (PICTURES, VIDEOS)}

    def setup(self, device: str, threads: int) -> None:
        self._model = copy(self._encoder)
        self._model.setup(device, threads)

    def pictures(self, workspace: Workspace, files: Mapping[str, File]) -> dict[str, Float32]:
        views = workspace.read_table([files[PICTURES], files[VIDEOS]], EMBEDDINGS)
        views = views.filter(views["vector"].is_valid())
        if not len(views):
            return {}
        return dict(
            zip(map(str, views["id"].to_pylist()), unit(rows_of(views["vector"]).astype(np.float32)), strict=True)
        )

    def texts(self, texts: Sequence[str]) -> Float32:
        return unit(text_vectors(self._model, texts).astype(np.float32))

    @property
    def preparer(self) -> Preparer:
        return self._encoder

    def parts(self, prepared: Sequence[Any]) -> Float32:
        return unit(picture_vectors(self._model, prepared).astype(np.float32))
