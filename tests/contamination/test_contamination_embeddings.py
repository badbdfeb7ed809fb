"""The preset keye_posttrain: real models, picture and text of one item, copies in a group, a CLIP in place of the stand-in."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.planted_lists import PHOTOS, recipe

from dataengine import contracts
from dataengine.contamination.embed import embedded, schema
from dataengine.models.clip import ClipEncoder
from dataengine.models.encoders import StandIn, encoder_of, picture_vectors, text_vectors
from dataengine.pipeline import until
from dataengine.testing import InProcess

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 1, "layers": 1},
}


def picture(name: str) -> Image.Image:
    package, member = PHOTOS[name]
    return Image.open(io.BytesIO(package.read(member))).convert("RGB")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("posttrain")
    photos, listed = made / "photos", made / "listed"
    for target in (photos, listed):
        target.mkdir()
    captions = {
        "china": "A Chinese temple with a tiled roof.",
        "flower": "The stock market fell sharply on Monday.",
        "coffee": "A cup of coffee on a saucer.",
    }
    for name, caption in captions.items():
        picture(name).save(photos / f"{name}.png")
        (photos / f"{name}.txt").write_text(caption)
    picture("rocket").save(photos / "rocket.png")  # without a caption: nothing to compare
    questions = {
        "china": "Which Chinese temple has this tiled roof?",  # picture and text
        "flower": "Which flower is this?",  # the picture only
        "chelsea": "Is this a cup of coffee on a saucer?",  # the text only
    }
    for name, question in questions.items():
        picture(name).save(listed / f"{name}.jpg", quality=98, subsampling=0)
        (listed / f"{name}.json").write_text(json.dumps({"question": question, "answer": "B"}))
    (listed / "broken.jpg").write_bytes(b"no picture")
    (listed / "broken.json").write_text(json.dumps({"question": "What is broken?"}))
    return made


def test_picture_and_text_of_one_item(folder: Path) -> None:
    benchmarks = [{"name": "posed", "type": "folder", "path": str(folder / "listed")}]
    run, reports = until(
        recipe(folder, {"benchmarks": benchmarks, "presets": ["keye_posttrain"]}), "filter", engine=InProcess()
    )
    samples = run.table("ingest", "samples", contracts.SAMPLES)
    uri = dict(zip(samples["id"].to_pylist(), samples["uri"].to_pylist(), strict=True))
    [hit] = run.table("contamination.find", "hits", contracts.CONTAMINATION).to_pylist()
    assert (uri[hit["id"]], hit["item"], hit["kind"]) == ("china.png", "china.jpg", "image+text")
    assert hit["similarity"] > 0.98 and hit["text_similarity"] > 0.5
    told = run.records["contamination.find"].parts["all"].facts
    assert told["presets"]["keye_posttrain"] == {
        "image_cosine": 0.98,
        "text_cosine": 0.5,
        "towers": "lite0+minilm",
        "samples": 4,
        "not_compared": 1,
    }
    [posed] = told["benchmarks"]
    assert (posed["items"], posed["unreadable"]) == (4, 1)
    assert (posed["not_compared"], posed["hits"]) == ({"keye_posttrain": 1}, {"keye_posttrain": 1})
    made = {r.name: r.made for r in reports}
    assert made["contamination.embed"] == made["contamination.read"] and made["embed"] == 2


def test_another_list_embeds_no_sample_again(folder: Path) -> None:
    path = folder / "listed" / "rocket.jpg"
    picture("rocket").save(path)
    benchmarks = [{"name": "posed", "type": "folder", "path": str(folder / "listed")}]
    block = {"benchmarks": benchmarks, "presets": [{"name": "keye_posttrain", "text_cosine": 0.2}]}
    run, reports = until(recipe(folder, block), "filter", engine=InProcess())
    made = {r.name: r.made for r in reports}
    assert (made["embed"], made["contamination.embed"]) == (0, 1)
    pieces, listed = embedded(run)
    assert sum(len(piece) for piece in pieces) == 4
    assert sorted(set(listed["item"].to_pylist())) == [
        "broken.jpg",
        "chelsea.jpg",
        "china.jpg",
        "flower.jpg",
        "rocket.jpg",
    ]
    vectors = {r["item"]: r for r in listed.to_pylist()}
    assert vectors["broken.jpg"]["image"] is None and vectors["broken.jpg"]["text"] is not None
    assert vectors["rocket.jpg"]["image"] is not None and vectors["rocket.jpg"]["text"] is None
    path.unlink()


def test_vectors_do_not_depend_on_their_neighbours() -> None:
    encoder = StandIn()
    encoder.setup("cpu", 1)
    frames = [encoder.prepare([np.asarray(picture(name))]) for name in ("china", "flower", "coffee")]
    together = picture_vectors(encoder, frames)
    alone = np.concatenate([picture_vectors(encoder, [f]) for f in frames])
    assert together.dtype == np.float16 and (together == alone).all()
    assert np.allclose(np.linalg.norm(together.astype(np.float64), axis=1), 1, atol=1e-3)
    assert together.shape[1] == encoder.dims[0]
    texts = text_vectors(encoder, ["a cup of coffee", "a rocket"])
    assert texts.shape == (2, encoder.dims[1]) and (texts[1] == text_vectors(encoder, ["a rocket"])[0]).all()


def test_a_clip_of_the_recipe_takes_the_place_of_the_stand_in(tmp_path: Path) -> None:
    import open_clip
    import torch
    from safetensors.torch import save_model

    from dataengine.models.architecture import find

    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    torch.manual_seed(0)
    model = open_clip.create_model(find(str(tmp_path / "tiny.json")).register(), load_weights=False)
    save_model(model, str(tmp_path / "tiny.safetensors"))
    options = {"model": str(tmp_path / "tiny.json"), "checkpoint": str(tmp_path / "tiny.safetensors")}
    benchmarks = {"benchmarks": [{"name": "b", "type": "folder", "path": "p"}], "presets": ["keye_posttrain"]}
    scorers = {"scorers": [{"name": "technical"}, {"name": "clip", **options}], "device": "cpu"}
    encoder = encoder_of(recipe(tmp_path, benchmarks, score=scorers))
    assert isinstance(encoder, ClipEncoder) and encoder.dims == (32, 32)
    encoder.setup("cpu", 1)
    frames = [encoder.prepare([np.asarray(picture(name))]) for name in ("china", "flower")]
    texts = text_vectors(encoder, ["a temple", "a flower", "a rose"])
    assert texts.shape == (3, 32) and picture_vectors(encoder, frames).shape == (2, 32)
    assert schema(encoder, "id").field("text").type.list_size == 32
