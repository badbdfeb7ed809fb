"""Exports that cannot be, and what is said of each."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.command import dataengine
from support.exported import rows_of

from dataengine.errors import RunError, UsageError
from dataengine.export.kelix import Options, export
from dataengine.export.options import Form, MediaAs


def test_wrong_commands_end_with_2_and_name_what_is_wrong(
    small: Path, workspace: Path, copy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (copy / "manifest.json").unlink()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for release, target, said in (
        (tmp_path / "nowhere", out, f"{tmp_path}/nowhere: no such folder"),
        (copy, out, "no manifest.json: the run is not finished"),
        (workspace, out, f"its releases are {small}"),
        (tmp_path / "full", out, "holds no release"),
        (small, tmp_path / "full", f"{tmp_path}/full is not empty"),
        (small, tmp_path / "file", "is a file"),
        (small, tmp_path / "file" / "out", "cannot create"),
        (small, small / "kelix", "is inside the release"),
    ):
        done = dataengine("export", "kelix", str(release), str(target), ok=False)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not out.exists() and not (tmp_path / "nowhere").exists() and not (small / "kelix").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "validation"}, "no split `validation`; it has train"),
        ({"rows": 0}, "--rows"),
        ({"prompt": "x"}, "--prompt works with --as messages and t2i"),
        ({"form": Form.t2i, "prompt": "x"}, "{caption}"),
        ({"source": " "}, "--source"),
        ({"media": MediaAs.none, "codes": False}, "neither pixels nor codes"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    small: Path, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        export(str(small), str(tmp_path / "out"), Options(**options))
    assert not (tmp_path / "out").exists()


def test_a_release_without_codes_or_cot_says_so(copy: Path, tmp_path: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest |= {"tokenizer": None, "cot": {**manifest["cot"], "shards": []}}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    for options in (Options(media=MediaAs.none), Options(codes=True)):
        with pytest.raises(UsageError, match="has no visual codes"):
            export(str(copy), str(tmp_path / "out"), options)
    with pytest.raises(UsageError, match="no chain-of-thought shards"):
        export(str(copy), str(tmp_path / "out"), Options(Form.cot))
    export(str(copy), str(tmp_path / "out"))
    assert all("codes" not in row for row in rows_of(tmp_path / "out"))


def test_a_damaged_release_is_refused_and_leaves_nothing_that_looks_whole(copy: Path, tmp_path: Path) -> None:
    tar = sorted((copy / "shards").glob("*.tar"))[-1]
    whole = tar.read_bytes()
    for number, data in enumerate((whole[:-512], whole[:600] + b"x" + whole[601:], None)):
        out = tmp_path / f"out{number}"
        tar.unlink() if data is None else tar.write_bytes(data)
        with pytest.raises(RunError, match=f"{tar.name}.*(copy it again|does not exist)"):
            export(str(copy), str(out), Options(media=MediaAs.none))
        assert not list(out.glob("*"))
    shutil.copy(copy / "ledger.parquet", copy / "manifest.json")
    with pytest.raises(RunError, match=r"manifest\.json is damaged"):
        export(str(copy), str(tmp_path / "out"))
    (copy / "manifest.json").write_text("[]")
    with pytest.raises(RunError, match="is not the manifest of a release"):
        export(str(copy), str(tmp_path / "out"))
