"""Runs datatrove's filters, language identification and its detector of personal data over texts. For the child process.

A filter's reason is kept, nothing is dropped. Texts come from anywhere: spaCy's tokenizer and the expression for e-mail
addresses take quadratic time on some, which is why this runs where it can be ended.
"""

from __future__ import annotations

import tarfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from dataengine.annotate.text.verdicts import FILTERS, PASSES, UNREADABLE, SampleVerdict, Verdict
from dataengine.config.annotate_text import TextConfig, UrlConfig
from dataengine.models.language_id import LanguageIdentifier
from dataengine.text.cleaning import clean_text

#: Imported before the child's memory is bounded.
PRELOAD = ("spacy", "datatrove.pipeline.filters", "datatrove.utils.word_tokenizers")
_CLASSES = {
    "gopher_quality": ("gopher_quality_filter", "GopherQualityFilter"),
    "gopher_repetition": ("gopher_repetition_filter", "GopherRepetitionFilter"),
    "c4": ("c4_filters", "C4QualityFilter"),
    "fineweb": ("fineweb_quality_filter", "FineWebQualityFilter"),
}
_LISTS = "url_filterblacklistsv0_3_0.tar.gz"
_MESSAGE = 200

Reason = Callable[[str], str]


def judge(context: TextConfig, item: list[tuple[list[str], str | None]]) -> list[SampleVerdict]:
    """``item`` has the texts and the address of each of several samples."""
    judges = _judges(context.model_dump_json(exclude_unset=True))
    return [SampleVerdict([judges.text(text) for text in texts], judges.address(url)) for texts, url in item]


@lru_cache(1)
def _judges(config: str) -> Judges:
    warnings.filterwarnings("ignore", "Mean of empty slice|invalid value", RuntimeWarning)  # of texts without words
    return Judges(TextConfig.model_validate_json(config))


class Judges:
    """The filters of a recipe, loaded."""

    def __init__(self, config: TextConfig) -> None:
        self._config = config
        self._filters = {name: reason for name in FILTERS if (reason := filter_of(config, name)) is not None}
        _split_once()
        self._languages = LanguageIdentifier() if config.language else None
        self._pii = _pii() if config.pii else None
        self._url = url_filter(config.url) if config.url else None

    def text(self, text: str) -> Verdict:
        """Of a text that is not blank."""
        cleaned = clean_text(text)
        judged = cleaned[: self._config.max_characters]
        reasons, errors = dict[str, str | None](), list[str]()
        for name, reason in self._filters.items():
            try:
                reasons[name] = reason(judged)
            except Exception as error:
                reasons[name] = None
                errors.append(f"{name}: {type(error).__name__}: {error}"[:_MESSAGE])
        language, score = self._languages.identify(judged) if self._languages else (None, None)
        emails, ips = self._pii(judged) if self._pii else (0, 0)
        return Verdict(reasons, language, score, emails, ips, len(judged) < len(cleaned), "; ".join(errors))

    def address(self, url: str | None) -> str | None:
        """Of an address; None without one or where addresses are not judged."""
        if not url or self._url is None:
            return None
        try:
            return self._url(url)
        except Exception:
            return UNREADABLE


def _split_once() -> None:
    """Have a text split into words once for all filters: three of them ask the same tokenizer of datatrove for it."""
    from datatrove.utils.typeshelper import Languages
    from datatrove.utils.word_tokenizers import load_word_tokenizer

    tokenizer = load_word_tokenizer(Languages.english)
    if "word_tokenize" not in vars(tokenizer):
        words = lru_cache(1)(tokenizer.word_tokenize)
        tokenizer.word_tokenize = lambda text: list(words(text))


def filter_of(config: TextConfig, name: str) -> Reason | None:
    """A filter over texts as a function: PASSES, or the reason for which datatrove would drop the text."""
    parameters = config.parameters(name)
    if parameters is None:
        return None
    module, cls = _CLASSES[name]
    datatrove_filter = getattr(import_module(f"datatrove.pipeline.filters.{module}"), cls)(**parameters)
    from datatrove.data import Document

    return lambda text: _reason(datatrove_filter.filter(Document(text=text, id="")))


def _reason(result: bool | tuple[bool, str]) -> str:
    keeps, reason = result if isinstance(result, tuple) else (result, "dropped")
    return PASSES if keeps else reason


def _pii() -> Callable[[str], tuple[int, int]]:
    """Counts what datatrove's PIIFormatter would replace: e-mail addresses and public IP addresses."""
    from datatrove.pipeline.formatters.pii import PIIFormatter

    formatter = PIIFormatter()
    emails, ips = formatter.emails_replacer, formatter.ip_replacer

    def counts(text: str) -> tuple[int, int]:
        rest, addresses = (
            emails.regex.subn(" ", text) if "@" in text else (text, 0)
        )  # the expression is slow without one
        return addresses, sum(ips.validator(match[0]) for match in ips.regex.finditer(rest))

    return counts


def url_filter(config: UrlConfig) -> Reason:
    """datatrove's URLFilter, with its lists read out of the package: nothing is unpacked to a cache, and the public suffixes are
    those that tldextract brings."""
    from datatrove.data import Document
    from datatrove.pipeline.filters.url_filter import URLFilter
    from datatrove.utils._import_utils import ASSETS_PATH
    from tldextract import TLDExtract

    assets = Path(ASSETS_PATH)
    words = {
        name: [*getattr(config, name), *(_lines(assets / f"{name}.txt") if config.lists else ())]
        for name in ("banned_words", "banned_subwords", "soft_banned_words")
    }
    domains, urls = (_blocked(assets / _LISTS, name) if config.lists else iter(()) for name in ("domains", "urls"))
    datatrove_filter = URLFilter(
        soft_word_threshold=config.soft_word_threshold,
        extra_domains=_with(config.domains, domains),
        extra_urls=_with(config.urls, urls),
        use_integrated_lists=False,
        **words,
    )
    datatrove_filter.tldextractor = TLDExtract(suffix_list_urls=(), cache_dir=None)
    return lambda url: _reason(datatrove_filter.filter(Document(text="", id="", metadata={"url": url})))


def _with(own: Sequence[str], lines: Iterator[str]) -> Iterator[str]:
    yield from own
    yield from lines


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if line]


def _blocked(archive: Path, name: str) -> Iterator[str]:
    """Lines of a member, streamed."""
    with tarfile.open(archive, "r:gz") as tar:
        member = tar.extractfile(name)
        if member is None:
            raise RuntimeError(f"{archive} has no file {name}")
        for line in member:
            if text := line.decode("utf-8", "replace").strip():
                yield text
