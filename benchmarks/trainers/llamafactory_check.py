"""Opens exported pairs with LLaMA-Factory's own loader and converter: ``python llamafactory_check.py FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.parser import get_dataset_list
from llamafactory.hparams import DataArguments, ModelArguments
from transformers import Seq2SeqTrainingArguments


def main(folder: str) -> None:
    name = next(iter(json.loads(Path(folder, "dataset_info.json").read_text())))
    data = DataArguments(dataset=name, dataset_dir=folder, media_dir=folder)
    model = ModelArguments(model_name_or_path="none")
    training = Seq2SeqTrainingArguments(output_dir=folder, report_to=[])
    [attributes] = get_dataset_list([name], folder)
    rows = _load_single_dataset(attributes, model, data, training)
    for row in rows:
        assert row["_prompt"][-1]["role"] == "user" and len(row["_response"]) == 2, row
        assert row["_prompt"][-1]["content"].count("<image>") == len(row["_images"])
        assert all(Path(image).is_file() for image in row["_images"]), row["_images"]
    print(f"ranking: {len(rows)} rows")


if __name__ == "__main__":
    main(*sys.argv[1:])
