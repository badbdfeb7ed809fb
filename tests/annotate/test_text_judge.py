"""What datatrove says of a text, in its own words; texts that would hang or break it; nothing is downloaded."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from dataengine.annotate.text import track as text_track
from dataengine.annotate.text.judge import Judges, filter_of
from dataengine.annotate.text.track import track
from dataengine.annotate.text.verdicts import FILTERS
from dataengine.annotate.text.worker import TextWorker, captions_of
from dataengine.annotate.worker import TABLE
from dataengine.config.annotate import AnnotateConfig, OcrConfig
from dataengine.config.annotate_text import GopherQualityConfig, TextConfig, UrlConfig
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.errors import UsageError
from dataengine.media.limits import Limits
from dataengine.policy.decide import decide
from dataengine.policy.load import load
from dataengine.samples.locate import Located
from dataengine.stage import Part
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import opaque

DOG = "A brown dog runs along the beach with a red ball in its mouth."
PAGE = "\n".join(
    f"The town of number {n} lies by the river, and its people have fished there. Most of them stay." for n in range(9)
)


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges(TextConfig())


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (DOG, {}),
        ("dog", {"gopher_quality": "gopher_short_doc", "c4": "too_few_sentences", "fineweb": "short_line_ratio"}),
        ("buy now " * 9, {"gopher_repetition": "duplicated_2_n_grams"}),
        ("brown dog runs", {}),
        ("Lorem ipsum dolor sit amet.", {"c4": "lorem_ipsum"}),
        ('{"title": "a brown dog on the beach"}', {"c4": "curly_bracket"}),
        ("IMG 4711 0815 2024 11 28", {"gopher_quality": "gopher_below_alpha_threshold"}),
        ("一只棕色的狗在海滩上奔跑,嘴里叼着红球", {"gopher_quality": "gopher_short_doc", "c4": "too_few_sentences"}),
        (
            "\x00\x07\x1b",
            dict(zip(FILTERS, ("gopher_short_doc", "empty", "too_few_sentences", "empty"), strict=True)),
        ),
        (f"lone \ud800 surrogate, {DOG}", {}),
        (f"{DOG}\u202e\ufeff", {}),
    ],
    ids=lambda value: ascii(value)[:30] if isinstance(value, str) else "",
)
def test_reasons(judges: Judges, text: str, reasons: dict[str, str]) -> None:
    verdict = judges.text(text)
    assert {name: reason for name, reason in verdict.reasons.items() if reason != "pass"} == reasons
    assert verdict.error == ""


def test_a_filter_that_fails_on_a_text_leaves_the_others_alone() -> None:
    verdict = Judges(TextConfig(gopher_quality=GopherQualityConfig(min_doc_words=None))).text("\x00")
    assert verdict.reasons["gopher_quality"] is None and verdict.reasons["c4"] == "too_few_sentences"
    assert verdict.error == "gopher_quality: ZeroDivisionError: division by zero"


@pytest.mark.parametrize("name", FILTERS)
def test_documents_are_judged_as_by_the_bare_package(name: str) -> None:
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    bare: Any = dict(
        zip(FILTERS, (GopherQualityFilter, GopherRepetitionFilter, C4QualityFilter, FineWebQualityFilter), strict=True)
    )[name]()
    reason = filter_of(TextConfig(preset="documents"), name)
    assert reason is not None
    for text in (DOG, PAGE, f"{PAGE}\n{PAGE}", "buy now " * 9, f"{PAGE} {{"):
        expected = bare.filter(Document(text=text, id=""))
        assert reason(text) == ("pass" if expected is True else expected[1])


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("write to joe.doe@example.org or ann@mail.example.com", (2, 0)),
        ("8.8.8.8 is public, 10.0.0.1 and 127.0.0.1 are not, 1.2.3 is none", (0, 1)),
        ("root@[8.8.8.8] counts once", (1, 0)),
        ("a @ b, @handle, version 1.2.3", (0, 0)),
    ],
)
def test_personal_data_is_counted(judges: Judges, text: str, counts: tuple[int, int]) -> None:
    verdict = judges.text(text)
    assert (verdict.emails, verdict.ips) == counts


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (DOG, "en"),
        ("Ein brauner Hund läuft am Strand entlang", "de"),
        ("Собака бежит по пляжу с мячом", "ru"),
        ("一只狗在海滩上奔跑", "zh"),
    ],
)
def test_languages(judges: Judges, text: str, language: str) -> None:
    verdict = judges.text(text)
    assert verdict.language == language and 0.3 < (verdict.language_score or 0) <= 1


def test_nothing_is_downloaded_and_the_lists_come_from_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refused)
    config = UrlConfig(
        lists=False,
        domains=("blocked.example.org", "bad.org"),
        banned_words=("casino",),
        soft_banned_words=("win", "free"),
    )
    judges = Judges(TextConfig(url=config))
    assert judges.text(DOG).language == "en"
    answers = {url: judges.address(url) for url in (
        "https://example.org/dog.jpg", "https://www.bad.org/a", "http://blocked.example.org/", "https://a.org/casino/1", "http://a.org/win-free",
        "http://[::1", "", "https://例え.jp/狗.jpg",
    )}  # fmt: skip
    assert list(answers.values()) == [
        "pass", "domain", "subdomain", "hard_blacklisted", "soft_blacklisted", "pass", None, "pass",
    ]  # fmt: skip


def sample(n: int, captions: tuple[str, ...] = (), read: str = "", url: str | None = None) -> Located:
    texts = [("caption", text) for text in captions if text.strip()] + ([("ocr", read)] if read else [])
    return Located(f"{n:032x}", "image", "jpg", 1, captions, "media/a.tar", n, {"texts": texts, "url": url})


def test_a_text_that_hangs_costs_its_sample_alone(tmp_path: Path) -> None:
    config = TextConfig(seconds=3.0, max_characters=30_000)
    worker = TextWorker(Limits(), Workspace(str(tmp_path)), track(config), config, "cpu", 1)
    samples = [
        sample(0, (DOG, "dog")),
        sample(1, ("(" * 30_000,)),
        sample(2),
        sample(3, (" ", "x" * 100_000), "EXIT\nto the harbour"),
    ]
    output = worker.process(Part("a", "", samples))
    again = worker.process(Part("a", "", list(reversed(samples))[::-1]))
    worker.close()
    rows = worker.workspace.read_table([output.files[TABLE]], worker.track.schema).to_pylist()
    assert [row["failure"] for row in rows] == [None, "timeout", None, None]
    assert rows[1]["message"] == "judging its texts took longer than annotate.text.seconds"
    assert (rows[0]["caption_gopher_quality"], [t["gopher_quality"] for t in rows[0]["texts"]]) == (
        "pass",
        ["pass", "gopher_short_doc"],
    )
    assert (rows[2]["caption_language"], rows[2]["caption_emails"], rows[2]["texts"]) == (None, 0, [])
    assert [(t["kind"], t["cut"]) for t in rows[3]["texts"]] == [("caption", True), ("ocr", False)]
    assert rows[3]["ocr_language"] == "en"
    assert output.counts["captions"] == 3 and output.counts["texts judged by their beginning"] == 1
    assert again.files == output.files


@pytest.mark.parametrize(
    ("captions", "extra", "expected"),
    [
        (("a", "longer", "b"), {}, ["longer", "a", "b"]),
        (("a", "longer", "b"), {"best": "2"}, ["b", "a", "longer"]),
        (("a",), {"released": ["made", "a"], "best": "0"}, ["made", "a"]),
        (("a",), {"released": None}, ["a"]),
        ((), {"best": None}, []),
    ],
)
def test_the_caption_that_is_released_comes_first(
    captions: tuple[str, ...], extra: dict[str, Any], expected: list[str]
) -> None:
    assert captions_of(sample(0, captions), extra) == expected


def test_text_in_pictures_is_judged_where_it_is_read() -> None:
    alone, both = AnnotateConfig(text=TextConfig()), AnnotateConfig(text=TextConfig(), ocr=OcrConfig())
    names = [{f.name for f in track(config.judged_text or TextConfig()).columns} for config in (alone, both)]
    assert "ocr_language" in names[1] - names[0] and "caption_language" in names[0]
    with pytest.raises(ValidationError, match="names ocr alone"):
        AnnotateConfig(text=TextConfig(texts=("ocr",)))


@pytest.mark.parametrize(
    ("caption", "rule"),
    [
        (DOG, None),
        ("Ein brauner Hund läuft am Strand entlang und trägt einen roten Ball", "language"),
        ("dog", "words"),
        ("buy now " * 9, "repetition"),
        ("Lorem ipsum dolor sit amet, this is the caption of a picture.", "boilerplate"),
        ("Prints of this photo can be had from ann@example.com in any size.", "addresses"),
    ],
)
def test_the_policy_for_captions(judges: Judges, caption: str, rule: str | None) -> None:
    text = track(TextConfig(texts=("caption",)))
    policy = load(Path(__file__).parents[2] / "filters/captions-en-v1.yaml", {f.name: f.type for f in text.columns})
    verdict = judges.text(caption)
    row = {f"caption_{name}": reason for name, reason in verdict.reasons.items()}
    row |= {f"caption_{name}": getattr(verdict, name) for name in ("language", "language_score", "emails", "ips")}
    table = pa.Table.from_pylist([{"id": "a", **row}], pa.schema([pa.field("id", pa.string()), *text.columns]))
    with DuckDBEngine(threads=1) as engine:
        decided = decide(opaque(engine), policy, "annotated", {"annotated": opaque(engine).frame(table)})
        assert engine.collect(decided.decisions)["rule"].to_pylist() == [rule]


def test_versions_and_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = track(TextConfig())
    assert plain.version.startswith("datatrove-") and [m.licence for m in plain.models] == [
        "Apache-2.0",
        "CC-BY-SA-3.0",
    ]
    assert track(TextConfig(in_samples=True, seconds=1)).version == plain.version, "changes no row"
    assert len({plain.version, track(TextConfig(preset="documents")).version, track(TextConfig(c4=None)).version}) == 3
    assert "caption_c4" not in track(TextConfig(c4=None)).schema.names
    monkeypatch.setattr(text_track, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"annotate\.text: the package datatrove.*\[annotate\]"):
        track(TextConfig())
