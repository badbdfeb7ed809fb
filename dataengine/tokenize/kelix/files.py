"""The files that training starts from: a tower's weights, a language model's folder."""

from __future__ import annotations

from pathlib import Path

from dataengine.errors import UsageError
from dataengine.tokenize.kelix.config import CausalLM


def check_lm(objective: CausalLM) -> None:
    """Raises UsageError where the language model's folder lacks what training needs."""
    from dataengine.tokenize.kelix.texts import TextLayout

    if objective.path is None:
        raise UsageError("objective.path: name the folder of a causal language model, for example of Qwen3-0.6B")
    folder = Path(objective.path)
    if not folder.is_dir():
        raise UsageError(
            f"objective.path {objective.path}: no such folder (relative paths start at {Path.cwd()}); it needs the model's "
            "config.json, *.safetensors and tokenizer.json, on every node that trains"
        )
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        raise UsageError(f"objective.path {objective.path}: there is no config.json, or no .safetensors file")
    TextLayout(objective.path, objective.length)


def tower_files(path: str) -> list[Path]:
    """The safetensors files of ``training.tower``. Raises UsageError where there is none."""
    place = Path(path)
    held = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
    if not held or not all(f.is_file() and f.suffix == ".safetensors" for f in held):
        raise UsageError(f"training.tower {path}: no .safetensors file there (relative paths start at {Path.cwd()})")
    return held


def tower_digest(path: str | None) -> list[str]:
    """Digests of the weights that a tower starts from."""
    from dataengine.models.checkpoint import digest

    return [digest(file) for file in tower_files(path)] if path else []
