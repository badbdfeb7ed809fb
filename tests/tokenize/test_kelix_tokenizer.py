"""The Kelix tokenizer: its parts against plain formulas, and that its codes depend on the sample alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import tiny_kelix

from dataengine.config.recipe import Recipe
from dataengine.errors import RunError, UsageError
from dataengine.tokenize.base import FAST, SLOW, Codes, Timeline
from dataengine.tokenize.checkpoint import pack, unpack
from dataengine.tokenize.factory import configure, load
from dataengine.tokenize.kelix import buckets, pixels
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.crops import Picture, few
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.quantiser import Coder, nearest
from dataengine.tokenize.kelix.tokenizer import KelixTokenizer
from dataengine.tokenize.kelix.train import Trainer
from dataengine.tokenize.kelix.vision import merged_order, rotary, rotated
from dataengine.tokenize.kelix_stages import KelixEncoder

SMALL = KelixConfig.model_validate(tiny_kelix.SMALL)
RECIPE = {
    "name": "r",
    "workspace": "w",
    "sources": [{"type": "folder", "name": "f", "path": "p"}],
    "filter": {"policy": "p.yaml"},
    "release": {"title": "t", "license": "l", "description": "d"},
}


def test_patches_come_back_and_lie_by_tokens() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 56, 84, 3), np.uint8)
    found = pixels.patches(frames)
    assert found.shape == (2, 6 * 4, 588) and float(found.min()) >= -1 and float(found.max()) <= 1
    assert (pixels.frames(found, 2, 3) == frames).all()
    rows, columns = merged_order(2, 3, torch.device("cpu"))
    assert rows[:8].tolist() == [0, 0, 1, 1, 0, 0, 1, 1] and columns[:8].tolist() == [0, 1, 0, 1, 2, 3, 2, 3]
    for i in (0, 5, 23):
        top, left = int(rows[i]) * 14, int(columns[i]) * 14
        patch = frames[0, top : top + 14, left : left + 14].transpose(2, 0, 1).ravel() / 127.5 - 1
        assert np.allclose(found[0, i].numpy(), patch, atol=1e-6)


def test_rotary_positions_see_only_differences() -> None:
    q, k = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)

    def score(a: tuple[int, int], b: tuple[int, int]) -> float:
        at = [rotary(torch.tensor([r]), torch.tensor([c]), 16, torch.float32) for r, c in (a, b)]
        return float((rotated(q, *at[0]) * rotated(k, *at[1])).sum())

    assert score((1, 2), (4, 9)) == pytest.approx(score((11, 5), (14, 12)), abs=1e-4)
    assert score((1, 2), (4, 9)) != pytest.approx(score((1, 2), (9, 4)), abs=1e-3)


def test_the_nearest_entry_by_squared_distance() -> None:
    z, entries = torch.randn(50, 8), torch.randn(20, 8)
    expected = ((z[:, None] - entries[None]) ** 2).sum(-1).argmin(1)
    assert nearest(z, entries).tolist() == expected.tolist()
    assert nearest(torch.zeros(1, 2), torch.ones(3, 2)).tolist() == [0]


def test_loss_and_gradients_of_the_quantiser() -> None:
    torch.manual_seed(0)
    quantiser = Network(SMALL).quantiser
    x = torch.randn(30, 48, requires_grad=True)
    indices, fused, loss = quantiser(x)
    assert indices.shape == (30, 4) and torch.allclose(fused, quantiser.look_up(indices), atol=1e-5)
    expected = 0.0
    for i, (z, book) in enumerate(zip(quantiser.codes(x), quantiser.codebooks(), strict=True)):
        expected += float(((z - book.entries()[indices[:, i]]) ** 2).mean().detach()) * (1 + 0.25) / 4
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)
    (fused**2).sum().backward(retain_graph=True)
    assert x.grad is not None and float(x.grad.abs().sum()) > 0, "straight-through"
    assert all(not book.centres.requires_grad for book in quantiser.codebooks())
    assert [book.project.weight.grad for book in quantiser.codebooks()] == [None] * 4, "only L_VQ moves the entries"
    loss.backward()
    assert all(float(book.project.weight.grad.abs().sum()) > 0 for book in quantiser.codebooks())  # type: ignore[union-attr]


def test_entries_start_where_the_codes_of_their_centres_lie() -> None:
    quantiser = Network(SMALL).quantiser
    centres = torch.randn(64, 48)
    quantiser.start(centres)
    for book, own, i in zip(quantiser.codebooks(), centres.chunk(4), range(4), strict=True):
        assert torch.allclose(book.entries(), quantiser.codes(own)[i], atol=1e-5)


@pytest.mark.slow
def test_training_learns_and_uses_its_codebooks() -> None:
    tokenizer = tiny_kelix.small()
    errors = []
    for photo in tiny_kelix.photos()[:4]:
        [codes] = tokenizer.encode([tokenizer.prepare([photo[:196, :224]])])
        back = tokenizer.decode(codes)
        assert back is not None
        errors.append(float(np.mean((back[0].astype(float) - tokenizer.prepare([photo[:196, :224]]).frames[0]) ** 2)))
    spread = np.mean([float(p.astype(float).var()) for p in tiny_kelix.photos()])
    assert np.mean(errors) < 0.6 * spread
    seen = np.concatenate([c.tokens for c in tokenizer.encode([tokenizer.prepare([p]) for p in tiny_kelix.photos()])])
    assert min(len(np.unique(column)) for column in seen.T) >= 8


def test_codes_do_not_depend_on_neighbours_or_order() -> None:
    tokenizer = tiny_kelix.small()
    tokenizer.setup("cpu", 1)
    prepared = [tokenizer.prepare([p]) for p in tiny_kelix.photos()]
    alone = [tokenizer.encode([p])[0] for p in prepared]
    assert tokenizer.encode(prepared) == alone and tokenizer.encode(prepared[::-1]) == alone[::-1]
    assert [c.tokens.dtype for c in alone] == [np.uint8] * len(alone)
    again = load(tokenizer.save())
    again.setup("cpu", 1)
    assert again.encode(prepared) == alone and again.id == tokenizer.id


def test_the_id_is_that_of_the_stored_weights_whatever_they_are_computed_in() -> None:
    config = SMALL.model_copy(update={"dtype": "bfloat16"})
    stored = KelixTokenizer(config, tiny_kelix.small().network).save()
    ready = load(stored)
    ready.setup("cpu", 1)
    assert ready.id == load(stored).id
    [codes] = ready.encode([ready.prepare([tiny_kelix.photos()[4]])])
    assert codes.tokens.shape == (4, 4)


def test_what_is_held_to_train_on_has_a_bound_and_does_not_depend_on_order() -> None:
    found = [Picture(f"{i:02d}/{n}", p, "") for i in range(8) for n, p in enumerate(tiny_kelix.photos())]
    kept = few(iter(found), 10, 2, seed=3)
    assert len(kept) == 10 and max(max(p.frame.shape[:2]) for p in kept) == 4 * 28
    assert all(p.frame.base is None for p in kept), "no view that keeps a whole picture alive"
    again = few(reversed(found), 10, 2, seed=3)
    assert [(p.id, p.frame.tobytes()) for p in kept] == [(p.id, p.frame.tobytes()) for p in again]
    assert [p.id for p in few(iter(found), 10, 2, seed=4)] != [p.id for p in kept]


def test_the_encoder_is_made_anew_for_what_it_depends_on_and_nothing_else() -> None:
    def settings(**changes: object) -> object:
        tokenize = {"tokenizer": {**tiny_kelix.SMALL, **changes.pop("tokenizer", {})}, **changes}  # type: ignore[dict-item]
        return KelixEncoder().settings(Recipe.model_validate({**RECIPE, "tokenize": tokenize}))

    quantiser = tiny_kelix.SMALL["quantiser"]
    same = ({}, {"tokenizer": {"quantiser": {**quantiser, "entries": 32}}}, {"tokenizer": {"video": "paper"}})  # type: ignore[dict-item]
    assert [settings(**change) for change in same] == [settings()] * 3
    other = ({"held_out": 0.5}, {"fit_samples": 3}, {"tokenizer": {"quantiser": {**quantiser, "dim": 4}}})  # type: ignore[dict-item]
    assert all(settings(**change) != settings() for change in other)


def test_frames_of_a_video_are_slow_or_fast() -> None:
    tokenizer = tiny_kelix.small()
    slow, fast = tiny_kelix.photos()[0][:56, :84], tiny_kelix.photos()[1][:28, :56]
    line = Timeline((SLOW, FAST, SLOW, FAST), (0.0, 0.5, 1.0, 1.5), (1, 2))
    [codes] = tokenizer.encode([tokenizer.prepare([slow, fast, slow[::-1], fast], line)])
    assert codes.grid == (4, 2, 3) and codes.frame_tokens == [6, 2, 6, 2]
    back = tokenizer.decode(codes)
    assert back is not None and [f.shape for f in back] == [(56, 84, 3), (28, 56, 3), (56, 84, 3), (28, 56, 3)]
    assert codes.tokens[6:8].tolist() == codes.tokens[14:].tolist()


def test_batches_of_several_sizes_give_the_same_codes_but_for_ties() -> None:
    tokenizer = tiny_kelix.small()
    prepared = [tokenizer.prepare([p]) for p in tiny_kelix.photos()]
    alone = np.concatenate([c.tokens for c in tokenizer.encode(prepared)])
    network = tokenizer.network
    places = buckets.Places(network.vision)
    together = buckets.encode(network, Coder(network.quantiser), places, [p.frames[0] for p in prepared])
    assert (np.concatenate(together) == alone).mean() > 0.999


def test_a_tokenizer_may_batch_pictures_beside_videos() -> None:
    config = SMALL.model_copy(update={"batch": "buckets"})
    alone = tiny_kelix.small()
    batched = type(alone)(config, alone.network)
    prepared = [alone.prepare([p]) for p in tiny_kelix.photos()]
    prepared.insert(2, alone.prepare([tiny_kelix.photos()[4]], Timeline((SLOW,), (0.0,), (1, 1))))
    pairs = list(zip(alone.encode(prepared), batched.encode(prepared), strict=True))
    assert all((a.grid, a.timeline) == (b.grid, b.timeline) for a, b in pairs)
    assert np.mean([(a.tokens == b.tokens).mean() for a, b in pairs]) > 0.999
    assert (alone.together, batched.together) == (1, 64) and alone.id != batched.id


@given(st.lists(st.integers(1, 1280), min_size=1, max_size=200), st.integers(1, 8192))
def test_batches_are_within_bounds(tokens: list[int], most: int) -> None:
    groups = buckets.batches(tokens, most)
    assert sorted(i for group in groups for i in group) == list(range(len(tokens)))
    assert all(len(g) == 1 or sum(tokens[i] for i in g) <= most for g in groups)
    lengths = [tokens[i] for g in groups for i in g]
    assert lengths == sorted(lengths), "pictures of one length lie side by side"


@pytest.mark.slow
def test_training_goes_on_after_a_kill_with_the_same_result() -> None:
    data = tiny_kelix.crops(SMALL, tiny_kelix.photos())
    torch.set_num_threads(1)
    whole, saved = Trainer(SMALL, True), []
    whole.run(data, lambda t: saved.append(t.save()), 10)
    resumed = Trainer(SMALL, True)
    resumed.load(saved[1])
    assert resumed.step == 20
    resumed.run(data, lambda _: None, 10)
    assert resumed.save() == whole.save()
    assert resumed.curve.objective[-1] < resumed.curve.objective[0]


@pytest.mark.slow
def test_a_language_model_reads_captions_from_the_codes() -> None:
    told = {**tiny_kelix.SMALL, "objective": {"kind": "next_token", "hidden": 32, "layers": 1, "heads": 2, "mlp": 64}}
    config = KelixConfig.model_validate(told)
    trainer = Trainer(config, True)
    trainer.run(tiny_kelix.crops(config, tiny_kelix.photos()), lambda _: None, 100)
    assert trainer.curve.objective[-1] < 0.8 * trainer.curve.objective[0]
    assert trainer.student.network.decoder is None
    with pytest.raises(RunError, match="has no pixel decoder"):
        trainer.student.network.decode(np.zeros((1, 1, 4), np.uint8), 1, 1)


@pytest.mark.slow
def test_the_report_s_sizes_run_forward_once() -> None:
    config = configure({"name": "kelix", "preset": "kelix"})
    assert (config.quantiser.codebooks, config.quantiser.entries, config.vision.layers) == (8, 8192, 27)
    with torch.device("meta"):
        assert 400e6 < sum(p.numel() for p in Network(config).parameters()) < 500e6
    torch.set_default_dtype(torch.bfloat16)
    try:
        network = Network(config)
    finally:
        torch.set_default_dtype(torch.float32)
    assert sum(len(book.centres) for book in network.quantiser.codebooks()) == 65_536
    found = network.encode(
        np.random.default_rng(0).integers(0, 256, (1, 56, 84, 3), np.uint8), Coder(network.quantiser)
    )
    assert found.shape == (1, 6, 8) and found.max() < 8192


def test_damaged_and_foreign_checkpoints_are_refused() -> None:
    data = tiny_kelix.small().save()
    flipped = bytearray(data)
    flipped[-5] ^= 1
    for bad in (b"", data[:100], data[:-1], bytes(flipped)):
        with pytest.raises(RunError):
            load(bad)
    config, tensors = unpack(data)
    less = {k: v for k, v in tensors.items() if k != "vision.norm.weight"}
    for told, found in (({**config, "version": 9}, tensors), (config, less)):
        with pytest.raises(RunError, match="kelix"):
            load(pack(told, found))


def test_codes_of_another_tokenizer_are_not_decoded() -> None:
    for tokens in (np.full((1, 4), 16, np.uint8), np.zeros((1, 3), np.uint8)):
        with pytest.raises(RunError, match="do not fit"):
            tiny_kelix.small().decode(Codes(tokens, (1, 1, 1)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"vision": {"hidden": 30}}, "multiple of 4"),
        ({"video": "fast"}, "unknown preset .fast.; known: paper, released"),
        ({"video": {"fps": -1}}, "fps out of range"),
        ({"preset": "huge"}, "preset"),
        ({"training": {"step": 1}}, "training.step"),
    ],
)
def test_mistakes_in_the_recipe_are_named(change: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        configure({"name": "kelix", **change})


def test_presets_can_be_changed_in_part() -> None:
    config = configure({"name": "kelix", "preset": "kelix", "quantiser": {"beta": 0.5}, "video": "paper"})
    assert (config.quantiser.beta, config.quantiser.entries, config.video.budget) == (0.5, 8192, 75_000)
