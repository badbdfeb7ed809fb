"""Holds a scorer to its contract."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dataengine.testing.corpus import CAPTIONS, Pixels, picture

if TYPE_CHECKING:
    from dataengine.score.base import Scorer


def check_scorer(scorer: Scorer, pictures: Sequence[Pixels] = (), caption: str = CAPTIONS[0]) -> None:
    """Hold a scorer to its contract on ``pictures`` (or six of four sizes): it pickles before ``setup``, its columns are those
    of ``fields``, and a row depends neither on its neighbours nor on their order, down to the last bit. AssertionError."""
    samples = list(pictures) or [picture(n, 160 + 40 * (n % 4), 120 + 24 * (n % 3)) for n in range(6)]
    scorer.validate()
    names = [column.name for column in scorer.fields]
    assert names and len(set(names)) == len(names), f"{scorer.name}: fields are {names}; each needs a name of its own"
    assert "id" not in names, f"{scorer.name}: `id` is added by the stage"
    sent: Scorer = pickle.loads(pickle.dumps(scorer))
    assert sent.version == scorer.version, f"{scorer.name}: the version is another after pickling"
    prepared = [sent.prepare([pixels]) for pixels in samples]
    again = [scorer.prepare([pixels]) for pixels in samples]
    assert pickle.dumps(prepared) == pickle.dumps(again), f"{scorer.name}: prepare gives another result the second time"
    sent.setup("cpu", 1)
    captions = [[caption]] * len(samples)
    together = _checked(sent, prepared, captions)
    alone = [_checked(sent, [one], [[caption]]) for one in prepared]
    backwards = _checked(sent, prepared[::-1], captions)
    for n, row in enumerate(together):
        assert repr(row) == repr(alone[n][0]), f"{scorer.name}: sample {n} has other scores alone than with others"
        assert repr(row) == repr(backwards[-1 - n]), f"{scorer.name}: sample {n} has other scores in another order"


def _checked(scorer: Scorer, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Rows of the columns that ``score`` gives, as they would be stored."""
    columns = scorer.score(prepared, captions)
    names = [column.name for column in scorer.fields]
    assert sorted(columns) == sorted(names), (
        f"{scorer.name}: columns {sorted(columns)}, not those of fields: {sorted(names)}"
    )
    for column in scorer.fields:
        values = columns[column.name]
        assert len(values) == len(prepared), (
            f"{scorer.name}: {len(values)} of `{column.name}` for {len(prepared)} samples"
        )
        if pa.types.is_float64(column.type):
            rough = [v for v in values if v is not None and np.isfinite(v) and round(v, 4) != v]
            assert not rough, f"{scorer.name}: `{column.name}` is not rounded to 4 decimals: {rough[:3]}"
    stored = pa.table({c.name: pa.array(columns[c.name], c.type) for c in scorer.fields})
    rows: list[dict[str, Any]] = stored.to_pylist()
    return rows
