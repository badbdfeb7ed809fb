"""Filters and MinHash near-deduplication of datatrove over the texts of a corpus, with a reason for each text that is dropped."""

from __future__ import annotations

import inspect
import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from dataengine.config.sequence import DatatroveStep, MinhashStep
from dataengine.errors import UsageError
from dataengine.sequence.corpus import Text
from dataengine.sequence.text_spool import TextSpool

_PLAIN = "The first sentence has some plain words. The second one follows it, and then there is an end."
_INSTALL = "datatrove is not installed: pip install 'dataengine-multimodal[annotate]'"
FILTERED, DUPLICATE, FAILED = "filtered", "duplicate", "failed"
_SIGNED_TOGETHER = 200_000
"""Texts of a file of signatures, which is sorted in memory."""


def check(steps: Sequence[DatatroveStep | MinhashStep]) -> None:
    """Raises UsageError for a filter that datatrove does not have, or arguments that it does not take."""
    for step in steps:
        if isinstance(step, DatatroveStep):
            _filter(step)
        else:
            _minhash(step)


def run(texts: Iterable[Text], steps: Sequence[DatatroveStep | MinhashStep]) -> Iterator[tuple[Text, str]]:
    """Each text, in order, with its outcome: "" (kept), filtered, duplicate or failed. What filters edit stays edited; a text
    that one cannot judge has failed. Raises UsageError for a filter that cannot judge any."""
    outcomes: Iterable[tuple[Text, str]] = ((text, FAILED if text.failure else "") for text in texts)
    for step in steps:
        outcomes = _filtered(outcomes, step) if isinstance(step, DatatroveStep) else _deduplicated(outcomes, step)
    yield from outcomes


def _filtered(outcomes: Iterable[tuple[Text, str]], step: DatatroveStep) -> Iterator[tuple[Text, str]]:
    from datatrove.data import Document
    from datatrove.pipeline.filters.base_filter import get_filter_result

    _try(step)
    filter_ = _filter(step)
    for text, outcome in outcomes:
        if outcome:
            yield text, outcome
            continue
        document = Document(text=text.text, id=text.id)
        try:
            kept, reason = get_filter_result(filter_.filter(document))
        except Exception as error:  # a filter's own, on this text
            yield replace(text, failure="filter_failed", message=f"{step.filter}: {type(error).__name__}"), FAILED
            continue
        if kept:
            yield replace(text, text=document.text), ""
        else:
            yield replace(text, failure=f"{step.filter}: {reason}" if reason else step.filter), FILTERED


def _try(step: DatatroveStep) -> None:
    """Raises UsageError for a filter that fails on plain text: for its arguments, or for what only other documents have."""
    from datatrove.data import Document

    filter_ = _filter(step)
    with _usable(f"{step.filter} fails on plain text"):
        filter_.filter(Document(text=_PLAIN, id="plain"))


@contextmanager
def _usable(what: str) -> Iterator[None]:
    """Whatever a filter's own code raises, as UsageError."""
    try:
        yield
    except ImportError as error:
        raise UsageError(f"sequence: datatrove's {what}: it needs a package that is not installed: {error}") from None
    except Exception as error:
        raise UsageError(f"sequence: datatrove's {what}: {type(error).__name__}: {error}") from None


def _filter(step: DatatroveStep) -> Any:
    try:
        from datatrove.pipeline import filters
    except ImportError:
        raise UsageError(_INSTALL) from None
    known = sorted(name for name in dir(filters) if name.endswith("Filter"))
    if step.filter not in known:
        raise UsageError(f"sequence: datatrove has no filter {step.filter!r}; it has {', '.join(known)}")
    class_ = getattr(filters, step.filter)
    parameters = inspect.signature(class_).parameters
    seed = {"seed": 0} if "seed" in parameters else {}  # of those that draw: without one they draw anew in each run
    with _usable(step.filter):
        inspect.signature(class_).bind(**step.args)
        return class_(**{**seed, **step.args})


def _minhash(step: MinhashStep) -> Any:
    """SHA-1, because datatrove hands strings to xxhash, which its newer versions refuse. Raises UsageError for a language that
    datatrove cannot split into words."""
    try:
        from datatrove.pipeline.dedup.minhash import MinhashConfig
        from datatrove.utils.hashing import HashConfig
        from datatrove.utils.word_tokenizers import load_word_tokenizer
    except ImportError:
        raise UsageError(_INSTALL) from None
    try:
        load_word_tokenizer(step.language)
    except ValueError as error:
        raise UsageError(f"sequence: minhash: {error}") from None
    except ImportError as error:
        raise UsageError(
            f"sequence: minhash: `{step.language}` needs a package that is not installed: {error}"
        ) from None
    return MinhashConfig(**step.minhash, hash_config=HashConfig(hash_fc="sha1"))


def _deduplicated(outcomes: Iterable[tuple[Text, str]], step: MinhashStep) -> Iterator[tuple[Text, str]]:
    """The first of near-duplicates stays, by datatrove's signatures, buckets and clusters. Texts lie on disk meanwhile; memory
    holds the signatures of some hundred thousand, and the numbers of those that have near-duplicates."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = TextSpool(folder / "texts.arrow")
        _sign((text.text for text, outcome in spool.written(outcomes) if not outcome), step, folder)
        gone = _duplicates(step, folder)
        number, first = -1, next(gone, None)
        for text, outcome in spool:
            number += not outcome
            if outcome or number != first:
                yield text, outcome
                continue
            yield replace(text, failure="minhash"), DUPLICATE
            first = next(gone, None)


def _sign(texts: Iterator[str], step: MinhashStep, folder: Path) -> None:
    """Write the sorted signatures of texts: files of so many texts each, which datatrove then merges as it reads them."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup import minhash

    signer = minhash.MinhashDedupSignature(str(folder / "signatures"), _minhash(step), language=step.language)
    documents = (Document(text=text, id=str(n)) for n, text in enumerate(texts))
    for number in count():
        some = islice(documents, _SIGNED_TOGETHER)
        one = next(some, None)
        if one is None and number:
            return
        signer.run(chain([one] if one is not None else [], some), number, 1)


def _duplicates(step: MinhashStep, folder: Path) -> Iterator[int]:
    """Numbers of the texts, from the first, that have an earlier near-duplicate. datatrove itself would keep whichever text its
    union of clusters ends in, which depends on how they are spread over files."""
    from datatrove.pipeline.dedup import minhash

    config = _minhash(step)
    signatures, buckets, clusters = (str(folder / name) for name in ("signatures", "buckets", "clusters"))
    for bucket in range(config.num_buckets):
        minhash.MinhashDedupBuckets(signatures, buckets, config=config).run(None, bucket, config.num_buckets)
    minhash.MinhashDedupCluster(buckets, clusters, config, save_cluster_id=True).run(None, 0, 1)
    known = set[int]()
    for path in sorted(Path(clusters).glob("*.clusters")):
        for place, cluster in struct.iter_unpack("<2I", path.read_bytes()):
            if cluster in known:
                yield int(path.stem) * _SIGNED_TOGETHER + place
            known.add(cluster)
