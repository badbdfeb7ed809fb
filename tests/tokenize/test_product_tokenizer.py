from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from dataengine.errors import InputError, RunError, UsageError
from dataengine.tokenize.base import FAST, SLOW, Codes, Timeline, facts
from dataengine.tokenize.checkpoint import pack, unpack
from dataengine.tokenize.factory import configure, load, tokenizer_class
from dataengine.tokenize.patches import FEATURES, Patches, features, pixels
from dataengine.tokenize.product import ProductTokenizer, allocate

Samples = list[tuple[str, Patches]]
Photos = list[NDArray[np.uint8]]


def _psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


def _reference(photo: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(photo).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def test_one_token_for_each_28_pixels_known_beforehand(tokenizer: ProductTokenizer, photos: Photos) -> None:
    preparer = tokenizer.preparer(tokenizer.config)
    for photo in photos:
        [codes] = tokenizer.encode([tokenizer.prepare([photo])])
        assert codes.grid == preparer.grid(photo.shape[0], photo.shape[1])
        assert codes.tokens.dtype == np.uint8 and codes.tokens.shape[1] == 8
    assert preparer.grid(427, 640) == (1, 15, 23)


def test_codes_do_not_depend_on_neighbours_order_or_threads(tokenizer: ProductTokenizer, samples: Samples) -> None:
    prepared = [p for _, p in samples]
    alone = [tokenizer.encode([p])[0] for p in prepared]
    with threadpool_limits(1):
        single = tokenizer.encode(prepared)
    assert tokenizer.encode(prepared) == alone == single
    assert tokenizer.encode(prepared[::-1]) == alone[::-1]
    assert tokenizer.encode([]) == []


def test_fitting_twice_in_any_order_gives_the_same_bits(tokenizer: ProductTokenizer, samples: Samples) -> None:
    again = ProductTokenizer.fit(tokenizer.config, reversed(samples))
    assert again.save() == tokenizer.save()
    other = ProductTokenizer.fit(tokenizer.config.model_copy(update={"seed": 8}), iter(samples))
    assert other.id != tokenizer.id


def test_decoded_codes_look_like_the_photo(tokenizer: ProductTokenizer, samples: Samples, photos: Photos) -> None:
    for photo, (_, prepared) in zip(photos[:2], samples[:2], strict=True):
        [codes] = tokenizer.encode([prepared])
        picture = tokenizer.decode(codes)[0]
        mean = np.broadcast_to(picture.mean((0, 1)), picture.shape).astype(np.uint8)
        reference = _reference(photo, picture.shape)
        assert _psnr(reference, picture) > _psnr(reference, mean) + 4
        assert _psnr(reference, picture) > 19


def test_more_entries_reconstruct_better(samples: Samples, photos: Photos) -> None:
    quality = []
    for entries in (4, 32, 256):
        fitted = ProductTokenizer.fit(configure({"name": "product", "entries": entries}), iter(samples))
        assert fitted.codebook_sizes == (entries,) * 8
        picture = fitted.decode(fitted.encode([samples[1][1]])[0])[0]
        quality.append(_psnr(_reference(photos[1], picture.shape), picture))
    assert quality[0] < quality[1] < quality[2]


def test_frames_of_a_video_are_slow_or_fast(tokenizer: ProductTokenizer, photos: Photos) -> None:
    slow, fast = photos[0][:56, :84], photos[1][:28, :56]
    line = Timeline((SLOW, FAST, SLOW), (0.0, 0.5, 1.0), (1, 2))
    [codes] = tokenizer.encode([tokenizer.prepare([slow, fast, slow[::-1]], line)])
    assert codes.grid == (3, 2, 3) and codes.frame_tokens == [6, 2, 6]
    assert [f.shape for f in tokenizer.decode(codes)] == [(56, 84, 3), (28, 56, 3), (56, 84, 3)]
    [first] = tokenizer.encode([tokenizer.prepare([slow], Timeline((SLOW,), (0.0,), (1, 2)))])
    assert first.tokens.tolist() == codes.tokens[:6].tolist()


def test_frames_without_a_timeline_are_a_bad_input(tokenizer: ProductTokenizer, photos: Photos) -> None:
    for frames in ([photos[0], photos[2]], []):
        with pytest.raises(InputError):
            tokenizer.prepare(frames)


def test_a_small_corpus_gets_smaller_codebooks_and_says_so() -> None:
    flat = np.full((56, 56, 3), 90, np.uint8)
    preparer = ProductTokenizer.preparer(configure({"name": "product"}))
    fitted = ProductTokenizer.fit(configure({"name": "product"}), iter([("a", preparer([flat]))]))
    assert fitted.codebook_sizes == (1,) * 8
    assert facts(fitted)["codebook_sizes"] == [1] * 8
    assert unpack(fitted.save())[0]["codebook_sizes"] == [1] * 8
    assert np.abs(fitted.decode(fitted.encode([preparer([flat])])[0])[0].astype(int) - 90).max() <= 2


def test_no_sample_is_an_error() -> None:
    with pytest.raises(RunError, match="no sample"):
        ProductTokenizer.fit(configure({"name": "product"}), iter([]))


def test_checkpoints_come_back_the_same(tokenizer: ProductTokenizer, samples: Samples) -> None:
    data = tokenizer.save()
    again = load(data)
    assert again.id == tokenizer.id and again.save() == data
    assert again.encode([samples[0][1]]) == tokenizer.encode([samples[0][1]])
    assert pickle.loads(pickle.dumps(tokenizer)).id == tokenizer.id


def test_damaged_checkpoints_are_refused(tokenizer: ProductTokenizer) -> None:
    data = tokenizer.save()
    flipped = bytearray(data)
    flipped[-5] ^= 1
    for bad in (b"", b"junk", data[:100], data[:-1], bytes(flipped), pickle.dumps(tokenizer)):
        with pytest.raises(RunError):
            load(bad)


def test_unknown_or_incomplete_checkpoints_are_refused(tokenizer: ProductTokenizer) -> None:
    config, tensors = unpack(tokenizer.save())
    rest = {k: v for k, v in tensors.items() if k != "codebook.3"}
    wrong = {**tensors, "dims.0": tensors["dims.1"]}
    for bad in (pack({**config, "name": "other"}, tensors), pack({**config, "version": 9}, tensors)):
        with pytest.raises(RunError):
            load(bad)
    for bad in (pack(config, rest), pack(config, wrong)):
        with pytest.raises(RunError, match="codebooks are missing"):
            load(bad)


def test_codes_of_another_tokenizer_are_not_decoded(tokenizer: ProductTokenizer) -> None:
    for tokens in (np.full((1, 8), 128, np.uint16), np.zeros((1, 4), np.uint16)):
        with pytest.raises(RunError):
            tokenizer.decode(Codes(tokens, (1, 1, 1)))


@pytest.mark.parametrize(
    "settings_", [{"name": "product", "entries": 1}, {"name": "product", "books": 2}, {"name": "x"}, {}]
)
def test_mistakes_in_the_recipe_are_named(settings_: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="product"):
        configure(settings_)


def test_the_seed_comes_from_the_recipe_unless_stated() -> None:
    assert configure({"name": "product"}, 7).seed == 7
    assert configure({"name": "product", "seed": 3}, 7).seed == 3
    assert tokenizer_class("product") is ProductTokenizer


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 255))
def test_features_of_smooth_pictures_come_back(h: int, w: int, level: int) -> None:
    y, x = np.mgrid[0 : 28 * h, 0 : 28 * w]
    plane = np.clip(level / 2 + 40 * np.sin(y / 19) + 30 * np.cos(x / 23) + 40, 0, 255).astype(np.uint8)
    ycbcr = np.stack([plane, np.full_like(plane, 128), np.full_like(plane, 128)], axis=-1)
    back = pixels(features(ycbcr), h, w)
    assert np.abs(back[:, :, 1].astype(int) - plane).max() <= 6


def test_extreme_pictures_do_not_overflow() -> None:
    rng = np.random.default_rng(0)
    for picture in (np.zeros((56, 56, 3)), np.full((56, 56, 3), 255), rng.integers(0, 2, (56, 56, 3)) * 255):
        found = features(picture.astype(np.uint8))
        assert found.shape == (4, FEATURES) and np.abs(found.astype(int)).max() <= 128 * 28 * 4 + 8
    assert features(np.full((28, 28, 3), 255, np.uint8))[0, 0] > 14_000


@pytest.mark.parametrize("parts", [1, 5, 8, 96])
def test_features_are_shared_out_evenly(samples: Samples, parts: int) -> None:
    rows = np.concatenate([p.features for _, p in samples])
    groups = allocate(rows, parts)
    assert np.sort(np.concatenate(groups)).tolist() == list(range(FEATURES))
    assert max(map(len, groups)) <= -(-FEATURES // parts)
    if parts == 8:
        load_ = [np.log(np.maximum(rows[:, g].astype(float).var(0), 1)).sum() for g in groups]
        assert max(load_) - min(load_) < 0.1 * max(load_)


_OTHER_PROCESS = """
import hashlib, sys
import numpy as np
from dataengine.tokenize import patches
print(sorted(m for m in ("torch", "ray", "pandas", "sklearn", "av") if m in sys.modules))
from dataengine.tokenize.factory import configure
from dataengine.tokenize.product import ProductTokenizer
config = configure({"name": "product", "entries": 16})
photo = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
fitted = ProductTokenizer.fit(config, iter([("a", ProductTokenizer.preparer(config)([photo]))]))
print(hashlib.sha256(fitted.save()).hexdigest())
"""


def test_other_processes_get_the_same_bytes_and_preparing_imports_no_model_library() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", _OTHER_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\n")
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0][0] == "[]"
