"""The released Kelix trainer's Parquet layout, from a release of the whole engine."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from fastparquet import ParquetFile
from PIL import Image
from support.command import dataengine
from support.exported import rows_of
from support.small_release import NAME, PICTURES

from dataengine.errors import UsageError
from dataengine.export.kelix import Options, export
from dataengine.export.options import Form, MediaAs, ToolsAs
from dataengine.shards.codes import codes_of_sample
from dataengine.shards.read import read_shards
from dataengine.storage.store import Store

COLUMNS = ["uuid", "source", "metadata", "images", "videos"]
CAPTIONS = {caption for _, _, caption in PICTURES.values() if caption} | {
    "a film called cut.mp4",
    "a film called pan.mp4",
}


def kept(release: Path, folder: str = "shards") -> dict[str, dict[str, bytes]]:
    return dict(read_shards(sorted((release / folder).glob("train-*.tar"))))


def contents(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_segments_hold_every_captioned_sample_with_its_bytes_and_codes(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = export(str(small), str(out), Options(rows=3, prefix="/mnt/data/"))
    samples, rows = kept(small), rows_of(out)
    assert [p.name for p in sorted(out.glob("*.parquet"))] == [f"part-0000{i}-of-00003.parquet" for i in range(3)]
    assert [pq.read_metadata(p).num_rows for p in sorted(out.glob("*.parquet"))] == [3, 3, 1]
    assert {row["segments"][1]["text"] for row in rows} == CAPTIONS and done.left_out == {"no caption": 1}
    assert {row["uuid"] for row in rows} < set(samples) and len(rows) == done.rows == 7
    for row in rows:
        assert list(row) == [*COLUMNS, "segments", "codes"] and row["source"] == NAME
        fields = samples[row["uuid"]]
        told = json.loads(fields["json"])
        [name] = row["codes"]
        assert row["segments"][0] == {"type": told["kind"], told["kind"]: name}
        info = row["metadata"][f"{told['kind']}s_info"]
        assert info == {name: {"width": told["width"], "height": told["height"], "id": told["id"]}}
        coded = row["codes"][name]
        array = np.load(io.BytesIO(base64.b64decode(coded.pop("npy"))))
        assert np.array_equal(array, codes_of_sample(fields).tokens) and coded == told["codes"]
        if told["kind"] == "image":
            assert not row["videos"]
            data = base64.b64decode(row["images"][name])
            assert data == fields["jpg"] and Image.open(io.BytesIO(data)).size == (told["width"], told["height"])
        else:
            key = f"media/{told['id'][:2]}/{told['id']}.mp4"
            assert not row["images"] and row["videos"] == {name: f"/mnt/data/{key}"}
            assert (out / key).read_bytes() == fields["mp4"]


def test_the_columns_are_strings_that_are_never_null(small: Path, tmp_path: Path) -> None:
    export(str(small), str(tmp_path / "out"))
    schema = pq.read_schema(tmp_path / "out" / "part-00000-of-00001.parquet")
    assert [str(f.type) for f in schema] == ["string"] * 7 and not any(f.nullable for f in schema)
    assert "pandas" not in (schema.metadata or {})


@pytest.mark.parametrize("media", [MediaAs.inline, MediaAs.files])
def test_the_library_of_the_released_reader_reads_it(small: Path, tmp_path: Path, media: MediaAs) -> None:
    """fastparquet, the whole file, row by row; a value of ``images`` is a path if there is such a file, else base64."""
    export(str(small), str(tmp_path / "out"), Options(Form.cot, media, tools=ToolsAs.whole))
    pictures = 0
    for path in (tmp_path / "out").rglob("*.parquet"):
        for _, row in ParquetFile(str(path)).to_pandas().iterrows():
            sample = row.to_dict()
            images, videos = json.loads(sample["images"]), json.loads(sample["videos"])
            for turn in json.loads(sample["messages"]):
                for block in turn["content"]:
                    if block["type"] == "image":
                        value = images[block["image"]]
                        there = len(value) < 4096 and Path(value).exists()
                        with Image.open(value if there else io.BytesIO(base64.b64decode(value))) as image:
                            image.convert("RGB")
                        assert there == (media is MediaAs.files)
                        pictures += 1
                    elif block["type"] == "video":
                        assert Path(videos[block["video"]]).is_file()
    assert pictures > 4


def test_media_as_files_lie_where_the_rows_say(small: Path, tmp_path: Path) -> None:
    export(str(small), str(tmp_path / "out"), Options(media=MediaAs.files))
    samples, rows = kept(small), rows_of(tmp_path / "out")
    assert rows and {row["uuid"] for row in rows} <= samples.keys()
    for row in rows:
        [path] = {**row["images"], **row["videos"]}.values()
        fields = samples[row["uuid"]]
        assert Path(path).is_absolute() and Path(path).read_bytes() == fields.get("jpg", fields.get("mp4"))
        assert Path(path).suffix == f".{json.loads(fields['json'])['ext']}"


def test_without_media_or_without_codes(small: Path, tmp_path: Path) -> None:
    export(str(small), str(tmp_path / "codes"), Options(media=MediaAs.none))
    export(str(small), str(tmp_path / "pixels"), Options(codes=False))
    codes, pixels = rows_of(tmp_path / "codes"), rows_of(tmp_path / "pixels")
    assert len(codes) == len(pixels) > 0
    for row in codes:
        assert row["images"] == row["videos"] == {} and len(row["codes"]) == 1
    assert all(list(row) == [*COLUMNS, "segments"] for row in pixels)
    assert not (tmp_path / "codes" / "media").exists()
    assert json.loads((tmp_path / "pixels" / "export.json").read_bytes())["tokenizer"] is None


def test_messages_are_one_question_and_the_caption(small: Path, tmp_path: Path) -> None:
    export(str(small), str(tmp_path / "out"), Options(Form.messages))
    rows = rows_of(tmp_path / "out")
    assert {row["messages"][0]["content"][0]["type"] for row in rows} == {"image", "video"}
    for row in rows:
        user, assistant = row["messages"]
        kind = user["content"][0]["type"]
        assert (user["role"], assistant["role"]) == ("user", "assistant") and "segments" not in row
        assert user["content"][1] == {"type": "text", "text": f"Describe this {kind}."}
        assert [b["type"] for b in assistant["content"]] == ["text"] and assistant["content"][0]["text"] in CAPTIONS


def test_t2i_is_one_text_and_one_picture_of_the_right_shape(small: Path, tmp_path: Path) -> None:
    """4:3 exactly is refused by the trainer's gate."""
    done = export(str(small), str(tmp_path / "out"), Options(Form.t2i))
    rows = rows_of(tmp_path / "out")
    asked = []
    for row in rows:
        user, assistant = row["messages"]
        [text], [picture] = user["content"], assistant["content"]
        assert picture["type"] == "image" and picture["image"] in row["images"] and row["source"] == f"gen_{NAME}"
        asked.append(text["text"])
    begin = "Generate an image based on the description: "
    assert sorted(asked) == [f"{begin}a temple roof.", f"{begin}trees and a path."]
    assert done.left_out == {"a video": 2, "aspect ratio": 3, "no caption": 1}
    export(str(small), str(tmp_path / "own"), Options(Form.t2i, prompt="Draw: {caption}", source="gen_mine"))
    own = rows_of(tmp_path / "own")
    assert sorted(r["messages"][0]["content"][0]["text"] for r in own) == [
        "Draw: a temple roof.",
        "Draw: trees and a path",
    ]
    assert {r["source"] for r in own} == {"gen_mine"}


def test_cot_records_become_chats_with_their_media(small: Path, tmp_path: Path) -> None:
    done = export(str(small), str(tmp_path / "out"), Options(Form.cot, tools=ToolsAs.none))
    everything = export(str(small), str(tmp_path / "all"), Options(Form.cot, tools=ToolsAs.whole))
    records, samples = kept(small, "cot"), kept(small)
    rows = rows_of(tmp_path / "all")
    assert {row["uuid"] for row in rows} == set(records) and everything.rows == len(records)
    assert done.left_out["a tool's output in the reply"] == len(records) - done.rows > 0
    assert all(
        block["type"] == "text"
        for row in rows_of(tmp_path / "out")
        for turn in row["messages"]
        if turn["role"] == "assistant"
        for block in turn["content"]
    )
    kinds = set()
    for row in rows:
        record = json.loads(records[row["uuid"]]["json"])
        assert [t["role"] for t in row["messages"]] == [t["role"] for t in record["messages"]]
        blocks = [b for turn in row["messages"] for b in turn["content"]]
        for block, told in zip(blocks, [b for turn in record["messages"] for b in turn["content"]], strict=True):
            kind = block["type"]
            assert kind == told["type"]
            if kind == "text":
                assert block["text"] == told["text"]
                continue
            where, _, name = told[kind].partition(":")
            kinds.add((kind, where))
            assert row["codes"][block[kind]]["npy"]
            if (kind, where) == ("video", "obs"):
                with av.open(row["videos"][block["video"]]) as clip:
                    shown = [float(frame.time or 0) for frame in clip.decode(video=0)]
                assert shown == pytest.approx(told["times"], abs=0.002)
                assert len(shown) == told["nframes"] == row["codes"][block["video"]]["grid"][0]
                continue
            data = (
                records[row["uuid"]][f"obs{name}.png"]
                if where == "obs"
                else samples[name]["jpg" if kind == "image" else "mp4"]
            )
            if kind == "image":
                assert base64.b64decode(row["images"][block["image"]]) == data
                info = row["metadata"]["images_info"][block["image"]]
                assert (info["width"], info["height"]) == Image.open(io.BytesIO(data)).size
            else:
                assert Path(row["videos"][block["video"]]).read_bytes() == data
                assert row["metadata"]["videos_info"][block["video"]]["nframes"] == told["nframes"]
        assert row["metadata"]["answer"] == record["answer"]
        assert 1 <= row["metadata"]["quality"] <= 5 and row["metadata"]["weight"] > 0 and row["metadata"]["repeat"] >= 0
    assert kinds >= {("image", "obs"), ("video", "sample")}


def test_outputs_of_tools_are_turns_of_the_user(small: Path, tmp_path: Path) -> None:
    export(str(small), str(tmp_path / "out"), Options(Form.cot))
    records, seen = kept(small, "cot"), 0
    for row in rows_of(tmp_path / "out"):
        record = json.loads(records[row["uuid"]]["json"])
        roles = [turn["role"] for turn in row["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        for turn in row["messages"]:
            text = "".join(block.get("text", "") for block in turn["content"])
            if turn["role"] == "assistant":
                assert "sandbox_output" not in text and all(block["type"] == "text" for block in turn["content"])
            elif turn is not row["messages"][0]:
                assert text.startswith("<sandbox_output>") and text.endswith("</sandbox_output>")
                seen += 1
        whole = ["".join(b.get("text", "") for b in turns["content"]) for turns in record["messages"]]
        assert "".join(b.get("text", "") for turn in row["messages"] for b in turn["content"]) == "".join(whole)
    assert seen > 0


def test_the_same_release_gives_the_same_bytes_anywhere(small: Path, tmp_path: Path, s3: str) -> None:
    options = Options(media=MediaAs.files, prefix="", rows=2)
    export(str(small), str(tmp_path / "one"), options)
    source = Store(f"{s3}/release")
    for path in small.rglob("*"):
        if path.is_file():
            source.put(path.relative_to(small).as_posix(), path.read_bytes())
    export(source.url, f"{s3}/out", options)
    found = Store(f"{s3}/out")
    assert {e.key: found.get(e.key) for e in found.list()} == contents(tmp_path / "one")
    with pytest.raises(UsageError, match="is inside the release"):
        export(source.url, f"{s3}/release/out", options)
    with pytest.raises(UsageError, match="is not empty"):
        export(source.url, f"{s3}/out", options)
    told = json.loads((tmp_path / "one" / "export.json").read_bytes())
    for file in told["files"]:
        data = (tmp_path / "one" / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert sum(f["rows"] for f in told["files"]) == told["rows"] == 7
    cot = Options(Form.cot, prefix="x")
    export(str(small), str(tmp_path / "cot"), cot)
    export(source.url, f"{s3}/cot", cot)
    far = Store(f"{s3}/cot")
    assert {e.key: far.get(e.key) for e in far.list()} == contents(tmp_path / "cot")


def test_the_command_writes_and_says_what_it_left_out(small: Path, tmp_path: Path) -> None:
    done = dataengine(
        "export", "kelix", str(small), str(tmp_path / "out"), "--as", "t2i", "--rows", "1", "--media", "files"
    )
    assert re.search(r"rows +2", done.stdout) and re.search(r"left out: aspect ratio +3", done.stdout)
    assert {p.name.partition("-")[0] for p in (tmp_path / "out").iterdir()} == {"export.json", "media", "part"}
    assert len(list((tmp_path / "out").glob("part-*-of-00002.parquet"))) == 2
    text = dataengine("export", "kelix", "--help").stdout
    assert all(word in text for word in ("segments", "t2i", "inline", "RELEASE", "OUT", "(default: if"))
