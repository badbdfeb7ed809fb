"""A finished release as sequences read it, without a run: pictures, films, captions, codes and records, a few bytes each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.cot.core.record import VERSION, Fact, Param, Record, Verification
from dataengine.cot.core.shard_files import encode_png, observations, record_members
from dataengine.models.serving.messages import ImageBlock, Message, TextBlock, VideoBlock
from dataengine.pipeline import execute
from dataengine.progress import StageReport
from dataengine.sequence.draw_stage import SequenceDraw
from dataengine.sequence.encode_stage import SequenceEncode
from dataengine.sequence.ledger_stage import SequenceLedger
from dataengine.sequence.mix_stage import SequenceMix
from dataengine.sequence.near_duplicate_stages import SequenceDuplicates, SequenceSignatures
from dataengine.sequence.pack_stage import SequencePack
from dataengine.sequence.read_stages import SequenceCorpora, SequenceSamples
from dataengine.sequence.vocabulary_stage import SequenceVocabulary
from dataengine.sequence.write_stage import SequenceDescribe, SequenceWrite
from dataengine.shards.sample import flatten, sample_members
from dataengine.stage import RecordEngine, Stage
from dataengine.storage.tar import write_tar
from dataengine.testing.in_process import InProcess
from dataengine.tokenize.codec import to_row
from support.sequences import SIZES, film, picture

STAGES: tuple[Stage, ...] = (
    SequenceSignatures(),
    SequenceDuplicates(),
    SequenceCorpora(),
    SequenceSamples(),
    SequenceVocabulary(),
    SequenceEncode(),
    SequenceDraw(),
    SequenceMix(),
    SequenceLedger(),
    SequencePack(),
    SequenceWrite(),
    SequenceDescribe(),
)
TOKENIZER = "t" * 32


def identity(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32]


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def caption(n: int) -> str:
    return f"picture {n} of a red temple by a lake. The roof shines!"


def write_release(folder: Path, pictures: int = 12, films: int = 4, tars: int = 2, tokenizer: str = TOKENIZER) -> Path:
    """The folder of a release called ``made``."""
    ids = [identity("sample", n) for n in range(pictures + films)]
    shards = []
    for kind, numbers in (("image", range(pictures)), ("video", range(pictures, pictures + films))):
        for tar in range(tars):
            members = [_sample(ids[n], n, kind, tokenizer) for n in list(numbers)[tar::tars]]
            shards.append(_tar(folder, f"shards/train-{kind}-{tar:05d}", list(flatten(members))))
    records = [record(n, ids[n]) for n in range(pictures + films)]
    pairs = [(r, [encode_png(np.zeros((8, 9, 3), np.uint8))] if r.observations else []) for r in records]
    cot = [_tar(folder, f"cot/train-picture-{n:05d}", _records(pairs[n::2])) for n in range(2)]
    manifest: dict[str, Any] = {
        "schema_version": contracts.VERSION,
        "name": "made",
        "shards": shards,
        "cot": {"shards": cot},
        "tokenizer": {"id": tokenizer, "codebook_sizes": list(SIZES)} if tokenizer else None,
    }
    fields = ({"uri": f"pictures/{n}.jpg", "id": id_} for n, id_ in enumerate(ids))
    rows = [{"input_id": identity("input", n), "source": "made", "outcome": "kept", **f} for n, f in enumerate(fields)]
    copied = {"uri": "pictures/copy.jpg", "id": identity("copy"), "representative": ids[0], "outcome": "duplicate"}
    rows.append({"input_id": identity("input", "copy"), "source": "made", **copied})
    pq.write_table(pa.Table.from_pylist(rows, contracts.LEDGER), folder / "ledger.parquet")
    ledger = {"path": "ledger.parquet", "sha256": sha256_of(folder / "ledger.parquet"), "bytes": 1}
    manifest["files"] = [ledger]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _records(pairs: list[tuple[Record, list[bytes]]]) -> list[tuple[str, bytes]]:
    return [member for one, images in pairs for member in record_members(one, images)]


def _tar(folder: Path, name: str, members: list[tuple[str, bytes]]) -> dict[str, Any]:
    path = folder / f"{name}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        info = write_tar(out, members)
    return {"name": name.rpartition("/")[2], "split": "train", "sha256": info.sha256, "bytes": info.bytes}


def codes(n: int, kind: str) -> Any:
    return picture(2, 3, n) if kind == "image" else film((0, 1, 0), n)


def _sample(id_: str, n: int, kind: str, tokenizer: str) -> list[tuple[str, bytes]]:
    row = {
        "id": id_,
        "sha256": "0" * 64,
        "bytes": 3,
        "kind": kind,
        "format": "JPEG",
        "ext": "jpg",
        "width": 300,
        "height": 200,
        "orientation": 1,
        "mode": "RGB",
        "frames": 1 if kind == "image" else 3,
        "fps": None if kind == "image" else 2.0,
        "audio": False,
        "codec": None,
        "duration": None if kind == "image" else 1.5,
        "hash_version": "1",
        "phash": n,
        "frame_hashes": [],
        "captions": [
            {"text": caption(n), "source": "made", "uri": "x"},
            {"text": f"a second caption, {n}", "source": "made"},
        ],
        "license": None,
        "faces": None,
        "mentions": 1,
    }
    return sample_members(row, b"xyz", scores={}, codes=to_row(id_, tokenizer, codes(n, kind)) if tokenizer else None)


def weight(n: int) -> float:
    """0.25, 0.5, 1, 2 or 3; of every sixteenth 0."""
    return 0.0 if n % 16 == 15 else (0.25, 0.5, 1.0, 2.0, 3.0)[n % 5]


def record(n: int, sample: str) -> Record:
    """A record about a sample; of every seventh with a picture of its own."""
    own = n % 7 == 6
    images = [encode_png(np.zeros((8, 9, 3), np.uint8))] if own else []
    media: Any = (
        VideoBlock(video=f"sample:{sample}", nframes=1, times=(0.0,), kinds=(0,))
        if n >= 12
        else ImageBlock(image=f"sample:{sample}")
    )
    reply: list[Any] = [TextBlock(text=f"<think>It has {n} windows.</think> <answer>\\boxed{{{n}}}</answer>")]
    if own:
        reply = [
            TextBlock(text="<think>look"),
            ImageBlock(image="obs:0"),
            TextBlock(text="</think> <answer>1</answer>"),
        ]
    return Record(
        version=VERSION,
        id=identity("record", n),
        mode="thinking",
        task="glance",
        style="thinking",
        family="picture",
        difficulty="easy",
        teacher="made",
        seed=n,
        parents=(sample,),
        messages=(
            Message(role="user", content=(media, TextBlock(text=f"How many windows, {n}?"))),
            Message(role="assistant", content=tuple(reply)),
        ),
        answer=str(n),
        answer_type="number",
        params=(Param(name="a", value="b"),),
        evidence=(Fact(name="windows", value=float(n)),),
        observations=observations(images),
        scores=(Fact(name="weight", value=weight(n)), Fact(name="repeat", value=float(int(weight(n) + 0.99)))),
        verdict=Verification(status="passed"),
    )


def recipe(folder: Path, sequence: dict[str, Any], **changes: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "sequences",
            "seed": 5,
            "workspace": str(folder / "ws"),
            "sources": [{"type": "folder", "name": "photos", "path": str(folder)}],
            "filter": {"policy": "none.yaml"},
            "cot": None,
            "sequence": sequence,
            "release": {"title": "t", "license": "other", "description": "d"},
            **changes,
        }
    )


def run(loaded: Recipe, engine: RecordEngine | None = None) -> list[StageReport]:
    """All stages of sequences, in this process or on ``engine``."""
    active = [stage for stage in STAGES if stage.active(loaded)]
    for stage in active:
        stage.validate(loaded)
    return execute(loaded, plan=active, engine=engine or InProcess())
