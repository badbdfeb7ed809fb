"""The Kelix tokenizer behind the Tokenizer interface: pixels prepared in the decode child, codes from the network.

A sample is encoded alone (frames of one video together), on one thread where it runs on a CPU: its codes are the same bytes for
any batch, order and number of workers. On a GPU that holds for one model of device and one version of torch; between
CPU and GPU a code may differ where two entries are equally near.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from dataengine.errors import RunError
from dataengine.models.batched import BatchSize
from dataengine.models.device import start_torch
from dataengine.tokenize.base import Codes, Frame, Timeline, code_dtype, framewise
from dataengine.tokenize.checkpoint import BFLOAT16, Tensors, digest, pack, unpack
from dataengine.tokenize.kelix import buckets
from dataengine.tokenize.kelix.config import KelixConfig, Temporal
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.pixels import TOKEN
from dataengine.tokenize.kelix.preparer import PixelPreparer, Pixels
from dataengine.tokenize.kelix.quantiser import Coder
from dataengine.tokenize.kelix.temporal import groups as temporal_groups
from dataengine.tokenize.kelix.temporal import timeline_of


class KelixTokenizer:
    """A trained network and its configuration."""

    name = "kelix"
    prepared: Any = Pixels

    def __init__(self, config: KelixConfig, network: Network) -> None:
        self.config = config
        self._network = network.eval()
        self._tokens = BatchSize(buckets.most_tokens(network), "tokens")

    @cached_property
    def id(self) -> str:
        return digest(self._metadata(), self._tensors())

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return (self.config.quantiser.entries,) * self.config.quantiser.codebooks

    @property
    def network(self) -> Network:
        return self._network

    @classmethod
    def preparer(cls, config: KelixConfig) -> PixelPreparer:
        return PixelPreparer(config.min_tokens, config.max_tokens, config.video)

    def prepare(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Pixels:
        """A picture, or frames of a video at their sizes → Pixels. Raises InputError."""
        return self.preparer(self.config)(frames, timeline)

    def setup(self, device: str, threads: int) -> None:
        """Move the network to ``device``. Raises RunError where there is no such device."""
        _ = self.id  # of the weights as they are stored, before they are rounded to ``dtype``
        where = start_torch(device, threads)
        dtype = torch.bfloat16 if self.config.dtype == "bfloat16" else torch.float32
        self._network = self._network.to(where, dtype)
        self._tokens = BatchSize(buckets.most_tokens(self._network), "tokens")
        for cached in ("_coder", "_places"):
            self.__dict__.pop(cached, None)
        _ = self._coder
        if where.startswith("cuda"):
            torch.cuda.synchronize(where)  # the entries are there for every stream that encodes

    @property
    def together(self) -> int:
        return 64 if self.config.batch == "buckets" else 1

    def encode(self, prepared: Sequence[Pixels]) -> list[Codes]:
        """Codes of each sample."""
        alone = self.config.batch == "alone"
        bucketed = {} if alone else self._tokens.fitting(lambda most: self._bucketed(prepared, most))
        return [bucketed[i] if i in bucketed else self._codes(pixels) for i, pixels in enumerate(prepared)]

    def decode(self, codes: Codes) -> list[NDArray[np.uint8]] | None:
        """``(H, W, 3)`` RGB a frame, None without a decoder. Raises RunError for codes that are not this tokenizer's."""
        if codes.tokens.shape[1] != len(self.codebook_sizes) or int(codes.tokens.max()) >= self.codebook_sizes[0]:
            raise RunError(f"codes do not fit tokenizer {self.id} with codebooks of {self.codebook_sizes}")
        if self._network.decoder is None:
            return None
        grids = codes.timeline.grids(codes.grid) if codes.timeline else [codes.grid[1:]] * codes.grid[0]
        parts = np.split(codes.tokens, np.cumsum(codes.frame_tokens)[:-1])
        return [self._network.decode(part[None], h, w)[0] for part, (h, w) in zip(parts, grids, strict=True)]

    def save(self) -> bytes:
        return pack(self._metadata(), self._tensors())

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Raises RunError for a damaged file, another tokenizer's or one of another version."""
        metadata, tensors = unpack(data)
        try:
            config = KelixConfig.model_validate(metadata)
        except ValidationError as error:
            raise RunError(f"not a checkpoint of the kelix tokenizer: {error}") from error
        return cls(config, filled(config, tensors))

    def _merged(self, pixels: Pixels, timeline: Timeline, temporal: Temporal) -> Codes:
        """Codes of a video whose frames share tokens."""
        merged = temporal_groups(timeline.kinds, temporal.frames)
        by_group: list[Any] = [None] * len(merged)
        for kind in sorted(set(timeline.kinds)):
            own = [g for g, group in enumerate(merged) if timeline.kinds[group[0]] == kind]
            frames = np.stack([pixels.frames[i] for g in own for i in merged[g]])
            place = self._places(frames.shape[1] // TOKEN, frames.shape[2] // TOKEN)
            sizes = [len(merged[g]) for g in own]
            codes = self._network.encode_merged(frames, self._coder, sizes, temporal.merge == "before", place)
            for g, tokens in zip(own, codes, strict=True):
                by_group[g] = tokens
        tokens = np.concatenate(by_group).astype(code_dtype(self.codebook_sizes))
        return Codes(tokens, (len(merged), *pixels.grid[1:]), timeline_of(timeline, temporal.frames))

    @torch.inference_mode()
    def _codes(self, pixels: Pixels) -> Codes:
        if self.config.temporal and pixels.timeline:
            return self._merged(pixels, pixels.timeline, self.config.temporal)
        by_frame: list[Any] = [None] * len(pixels.frames)
        for indices, frames in framewise(pixels.frames, pixels.timeline):
            place = self._places(frames.shape[1] // TOKEN, frames.shape[2] // TOKEN)
            for i, codes in zip(indices, self._network.encode(frames, self._coder, place), strict=True):
                by_frame[i] = codes
        tokens = np.concatenate(by_frame).astype(code_dtype(self.codebook_sizes))
        return Codes(tokens, pixels.grid, pixels.timeline)

    def _bucketed(self, prepared: Sequence[Pixels], most: int) -> dict[int, Codes]:
        """Codes of the samples that are pictures, by index, in batches of at most ``most`` tokens."""
        pictures = [i for i, pixels in enumerate(prepared) if pixels.timeline is None]
        by_index = {}
        for group in buckets.batches([prepared[i].grid[1] * prepared[i].grid[2] for i in pictures], most):
            chosen = [pictures[g] for g in group]
            frames = [prepared[i].frames[0] for i in chosen]
            tokens = buckets.encode(self._network, self._coder, self._places, frames)
            for i, codes in zip(chosen, tokens, strict=True):
                by_index[i] = Codes(codes.astype(code_dtype(self.codebook_sizes)), prepared[i].grid)
        return by_index

    @cached_property
    def _coder(self) -> Coder:
        return Coder(self._network.quantiser)

    @cached_property
    def _places(self) -> buckets.Places:
        return buckets.Places(self._network.vision)

    def _metadata(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json")

    def _tensors(self) -> Tensors:
        return {name: as_array(tensor) for name, tensor in self._network.state_dict().items()}


def filled(config: KelixConfig, tensors: Tensors) -> Network:
    """A network with these weights, in the types they are stored in. Raises RunError where they do not fit."""
    with torch.device("meta"):
        network = Network(config)
    try:
        network.load_state_dict({name: as_tensor(array) for name, array in tensors.items()}, assign=True)
    except RuntimeError as error:
        raise RunError(f"the checkpoint of the kelix tokenizer does not fit its configuration: {error}") from None
    return network


def as_array(tensor: Tensor) -> NDArray[Any]:
    """The array of a tensor, with the same bits."""
    held = tensor.detach().contiguous().cpu()
    if held.dtype != torch.bfloat16:
        return held.numpy()
    return held.view(torch.int16).numpy().view(BFLOAT16)


def raw(tensor: Tensor) -> bytes:
    """Bytes of a tensor of any type."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def as_tensor(array: NDArray[Any]) -> Tensor:
    """Inverse of ``as_array``."""
    if array.dtype != BFLOAT16:
        return torch.from_numpy(array)
    return torch.from_numpy(array.view("<i2")).view(torch.bfloat16)
