"""Vectors of queries, by the encoder that an index was made with: a text, a picture or video in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataengine.embed.prepared import Prepared
from dataengine.errors import InputError, UsageError
from dataengine.index.manifest import Manifest
from dataengine.index.search import WHOLE
from dataengine.index.vectors import Space
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox
from dataengine.media.sniff import video_format

if TYPE_CHECKING:
    from dataengine.models.encoders import Encoder


@dataclass(frozen=True)
class Query:
    """A vector to search for; ``part``: where it is not zero; ``meaning``: what its cosines compare, for a person."""

    vector: NDArray[np.float32]
    part: slice
    meaning: str


class Queries:
    """Makes queries for an index. ``encoder``: called where a query needs it, and loaded once."""

    def __init__(self, manifest: Manifest, encoder: Callable[[], Encoder], limits: Limits) -> None:
        self._manifest, self._make, self._limits = manifest, encoder, limits
        self._loaded: Encoder | None = None
        of, share = manifest.of, manifest.caption_weight
        self._space = Space(of, manifest.model, manifest.dims, manifest.joint, share)

    def text(self, text: str) -> Query:
        """Raises UsageError where the index has nothing that a text can be compared with."""
        if not text.strip():
            raise UsageError("--text is empty")
        image, caption = self._manifest.dims
        if not self._manifest.joint and not caption:
            raise UsageError(
                "a text cannot be compared with the vectors of this index: they are of pictures alone, by "
                f"{self._manifest.model}, which has no texts in its space. Build it with `index: {{of: both}}` or "
                "`{of: caption}` to search captions, or with a `clip` scorer to search pictures"
            )
        vector = self._encoder().texts([text])
        if self._manifest.joint:
            return Query(vector[0], WHOLE, f"the text with the {_named(self._manifest.of)}, in one space")
        part = slice(image, image + caption)
        meaning = "the text with the captions, by MiniLM; the pictures themselves are not compared with it"
        return Query(self._space.joined(None, vector)[0], part, meaning)

    def image(self, path: Path) -> Query:
        """Of a picture, or a video's frames. Raises UsageError where it cannot be decoded."""
        image, _ = self._manifest.dims
        if not self._manifest.joint and not image:
            raise UsageError("a picture cannot be compared with the vectors of this index: they are of captions alone")
        if not path.is_file():
            raise UsageError(f"--image {path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
        vector = self._picture(path)
        if self._manifest.joint:
            return Query(vector, WHOLE, f"the picture with the {_named(self._manifest.of)}, in one space")
        meaning = f"the picture with pictures, by {self._manifest.model}"
        return Query(self._space.joined(vector[None], None)[0], slice(0, image), meaning)

    def _picture(self, path: Path) -> NDArray[np.float32]:
        from dataengine.models.encoders import picture_vectors

        try:
            self._limits.check_bytes(path.stat().st_size)
            data, encoder = path.read_bytes(), self._encoder()
        except OSError as error:
            raise UsageError(f"--image {path} cannot be read: {error.strerror or error}") from None
        except InputError as error:
            raise UsageError(f"--image {path}: {error.message}") from None
        kind = "video" if video_format(data) else "image"
        context: Any = (self._limits, self._make(), False)
        sandbox = Sandbox("dataengine.embed.views:prepare", context, workers=1, limits=self._limits, answer=Prepared)
        with sandbox as children:
            [outcome] = children.map([(data, kind)])
        if isinstance(outcome, Failed):
            raise UsageError(f"--image {path} cannot be decoded: {outcome.failure}: {outcome.message}")
        assert isinstance(outcome, Ok)
        vector: NDArray[np.float32] = picture_vectors(encoder, [outcome.value[0]])[0].astype(np.float32)
        return vector

    def _encoder(self) -> Encoder:
        if self._loaded is None:
            encoder = self._make()
            if encoder.version != self._manifest.model:
                raise UsageError(
                    f"the index is of vectors by {self._manifest.model}, and the query would be by {encoder.version}: vectors of "
                    "two models cannot be compared. Build the index again with `dataengine index RECIPE`, or go back to that one"
                )
            encoder.setup("cpu", 2)
            self._loaded = encoder
        return self._loaded


def _named(of: str) -> str:
    return {"image": "pictures", "caption": "captions", "both": "pictures and captions"}.get(of, of)
