"""The recipe's ``annotate.text`` block: datatrove's filters over captions and text in pictures, as annotations.

Fields of a filter are those of datatrove. Defaults are for captions, which are short and often end without a full stop;
``preset: documents`` takes datatrove's own, which are for web pages, wherever a field is not set.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dataengine.config.sources import Model

TextKind = Literal["caption", "ocr"]
Share = Annotated[float, Field(ge=0)]
NGrams = tuple[tuple[Annotated[int, Field(ge=1)], Share], ...]


class GopherQualityConfig(Model):
    """Rules of Gopher (Rae et al. 2021, arXiv 2112.11446, A.1.1). None turns a rule off."""

    min_doc_words: Annotated[int, Field(ge=1)] | None = 3
    max_doc_words: Annotated[int, Field(ge=1)] | None = 1000
    min_avg_word_length: Share | None = 2
    max_avg_word_length: Share | None = 10
    max_symbol_word_ratio: Share | None = 0.1
    max_bullet_lines_ratio: Share | None = 0.9
    max_ellipsis_lines_ratio: Share | None = 0.3
    max_non_alpha_words_ratio: Share | None = 0.5
    min_stop_words: Annotated[int, Field(ge=0)] | None = None
    stop_words: tuple[str, ...] | None = None


class GopherRepetitionConfig(Model):
    """Repetition rules of Gopher (Table A1). Of a caption of a few words the commonest pair is a large share although it stands
    there once, so the rules of ``top_n_grams`` are off and repeated ones of two to four words are counted."""

    dup_line_frac: Share | None = 0.3
    dup_para_frac: Share | None = 0.3
    dup_line_char_frac: Share | None = 0.2
    dup_para_char_frac: Share | None = 0.2
    top_n_grams: NGrams = ()
    dup_n_grams: NGrams = (
        *((2, 0.4), (3, 0.3), (4, 0.2)),
        *((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)),
    )


class C4Config(Model):
    """Rules of C4 (Raffel et al. 2020): lines that end without punctuation may be left out of what is counted."""

    split_paragraph: bool = True
    remove_citations: bool = True
    filter_no_terminal_punct: bool = False
    min_num_sentences: Annotated[int, Field(ge=-1)] = 1
    min_words_per_line: Annotated[int, Field(ge=-1)] = 2
    max_word_length: Annotated[int, Field(ge=-1)] = 1000
    filter_lorem_ipsum: bool = True
    filter_javascript: bool = True
    filter_curly_bracket: bool = True
    filter_policy: bool = True


class FineWebConfig(Model):
    """Rules of FineWeb (Penedo et al. 2024): punctuation, short lines, duplicate characters, lists."""

    line_punct_thr: Share = 0.0
    line_punct_exclude_zero: bool = False
    short_line_thr: Share = 0.67
    short_line_length: Annotated[int, Field(ge=0)] = 10
    char_duplicates_ratio: Share = 0.01
    new_line_ratio: Share = 0.3


class UrlConfig(Model):
    """Rules over the first address, in order, that a sample was had from. ``lists``: of the package; they take 0.7 GB of memory
    in each worker."""

    lists: bool = True
    domains: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    banned_words: tuple[str, ...] = ()
    banned_subwords: tuple[str, ...] = ()
    soft_banned_words: tuple[str, ...] = ()
    soft_word_threshold: Annotated[int, Field(ge=1)] = 2


class TextConfig(Model):
    """``texts``: which are judged. A filter that is null is not run. ``max_characters``: longer texts are judged by their
    beginning; ``seconds``: that a sample's texts may take."""

    in_samples: bool = False
    texts: Annotated[tuple[TextKind, ...], Field(min_length=1)] = ("caption", "ocr")
    preset: Literal["captions", "documents"] = "captions"
    gopher_quality: GopherQualityConfig | None = GopherQualityConfig()
    gopher_repetition: GopherRepetitionConfig | None = GopherRepetitionConfig()
    c4: C4Config | None = C4Config()
    fineweb: FineWebConfig | None = FineWebConfig()
    url: UrlConfig | None = None
    language: bool = True
    pii: bool = True
    max_characters: Annotated[int, Field(ge=100, le=1_000_000)] = 100_000
    seconds: Annotated[float, Field(gt=0)] = 30.0

    def parameters(self, name: str) -> dict[str, Any] | None:
        """Arguments of a filter; None where it is not run."""
        block: Model | None = getattr(self, name)
        return None if block is None else block.model_dump(exclude_unset=self.preset == "documents")
