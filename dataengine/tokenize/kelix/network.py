"""The Kelix network: vision tower, codebooks and, where it was trained to reconstruct, a pixel decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dataengine.errors import RunError
from dataengine.tokenize.kelix import pixels
from dataengine.tokenize.kelix.config import KelixConfig, NextToken, Reconstruct
from dataengine.tokenize.kelix.objective import Decoder, NextByte, Reconstruction
from dataengine.tokenize.kelix.quantiser import Coder, ParallelQuantiser
from dataengine.tokenize.kelix.vision import Place, VisionTower

_Frames = NDArray[np.uint8]
#: Patches of a forward pass: frames of one video go together up to this many.
_PATCHES = 4096


class Network(nn.Module):
    """Tower, quantiser and decoder; ``decoder`` is None where a language model was the objective."""

    def __init__(self, config: KelixConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = VisionTower(config.vision)
        self.quantiser = ParallelQuantiser(config.quantiser, config.vision.features, config.centre_dim)
        self.decoder: Decoder | None = None
        if isinstance(config.objective, Reconstruct):
            self.decoder = Decoder(config.objective, config.quantiser.fused)

    @property
    def dtype(self) -> torch.dtype:
        return self.vision.position.dtype

    @property
    def device(self) -> torch.device:
        return self.vision.position.device

    def features(self, frames: _Frames, place: Place | None = None) -> Tensor:
        """``(B, 28 h, 28 w, 3)`` RGB frames of one size → ``(B, h w, features)``. What a row is, does not depend on other
        calls, so a sample's codes do not depend on what else is encoded. ``place``, if it is known already."""
        h, w = frames.shape[1] // pixels.TOKEN, frames.shape[2] // pixels.TOKEN
        place = self.vision.place(h, w) if place is None else place
        step = max(1, _PATCHES // (4 * h * w))
        pieces = [frames[i : i + step] for i in range(0, len(frames), step)]
        return torch.cat([self.vision(pixels.patches(p, str(self.device), self.dtype), place) for p in pieces])

    @torch.inference_mode()
    def encode_merged(
        self, frames: _Frames, coder: Coder, sizes: Sequence[int], before: bool, place: Place
    ) -> NDArray[np.int64]:
        """``(G, h w, N)`` codes of groups of neighbouring frames ``(B, 28 h, 28 w, 3)``, ``sizes`` of them each: patches are
        averaged ``before`` the projector, or else tokens."""
        merged = []
        for part in np.split(frames, np.cumsum(sizes)[:-1]):
            x = self.vision.encoded(pixels.patches(part, str(self.device), self.dtype), place)
            tokens = self.vision.projected(x.mean(0, keepdim=True) if before else x)
            merged.append(coder(tokens.mean(0)))
        return torch.stack(merged).cpu().numpy()

    @torch.inference_mode()
    def encode(self, frames: _Frames, coder: Coder, place: Place | None = None) -> NDArray[np.int64]:
        """``(B, h w, N)`` codes of frames of one size."""
        x = self.features(frames, place)
        codes: NDArray[np.int64] = coder(x.flatten(0, 1)).view(*x.shape[:2], -1).cpu().numpy()
        return codes

    @torch.inference_mode()
    def decode(self, codes: NDArray[Any], h: int, w: int) -> _Frames:
        """``(B, h w, N)`` codes → ``(B, 28 h, 28 w, 3)`` RGB. Raises RunError where there is no decoder."""
        if self.decoder is None:
            raise RunError("this tokenizer was trained with a language model and has no pixel decoder")
        indices = torch.from_numpy(codes.astype(np.int64)).to(self.device)
        fused = self.quantiser.look_up(indices.flatten(0, 1)).view(*indices.shape[:2], -1)
        return pixels.frames(self.decoder(fused, h, w), h, w)


class Student(nn.Module):
    """A network with its training objective; the decoder is part of both, the rest of the objective is dropped afterwards."""

    def __init__(self, config: KelixConfig) -> None:
        super().__init__()
        self.network = Network(config)
        fused = config.quantiser.fused
        self.objective: Reconstruction | NextByte
        if isinstance(config.objective, Reconstruct):
            self.objective = Reconstruction(config.objective, fused, config.vision.features)
            self.network.decoder = self.objective.decoder
        elif isinstance(config.objective, NextToken):
            self.objective = NextByte(config.objective, fused)
        else:
            raise RunError("a causal language model is trained by training.curriculum")

    def forward(self, frames: _Frames, captions: Sequence[str], quantised: bool) -> tuple[Tensor, Tensor]:
        """Loss of the objective and L_VQ for ``(B, 28 h, 28 w, 3)`` crops, with codes or with continuous vectors."""
        network = self.network
        h, w = frames.shape[1] // pixels.TOKEN, frames.shape[2] // pixels.TOKEN
        patches = pixels.patches(frames, str(network.device), network.dtype)
        x = network.vision(patches, network.vision.place(h, w))
        flat, vq = x.flatten(0, 1), torch.zeros((), device=x.device)
        if quantised:
            _, fused, vq = network.quantiser(flat)
        else:
            fused = network.quantiser.continuous(flat)
        fused = fused.view(*x.shape[:2], -1)
        target = patches.reshape(len(x), h * w, -1)
        return self.objective(fused, x, target, h, w, captions), vq
