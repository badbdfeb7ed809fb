"""Filters of datatrove over the texts of a corpus, with a reason for each text that is dropped."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from dataengine.config.sequence import DatatroveStep, MinhashStep
from dataengine.errors import UsageError
from dataengine.sequence.corpus import Text

_PLAIN = "The first sentence has some plain words. The second one follows it, and then there is an end."
_INSTALL = "datatrove is not installed: pip install 'dataengine-multimodal[annotate]'"
FILTERED, DUPLICATE, FAILED = "filtered", "duplicate", "failed"


def check(steps: Sequence[DatatroveStep | MinhashStep]) -> None:
    """Raises UsageError for a filter that datatrove does not have, or arguments that it does not take."""
    for step in steps:
        if isinstance(step, DatatroveStep):
            _filter(step)
        else:
            minhash_config(step)
    if sum(isinstance(step, MinhashStep) for step in steps) > 1:
        raise UsageError("sequence: a corpus has one `minhash` step at most: near-duplicates are looked for once")


def run(texts: Iterable[Text], steps: Sequence[DatatroveStep]) -> Iterator[tuple[Text, str]]:
    """Each text, in order, with its outcome: "" (kept), filtered, duplicate or failed. What filters edit stays edited; a text
    that one cannot judge has failed. Raises UsageError for a filter that cannot judge any."""
    return filtered(((text, FAILED if text.failure else "") for text in texts), steps)


def filtered(outcomes: Iterable[tuple[Text, str]], steps: Sequence[DatatroveStep]) -> Iterator[tuple[Text, str]]:
    """As ``run``, of texts some of which have an outcome."""
    for step in steps:
        outcomes = _filtered(outcomes, step)
    yield from outcomes


def parted(
    steps: Sequence[DatatroveStep | MinhashStep],
) -> tuple[list[DatatroveStep], MinhashStep | None, list[DatatroveStep]]:
    """The filters before near-deduplication, that step, and the filters after it; all filters are before where there is none."""
    at = next((n for n, step in enumerate(steps) if isinstance(step, MinhashStep)), None)
    before, after = (steps, []) if at is None else (steps[:at], steps[at + 1 :])
    step = None if at is None else steps[at]
    filters = [[one for one in some if isinstance(one, DatatroveStep)] for some in (before, after)]
    return filters[0], step if isinstance(step, MinhashStep) else None, filters[1]


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


def minhash_config(step: MinhashStep) -> Any:
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
