"""Visual codes of records' own pictures (views of tools, frames, compositions) by the release's tokenizer."""

from __future__ import annotations

from dataclasses import dataclass, field

from dataengine.cot.core.shard_files import decode_png
from dataengine.plugins.offers import Plugin
from dataengine.storage.workspace import File, Workspace
from dataengine.tokenize.base import Codes, Tokenizer


@dataclass
class PictureCodes:
    """The tokenizer is loaded for the first picture. Each is encoded by itself, so its codes do not depend on its neighbours."""

    workspace: Workspace
    checkpoint: File
    device: str
    plugins: tuple[Plugin, ...] = ()
    _tokenizer: Tokenizer | None = field(default=None, init=False, repr=False)

    def of(self, png: bytes) -> Codes:
        """Codes of a picture that ``encode_png`` wrote."""
        tokenizer = self._loaded()
        prepared = tokenizer.preparer(tokenizer.config)([decode_png(png)])
        return tokenizer.encode([prepared])[0]

    def _loaded(self) -> Tokenizer:
        if self._tokenizer is None:
            from dataengine.tokenize.factory import load

            tokenizer = load(self.workspace.store.get(self.checkpoint.key, self.checkpoint.sha256), self.plugins)
            tokenizer.setup(self.device, 1)
            self._tokenizer = tokenizer
        return self._tokenizer
