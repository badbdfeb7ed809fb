"""Writes the model card (README.md) of a tokenizer checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import log2
from typing import Any

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


def card(name: str, id_: str, sizes: Sequence[int], config: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """README.md of a checkpoint; ``sizes`` of its codebooks, ``training`` are facts of how it was made."""
    rows = "".join(
        f"| {fact} | {value:,} |\n" if isinstance(value, int) else f"| {fact} | {value} |\n"
        for fact, value in training.items()
    )
    return _CARD.format(
        name=name,
        id=id_,
        codebooks=len(sizes),
        entries=f"{sizes[0]:,}" if len(set(sizes)) == 1 else f"{min(sizes):,} to {max(sizes):,}",
        bits=sum(log2(size) for size in sizes),
        rows=rows,
        config=json.dumps(config, indent=2, sort_keys=True),
    )
