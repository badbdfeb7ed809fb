"""Questions, paths and checks of samples that an earlier part holds are copied; the result is that of a fresh workspace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.cot_corpus import PAIRS, pictures
from support.cot_workers import Workshop

from dataengine.cot.core.tables import SourceMaterial
from dataengine.cot.paths.stage import PathWorker
from dataengine.cot.questions.encoded import Context
from dataengine.cot.questions.stage import QuestionWorker
from dataengine.errors import InputError
from dataengine.samples.locate import Located
from dataengine.samples.worker import DecodingWorker
from dataengine.storage.workspace import Output
from dataengine.testing import Body, ChatServer, Turn, chat_server

IDS = sorted(pictures())[:6]
PROGRAM: dict[str, Any] = {"questions_per_sample": 4, "teachers": [{"type": "programmatic"}]}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the samples that workers decode."""
    ids, over = list[str](), DecodingWorker.decoded

    def counted(worker: DecodingWorker, rows: Sequence[Located], *rest: Any) -> Any:
        ids.extend(row.id for row in rows)
        return over(worker, rows, *rest)

    monkeypatch.setattr(DecodingWorker, "decoded", counted)
    return ids


def through(
    folder: Path, ids: Sequence[str], config: dict[str, Any], name: str = "all", **material: Any
) -> dict[str, Output]:
    """The outputs of all three steps, committed."""
    shop = Workshop(folder, ids, config, part=name)
    shop.questions({id_: SourceMaterial(id_, **material) for id_ in ids})
    shop.paths()
    shop.checks()
    return shop.outputs


def stored(folder: Path, outputs: dict[str, Output]) -> dict[str, Any]:
    """What is stored, and the bytes of all pictures."""
    packs = {p.name: p.read_bytes() for p in (folder / "cot" / "pictures").glob("*.bin")}
    return {"outputs": outputs, "packs": packs}


def test_only_new_samples_are_asked_about(tmp_path: Path, decoded: list[str]) -> None:
    through(tmp_path / "moved", IDS[:5], PROGRAM)
    assert sorted(decoded) == IDS[:5]
    decoded.clear()
    moved = stored(tmp_path / "moved", through(tmp_path / "moved", IDS[1:], PROGRAM))
    assert decoded == IDS[5:]
    fresh = stored(tmp_path / "fresh", through(tmp_path / "fresh", IDS[1:], PROGRAM))
    assert moved["outputs"] == fresh["outputs"] and fresh["packs"]
    assert fresh["packs"].items() <= moved["packs"].items()
    counts = fresh["outputs"]["questions"].counts
    assert counts["samples"] == 5 and counts["asked"] == 20 and moved["outputs"]["paths"].counts["paths"] >= 20


@pytest.mark.parametrize(
    ("config", "material"),
    [
        ({"questions_per_sample": 3}, {}),
        ({}, {"pairs": PAIRS}),
        ({"video": {"frames": [16]}}, {}),
    ],
    ids=["settings", "material", "frames"],
)
def test_what_would_come_out_differently_is_made_anew(
    tmp_path: Path, decoded: list[str], config: dict[str, Any], material: dict[str, Any]
) -> None:
    through(tmp_path, IDS[:2], PROGRAM)
    decoded.clear()
    through(tmp_path, IDS[:2], {**PROGRAM, **config}, **material)
    assert sorted(decoded) == IDS[:2]


@pytest.mark.parametrize(("before", "after"), [("all", "0"), ("0", "all"), ("01", "0"), ("0", "001")])
def test_parts_of_another_size_are_known(tmp_path: Path, decoded: list[str], before: str, after: str) -> None:
    through(tmp_path, IDS[:2], PROGRAM, before)
    decoded.clear()
    through(tmp_path, IDS[:2], PROGRAM, after)
    assert decoded == []


def test_a_sample_that_could_not_be_decoded_is_tried_again(
    tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(QuestionWorker, "function", f"{__name__}:refusing")
        failed = through(tmp_path, IDS[:2], PROGRAM)["questions"]
    assert failed.counts == {"samples": 2, "questions": 2, "asked": 0}
    decoded.clear()
    assert through(tmp_path, IDS[:2], PROGRAM)["questions"].counts["asked"] == 8
    assert sorted(decoded) == IDS[:2]


def refusing(context: Context, sample: Any) -> Any:
    raise InputError("corrupt", "not this time")


def model(server: ChatServer) -> dict[str, Any]:
    teacher = {"type": "openai", "endpoint": server.endpoint, "model": "m", "retries": 0}
    return {**PROGRAM, "teachers": [{"type": "programmatic"}, teacher], "judge": teacher, "text_only_baseline": True}


def replying(body: Body) -> Turn:
    text = json.dumps(body["messages"])
    if "process" in text and "score" in text:
        return Turn(text='{"process": true, "reason": "fine", "score": 4, "answer": true}')
    return Turn(text="<think>I look at it, part by part.</think><answer>It is \\\\boxed{yes}</answer>")


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the questions that the model is to see."""
    rids, sampled = list[str](), PathWorker._sampled

    def counted(worker: PathWorker, chunk: Any, located: Any) -> Any:
        rids.extend(one.rid for one in chunk)
        return sampled(worker, chunk, located)

    monkeypatch.setattr(PathWorker, "_sampled", counted)
    return rids


@pytest.mark.slow
def test_a_model_is_asked_about_new_samples_alone(tmp_path: Path, rendered: list[str]) -> None:
    with chat_server() as server:
        server.reply = replying
        first = through(tmp_path / "moved", IDS[:3], model(server))
        asked, of_first = server.requests, len(rendered)
        assert asked and of_first == first["questions"].counts["asked"] == 12
        moved = through(tmp_path / "moved", IDS[1:4], model(server))
        assert len(rendered) - of_first == 4, "the questions of one sample"
        assert 0 < server.requests - asked < asked / 2
        before = server.requests
        through(tmp_path / "moved", IDS[1:3], model(server))
        assert server.requests == before, "nothing is new"
        fresh = through(tmp_path / "fresh", IDS[1:4], model(server))
    assert fresh == moved and fresh["paths"].counts["failed"] == 0


def test_a_question_whose_path_failed_is_asked_again(tmp_path: Path, rendered: list[str]) -> None:
    with chat_server(lambda body: Turn(body=b"no JSON")) as server:
        config = model(server) | {"judge": None, "text_only_baseline": False}
        failed = through(tmp_path, IDS[:1], config)["paths"].counts["failed"]
        server.reply = replying
        again = through(tmp_path, IDS[:1], config)["paths"].counts
    assert failed and again["failed"] == 0


def test_what_was_removed_by_hand_is_made_anew(tmp_path: Path, decoded: list[str]) -> None:
    through(tmp_path, IDS[:3], PROGRAM)
    for file in (tmp_path / "cot").rglob("*-inputs.parquet"):
        file.unlink()
    decoded.clear()
    assert through(tmp_path, IDS[1:3], PROGRAM) and sorted(decoded) == IDS[1:3]
