"""A stage of training on two processes, with a copy of the model each (DDP) or a share of it (FSDP), beside one process."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import tiny_kelix, tiny_lm, training_group

from dataengine.stage import Group
from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.gang import interface, member_of
from dataengine.tokenize.kelix.language import load
from dataengine.tokenize.kelix.learner import Decoded, Learner, Model
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.packing import Example
from dataengine.tokenize.kelix_checks import memory

pytestmark = pytest.mark.xdist_group("kelix-sharding")
PHASE = {"steps": 6, "rate": 2e-3, "tokens": 200, "accumulate": 4}


def config(lm: str, **changes: Any) -> KelixConfig:
    phases = {"align": {**PHASE, "freeze": ["tower", "lm"]}, "pretrain": PHASE, "anneal": PHASE}
    training = {**tiny_kelix.SMALL["training"], "curriculum": {**phases, **changes}}  # type: ignore[dict-item]
    objective = {"kind": "causal_lm", "path": lm, "length": 20}
    made: KelixConfig = configure({**tiny_kelix.SMALL, "objective": objective, "training": training})
    return made


def packs(skip: int = 0, rank: int = 0, size: int = 1) -> Iterator[list[Decoded]]:
    """Packs of one to three pictures, some of them empty because nothing in them could be decoded."""

    def every() -> Iterator[list[Decoded]]:
        number = 0
        while True:
            yield [] if number in (5, 9) else [one(number + i) for i in range(1 + number % 3)]
            number += 1

    return islice(every(), skip + rank, None, size)


def one(number: int) -> Decoded:
    photo = tiny_kelix.photos()[number % 5][:56, : 28 * (1 + number % 2)]
    ids = [4, 5, 6 + number % 9, 8, 1]
    tokens = photo.shape[0] // 28 * photo.shape[1] // 28
    place = ("", 0, "s", "captions", 1, tokens)
    example = Example(str(number), "image", "png", 1, *place, ids, [False, False, True, True, True], 1)
    return example, [np.ascontiguousarray(photo)]


def trained(made: KelixConfig, phase: str, group: Group, state: bytes = b"", until: int = 6) -> tuple[Learner, bytes]:
    """A learner that was trained up to a step, and what it saved then."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with member_of(group, "cpu") as member:
        model = Model(made, Network(made), load(made.objective))  # type: ignore[arg-type]
        learner = Learner(model, getattr(made.training.curriculum, phase), made, member)
        if state:
            learner.load(state)
        batches = packs(learner.packs_done, group.rank, group.size)
        while learner.step < until:
            learner.once(batches)
        return learner, learner.save()


def work(group: Group, lm: str, folder: Path) -> None:
    """All that the two processes do: each way from the start, and from what one process had saved."""
    ways = {"ddp": {}, "fsdp": {"parallel": "fsdp"}, "less": {"parallel": "fsdp", "checkpointing": True}}
    for name, changes in ways.items():
        made = config(lm, processes=2, **changes)
        learner, saved = trained(made, "align" if name == "less" else "pretrain", group)
        if group.rank == 0:
            (folder / f"{name}.state").write_bytes(saved)
            np.save(folder / f"{name}.npy", np.array([learner.log.objective, learner.log.vq]))
        else:
            assert saved == b"", "the first process has the checkpoint"
        shares = {
            tuple(p.to_local().shape) != tuple(p.shape) for p in learner.model.parameters() if hasattr(p, "to_local")
        }
        assert (True in shares) == (name != "ddp"), "a share of the weights each"
    made = config(lm, processes=2, parallel="fsdp")
    learner, saved = trained(made, "pretrain", group, (folder / "half.state").read_bytes())
    if group.rank == 0:
        np.save(folder / "resumed.npy", np.array([learner.log.objective, learner.log.vq]))


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_lm.write(tmp_path_factory.mktemp("lm"))


@pytest.fixture(scope="module")
def folder(lm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote."""
    made = tmp_path_factory.mktemp("two")
    (made / "half.state").write_bytes(trained(config(lm), "pretrain", Group(), until=3)[1])
    training_group.together(2, work, lm, made)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "phase"), [("ddp", "pretrain"), ("fsdp", "pretrain"), ("less", "align"), ("resumed", "pretrain")]
)
def test_two_processes_give_the_curve_of_one(lm: str, folder: Path, way: str, phase: str) -> None:
    alone, _ = trained(config(lm), phase, Group())
    curve = np.load(folder / f"{way}.npy")
    assert np.allclose(curve, [alone.log.objective, alone.log.vq], rtol=1e-3)
    assert curve[0, -1] < curve[0, 0]


@pytest.mark.slow
def test_a_checkpoint_of_shares_goes_on_in_one_process(lm: str, folder: Path) -> None:
    made = config(lm, pretrain={**PHASE, "steps": 8})
    one, whole = (
        trained(made, "pretrain", Group(), state, until=8)[0]
        for state in ((folder / "fsdp.state").read_bytes(), trained(config(lm), "pretrain", Group())[1])
    )
    assert np.allclose(one.log.objective, whole.log.objective, rtol=2e-3)
    for (name, a), b in zip(one.model.named_parameters(), whole.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-3), name


def test_a_share_of_the_model_takes_a_share_of_the_memory(lm: str) -> None:
    parameters = {"tower": 1000, "lm": 3000, "centres": 500}
    copies, shares = (memory(config(lm, processes=4, parallel=way), parameters, ()) for way in ("ddp", "fsdp"))
    assert copies.model == 4 * (4500 + 3 * 4000) and shares.model == 4 * (500 + 4000 * 4 // 4)


def test_the_way_of_training_is_no_part_of_a_tokenizer(lm: str) -> None:
    ways = [config(lm, processes=n, parallel=way).published() for n, way in ((1, "ddp"), (2, "fsdp"))]
    assert ways[0].model_dump() == ways[1].model_dump() and "parallel" not in str(ways[0].model_dump())


def test_the_interface_of_an_address() -> None:
    assert interface("127.0.0.1") == "lo" and interface("192.0.2.7") is None
