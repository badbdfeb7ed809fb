"""What ``tokenizer eval`` measures, on pictures whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from support import tiny_kelix, tiny_lm

from dataengine.errors import RunError, UsageError
from dataengine.tokenize.kelix.caption_reader import FrozenLM
from dataengine.tokenize.kelix.config import CausalLM
from dataengine.tokenize.kelix.evaluate import Evaluation, Still, evaluate, psnr, retrieval
from dataengine.tokenize.kelix.labelled import digits, labels_of, own
from dataengine.tokenize.kelix.perceptual import Perceptual
from dataengine.tokenize.kelix.probes import Probes
from dataengine.tokenize.kelix.tokenizer import KelixTokenizer
from dataengine.tokenize.kelix.vectors import Vectoriser
from dataengine.tokenize.quality import markdown, rows


@cache
def tokenizer() -> KelixTokenizer:
    return tiny_kelix.small()


@cache
def evaluated(steps: int = 25) -> Evaluation:
    torch.set_num_threads(1)
    vectoriser, config = Vectoriser(tokenizer().network), tokenizer().config
    probes = Probes(vectoriser, captions=True, seed=0)
    probes.train(tiny_kelix.crops(config, tiny_kelix.photos()), steps)
    captions = ("a flower", "a temple", "a flower", "a temple", "")
    stills = [
        Still(f"{n:032x}", tokenizer().prepare([photo]), caption)
        for n, (photo, caption) in enumerate(zip(tiny_kelix.photos(), captions, strict=True))
    ]
    return evaluate(tokenizer(), stills, probes, digits(vectoriser, 200))


def test_codes_and_features_are_compared_on_every_count() -> None:
    result = evaluated()
    assert result.pictures == result.retrieved == 5 and result.bits_a_pixel == 16 / 28**2
    assert set(result.psnr) == set(result.distance) == {"codes", "features", "own decoder"}
    assert 8 < result.psnr["codes"] < result.psnr["features"] + 1 < 60, "codes lose, features lose less"
    assert 0 < result.distance["features"] < 2
    assert set(result.captions) == {"codes", "features", "nothing"}
    assert result.captions["codes"] < 258 and result.reader == "a byte, small model", "better than guessing bytes"
    assert result.digits.classes == 10 and result.digits.tested == 50
    assert result.digits.accuracy["features"] > 0.3, "chance is 0.1"


def test_captions_are_read_by_the_recipe_s_language_model(tmp_path: Path) -> None:
    objective = CausalLM(path=tiny_lm.write(tmp_path), length=8)
    torch.set_num_threads(1)
    lm, vectoriser = FrozenLM(objective, torch.device("cpu")), Vectoriser(tokenizer().network)
    before = {name: p.clone() for name, p in lm._language.named_parameters()}
    probes = Probes(vectoriser, captions=True, seed=0, lm=lm)
    stills = [
        Still(f"{n:032x}", tokenizer().prepare([photo]), ("a flower", "a temple")[n % 2])
        for n, photo in enumerate(tiny_kelix.photos())
    ]
    first = evaluate(tokenizer(), stills, probes, evaluated().digits)
    probes.train(tiny_kelix.crops(tokenizer().config, tiny_kelix.photos()), 40)
    result = evaluate(tokenizer(), stills, probes, evaluated().digits)
    assert probes.predicted("a flower") == 3 and result.reader == f"a token, {tmp_path.name}"
    assert set(result.captions) == {"codes", "features", "nothing"}
    assert all(1 < result.captions[name] < first.captions[name] < 40 for name in ("codes", "features"))
    assert all(torch.equal(p, before[name]) for name, p in lm._language.named_parameters()), "it stays as it is"
    assert f"(a token, {tmp_path.name})" in markdown(result)


def test_the_table_has_a_row_for_each_figure_that_there_is() -> None:
    names = [row[0] for row in rows([evaluated()])]
    assert "own labels, linear probe: codes / features" not in names
    none = replace(
        evaluated(), captions={}, psnr={"codes": 1.0, "features": 2.0}, distance={"codes": 1.0, "features": 2.0}
    )
    fewer = [row[0] for row in rows([none])]
    assert set(names) - set(fewer) == {
        "PSNR, dB, own decoder",
        "distance, own decoder",
        "caption perplexity: codes / features / no picture",
    }
    both = {name: figures for name, *figures in rows([evaluated(), none])}
    assert both["PSNR, dB, own decoder"][1] == "-"
    assert "| retrieval, R@1: codes / features (chance) |" in markdown(evaluated())


@pytest.mark.slow
def test_training_the_probes_again_gives_the_same_figures() -> None:
    assert evaluated.__wrapped__() == evaluated()


def test_the_perceptual_distance_orders_damage() -> None:
    photo = tiny_kelix.photos()[0]
    noise = np.random.default_rng(0).normal(0, 1, photo.shape)
    noisy = [np.clip(photo + sigma * noise, 0, 255).astype(np.uint8) for sigma in (5, 20, 60)]
    perceptual = Perceptual("cpu")
    distances = [perceptual.distance(photo, other) for other in (photo, *noisy)]
    assert distances[0] == 0 and distances == sorted(distances) and distances[3] < 2
    assert psnr(photo, photo) > 100 > psnr(photo, noisy[0]) > psnr(photo, noisy[2])


def test_a_picture_is_found_by_its_other_view() -> None:
    frames = [np.full((56, 112, 3), level, np.uint8) for level in (0, 80, 160, 255)]
    assert retrieval(Vectoriser(tokenizer().network), frames)["features"] == 1.0


def test_labels_of_one_s_own(tmp_path: Path) -> None:
    dark, light = (np.full((56, 56, 3), level, np.uint8) for level in (20, 230))
    samples = [(f"{n}", (dark, light)[n % 2]) for n in range(8)]
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n" + "".join(f"{n},{('dark', 'light')[n % 2]}\n" for n in range(8)) + "9,\n")
    labels = labels_of(str(path))
    assert len(labels) == 8
    probe = own(Vectoriser(tokenizer().network), labels, samples[:6], samples[6:])
    assert (probe.classes, probe.tested, probe.accuracy["features"]) == (2, 2, 1.0)
    with pytest.raises(UsageError, match="0 samples in 0 classes to train a probe on and 0 held out"):
        own(Vectoriser(tokenizer().network), {"other": "x"}, samples[:6], samples[6:])


def _write(text: str, name: str = "l.csv") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return write


@pytest.mark.parametrize(
    "table",
    [
        _write("id\n1\n"),
        _write('{"id": 1', "l.jsonl"),
        _write("", "l.txt"),
        _write("x", "l.parquet"),
        lambda f: f / "l.csv",
    ],
)
def test_a_table_that_is_not_one_of_labels_is_refused(tmp_path: Path, table: Callable[[Path], Path]) -> None:
    with pytest.raises(UsageError, match=r"labels .*columns id and label"):
        labels_of(str(table(tmp_path)))


def test_one_held_out_sample_is_too_few() -> None:
    still = Still("a", tokenizer().prepare([tiny_kelix.photos()[4]]))
    probes = Probes(Vectoriser(tokenizer().network), captions=False, seed=0)
    with pytest.raises(RunError, match=r"1 pictures are held out.*raise tokenize.held_out"):
        evaluate(tokenizer(), [still], probes, evaluated().digits)
