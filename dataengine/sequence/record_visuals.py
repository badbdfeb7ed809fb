"""Visual parts of a chain-of-thought record: the samples that it is about, and pictures of its own that a tool has made."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from dataengine.config.sequence import VisionConfig
from dataengine.cot.core.record import OBSERVATION, Record
from dataengine.cot.core.shard_files import codes_of, decode_png
from dataengine.errors import InputError
from dataengine.plugins.offers import Plugin
from dataengine.sequence.draft import Visual
from dataengine.sequence.material import continuous
from dataengine.storage.workspace import File, Workspace
from dataengine.tokenize.base import Codes, Tokenizer

Visuals = Mapping[str, Visual | InputError]


@dataclass
class PictureEncoder:
    """Codes of pictures by the recipe's visual tokenizer, on the CPU; it is loaded for the first of them."""

    workspace: Workspace
    checkpoint: File
    plugins: tuple[Plugin, ...] = ()
    _tokenizer: Tokenizer | None = field(default=None, init=False, repr=False)

    def codes(self, png: bytes) -> Codes:
        """Raises InputError for bytes that are no picture, or of a size that the tokenizer does not take."""
        if self._tokenizer is None:
            from dataengine.tokenize.factory import load

            self._tokenizer = load(self.workspace.store.get(self.checkpoint.key, self.checkpoint.sha256), self.plugins)
            self._tokenizer.setup("cpu", 1)
        [codes] = self._tokenizer.encode([self._tokenizer.prepare([decode_png(png)])])
        return codes


def record_of(members: Mapping[str, bytes]) -> Record | InputError:
    """The record in a shard's members, or what is wrong with it."""
    try:
        return Record.from_bytes(members.get("json", b""))
    except InputError as error:
        return error


def visual_of(visuals: Visuals, reference: str) -> Visual:
    """The visual part of ``sample:<id>``. Raises InputError where there is none."""
    name = reference.partition(":")[2]
    visual = visuals.get(name)
    if visual is None:
        raise InputError("no_sample", f"sample {name} is in none of the split's shards")
    if isinstance(visual, InputError):
        raise visual
    return visual


@dataclass(frozen=True)
class RecordVisuals:
    """Visual parts by reference: ``sample:<id>``, or ``obs:N`` of the record's ``members``, with the codes beside them or, of a
    release from before there were any, those that ``encoder`` makes."""

    record: Record
    visuals: Visuals
    members: Mapping[str, bytes]
    family: str
    vision: VisionConfig
    encoder: PictureEncoder | None
    loss: bool

    def __call__(self, reference: str) -> Visual:
        kind, _, name = reference.partition(":")
        return self._own(f"obs{name}.png") if f"{kind}:" == OBSERVATION else visual_of(self.visuals, reference)

    def _own(self, name: str) -> Visual:
        member = f"{self.record.id}.{name}"
        if name not in self.members:
            raise InputError("no_picture", f"its picture {name} is not in the shard")
        if self.family != "discrete":
            return Visual(self.record.id, member, None, self._grid(name))
        stored = codes_of(self.record, self.members, name)
        if stored is not None:
            return Visual(self.record.id, member, stored, (1, 1, 1), loss=self.loss)
        if self.encoder is None:
            raise InputError(
                "no_codes", f"its own picture {name} has no codes: the recipe has not the tokenizer of the release"
            )
        return Visual(self.record.id, member, self.encoder.codes(self.members[name]), (1, 1, 1), loss=self.loss)

    def _grid(self, name: str) -> tuple[int, int, int]:
        from PIL import Image

        with Image.open(io.BytesIO(self.members[name])) as image:
            size = {"width": image.width, "height": image.height}
        return continuous({"id": self.record.id, "kind": "image", **size}, self.family, self.vision).grid
