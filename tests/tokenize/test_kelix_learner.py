"""The report's training stages, on a random model of Qwen3's class: packs, freezing, resumption, bad losses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from support import tiny_kelix, tiny_lm

from dataengine.errors import RunError, UsageError
from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.gang import Member
from dataengine.tokenize.kelix.language import block_causal, load
from dataengine.tokenize.kelix.learner import Decoded, Learner, Model
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.packing import INDEX, Example, packs
from dataengine.tokenize.kelix.texts import Laid, TextLayout, turns_of
from dataengine.tokenize.kelix.vision import VisionTower

PHASE = {"steps": 6, "rate": 2e-3, "tokens": 200, "buffer": 4, "accumulate": 2}
CURRICULUM = {
    "align": {**PHASE, "freeze": ["tower", "lm"]},
    "pretrain": {**PHASE, "rates": {"lm": 1e-3}},
    "anneal": {**PHASE, "mix": [{"text": "instructions"}]},
}
CAPTIONS = ("a red flower", "a temple", "a picture of a temple")
SHARD = "all"


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_lm.write(tmp_path_factory.mktemp("lm"))


def settings(path: str, **changes: Any) -> dict[str, Any]:
    objective = {"kind": "causal_lm", "path": path, "length": 20}
    training = {**tiny_kelix.SMALL["training"], "curriculum": CURRICULUM, **changes}  # type: ignore[dict-item]
    return {**tiny_kelix.SMALL, "objective": objective, "training": training}


def config(path: str, **changes: Any) -> KelixConfig:
    made: KelixConfig = configure(settings(path, **changes))
    return made


def model(made: KelixConfig) -> Model:
    torch.manual_seed(0)
    return Model(made, Network(made), load(made.objective))  # type: ignore[arg-type]


def index(path: str) -> pa.Table:
    layout = TextLayout(path, 20)
    rows = []
    for i, photo in enumerate(tiny_kelix.photos()):
        laid = {"captions": layout.caption(CAPTIONS[i % 3])}
        laid["instructions"] = layout.conversation([("what is this ?", CAPTIONS[i % 3])])  # type: ignore[assignment]
        h, w = photo.shape[0] // 28, photo.shape[1] // 28
        for kind, text in laid.items():
            place = {"id": str(i), "kind": "image", "ext": "jpg", "bytes": 1, "media": "m", "offset": i, "source": "s"}
            rows.append({**place, "text": kind, "stills": 1, "tokens": h * w, **text._asdict()})
    return pa.Table.from_pylist(rows, INDEX)


def decoded(
    made: KelixConfig, phase: str, path: str, skip: int = 0, member: tuple[int, int] = (0, 1)
) -> Iterator[list[Decoded]]:
    photos = tiny_kelix.photos()
    planned = packs(getattr(made.training.curriculum, phase), [SHARD], lambda _: index(path), made.seed)
    for pack in islice(planned, skip + member[0], None, member[1]):
        yield [(example, [photos[int(example.id)]]) for example in pack]


def learner(made: KelixConfig, phase: str, member: Member | None = None) -> Learner:
    named = {"member": member} if member else {}
    return Learner(model(made), getattr(made.training.curriculum, phase), made, **named)


def test_packs_are_within_bounds_and_follow_from_the_seed(lm: str) -> None:
    phase = config(lm).training.curriculum.pretrain  # type: ignore[union-attr]
    first = list(islice(packs(phase, ["a", "b"], lambda _: index(lm), 0), 30))
    assert all(sum(e.length for e in pack) <= phase.tokens or len(pack) == 1 for pack in first)
    assert len({e.id for pack in first for e in pack}) == 5 and {e.text for pack in first for e in pack} == {"captions"}
    again = list(islice(packs(phase, ["b", "a"], lambda _: index(lm), 0), 30))
    assert again == first != list(islice(packs(phase, ["a", "b"], lambda _: index(lm), 1), 30))
    assert len({tuple(e.id for e in pack) for pack in first}) > 3, "shuffled"


def test_a_mix_without_its_text_is_named(lm: str) -> None:
    phase = config(lm).training.curriculum.anneal  # type: ignore[union-attr]
    with pytest.raises(RunError, match="no kept sample has instructions to train on: give conversations"):
        next(packs(phase, [SHARD], lambda _: index(lm).filter(pa.array([True, False] * 5)), 0))


def test_samples_of_a_pack_do_not_see_one_another(lm: str) -> None:
    made = config(lm)
    whole, [pack] = model(made), list(islice(decoded(made, "pretrain", lm), 1))
    assert len(pack) > 2
    x, tokens = whole._features(pack)
    for (_, [still]), got in zip(pack, x.split(tokens), strict=True):
        assert torch.allclose(got, whole.network.features(still[None])[0], atol=1e-5)
    assert block_causal([2, 1], torch.device("cpu"))[0, 0].tolist() == [
        [True, False, False],
        [True, True, False],
        [False, False, True],
    ]
    together = whole(pack).objective
    each = [(whole([one]).objective, sum(one[0].learn)) for one in pack]
    mean = sum(float(loss.detach()) * n for loss, n in each) / sum(n for _, n in each)
    assert float(together.detach()) == pytest.approx(mean, rel=1e-4)


def test_attention_by_lengths_gives_the_loss_and_gradients_of_a_mask_of_the_whole_pack(lm: str) -> None:
    made = config(lm)
    whole, [pack] = model(made), list(islice(decoded(made, "pretrain", lm), 1))
    assert whole.language.model.config._attn_implementation == "dataengine_packed" and len(pack) > 2
    losses, grads = [], []
    for implementation in ("dataengine_packed", "sdpa"):
        whole.language.model.set_attn_implementation(implementation)
        whole.zero_grad()
        loss = whole(pack).objective
        loss.backward()
        losses.append(float(loss.detach()))
        grads.append(torch.cat([p.grad.flatten() for p in whole.parameters() if p.grad is not None]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.allclose(grads[0], grads[1], atol=1e-5)


def test_frozen_parts_stay_and_others_move(lm: str) -> None:
    made = config(lm)
    trained = learner(made, "align")
    before = {name: p.detach().clone() for name, p in trained.model.named_parameters()}
    trained.run(decoded(made, "align", lm), lambda _: None, 100)
    moved = {trained.model.portion(n) for n, p in trained.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"projector", "quantiser", "adapter"}
    everything = learner(made, "pretrain")
    everything.run(decoded(made, "pretrain", lm), lambda _: None, 100)
    assert {g["portion"] for g in everything._optimiser.param_groups} == moved | {"tower", "lm"}
    rates = {g["portion"]: g["lr"] for g in everything._optimiser.param_groups}
    assert rates["lm"] == pytest.approx(rates["tower"] / 2)


@pytest.mark.parametrize("changes", [{}, {"quantiser": "softmax"}, {"precision": "bfloat16", "checkpointing": True}])
def test_a_killed_stage_goes_on_to_the_same_bytes(lm: str, changes: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    told = settings(lm)
    if changes.pop("quantiser", None):
        told["quantiser"] = {**told["quantiser"], "sampling": {"mode": "softmax", "decay": 0.5}}
    told["training"] = {**told["training"], "curriculum": {**CURRICULUM, **changes}}
    made = configure(told)
    whole, saved = learner(made, "pretrain"), list[bytes]()
    whole.run(decoded(made, "pretrain", lm), lambda t: saved.append(t.save()), 2)
    resumed = learner(made, "pretrain")
    resumed.load(saved[0])
    assert resumed.step == 2
    resumed.run(decoded(made, "pretrain", lm, resumed.packs_done), lambda _: None, 2)
    assert resumed.save() == whole.save() == saved[-1]


@pytest.mark.slow
def test_the_language_model_learns_from_the_codes(lm: str) -> None:
    made = config(lm, curriculum={**CURRICULUM, "pretrain": {**PHASE, "steps": 60}})
    trained = learner(made, "pretrain")
    trained.run(decoded(made, "pretrain", lm), lambda _: None, 20)
    assert trained.log.objective[-1] < 0.6 * trained.log.objective[0]
    health = trained.log.health[-1]
    assert health["step"] == 60 and all(1 <= p <= 16 for p in health["perplexity"]) and max(health["usage"]) <= 1
    assert '"perplexity"' in trained.log.lines() and "<svg" in trained.log.page("t", health)


def test_a_bad_loss_takes_no_step_and_names_its_samples(lm: str) -> None:
    made = config(lm)
    trained = learner(made, "pretrain")
    before = trained.save()
    with torch.no_grad():
        trained.model.language.adapt.weight[0, 0] = float("nan")
    with pytest.raises(RunError, match=r"not a finite number at step 0 with samples [0-4]"):
        trained.run(decoded(made, "pretrain", lm), lambda _: None, 100)
    assert trained.step == 0 and len(trained.save()) == len(before)


def test_shares_of_several_processes_add_up_to_one(lm: str) -> None:
    made = config(lm)
    alone = learner(made, "pretrain")
    alone._optimiser.zero_grad()
    grads = []
    for rank in range(2):
        half = learner(made, "pretrain", Member(rank, 2, partial(lambda tensor: None)))
        half.phase = half.phase.model_copy(update={"clip": 1e9})
        half._add_up = lambda: None  # type: ignore[method-assign]
        half.once(decoded(made, "pretrain", lm, member=(rank, 2)))
        grads.append({n: p.grad.clone() for n, p in half.model.named_parameters() if p.grad is not None})
    alone.phase = alone.phase.model_copy(update={"clip": 1e9})
    alone.once(decoded(made, "pretrain", lm))
    for name, p in alone.model.named_parameters():
        if p.grad is not None:
            assert torch.allclose(p.grad, grads[0][name] + grads[1][name], atol=1e-5), name


def test_silu_and_recomputed_activations() -> None:
    vision = KelixConfig.model_validate(tiny_kelix.SMALL).vision
    torch.manual_seed(0)
    gelu = VisionTower(vision)
    silu = VisionTower(vision.model_copy(update={"act": "silu"}))
    silu.load_state_dict(gelu.state_dict())
    patches, place = torch.randn(1, 16, 588), gelu.place(2, 2)
    assert not torch.allclose(gelu(patches, place), silu(patches, place))
    kept = gelu(patches, place)
    gelu.recompute = True
    assert torch.equal(gelu(patches, place), kept)


def test_texts_are_laid_out_and_cut(lm: str) -> None:
    layout = TextLayout(lm, 3)
    laid = layout.caption("a red flower of this")
    assert laid.at == 1 and laid.learn == [False, False, True, True, True, True] and len(laid.ids) == 6
    assert layout.conversation([("what is this ?", "a temple")]) is None, "no room for an answer"
    two = TextLayout(lm, 20).conversation([("what ?", "a temple"), ("is this red ?", "a")])
    assert isinstance(two, Laid) and sum(two.learn) == 2 + 1 + 1 + 1
    llava = '{"conversations": [{"from": "human", "value": "<image>\\nwhat ?"}, {"from": "gpt", "value": "a"}]}'
    chat = '{"m": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}, {"role": "user", "content": "s"}]}'
    assert turns_of(llava, "conversations") == [("what ?", "a")] and turns_of(chat, "m") == [("q", "r")]
    for bad in (None, "{}", '{"conversations": 3}', '{"conversations": "[["}', '{"conversations": [1, {"from": 2}]}'):
        assert turns_of(bad, "conversations") == []


def test_a_tokenizer_without_the_tokens_is_named(tmp_path: Path) -> None:
    path = tiny_lm.write(tmp_path, tiny_lm.SPECIAL[:3])
    with pytest.raises(UsageError, match=r"its tokenizer has no <\|vision_start\|>, <\|vision_end\|>"):
        TextLayout(path, 20)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"align": {**PHASE, "freeze": ["tower", "projector", "quantiser", "adapter", "lm"]}}, "everything is frozen"),
        ({"align": {**PHASE, "freeze": ["lm"], "rates": {"lm": 1.0}}}, "lm: frozen, so it has no learning rate"),
        ({"align": {**PHASE, "warm_up": 6}}, "leaves nothing of 6 steps"),
        ({"processes": 4}, "align.accumulate 2 is no multiple of 4 processes"),
        ({"align": {**PHASE, "tokens": 60}}, "align.tokens 60 are too few"),
        ({"align": {**PHASE, "freeze": ["head"]}}, "training.curriculum.align.freeze"),
        ({"align": {**PHASE, "mix": []}}, "mix names no text"),
    ],
)
def test_mistakes_in_a_curriculum_are_named(lm: str, change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        config(lm, curriculum={**CURRICULUM, **change})


@pytest.mark.parametrize("made", [{"objective": {"kind": "causal_lm"}}, {"training": {"curriculum": CURRICULUM}}])
def test_objective_and_curriculum_go_together(made: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="go together"):
        configure({**tiny_kelix.SMALL, **made})


def test_an_example_counts_pictures_and_text() -> None:
    place = {"id": "a", "kind": "image", "ext": "jpg", "bytes": 1, "media": "m", "offset": 0, "source": "s"}
    example = Example(**place, text="captions", stills=1, tokens=6, ids=[1, 2, 3], learn=[False, True, True], at=1)  # type: ignore[arg-type]
    assert example.length == 9 and np.sum(example.learn) == 2
