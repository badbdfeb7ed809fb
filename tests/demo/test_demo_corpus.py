from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import av
import imagehash
import pytest
from PIL import Image, ImageOps

from dataengine.demo import plan
from dataengine.demo.corpus import build
from dataengine.demo.layout import MTIME
from dataengine.errors import UsageError

Labels = dict[str, Any]
FAILURES = {
    *("empty", "too_many_bytes", "too_many_pixels", "too_many_frames", "not_media", "truncated", "corrupt"),
    *("timeout", "crashed", "missing", "unreadable", "no_frames", "bad_row"),
}


def tree(root: Path) -> dict[str, tuple[int, str]]:
    """Modification time and digest of everything below a folder, by relative path."""
    return {
        str(p.relative_to(root)): (
            p.stat().st_mtime_ns,
            hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "",
        )
        for p in root.rglob("*")
    }


def inputs(root: Path) -> dict[tuple[str, str], bytes | None]:
    """Every input of the corpus as a source reader would name it, with its bytes (None where there is no file)."""
    found: dict[tuple[str, str], bytes | None] = {}
    for source in ("photos", "videos"):
        files = [p for p in (root / source).rglob("*") if p.is_file()]
        media = [p for p in files if p.suffix not in (".txt", ".json")]
        found |= {(source, p.relative_to(root / source).as_posix()): p.read_bytes() for p in media}
        stems = {p.with_suffix("") for p in media}
        orphans = [p for p in files if p.with_suffix("") not in stems]
        found |= {(source, p.relative_to(root / source).as_posix()): None for p in orphans}
    for number, line in enumerate((root / "table/captions.jsonl").read_text().splitlines(), 1):
        try:
            path = json.loads(line)["path"]
        except ValueError:
            found["table", f"captions.jsonl#row {number}"] = None
            continue
        file = root / "table" / path
        found["table", f"captions.jsonl#{path}"] = file.read_bytes() if file.exists() else None
    for shard in sorted((root / "web").iterdir()):
        found |= {
            ("web", f"{shard.name}#{n}"): d for n, d in members(shard).items() if not n.endswith((".txt", ".json"))
        }
    return found


def members(shard: Path) -> dict[str, bytes]:
    with tarfile.open(shard) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def there(corpus: Path) -> dict[tuple[str, str], bytes | None]:
    return inputs(corpus)


def at(label: dict[str, str], prefix: str = "") -> tuple[str, str]:
    return label[f"{prefix}source"], label[f"{prefix}uri"]


def media_of(there: dict[tuple[str, str], bytes | None], entry: plan.Original | plan.Exact) -> bytes:
    data = there[entry.source, entry.uri]
    assert data is not None
    return data


def phash(data: bytes) -> imagehash.ImageHash:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode.startswith("I"):
        image = image.point(lambda v: v / 256)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return imagehash.phash(image.convert("RGB"))


def frame_hashes(data: bytes) -> list[imagehash.ImageHash]:
    with av.open(io.BytesIO(data), "r") as container:
        frames = [f.to_image() for f in container.decode(video=0)]
        rate = round(container.streams.video[0].average_rate or 25)
    return [imagehash.phash(f) for f in frames[::rate]]


def test_a_second_build_over_a_former_corpus_is_the_same_byte_for_byte(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / ".dataengine-demo").touch()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/of-a-former-version.jpg").write_bytes(b"old")
    (tmp_path / "labels.json").write_text('{"version": "of old"}')
    assert build(tmp_path).built
    assert tree(tmp_path) == tree(corpus)


def test_a_corpus_that_is_there_is_left_alone(corpus: Path) -> None:
    before = tree(corpus)
    summary = build(corpus)
    assert not summary.built
    assert "up to date" in str(summary)
    assert tree(corpus) == before
    assert {mtime for mtime, _ in before.values()} == {MTIME * 10**9}


def test_a_folder_with_other_files_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/mine.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match="not a demo corpus"):
        build(tmp_path)
    assert (tmp_path / "photos/mine.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("place", "why"), [("/proc/corpus", "cannot be written"), ("{here}/file/corpus", "is no folder")]
)
def test_where_nothing_can_be_written(tmp_path: Path, place: str, why: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=why):
        build(Path(place.format(here=tmp_path)))


def test_the_readme_calls_its_picture_as_the_run_does() -> None:
    """The uri of a folder's file is its path below the folder; `photos` comes before the other sources that have the picture."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    [(source, uri)] = re.findall(r'"source":"([^"]+)",…"uri":"([^"]+)"', readme)
    assert f"{source}/{uri}" == plan.load().stills["quokka"].to


def test_it_is_as_large_as_promised(labels: Labels) -> None:
    assert labels["distinct"]["stills"] >= 40
    assert labels["distinct"]["clips"] >= 8
    assert len(labels["exact"]) >= 6
    assert len(labels["near"]) >= 24
    assert sum(label["source"] == "videos" for label in labels["near"]) >= 3
    assert len(labels["wrong_caption"]) >= 10
    assert len(labels["right_caption"]) >= 40


def test_labels_point_at_inputs_and_count_them_all(labels: Labels, there: dict[tuple[str, str], bytes | None]) -> None:
    assert labels["inputs"] == len(there)
    for kind in ("exact", "near", "wrong_caption", "right_caption", "bad"):
        assert {at(label) for label in labels[kind]} <= set(there), kind
    for link in labels["exact"] + labels["near"]:
        assert at(link, "of_") in there
    bad = {at(label) for label in labels["bad"]}
    assert {name for name, data in there.items() if not data} <= bad
    assert all(set(label["failure"]) <= FAILURES for label in labels["bad"])


def test_exact_copies_are_exact_and_near_ones_are_not(
    labels: Labels, there: dict[tuple[str, str], bytes | None]
) -> None:
    for link in labels["exact"]:
        assert there[at(link)] == there[at(link, "of_")], link
    for link in labels["near"]:
        assert there[at(link)] != there[at(link, "of_")], link
    good = [data for name, data in there.items() if name not in {at(label) for label in labels["bad"]}]
    assert len(good) - len(set(good)) == len(labels["exact"])


def test_distinct_stills_look_different_and_copies_alike(there: dict[tuple[str, str], bytes | None]) -> None:
    corpus = plan.load()
    hashes = {name: phash(media_of(there, still)) for name, still in corpus.stills.items()}
    assert len(hashes) > 40 and sum(near.of in hashes for near in corpus.near) > 10
    for a, b in itertools.combinations(hashes, 2):
        assert hashes[a] - hashes[b] > 12, (a, b)
    for near in corpus.near:
        if near.of in hashes:
            assert hashes[near.of] - phash(media_of(there, near)) <= 8, near.to


def test_distinct_clips_look_different_and_copies_alike(there: dict[tuple[str, str], bytes | None]) -> None:
    corpus = plan.load()
    hashes = {name: frame_hashes(media_of(there, clip)) for name, clip in corpus.clips.items()}
    assert len(hashes) > 10 and sum(near.of in hashes for near in corpus.near) > 3
    for a, b in itertools.combinations(hashes, 2):
        assert min(x - y for x in hashes[a] for y in hashes[b]) > 8, (a, b)
    for near in corpus.near:
        if near.of in hashes:
            same = zip(hashes[near.of], frame_hashes(media_of(there, near)), strict=False)
            assert max(x - y for x, y in same) <= 8, near.to


def test_formats_modes_containers_and_codecs_are_many(there: dict[tuple[str, str], bytes | None]) -> None:
    corpus = plan.load()
    pictures = [Image.open(io.BytesIO(media_of(there, still))) for still in corpus.stills.values()]
    assert {p.format for p in pictures} == {"PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"}
    assert {"RGB", "RGBA", "L", "P", "CMYK", "I;16"} <= {p.mode for p in pictures}
    assert 6 in {p.getexif().get(0x0112) for p in pictures}
    containers, codecs, seconds = set(), set(), 0.0
    copies = [n for n in corpus.near if n.of in corpus.clips]
    videos: list[plan.Original | plan.Exact] = [*corpus.clips.values(), *copies]
    for clip in videos:
        with av.open(io.BytesIO(media_of(there, clip)), "r") as container:
            video = container.streams.video[0]
            containers.add(container.format.name)
            codecs.add(video.codec_context.name)
            seconds += sum(1 for _ in container.decode(video=0)) / float(video.average_rate or 25)
    assert len(containers) >= 6
    assert len(codecs) >= 8
    assert seconds < 300


def test_captions_are_where_a_reader_looks_for_them(corpus: Path) -> None:
    stills = plan.load().stills
    text = (corpus / "photos/animals/tabby-cat.txt").read_text()
    assert text.splitlines() == stills["tabby-cat"].captions
    facts = json.loads((corpus / "photos/animals/kitten.json").read_bytes())
    assert facts == {"caption": stills["kitten"].captions[0], "license": "CC-BY-4.0"}
    rows = [json.loads(line) for line in (corpus / "table/captions.jsonl").read_text().splitlines()[:-1]]
    assert {"path": "images/espresso.png", "caption": stills["espresso"].captions, "license": "CC0-1.0"} in rows
    shard = members(corpus / "web/00000.tar")
    crawled = json.loads(shard["000000002.json"])
    assert shard["000000002.txt"].decode() == crawled["caption"] == stills["concert-band"].captions[0]
    assert crawled["sha256"] == hashlib.sha256(shard["000000002.jpg"]).hexdigest()


def test_wrong_captions_belong_to_other_pictures(corpus: Path) -> None:
    made = plan.load()
    assert set(made.wrong) == set(made.wrong.values())
    assert all(picture != caption for picture, caption in made.wrong.items())
    said = (corpus / "photos/animals/lion.txt").read_text().strip()
    assert said == made.stills["motorcycle"].captions[0]


def test_every_caption_is_a_sentence() -> None:
    made = plan.load()
    captions = [c for o in made.originals.values() for c in o.captions]
    assert len(captions) == len(set(captions))
    for caption in captions:
        assert caption[0].isupper() and caption.endswith(".") and len(caption.split()) >= 5, caption


def test_bad_files_are_bad_in_the_way_they_say(labels: Labels, there: dict[tuple[str, str], bytes | None]) -> None:
    by_how: dict[str, list[bytes | None]] = {}
    for label in labels["bad"]:
        by_how.setdefault(label["how"], []).append(there[at(label)])
    (bomb,), (oversized,) = by_how["bomb"], by_how["oversized"]
    assert bomb is not None and len(bomb) < 200_000
    assert int.from_bytes(bomb[16:20]) * int.from_bytes(bomb[20:24]) == 900_000_000
    assert oversized is not None and len(oversized) > 16 << 20
    assert Image.open(io.BytesIO(oversized)).size == (2500, 2300)
    assert all(data == b"" for data in by_how["empty"])
    for how in ("html", "noise", "text"):
        for data in by_how[how]:
            with pytest.raises(OSError):
                Image.open(io.BytesIO(data or b""))
    with av.open(io.BytesIO(by_how["no-frames"][0] or b""), "r") as container:
        assert len(container.streams.video) == 1
        assert list(container.decode(video=0)) == []
    for data in (by_how["cut"][0], by_how["cut"][1], by_how["damage"][0]):
        with pytest.raises((OSError, SyntaxError)):
            Image.open(io.BytesIO(data or b"")).load()
