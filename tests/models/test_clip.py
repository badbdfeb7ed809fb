"""The CLIP encoder with real open_clip models and weights, small and random."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from dataengine.errors import UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.models.architecture import find
from dataengine.models.clip import ClipEncoder
from dataengine.models.encoders import picture_vectors, text_vectors
from dataengine.storage.store import Store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAENGINE_CACHE", str(tmp_path))


def _clip(folder: Path, checkpoint: str | Path = "", **more: Any) -> ClipEncoder:
    return ClipEncoder(
        model=str(folder / "tiny.json"), checkpoint=str(checkpoint or folder / "tiny.safetensors"), **more
    )


def _ready(encoder: ClipEncoder) -> ClipEncoder:
    encoder.setup("cpu", 2)
    return encoder


@pytest.mark.parametrize("model", ["ViT-B-32", "ViT-B-16-SigLIP-256", "PE-Core-S-16-384", "MobileCLIP-S1"])
@pytest.mark.parametrize("photo", ["china", "chelsea"])
def test_preprocessing_is_that_of_open_clip(photos: dict[str, Pixels], model: str, photo: str) -> None:
    arch = find(model)
    tag = open_clip.list_pretrained_tags_by_model(model)[0]
    theirs = {
        k: v for k, v in open_clip.get_pretrained_cfg(model, tag).items() if k in ("mean", "std", "interpolation")
    }
    how = open_clip.get_pretrained_cfg(model, tag)["resize_mode"]
    transform = open_clip.image_transform(arch.side, is_train=False, resize_mode=how, **theirs)
    expected = transform(Image.fromarray(photos[photo])).permute(1, 2, 0).numpy()
    ours = (arch.fit(photos[photo]).astype(np.float32) / 255 - np.float32(arch.mean)) / np.float32(arch.std)
    assert np.abs(ours - expected).max() < 1e-5


def test_every_published_model_has_the_preprocessing_of_one_of_its_weights() -> None:
    models = {name for name, _ in open_clip.list_pretrained()}
    assert len(models) > 40
    for model in models:
        arch = find(model)
        tags = [open_clip.get_pretrained_cfg(model, t) for t in open_clip.list_pretrained_tags_by_model(model)]
        ours = (arch.mean, arch.std, arch.interpolation, arch.mode)
        assert ours in [(t["mean"], t["std"], t["interpolation"], t["resize_mode"]) for t in tags], model


def test_every_model_that_open_clip_knows_is_found_under_its_name() -> None:
    shipped = [m for m in open_clip.list_models() if not m.startswith("tiny-")]  # other tests register theirs
    assert len(shipped) > 100 and {find(model).register() for model in shipped} == set(shipped)


def test_vectors_are_those_of_open_clip(tiny: Path, photos: dict[str, Pixels]) -> None:
    encoder = _ready(_clip(tiny))
    captions = ["a temple", "a flower", "a temple"]
    [ours], texts = encoder.pictures([encoder.prepare([photos["china"]])]), encoder.texts(captions)
    name = find(str(tiny / "tiny.json")).register()
    model = open_clip.create_model(name, load_weights=False).eval()
    model.load_state_dict(load_file(tiny / "tiny.safetensors"))
    transform = open_clip.image_transform(64, is_train=False)
    with torch.inference_mode():
        image = model.encode_image(transform(Image.fromarray(photos["china"]))[None], normalize=True)
        theirs = model.encode_text(open_clip.get_tokenizer(name)(captions), normalize=True)
    assert np.allclose(ours, image, atol=1e-5)
    assert np.allclose(texts, theirs, atol=1e-5)
    assert len(encoder._texts) == 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stored_vectors_do_not_depend_on_batch_or_order(tiny: Path, crops: list[Pixels], precision: str) -> None:
    captions = [f"picture {i}" for i in range(32)]
    one = _ready(_clip(tiny, precision=precision, batch_size=16))
    prepared = [one.prepare([c]) for c in crops[:32]]
    pictures, texts = picture_vectors(one, prepared), text_vectors(one, captions)
    two = _ready(_clip(tiny, precision=precision, batch_size=16))
    parts = [picture_vectors(two, prepared[:31]), picture_vectors(two, prepared[31:])]
    assert np.array_equal(np.concatenate(parts), pictures)
    order = np.random.default_rng(0).permutation(32)
    assert np.array_equal(picture_vectors(two, [prepared[i] for i in order]), pictures[order])
    assert np.array_equal(text_vectors(two, [captions[i] for i in order]), texts[order])


def test_a_video_is_the_mean_of_its_frames(tiny: Path, crops: list[Pixels]) -> None:
    encoder = _ready(_clip(tiny))
    [mean] = picture_vectors(encoder, [encoder.prepare(crops[:4])])
    each = np.concatenate([encoder.pictures([encoder.prepare([c])])[0] for c in crops[:4]]).mean(0)
    assert np.allclose(mean, each / np.linalg.norm(each), atol=1e-3)


def test_bf16_is_near_fp32_and_another_version(tiny: Path, crops: list[Pixels]) -> None:
    full, half = (_ready(_clip(tiny, precision=p)) for p in ("fp32", "bf16"))
    prepared = [full.prepare([c]) for c in crops[:8]]
    assert picture_vectors(full, prepared) == pytest.approx(picture_vectors(half, prepared), abs=0.03)
    assert full.version != half.version


@pytest.mark.parametrize("how", [{"precision": "fp16"}, {"channels_last": True}, {"compile": True}])
def test_how_a_model_is_run_is_part_of_its_version(
    tiny: Path, crops: list[Pixels], how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = list[Any]()
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or model)
    plain, other = _ready(_clip(tiny)), _ready(_clip(tiny, **how))
    assert plain.version.endswith("-fp32-b64-2") and other.version not in ("", plain.version)
    assert len(compiled) == ("compile" in how)
    near, far = (np.concatenate(e.pictures([e.prepare([crops[0]])])) for e in (plain, other))
    assert (near * far).sum() > 0.999


def test_safetensors_and_torch_files_give_equal_vectors_from_folder_and_s3(
    tiny: Path, s3: str, photos: dict[str, Pixels], tmp_path: Path
) -> None:
    Store(s3).put("weights/tiny.safetensors", tiny / "tiny.safetensors")
    places = [tiny / "tiny.safetensors", tiny / "tiny.pt", f"{s3}/weights/tiny.safetensors"]
    encoders = [_clip(tiny, place) for place in places]
    for encoder in encoders:
        encoder.validate()
    found = []
    for encoder in map(_ready, encoders):
        found.append(picture_vectors(encoder, [encoder.prepare([photos["china"]])]).tobytes())
    assert found[0] == found[1] == found[2]
    assert encoders[0].version == encoders[2].version != encoders[1].version
    assert [p.name for p in (tmp_path / "checkpoints").glob("*/*.safetensors")] == ["tiny.safetensors"]


def test_an_object_that_changed_is_read_again(tiny: Path, s3: str, tmp_path: Path) -> None:
    Store(s3).put("tiny.safetensors", tiny / "tiny.safetensors")
    before = _clip(tiny, f"{s3}/tiny.safetensors").version
    other = {k: v + 1 if k == "logit_scale" else v for k, v in load_file(tiny / "tiny.safetensors").items()}
    save_file(other, tmp_path / "other.safetensors")
    Store(s3).put("tiny.safetensors", tmp_path / "other.safetensors")
    assert _clip(tiny, f"{s3}/tiny.safetensors").version != before


def test_pickles_and_prepares_without_torch(tiny: Path, photos: dict[str, Pixels]) -> None:
    encoder = _clip(tiny)
    data = pickle.dumps(encoder)
    code = (
        "import pickle, sys, numpy; s = pickle.loads(bytes.fromhex(sys.stdin.read()));"
        "print(s.prepare([numpy.zeros((90, 70, 3), 'uint8')] * 2).shape, s.version, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data.hex(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"(2, 64, 64, 3) {encoder.version} False"


def test_weights_that_were_found_to_fit_are_not_tried_again(tiny: Path) -> None:
    encoder = _clip(tiny)
    encoder.validate()
    code = (
        "import pickle, sys; pickle.loads(bytes.fromhex(sys.stdin.read())).validate();"
        "print('torch' in sys.modules, 'open_clip' in sys.modules)"
    )
    data = pickle.dumps(encoder).hex()
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_file_that_changed_has_another_version(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.safetensors"
    path.write_bytes((tiny / "tiny.safetensors").read_bytes())
    before = _clip(tiny, path).version
    assert before == _clip(tiny).version
    save_file({k: v + 1 for k, v in load_file(path).items()}, path)
    assert _clip(tiny, path).version != before


def test_weights_that_do_not_fit_are_refused(tiny: Path, tmp_path: Path) -> None:
    state = load_file(tiny / "tiny.safetensors")
    save_file({**state, "text_projection": torch.zeros(32, 48)}, tmp_path / "shape.safetensors")
    save_file({k: v for k, v in state.items() if k != "text_projection"}, tmp_path / "key.safetensors")
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "noise.safetensors").write_bytes(b"noise" * 99)
    (tmp_path / "noise.pt").write_bytes(b"noise" * 99)
    for name in ("shape.safetensors", "key.safetensors", "list.pt", "noise.safetensors", "noise.pt"):
        with pytest.raises(UsageError, match=name):
            _clip(tiny, tmp_path / name).validate()


class _Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_code_in_a_checkpoint_is_refused_and_not_run(tiny: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": {"logit_scale": _Malicious(tmp_path / "harm")}}, tmp_path / "bad.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(_Malicious(tmp_path / "harm")))
    for name in ("bad.pt", "bare.pt"):
        encoder = _clip(tiny, tmp_path / name)
        for step in (encoder.validate, lambda s=encoder: s.setup("cpu", 1)):
            with pytest.raises(UsageError, match=f"{name}.*not loaded"):
                step()
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ViT-B-23"}, "did you mean `ViT-B-32`"),
        ({"model": "no/such.json"}, "relative paths start at"),
        ({"precision": "fp8"}, "fp32, bf16, fp16"),
        ({"compile": "yes"}, "compile is true or false"),
        ({"batch_size": 0}, "batch_size"),
        ({"checkpoint": "missing.pt"}, "missing.pt: no such file"),
        ({"checkpoint": "weights.npz"}, "ends in one of"),
        ({"checkpoint": "ftp://host/weights.pt"}, "s3://"),
    ],
)
def test_mistakes_are_found_before_media_is_read(tiny: Path, options: dict[str, Any], message: str) -> None:
    given = {"model": str(tiny / "tiny.json"), "checkpoint": str(tiny / "tiny.pt"), **options}
    with pytest.raises(UsageError, match=message):
        ClipEncoder(**given).validate()


def test_a_missing_object_is_named(tiny: Path, s3: str) -> None:
    with pytest.raises(UsageError, match=r"none\.pt: there is no such object"):
        _clip(tiny, f"{s3}/none.pt").validate()


def test_a_broken_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "open_clip")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(UsageError, match="open_clip is not in this environment"):
        find("ViT-B-32")


def test_a_published_configuration_brings_its_preprocessing(tmp_path: Path) -> None:
    from support.tiny_clip import TINY

    config = {"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3, "resize_mode": "squash"}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    arch = find(str(tmp_path / "open_clip_config.json"))
    assert (arch.dim, arch.side, arch.mean, arch.std, arch.mode) == (32, 64, (0.5,) * 3, (0.25,) * 3, "squash")
    assert arch.register() in open_clip.list_models()
