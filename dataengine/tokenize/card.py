"""Writes the model card (README.md) of a tokenizer checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dataengine.tokenize.base import Tokenizer

_CARD = """---
library_name: dataengine
tags: [visual-tokenizer, {name}]
---
# Visual tokenizer {id}

| | |
|---|---|
| kind | {name} |
| codebooks | {codebooks} of {entries} entries: {bits:.0f} bits a token of 28 x 28 px |
{rows}
Made by dataengine from the kept samples of one corpus, held-out ones left aside. The id is a digest of configuration and
weights; codes name the tokenizer that made them by it.

```yaml
tokenize:
  tokenizer: {{name: checkpoint, path: FOLDER_OF_THIS_FILE}}
```

`tokenizer.safetensors` holds tensors and, in its metadata, the configuration below: reading it runs no code.

```json
{config}
```
"""


def card(tokenizer: Tokenizer, training: Mapping[str, Any]) -> str:
    """README.md of a checkpoint; ``training`` are facts of how it was fitted."""
    from math import log2

    rows = "".join(
        f"| {name} | {value:,} |\n" if isinstance(value, int) else f"| {name} | {value} |\n"
        for name, value in training.items()
    )
    sizes = tokenizer.codebook_sizes
    return _CARD.format(
        name=tokenizer.name,
        id=tokenizer.id,
        codebooks=len(sizes),
        entries=f"{sizes[0]:,}" if len(set(sizes)) == 1 else f"{min(sizes):,} to {max(sizes):,}",
        bits=sum(log2(size) for size in sizes),
        rows=rows,
        config=json.dumps(tokenizer.config.model_dump(mode="json"), indent=2, sort_keys=True),
    )
