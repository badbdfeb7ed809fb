"""Loss curves of the Kelix tokenizer's three stages on the demo corpus: one process, two, and two that were killed and resumed.

    dataengine demo-corpus workspace/corpus
    python -m benchmarks training_curves --steps 30 --out build/bench

``dataengine tokenizer plan`` of the recipe first. A small Qwen3 with a byte-level tokenizer of the demo's captions stands for the
language model; its weights are random. The overlaid curves are written as SVG, and the greatest difference is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import harness
import yaml

from dataengine.media.svg import log_lines

_COMMAND = str(Path(sys.executable).with_name("dataengine"))
_STAGES = ("align", "pretrain", "anneal")
_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
_LM = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "tie_word_embeddings": True,
}
_SMALL = {
    "name": "kelix",
    "max_tokens": 64,
    "vision": {"hidden": 64, "layers": 2, "heads": 4, "mlp": 128, "positions": 8, "features": 64},
    "quantiser": {"codebooks": 4, "entries": 64, "dim": 8, "fused": 64},
}


def language_model(folder: Path, captions: Sequence[str]) -> Path:
    """A random Qwen3 and a byte-level BPE trained on ``captions``, as a folder like that of a published model."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=_SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(captions, trainer)
    torch.manual_seed(0)
    Qwen3ForCausalLM(Qwen3Config(**_LM, vocab_size=tokenizer.get_vocab_size())).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def recipe(folder: Path, corpus: Path, lm: Path, steps: int, processes: int) -> Path:
    """A recipe over the demo's photos and table, in a folder of its own."""
    folder.mkdir(parents=True)
    phase = {"steps": steps, "rate": 2e-3, "tokens": 300, "buffer": 16, "accumulate": 2}
    curriculum = {
        "processes": processes,
        "align": {**phase, "freeze": ["tower", "lm"]},
        "pretrain": {**phase, "mix": [{"text": "captions"}]},
        "anneal": {**phase, "rate": 5e-4, "mix": [{"text": "captions"}]},
    }
    harness.keep_all(folder / "policy.yaml", 56)
    table = {"type": "table", "name": "table", "path": str(corpus / "table" / "captions.jsonl"), "buckets": 2}
    content: dict[str, Any] = {
        "name": "curves",
        "workspace": str(folder / "ws"),
        "sources": [{"type": "folder", "name": "photos", "path": str(corpus / "photos"), "buckets": 2}, table],
        "dedup": {"radius": 8},
        "score": {"scorers": [{"name": "technical"}], "device": "cpu"},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": {
            "tokenizer": {
                **_SMALL,
                "objective": {"kind": "causal_lm", "path": str(lm), "length": 48},
                "training": {"encoder_steps": 0, "save_every": 10, "threads": 1, "curriculum": curriculum},
            },
            "held_out": 0.1,
            "device": "cpu",
        },
        "release": {"title": "curves", "license": "other", "description": "Loss curves."},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def train(path: Path, kill_in: str | None = None) -> int:
    """Run ``dataengine tokenizer train`` to its end; with ``kill_in``, kill all of it in that stage and run it again. The step
    that was saved before the kill."""
    command = [_COMMAND, "tokenizer", "train", str(path), "--workers", "2"]
    step = 0
    if kill_in:
        state = path.parent / "ws" / "stages" / f"tokenize.{kill_in}" / "state"
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not (saved := list(state.glob("*.safetensors"))) and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not saved:
            raise SystemExit(f"the stage {kill_in} saved nothing before it ended: more steps, please")
        step = json.loads(next(state.glob("*.json")).read_text())["step"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return step


def curve(path: Path) -> list[float]:
    """The objective of each step, through the three stages."""
    logs = path.parent / "ws" / "tokenizers" / "training"
    lines = (line for stage in _STAGES for p in logs.glob(f"{stage}-*.jsonl") for line in p.read_text().splitlines())
    return [json.loads(line)["objective"] for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("workspace/corpus"))
    parser.add_argument("--steps", type=int, default=60, help="of each of the three stages")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    table = options.corpus / "table" / "captions.jsonl"
    captions = []
    for line in table.read_text().splitlines():
        with suppress(ValueError):  # the demo corpus has a damaged row
            captions.append(json.loads(line).get("caption") or "")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "lm").mkdir()
        lm = language_model(folder / "lm", captions)
        ways = {"one process": 1, "two processes": 2, "two, killed and resumed": 2}
        paths = {
            way: recipe(folder / f"run{at}", options.corpus, lm, options.steps, n)
            for at, (way, n) in enumerate(ways.items())
        }
        plan = [_COMMAND, "tokenizer", "plan", str(paths["two processes"])]
        subprocess.run(plan, check=True)
        seconds = {}
        for way, path in paths.items():
            start = time.perf_counter()
            step = train(path, "pretrain" if "killed" in way else None)
            seconds[way] = time.perf_counter() - start
        curves = {way: curve(path) for way, path in paths.items()}
    reference = curves["two processes"]
    for way, losses in curves.items():
        gap = max(abs(a - b) / b for a, b in zip(losses, reference, strict=True))
        ends = " → ".join(f"{losses[at]:.3f}" for at in (0, options.steps, 2 * options.steps, -1))
        print(f"{way}: {ends}; at most {gap:.2e} from two processes; {seconds[way]:.0f} s")
    print(f"killed in pretrain after the step {step:,} was saved")
    options.out.mkdir(parents=True, exist_ok=True)
    series = {way: list(enumerate(losses)) for way, losses in curves.items()}
    (options.out / "training_curves.svg").write_text(log_lines(series, "step", "objective"))


if __name__ == "__main__":
    main()
