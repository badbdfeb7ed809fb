"""`dataengine codes`: a table of embeddings in, codebooks and codes out, in the form of the open release."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.indexed import clustered
from typer.testing import CliRunner

from dataengine.cli.main import app
from dataengine.config.index_codes import CodesConfig
from dataengine.index.codes import codebooks, parquet_tables
from dataengine.index.codes.residual import ResidualEncoder
from dataengine.models.lloyd import lloyd

RUNNER = CliRunner()


def embeddings(place: Path, vectors: Any, pids: Any = None, **options: Any) -> str:
    pids = list(range(1000, 1000 + len(vectors))) if pids is None else pids
    pq.write_table(pa.table({"pid": pids, "embedding": list(map(list, vectors))}), place, **options)
    return str(place)


def ran(*arguments: str, code: int = 0) -> str:
    result = RUNNER.invoke(app, ["codes", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_from_embeddings_to_codes(tmp_path: Path) -> None:
    vectors = clustered(120)
    place = embeddings(tmp_path / "e.parquet", vectors, row_group_size=17)
    books, out = str(tmp_path / "c.safetensors"), str(tmp_path / "codes.parquet")
    shape = ("--levels", "3", "--size", "8", "--iterations", "4", "--vq-items", "30", "--nearest", "5", "--model", "m")
    assert "8, 8, 8" in ran("fit", place, books, *shape)
    shown = ran("encode", place, books, out, "--text")
    assert re.search(r"rows +120\n", shown) and re.search(r"level 3: codes used, perplexity +\d+\.\d% of 8, \d", shown)
    assert re.search(r"lost of a vector's squared length +\d", shown) and "share all codes with another" in shown
    table = pq.read_table(out)
    assert table.column_names == ["pid", "codes", "vq", "semantic_id"] and table.schema.field("pid").type == pa.int64()
    assert table["pid"].to_pylist() == list(range(1000, 1120))
    codes, _ = ResidualEncoder(codebooks.read(books).levels).encode(vectors)
    assert table["codes"].to_pylist() == codes.tolist()
    assert table["semantic_id"][0].as_py().startswith("<|sid_begin|><s_a_") and len(table["vq"][0]) == 5
    other = embeddings(tmp_path / "o.parquet", vectors[::-1], list(range(1119, 999, -1)))
    ran("fit", other, str(tmp_path / "d.safetensors"), *shape)
    assert (tmp_path / "d.safetensors").read_bytes() == Path(books).read_bytes(), "whatever the order of the rows"


def test_a_killed_fit_goes_on_with_its_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, config = embeddings(tmp_path / "e.parquet", clustered(120)), CodesConfig(levels=3, size=8, iterations=4)
    whole, again = (tmp_path / name for name in ("whole.safetensors", "again.safetensors"))
    parquet_tables.fit(place, str(whole), config, 7)
    fitted: list[int] = []

    def killed(*arguments: Any) -> Any:
        fitted.append(len(arguments))
        if len(fitted) == 3:
            raise KeyboardInterrupt
        return lloyd(*arguments)

    monkeypatch.setattr("dataengine.index.codes.residual.lloyd", killed)
    with pytest.raises(KeyboardInterrupt):
        parquet_tables.fit(place, str(again), config, 7)
    assert len([*tmp_path.glob("again*.npz")]) == 2 and not again.exists()
    parquet_tables.fit(place, str(again), config, 7)
    assert len(fitted) == 4 and again.read_bytes() == whole.read_bytes(), "the first two levels are not fitted again"
    assert not [*tmp_path.glob("*.npz")]


def test_rows_without_a_usable_vector_have_no_codes(tmp_path: Path) -> None:
    rows = [*map(list, clustered(40)), None, [0.0] * 16, [1.0] * 15, [float("nan")] * 16]
    place = embeddings(tmp_path / "e.parquet", []) and str(tmp_path / "e.parquet")
    pq.write_table(
        pa.table({"pid": [f"p{n}" for n in range(44)], "embedding": pa.array(rows, pa.list_(pa.float32()))}), place
    )
    ran("fit", place, str(tmp_path / "c.safetensors"), "--levels", "1", "--size", "4", "--iterations", "2")
    shown = ran("encode", place, str(tmp_path / "c.safetensors"), str(tmp_path / "o.parquet"))
    assert "wrong_dimension" in shown and "not_finite" in shown and "zero" in shown
    codes = pq.read_table(tmp_path / "o.parquet")["codes"].to_pylist()
    assert [n for n, code in enumerate(codes) if code is None] == [40, 41, 42, 43]


WRONG = [
    ("no such file", ["encode", "none.parquet", "c.safetensors", "o.parquet"], 2),
    ("no such file of codebooks", ["encode", "e.parquet", "none.safetensors", "o.parquet"], 2),
    ("are for 16", ["encode", "wide.parquet", "c.safetensors", "o.parquet"], 1),
    ("vectors of two models", ["encode", "e.parquet", "c.safetensors", "o.parquet", "--model", "other"], 1),
    ("too few for 8,192 codes", ["fit", "e.parquet", "x.safetensors"], 1),
    ("only 1 of 50 vectors differ", ["fit", "equal.parquet", "x.safetensors", "--size", "4"], 1),
    ("has no column `pid`", ["fit", "other.parquet", "x.safetensors"], 2),
    (
        "texts.parquet: column `embedding` is list<element: string>; it must be a list of numbers",
        ["fit", "texts.parquet", "x.safetensors"],
        2,
    ),
    ("no longer than 1e18", ["fit", "long.parquet", "x.safetensors", "--size", "4"], 1),
    ("Invalid value for '--size'", ["fit", "e.parquet", "x.safetensors", "--size", "100000"], 2),
    ("semantic ids 26 at most", ["encode", "e.parquet", "deep.safetensors", "o.parquet", "--text"], 2),
    ("absent.parquet: column `embedding` has no vector in any row", ["fit", "absent.parquet", "x.safetensors"], 2),
    ("x.npy: name a file that ends in .safetensors", ["fit", "e.parquet", "x.npy", "--size", "4"], 2),
    ("1 vectors are too few for 4 codes", ["fit", "whole.parquet", "x.safetensors", "--size", "4"], 1),
    ("no row has a vector that is finite", ["fit", "zero.parquet", "x.safetensors"], 1),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codes")
    embeddings(folder / "e.parquet", clustered(40))
    embeddings(folder / "wide.parquet", clustered(40, 20))
    embeddings(folder / "equal.parquet", np.ones((50, 4)))
    embeddings(folder / "long.parquet", clustered(40) * 1e25)
    pq.write_table(pa.table({"pid": [1], "embedding": [["a"]]}), folder / "texts.parquet")
    absent = pa.array([None], pa.list_(pa.float32()))
    pq.write_table(pa.table({"pid": [1], "embedding": absent}), folder / "absent.parquet")
    pq.write_table(pa.table({"pid": [1], "embedding": [[2**50 + 1]]}), folder / "whole.parquet")
    embeddings(folder / "zero.parquet", np.zeros((5, 4)))
    pq.write_table(pa.table({"id": [1], "embedding": [[1.0]]}), folder / "other.parquet")
    made = codebooks.Codebooks((clustered(4, seed=1),), "m")
    (folder / "c.safetensors").write_bytes(made.to_bytes())
    deep = codebooks.Codebooks((clustered(4, seed=1),) * 27, "m")
    (folder / "deep.safetensors").write_bytes(deep.to_bytes())
    return folder


@pytest.mark.parametrize(("message", "arguments", "code"), WRONG, ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, message: str, arguments: list[str], code: int
) -> None:
    monkeypatch.chdir(folder)
    assert message in " ".join(ran(*arguments, code=code).split())
