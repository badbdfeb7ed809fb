"""A release from URLs and files under two licences: what opts out or bears the wrong licence is not in it, and pictures have
lost what their cameras wrote."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.media.image.decode import decode_rgb
from dataengine.media.limits import Limits
from dataengine.pipeline import execute
from dataengine.testing import InProcess
from dataengine.verify.verify import verify

POLICY = """
name: free
version: "1"
rules:
  - name: licence
    keep: license in ('cc0-1.0', 'cc-by-4.0')
    on_missing: drop
    reason: a licence that does not let us
"""


def photo(at: int, kind: str) -> bytes:
    tags = Image.Exif()
    tags[0x010F], tags[0x0112] = "A camera", 6
    tags.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.5), 3: "E", 4: (13.0, 24.0, 30.0)})
    out = io.BytesIO()
    pixels = load_sample_images().images[at % 2][at * 40 : at * 40 + 220, at * 60 : at * 60 + 260]
    Image.fromarray(pixels).save(out, kind, exif=tags)
    return out.getvalue()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("licences")
    (folder / "photos").mkdir()
    for n, (kind, license_) in enumerate((("jpeg", "cc-by-4.0"), ("png", None), ("webp", "all-rights-reserved"))):
        (folder / "photos" / f"{n}.{kind}").write_bytes(photo(n, kind))
        (folder / "photos" / f"{n}.json").write_text(json.dumps({"caption": f"no {n}", "license": license_}))
    Image.open(io.BytesIO(photo(3, "png"))).save(folder / "photos" / "3.bmp")
    (folder / "policy.yaml").write_text(POLICY)
    return folder


def release(corpus: Path, exif: str, license_: str | None = "cc0-1.0") -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest, and ``(media, told)`` of each sample by its number."""
    workspace = corpus / f"ws-{exif}-{license_}"
    recipe = Recipe.model_validate(
        {
            "name": "r",
            "workspace": str(workspace),
            "workers": 1,
            "sources": [
                {"type": "folder", "name": "f", "path": str(corpus / "photos"), "buckets": 1, "license": license_}
            ],
            "score": {"scorers": [{"name": "technical"}]},
            "filter": {"policy": str(corpus / "policy.yaml")},
            "media": {"exif": exif},
            "tokenize": None,
            "cot": None,
            "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
        }
    )
    execute(recipe, engine=InProcess())
    base = workspace / "releases" / "r"
    assert verify(str(base)).errors == []
    found: dict[str, Any] = {}
    for path in (base / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            files = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
        for name, data in files.items():
            if name.endswith(".json"):
                told = json.loads(data)
                found[told["captions"][0]["text"]] = (files[f"{told['id']}.jpg"], told)
    return json.loads((base / "manifest.json").read_text()), found


def test_a_licence_decides_and_metadata_go(corpus: Path) -> None:
    manifest, found = release(corpus, "strip")
    assert found.keys() == {"no 0", "no 1", ""}
    assert [found[name][1]["license"] for name in ("no 0", "no 1", "")] == ["cc-by-4.0", "cc0-1.0", "cc0-1.0"]
    assert manifest["ledger"]["rule"] == {"licence": 1}
    assert manifest["media"] == {
        "exif": "strip",
        "gps_removed": 2,
        "metadata_kept": 1,
        "metadata_removed": 2,
        "faces": "keep",
        "c2pa_opt_outs": ["data_mining", "ai_training", "ai_generative_training"],
    }
    card = (corpus / "ws-strip-cc0-1.0" / "releases" / "r" / "README.md").read_text()
    assert "removed from 2 files (2 of them had GPS coordinates); 1 files are in formats whose metadata is kept" in card
    for n, kind in enumerate(("jpeg", "png")):
        media, told = found[f"no {n}"]
        original = photo(n, kind)
        assert told["id"] == hashlib.sha256(original).hexdigest()[:32] and told["sha256"].startswith(told["id"])
        assert told["media_sha256"] == hashlib.sha256(media).hexdigest() and told["bytes"] == len(media)
        assert b"A camera" in original and b"A camera" not in media
        assert (decode_rgb(media, Limits()) == decode_rgb(original, Limits())).all()


def test_originals_are_kept_by_default(corpus: Path) -> None:
    manifest, found = release(corpus, "keep", None)
    assert found.keys() == {"no 0"}, "no licence is none that is allowed"
    media, told = found["no 0"]
    assert media == photo(0, "jpeg") and "media_sha256" not in told
    assert (manifest["media"]["exif"], manifest["media"]["faces"]) == ("keep", "keep") and manifest["opt_outs"] == {}


def test_an_unknown_wish_is_a_mistake(corpus: Path) -> None:
    with pytest.raises((UsageError, ValueError), match="strip_gps"):
        release(corpus, "sometimes")
