"""Linear probes on labelled pictures: how much of their classes the codes keep, beside the continuous features.

Always on the handwritten digits that scikit-learn ships (Alpaydin and Kaynak 1998: 1,797 pictures, 10 classes), which say
little about photographs but are there; on the corpus with a table of labels of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
from numpy.typing import NDArray

from dataengine.errors import UsageError
from dataengine.tokenize.kelix.pixels import TOKEN
from dataengine.tokenize.kelix.vectors import WAYS, Vectoriser

_READERS: dict[str, Callable[[str], pa.Table]] = {
    ".csv": pa.csv.read_csv,
    ".jsonl": pa.json.read_json,
    ".parquet": pa.parquet.read_table,
}
#: Tokens a side of an enlarged digit, digits of a batch, and every how many-th is a test.
_SIDE, _BATCH, _TEST = 4, 32, 4


@dataclass(frozen=True)
class Probe:
    """Accuracies by way on ``tested`` pictures of ``classes`` classes."""

    classes: int
    tested: int
    accuracy: dict[str, float]


def labels_of(path: str) -> dict[str, str]:
    """Label by sample id from a CSV, JSONL or Parquet table with columns ``id`` and ``label``; rows without a label are left out.
    Raises UsageError."""
    read = _READERS.get(Path(path).suffix)
    if read is None or not Path(path).is_file():
        raise UsageError(f"labels {path}: give a file that ends in {', '.join(_READERS)}, with columns id and label")
    try:
        table = read(path)
        columns = [table[name].cast(pa.string()).to_pylist() for name in ("id", "label")]
    except (pa.ArrowException, KeyError, OSError) as error:
        raise UsageError(f"labels {path}: not a table with columns id and label ({type(error).__name__})") from None
    return {id_: label for id_, label in zip(*columns, strict=True) if id_ and label}


def pooled(vectoriser: Vectoriser, frames: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """``(B, F)`` means over the tokens of each frame, by way."""
    vectors = vectoriser(frames)
    return {way: vectors.of(way).mean(1).cpu().numpy() for way in WAYS}


def digits(vectoriser: Vectoriser, most: int) -> Probe:
    """The probe on at most ``most`` digits; every fourth is tested."""
    from sklearn.datasets import load_digits

    pictures, labels = (a[:most] for a in load_digits(return_X_y=True))
    scale = _SIDE * TOKEN // 8
    gray = (pictures.reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8).repeat(scale, 1).repeat(scale, 2)
    frames = np.repeat(gray[..., None], 3, axis=-1)
    parts = [pooled(vectoriser, frames[i : i + _BATCH]) for i in range(0, len(frames), _BATCH)]
    tested = np.arange(len(labels)) % _TEST == 0
    return _fitted({way: np.concatenate([p[way] for p in parts]) for way in WAYS}, labels, tested)


def own(
    vectoriser: Vectoriser,
    labels: Mapping[str, str],
    fitted: Iterable[tuple[str, NDArray[np.uint8]]],
    held: Iterable[tuple[str, NDArray[np.uint8]]],
) -> Probe:
    """Trained on labelled frames of ``fitted`` samples, tested on those of ``held`` ones. Raises UsageError for too few."""
    rows, names, tested = [], list[str](), list[bool]()
    for test, samples in ((False, fitted), (True, held)):
        for id_, frame in samples:
            if id_ in labels:
                rows.append(pooled(vectoriser, frame[None]))
                names.append(labels[id_])
                tested.append(test)
    trained = {name for name, test in zip(names, tested, strict=True) if not test}
    if len(trained) < 2 or not any(tested):
        raise UsageError(
            f"labels: {len(names) - sum(tested)} samples in {len(trained)} classes to train a probe on and {sum(tested)} held "
            "out; it takes two classes and one held-out sample. Are the ids those of the ledger?"
        )
    return _fitted({way: np.concatenate([r[way] for r in rows]) for way in WAYS}, np.array(names), np.array(tested))


def _fitted(rows: Mapping[str, NDArray[np.float32]], labels: NDArray[np.generic], tested: NDArray[np.bool_]) -> Probe:
    accuracy = {way: accuracy_of(x, labels, tested) for way, x in rows.items()}
    return Probe(len(np.unique(labels)), int(tested.sum()), accuracy)


def accuracy_of(
    x: NDArray[np.float32], labels: Sequence[str] | NDArray[np.generic], tested: NDArray[np.bool_]
) -> float:
    """Accuracy of a logistic regression on standardised rows ``(n, F)``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    y = np.asarray(labels)
    scaler = StandardScaler().fit(x[~tested])
    model = LogisticRegression(max_iter=1000, C=0.1).fit(scaler.transform(x[~tested]), y[~tested])
    return float(model.score(scaler.transform(x[tested]), y[tested]))
