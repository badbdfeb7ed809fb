"""Filters and MinHash near-deduplication of datatrove over the texts of a corpus, with a reason for each text that is dropped."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataengine.config.sequence import DatatroveStep, MinhashStep
from dataengine.errors import UsageError
from dataengine.sequence.corpus import Text

_INSTALL = "datatrove is not installed: pip install 'dataengine-multimodal[annotate]'"
FILTERED, DUPLICATE, FAILED = "filtered", "duplicate", "failed"


def check(steps: Sequence[DatatroveStep | MinhashStep]) -> None:
    """Raises UsageError for a filter that datatrove does not have, or arguments that it does not take."""
    for step in steps:
        if isinstance(step, DatatroveStep):
            _filter(step)
        else:
            _minhash(step)


def run(texts: Iterable[Text], steps: Sequence[DatatroveStep | MinhashStep]) -> Iterator[tuple[Text, str]]:
    """Each text, in order, with its outcome: "" (kept), filtered, duplicate or failed. What filters edit stays edited."""
    outcomes: Iterable[tuple[Text, str]] = ((text, FAILED if text.failure else "") for text in texts)
    for step in steps:
        outcomes = _filtered(outcomes, step) if isinstance(step, DatatroveStep) else _deduplicated(outcomes, step)
    yield from outcomes


def _filtered(outcomes: Iterable[tuple[Text, str]], step: DatatroveStep) -> Iterator[tuple[Text, str]]:
    from datatrove.data import Document
    from datatrove.pipeline.filters.base_filter import get_filter_result

    filter_ = _filter(step)
    for text, outcome in outcomes:
        if outcome:
            yield text, outcome
            continue
        document = Document(text=text.text, id=text.id)
        kept, reason = get_filter_result(filter_.filter(document))
        if kept:
            yield replace(text, text=document.text), ""
        else:
            yield replace(text, failure=f"{step.filter}: {reason}" if reason else step.filter), FILTERED


def _filter(step: DatatroveStep) -> Any:
    try:
        from datatrove.pipeline import filters
    except ImportError:
        raise UsageError(_INSTALL) from None
    known = sorted(name for name in dir(filters) if name.endswith("Filter"))
    if step.filter not in known:
        raise UsageError(f"sequence: datatrove has no filter {step.filter!r}; it has {', '.join(known)}")
    class_ = getattr(filters, step.filter)
    try:
        inspect.signature(class_).bind(**step.args)
        return class_(**step.args)
    except TypeError as error:
        raise UsageError(f"sequence: datatrove's {step.filter}: {error}") from None
    except ImportError as error:
        raise UsageError(
            f"sequence: datatrove's {step.filter} needs a package that is not installed: {error}"
        ) from None


def _minhash(step: MinhashStep) -> Any:
    """SHA-1, because datatrove hands strings to xxhash, which its newer versions refuse."""
    try:
        from datatrove.pipeline.dedup.minhash import MinhashConfig
        from datatrove.utils.hashing import HashConfig
    except ImportError:
        raise UsageError(_INSTALL) from None
    return MinhashConfig(**step.minhash, hash_config=HashConfig(hash_fc="sha1"))


def _deduplicated(outcomes: Iterable[tuple[Text, str]], step: MinhashStep) -> Iterator[tuple[Text, str]]:
    """The first of near-duplicates stays, by datatrove's signatures, buckets and clusters. Texts are held, once."""
    rows = list(outcomes)
    kept = [n for n, (_, outcome) in enumerate(rows) if not outcome]
    removed = _duplicates([rows[n][0].text for n in kept], step)
    gone = {kept[n] for n in removed}
    for n, (text, outcome) in enumerate(rows):
        yield (replace(text, failure="minhash"), DUPLICATE) if n in gone else (text, outcome)


def _duplicates(texts: Sequence[str], step: MinhashStep) -> set[int]:
    """Numbers of the texts that datatrove would remove."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup import minhash

    config = _minhash(step)
    with tempfile.TemporaryDirectory() as folder:
        signatures, buckets, remove = (str(Path(folder, name)) for name in ("signatures", "buckets", "remove"))
        documents = (Document(text=text, id=str(n)) for n, text in enumerate(texts))
        minhash.MinhashDedupSignature(signatures, config, language=step.language).run(documents, 0, 1)
        for bucket in range(config.num_buckets):
            minhash.MinhashDedupBuckets(signatures, buckets, config=config).run(None, bucket, config.num_buckets)
        minhash.MinhashDedupCluster(buckets, remove, config).run(None, 0, 1)
        survivors = minhash.MinhashDedupFilter(remove).run(
            iter(Document(text="", id=str(n)) for n in range(len(texts))), 0, 1
        )
        return set(range(len(texts))) - {int(document.id) for document in survivors}
