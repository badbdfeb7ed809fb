"""Sources of plugins: each input is accounted for, whatever the plugin does."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dataengine.browse.explain import explain
from dataengine.browse.preview import preview
from dataengine.browse.session import opened
from dataengine.config.recipe import Recipe, load
from dataengine.errors import RunError, UsageError
from dataengine.ingest.occurrence import Occurrence
from dataengine.ingest.plugin import plugin_reader
from dataengine.pipeline import execute, stages
from dataengine.plugins.failure import ERROR
from dataengine.testing import InProcess, write_corpus, write_recipe

ZIPS = Path(__file__).parents[2] / "examples/plugins/zip_source.py"
_SOURCE = """
from dataengine import Occurrence, Part
from dataengine.errors import InputError

class Some:
    name = "some"

    def parts(self):
        return [Part("one", "1", 3)]

    def occurrences(self, spec):
        for n in range(spec):
            yield Occurrence(f"{n}.jpg", location=f"/nowhere/{n}.jpg")
"""


def _zips(folder: Path, recipe: Path | None = None, **changes: Any) -> Recipe:
    source = {"type": "plugin", "name": "zipped", "reader": "zips", "path": str(folder / "*.zip"), "license": "cc0-1.0"}
    return load(write_recipe(folder, plugins=[str(ZIPS)], sources=[source | changes]))


def _pack(folder: Path) -> None:
    write_corpus(folder / "in", images=4)
    for n in range(2):
        with zipfile.ZipFile(folder / f"{n}.zip", "w") as archive:
            for path in sorted((folder / "in").iterdir())[4 * n : 4 * n + 4]:
                archive.write(path, path.name)


def _reader(folder: Path, changes: str = "", **fields: Any) -> Any:
    (folder / "some.py").write_text(f"{_SOURCE}\n{changes}\nSOURCES = [Some]\n")
    source = {"type": "plugin", "name": "s", "reader": "some", **fields}
    recipe = load(write_recipe(folder, plugins=[str(folder / "some.py")], sources=[source]))
    return plugin_reader(recipe.sources[0], recipe.plugins)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_example_reads_pictures_and_captions_out_of_zips(tmp_path: Path) -> None:
    _pack(tmp_path)
    recipe = _zips(tmp_path)
    [seen] = preview(recipe)
    assert (seen.inputs, seen.exact) == (0, False), "only the plugin can count them"
    assert {r.name: r.state for r in execute(recipe, engine=InProcess())}["release"] == "done"
    rows = pq.read_table(tmp_path / "ws/releases/test/ledger.parquet").to_pylist()
    assert sorted(row["uri"] for row in rows) == [f"{n // 2}.zip#image-{n:03d}.jpg" for n in range(4)]
    assert {row["outcome"] for row in rows} == {"kept"}
    with opened(str(tmp_path / "recipe.yaml")) as session:
        lines = dict(explain(session, "1.zip#image-002.jpg").inputs[0])
    assert lines["file"] == "1.zip#image-002.jpg, as the reader zips calls it" and "number 2" in lines["captions"]
    with zipfile.ZipFile(tmp_path / "1.zip", "a") as archive:
        archive.write(tmp_path / "in/image-000.jpg", "again.jpg")
    [ingest, *_] = execute(_zips(tmp_path), engine=InProcess())
    assert (ingest.name, ingest.made, ingest.parts) == ("ingest", 1, 2), "the other file is not read again"


@pytest.mark.parametrize(
    ("changes", "fields", "message"),
    [
        ("", {"reader": "sme"}, "did you mean `some`"),
        ("", {"options": {"depth": 3}}, "source `some` of plugin some.py .*: TypeError: Some.. takes no arguments"),
        ("Some.parts = lambda self: 1 / 0", {}, "source `some` of plugin some.py .*: parts: ZeroDivisionError"),
        ("Some.parts = lambda self: ['one']", {}, "parts gave a str; it gives a list of dataengine.Part"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    tmp_path: Path, changes: str, fields: dict[str, Any], message: str
) -> None:
    (tmp_path / "some.py").write_text(f"{_SOURCE}\n{changes}\nSOURCES = [Some]\n")
    source = {"type": "plugin", "name": "s", "reader": "some", **fields}
    with pytest.raises(UsageError, match=message):
        stages(load(write_recipe(tmp_path, plugins=[str(tmp_path / "some.py")], sources=[source])))


def test_what_a_source_raises_costs_a_row_and_no_input_twice(tmp_path: Path) -> None:
    breaks = """
def breaks(self, spec):
    yield Occurrence("a.jpg", data=b"1")
    yield Occurrence("a.jpg", data=b"2")
    yield Occurrence("b.jpg", license="mit")
    raise KeyError("the next page")

Some.occurrences = breaks
"""
    reader = _reader(tmp_path, breaks, license="cc0-1.0")
    [part] = reader.parts()
    first, again, third, broken = list(reader.occurrences(part.spec))
    assert (first.uri, first.license, third.license) == ("a.jpg", "cc0-1.0", "mit")
    assert again.uri == "a.jpg#again 2" and again.error.failure == ERROR
    assert broken.uri == "one#after 3 inputs" and broken.error.message == "KeyError: 'the next page'"


@pytest.mark.parametrize(
    "value",
    [
        "'a.jpg'",
        "Occurrence('')",
        "Occurrence(3)",
        "Occurrence('a.jpg', captions='one text')",
        "Occurrence('a.jpg', captions=(None,))",
        "Occurrence('a.jpg', data='text')",
        "Occurrence('a.jpg', meta={'a': 1})",
        "Occurrence('a.jpg', error='broken')",
    ],
)
def test_what_is_no_occurrence_costs_a_row(tmp_path: Path, value: str) -> None:
    reader = _reader(tmp_path, f"Some.occurrences = lambda self, spec: [{value}]")
    [one] = reader.occurrences(reader.parts()[0].spec)
    assert isinstance(one, Occurrence) and one.error is not None and one.error.failure == ERROR


def test_an_error_of_its_own_is_stored_as_text(tmp_path: Path) -> None:
    reader = _reader(
        tmp_path,
        "Some.occurrences = lambda self, spec: [Occurrence('a.jpg', error=InputError('gone', '\\udc80 left'))]",
    )
    [one] = reader.occurrences(reader.parts()[0].spec)
    assert (one.error.failure, one.error.message) == ("gone", "left")


def test_uris_that_are_stored_alike_are_one(tmp_path: Path) -> None:
    reader = _reader(
        tmp_path, "Some.occurrences = lambda self, spec: [Occurrence('a\\0b.jpg', data=b'1'), Occurrence('ab.jpg')]"
    )
    assert [one.uri for one in reader.occurrences(reader.parts()[0].spec)] == ["ab.jpg", "ab.jpg#again 2"]


def test_two_parts_with_an_input_of_one_name_are_told_at_once(tmp_path: Path) -> None:
    parts = "Some.parts = lambda self: [Part(name, '1', 2) for name in ('one', 'two')]"
    (tmp_path / "some.py").write_text(f"{_SOURCE}\n{parts}\nSOURCES = [Some]\n")
    source = {"type": "plugin", "name": "s", "reader": "some"}
    recipe = load(write_recipe(tmp_path, plugins=[str(tmp_path / "some.py")], sources=[source]))
    for _ in range(2):  # the run after it, too
        with pytest.raises(RunError, match=r"source `s` of a plugin gives 0\.jpg 2 times, in several parts"):
            execute(recipe, engine=InProcess())


def test_a_missing_package_stops_the_run(tmp_path: Path) -> None:
    lazy = "def lazy(self, spec):\n    import no_such_package\n    yield\n\nSome.occurrences = lazy"
    reader = _reader(tmp_path, lazy)
    with pytest.raises(RunError, match="install it on every node"):
        list(reader.occurrences(reader.parts()[0].spec))


def test_a_part_is_read_again_where_code_options_or_licence_change(tmp_path: Path) -> None:
    init = "def init(self, n=1):\n    self.n = n\n\nSome.__init__ = init"
    keys = [
        _reader(tmp_path, changes, **fields).parts()[0].key
        for changes, fields in ((init, {}), (init, {"options": {"n": 2}}), (init, {"license": "mit"}), (f"{init} ", {}))
    ]
    assert len(set(keys)) == 4
