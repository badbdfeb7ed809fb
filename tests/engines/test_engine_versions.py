"""A process of another version of the engine is refused by name, before it makes anything."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import cloudpickle
import pytest

import dataengine
from dataengine.engines import versions
from dataengine.engines.versions import pack, same_version, unpack
from dataengine.errors import RunError
from dataengine.storage.engine_version import code_digest, difference, engine_version

HERE = engine_version()
OLD = {**HERE, "dataengine": "0.0.9 (code 00000000)", "pillow": "12.0.0"}


def test_what_is_packed_is_unpacked_by_the_same_version() -> None:
    assert unpack(pack(cloudpickle, ("worker", 7))) == ("worker", 7)
    assert list(same_version(HERE, reversed, [1, 2])) == [2, 1]


@pytest.mark.parametrize("how", ["ray", "spark"])
def test_another_version_is_refused_by_name(how: str) -> None:
    def never(batches: object) -> object:
        raise AssertionError("it ran")

    with pytest.raises(RunError) as caught:
        # As a broken class of the other version would be: it must not even be read.
        unpack(pickle.dumps((OLD, b"no pickle"))) if how == "ray" else same_version(OLD, never, [])
    text = str(caught.value)
    assert f"dataengine {HERE['dataengine']}, not 0.0.9 (code 00000000)" in text
    assert f"pillow {HERE['pillow']}, not 12.0.0" in text and "submit the stage again" in text
    assert "numpy" not in text


def test_a_sender_that_knows_fewer_packages_differs() -> None:
    assert difference({"a": "1", "b": "2"}, {"a": "1"}) == "b 2, not none"
    assert difference({"a": "1", "b": ""}, {"a": "1"}) == ""
    assert difference({"a": "1"}, {"a": "1"}) == ""


def test_the_code_digest_follows_the_sources_and_nothing_else(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(Path(dataengine.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    digest = code_digest(copy)
    assert f"(code {digest})" in HERE["dataengine"]
    (copy / "notes.md").write_text("no source")
    assert code_digest(copy) == digest
    (copy / "errors.py").write_text("# another version")
    assert code_digest(copy) != digest


def test_actors_and_executors_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two places through which work reaches other machines."""
    from dataengine.engines import ray, spark_frames

    assert ray.unpack is versions.unpack and ray.pack is versions.pack
    sent: list[object] = []

    class Frame:
        def mapInArrow(self, function: object, schema: object) -> None:  # noqa: N802
            sent.append(function)

    monkeypatch.setattr(spark_frames, "spark_schema", lambda schema: schema)
    spark_frames.mapped(Frame(), list, None)  # type: ignore[arg-type]
    [function] = sent
    monkeypatch.setattr(versions, "engine_version", lambda: OLD)
    with pytest.raises(RunError, match="two versions of the engine"):
        function([])  # type: ignore[operator]
