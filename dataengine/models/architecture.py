"""Reads open_clip's model configurations (width, picture size, preprocessing) from JSON, without torch.

A configuration of one's own (open_clip's JSON, or the ``open_clip_config.json`` of a published model, which also holds
its preprocessing) is given by its path.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dataengine.config.yaml_loader import did_you_mean
from dataengine.errors import UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.media.image.resample import Kernel, resize

Triple = tuple[float, float, float]
_OPENAI: tuple[Triple, Triple] = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF: tuple[Triple, Triple] = ((0.5,) * 3, (0.5,) * 3)
_UNIT: tuple[Triple, Triple] = ((0.0,) * 3, (1.0,) * 3)
#: Families whose published weights were trained with another preprocessing than OpenAI's: (mean, std), interpolation, mode.
_FAMILIES = (
    ("siglip", _HALF, "bicubic", "squash"),
    ("pe-core", _HALF, "bilinear", "squash"),
    ("clipa", _IMAGENET, "bilinear", "squash"),
    ("-378", _OPENAI, "bicubic", "squash"),
    ("mobileclip2-s[34]", _OPENAI, "bilinear", "shortest"),
    ("mobileclip2-l", _OPENAI, "bicubic", "shortest"),
    ("mobileclip", _UNIT, "bilinear", "shortest"),
    ("", _OPENAI, "bicubic", "shortest"),
)


@dataclass(frozen=True)
class Architecture:
    """One model's configuration; ``name`` is fit for open_clip once ``register`` was called, and for a file name."""

    name: str
    digest: str
    dim: int
    side: int
    mean: Triple
    std: Triple
    interpolation: str
    mode: str
    own: str | None
    """JSON of a configuration that open_clip does not ship."""

    def fit(self, frame: Pixels) -> Pixels:
        """``(side, side, 3)`` uint8, as open_clip's inference transform before it normalises."""
        kernel: Kernel = "bilinear" if self.interpolation == "bilinear" else "bicubic"
        if self.mode == "squash":
            return resize(frame, (self.side, self.side), kernel)
        height, width = frame.shape[:2]
        short = min(width, height)
        size = (int(self.side * height / short), int(self.side * width / short))
        top, left = (round((n - self.side) / 2.0) for n in size)
        return resize(frame, size, kernel, (top, left, self.side, self.side))

    def register(self) -> str:
        """Make the configuration known to open_clip; the name to ask it for."""
        import tempfile

        import open_clip

        if self.own is not None and self.name not in open_clip.list_models():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{self.name}.json"
                path.write_text(self.own)
                open_clip.add_model_config(path)
        return self.name


def find(model: str) -> Architecture:
    """Raises UsageError if open_clip is not installed, the model unknown, or its configuration not one that is read."""
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise UsageError("score: clip: open_clip is not in this environment: install dataengine again")
    own = model.endswith(".json")
    path = Path(model) if own else Path(spec.origin).parent / "model_configs" / f"{model.replace('/', '-')}.json"
    if not path.is_file():
        known = [p.stem for p in path.parent.glob("*.json")]
        hint = f"relative paths start at {Path.cwd()}" if own else did_you_mean(model, known)
        raise UsageError(f"score: clip: there is no model {model!r}; {hint}")
    try:
        return _read(path, own)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UsageError(f"score: clip: {path} is not a model configuration of open_clip: {error!r}") from None


def _read(path: Path, own: bool) -> Architecture:
    data = path.read_bytes()
    whole: dict[str, Any] = json.loads(data)
    config = whole.get("model_cfg", whole)
    digest = hashlib.sha256(data).hexdigest()[:8]
    side = config["vision_cfg"].get("image_size", 224)
    (mean, std), interpolation, mode = next(f[1:] for f in _FAMILIES if re.search(f[0], path.stem.lower()))
    stated = whole.get("preprocess_cfg", {})
    return Architecture(
        name=re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem) + f"-{digest}" if own else path.stem,
        digest=digest,
        dim=int(config["embed_dim"]),
        side=int(side[0] if isinstance(side, list) else side),
        mean=tuple(stated.get("mean") or mean),
        std=tuple(stated.get("std") or std),
        interpolation=stated.get("interpolation") or interpolation,
        mode=stated.get("resize_mode") or mode,
        own=json.dumps({**config, "text_cfg": dict(config["text_cfg"])}) if own else None,
    )
