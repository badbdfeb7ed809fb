"""Opens exported preferences with TRL, and trains a tiny random vision-language model on the pairs for two steps.

``python trl_check.py PAIRS RL STEPS``: folders that ``dataengine export preferences`` wrote. Needs TRL alone, no dataengine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
import trl
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor
from trl.data_utils import is_conversational, maybe_apply_chat_template

MARKS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<pad>")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for c in m.content %}{% if c.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c.text }}"
    "{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def loaded(folder: str) -> datasets.Dataset:
    """The rows, their pictures decoded."""
    files = sorted(str(path) for path in Path(folder, "rows").glob("*.jsonl"))
    rows = datasets.load_dataset("json", data_files=files, split="train", cache_dir=tempfile.mkdtemp())
    rows = rows.map(lambda row: {"images": [str(Path(folder, name)) for name in row["images"]]})
    return rows.cast_column("images", datasets.List(datasets.Image()))


def processor() -> Qwen2VLProcessor:
    """Bytes as tokens: no file from a hub is needed."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(sorted(alphabet))}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<pad>")
    fast.add_special_tokens({"additional_special_tokens": list(MARKS)})
    fast.chat_template = TEMPLATE
    image = transformers.Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56)
    video = transformers.Qwen2VLVideoProcessor(min_pixels=28 * 28, max_pixels=56 * 56)
    return Qwen2VLProcessor(image, fast, video, chat_template=TEMPLATE)


def tiny(fast: Any) -> Qwen2VLForConditionalGeneration:
    ids = {mark: fast.convert_tokens_to_ids(mark) for mark in MARKS}
    text = {
        "vocab_size": len(fast), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
        "num_key_value_heads": 2, "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
    }  # fmt: skip
    vision = {"depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2}
    config = Qwen2VLConfig(
        text_config=text, vision_config=vision, image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    torch.manual_seed(0)
    return Qwen2VLForConditionalGeneration(config)


def main(pairs: str, rl: str, steps: str) -> None:
    how = processor()
    rows = loaded(pairs)
    assert is_conversational(rows[0]), rows[0]
    with tempfile.TemporaryDirectory() as folder:
        settings = trl.DPOConfig(
            output_dir=folder, max_steps=2, per_device_train_batch_size=2, report_to=[], use_cpu=True, bf16=False,
            logging_steps=1, max_length=None, save_strategy="no", gradient_checkpointing=False,
        )  # fmt: skip
        columns = [name for name in rows.column_names if name not in ("prompt", "chosen", "rejected", "images")]
        trainer = trl.DPOTrainer(
            tiny(how.tokenizer),
            tiny(how.tokenizer),
            settings,
            train_dataset=rows.remove_columns(columns),
            processing_class=how,
        )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print(
        f"pairs: {len(rows)} rows; DPOTrainer took {len(losses)} steps, losses {', '.join(f'{x:.4f}' for x in losses)}"
    )
    questions = loaded(rl)
    prompts = [maybe_apply_chat_template({"prompt": row["prompt"]}, how)["prompt"] for row in questions]
    assert all("<|vision_start|>" in prompt and prompt.endswith("<|im_start|>assistant\n") for prompt in prompts)
    assert all(0 < row["accuracy"] < 1 and row["solution"] for row in questions)
    print(f"rl: {len(questions)} prompts rendered, {sum(len(row['hints']) for row in questions)} hints")
    labelled = loaded(steps)
    assert all(len(row["completions"]) == len(row["labels"]) for row in labelled)
    wrong = sum(not all(row["labels"]) for row in labelled)
    print(f"steps: {len(labelled)} rows, {wrong} with a wrong step")


if __name__ == "__main__":
    main(*sys.argv[1:])
