"""Decontamination as a user runs it: from a finished release, a benchmark list is added, and taken away again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from PIL import Image
from support.small_corpus import INPUTS, Setup, digests, ledger, manifest, members, stage_lines

from dataengine.contracts import sample_id
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_at

BEFORE = ("ingest", "dedup", "score")


def plant(corpus: Path, folder: Path) -> list[dict[str, Any]]:
    """Three lists: pictures (one recompressed from the corpus, a frame of a video, a strange one, a broken one), questions
    (one holds a caption), and rows whose pictures are not there."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    with Image.open(corpus / "photos" / "animals" / "cheetah-cub.jpg") as picture:
        picture.resize((picture.width // 2, picture.height // 2)).save(pictures / "cub.jpg", quality=60)
    taxi = (corpus / "videos" / "street" / "taxi.mkv").read_bytes()
    Image.fromarray(frames_at(taxi, [1.0], Limits())[0]).save(pictures / "street.png")
    Image.linear_gradient("L").rotate(30).save(pictures / "strange.png")
    (pictures / "broken.jpg").write_bytes((corpus / "photos" / "broken" / "cut-off.jpg").read_bytes())
    caption = (corpus / "photos" / "animals" / "quokka.txt").read_text().splitlines()[0]
    rows = [{"question": f"Is this right? {caption}", "answer": "yes"}, {"question": "Why?"}]
    (folder / "asked.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "rows.jsonl").write_text(json.dumps({"path": "gone.jpg", "question": f"Or this? {caption}"}))
    return [
        {"name": "pictures", "type": "folder", "path": str(pictures)},
        {"name": "asked", "type": "table", "path": str(folder / "asked.jsonl"), "media": None},
        {"name": "rows", "type": "table", "path": str(folder / "rows.jsonl")},
    ]


def test_a_benchmark_list_takes_its_samples_out_of_the_release_and_nothing_else(
    base: Setup, copy: Setup, tmp_path: Path
) -> None:
    before = {(r["source"], r["uri"]): r for r in ledger(base.release)}
    lists = plant(Path(base.corpus), tmp_path / "lists")
    words = len((Path(base.corpus) / "photos" / "animals" / "quokka.txt").read_text().splitlines()[0].split())
    presets = ["keye_pretrain", {"name": "phash", "radius": 8}, {"name": "ngram", "n": min(words, 13)}]
    cot = {"mix": "even", "questions_per_sample": 2, "decontamination": None}  # which would embed all pictures
    block = {"contamination": {"benchmarks": lists, "presets": presets}, "cot": cot}
    screened = Setup(copy.folder, copy.corpus, copy.workspace, block).write()
    made = stage_lines(screened.run().stdout)
    assert {made[s] for s in BEFORE} == {("up-to-date", 0)}
    assert made["contamination.find"] == made["filter"] == made["release"] == ("done", 1)

    rows = {(r["source"], r["uri"]): r for r in ledger(screened.release)}
    assert len(rows) == INPUTS
    changed = {k: r for k, r in rows.items() if (r["outcome"], r["rule"]) != (before[k]["outcome"], before[k]["rule"])}
    told = {(k[1], r["rule"], r["value"]) for k, r in changed.items()}
    quokka = ("animals/quokka.jpg", "contamination:ngram", "asked/asked.jsonl#row 1")
    assert quokka in told
    assert {(uri, value) for uri, _, value in told} == {
        ("animals/cheetah-cub.jpg", "pictures/cub.jpg"),
        ("street/taxi.mkv", "pictures/street.png"),
        (quokka[0], quokka[2]),
    }
    assert {r["outcome"] for r in changed.values()} == {"filtered"}
    shipped = {n.partition(".")[0] for n in members(sorted((screened.release / "shards").glob("*.tar")))}
    assert not shipped & {r["id"] for r in changed.values()}
    assert sample_id((Path(base.corpus) / "photos" / "animals" / "kitten.bmp").read_bytes())[0] in shipped

    funnel = manifest(screened.release)["funnel"]
    assert [row["rule"] for row in funnel[:3]] == [f"contamination:{p}" for p in ("keye_pretrain", "phash", "ngram")]
    assert sum(row["dropped"] for row in funnel[:3]) == 3
    [commit] = Path(screened.workspace, "stages", "contamination.find").glob("*.json")
    facts = json.loads(commit.read_bytes())["parts"]["all"]["facts"]
    assert {b["name"]: (b["items"], b["unreadable"]) for b in facts["benchmarks"]} == {
        "pictures": (4, 1),
        "asked": (2, 0),
        "rows": (1, 1),
    }
    for path in screened.release.rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes(), path

    (tmp_path / "lists" / "pictures" / "strange.png").unlink()
    made = stage_lines(screened.run().stdout)
    assert made["contamination.read"][0] == "done" and made["contamination.find"] == ("done", 1)
    assert {made[s] for s in BEFORE} == {made["shard.write"]} == {("up-to-date", 0)}
    stage_lines(copy.write().run().stdout)
    assert digests(copy.release) == digests(base.release)
    shutil.rmtree(tmp_path / "lists")
    done = screened.write().run(ok=False)
    assert done.returncode == 2
    assert "benchmark `pictures`" in done.stderr and "benchmark `asked`" in done.stderr
