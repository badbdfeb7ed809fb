"""What a caption may have taken from tracks: text that was read, words that were heard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataengine.annotate.captions.measure_stage import MEASURES, MeasureWorker
from dataengine.annotate.captions.tables import MADE, MEASURED, TO_CAPTION
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.storage.workspace import File, Workspace

_EMPTY: dict[Any, Any] = {pa.string(): "", pa.int64(): 0, pa.int32(): 0, pa.bool_(): False, pa.float64(): 0.0}


def table(workspace: Workspace, name: str, schema: pa.Schema, **row: Any) -> File:
    """A stored table of one row, of which only these values matter."""
    filled = {f.name: row.get(f.name, None if f.nullable else _EMPTY.get(f.type, [])) for f in schema}
    return workspace.write_table(f"{name}.parquet", pa.Table.from_pylist([filled], schema))


@pytest.mark.parametrize(
    ("track", "schema", "row", "invented"),
    [
        (None, None, {}, 1),
        ("asr", pa.schema([("id", pa.string()), ("speech_text", pa.string())]), {"speech_text": "only $30 today"}, 0),
        ("asr", pa.schema([("id", pa.string()), ("speech_text", pa.string())]), {"speech_text": None}, 1),
        (
            "ocr",
            pa.schema([("id", pa.string()), ("ocr_text", pa.string()), ("failure", pa.string())]),
            {"ocr_text": "SALE $30"},
            0,
        ),
    ],
    ids=["no track", "heard", "not heard", "read"],
)
def test_a_price_that_was_heard_or_read_is_not_invented(
    tmp_path: Path, track: str | None, schema: Any, row: dict[str, Any], invented: int
) -> None:
    workspace = Workspace(tmp_path)
    files = {
        "rows": table(workspace, "rows", TO_CAPTION, id="a", captions=[]),
        "made": table(workspace, "made", MADE, id="a", n=0, style="short", text="A man sells shoes for $30."),
    }
    if track:
        files[track] = table(workspace, track, schema, id="a", **row)
    output = MeasureWorker(Limits(), workspace, None, "cpu", 1).process(Part("p", "0" * 32, files))
    [measured] = workspace.read_table([output.files[MEASURES]], MEASURED).to_pylist()
    assert measured["unsupported"] == invented
