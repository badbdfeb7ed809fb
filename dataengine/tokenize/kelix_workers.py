"""Workers of a Kelix tokenizer's training by the report: the tower's start, a stage of the curriculum, the finished tokenizer."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from dataengine.errors import RunError
from dataengine.media.sandbox.pool import Ok
from dataengine.samples.locate import Located
from dataengine.samples.worker import bytes_and_kind
from dataengine.stage import Group, Part
from dataengine.storage.workspace import File, Output, Workspace
from dataengine.tokenize import checkpoint
from dataengine.tokenize.kelix.config import KelixConfig, without_codebooks
from dataengine.tokenize.kelix_checks import check_memory, held_for_centres, memory
from dataengine.tokenize.stage import StillsWorker

if TYPE_CHECKING:
    from dataengine.tokenize.kelix.learner import Decoded, Learner, Model
    from dataengine.tokenize.kelix.network import Network
    from dataengine.tokenize.kelix.packing import Example

#: Progress is told this many times as often as state is saved.
TOLD = 5
_HEALTH = ("perplexity", "usage")


def state_key(name: str, key: str) -> str:
    return f"stages/{name}/state/{key}"


@dataclass
class TowerWorker:
    """Publishes the network that training starts from as ``encoder``: the tower from ``training.tower`` or at random."""

    config: KelixConfig
    workspace: Workspace

    def setup(self) -> None: ...

    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        import torch

        from dataengine.tokenize.kelix.network import Network
        from dataengine.tokenize.kelix.tensors import arrays
        from dataengine.tokenize.kelix.tower import start

        torch.manual_seed(self.config.seed)
        network, path = Network(without_codebooks(self.config)), self.config.training.tower
        loaded = start(network, path, self.config) if path else False
        weights = {f"weight.network.{name}": tensor for name, tensor in network.state_dict().items()}
        data = checkpoint.pack({"name": "training", "step": 0}, arrays(weights.items()))
        key = f"tokenizers/encoders/{part.key}.safetensors"
        file = File(key, self.workspace.store.put(key, data), len(data))
        return Output({"encoder": file}, {}, {"tower": "weights" if path else "random", "projector": loaded})


def encoder_network(config: KelixConfig, data: bytes) -> Network:
    """The network in a file ``encoder``, before it has codebooks."""
    from dataengine.tokenize.kelix.network import Network
    from dataengine.tokenize.kelix.tensors import of

    network = Network(without_codebooks(config))
    network.load_state_dict(of("weight.network", checkpoint.unpack(data)[1]))
    return network


@dataclass
class CentresWorker:
    config: KelixConfig
    workspace: Workspace

    def setup(self) -> None: ...

    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        from dataengine.tokenize.kelix.centres import clusters
        from dataengine.tokenize.kelix.reservoir import reservoir

        config, training, store = self.config, self.config.training, self.workspace.store
        check_memory(memory(config, {}, ()).centres, "cpu", "the centres and the vectors for them")
        width, held = config.vision.features, held_for_centres(config)
        with reservoir(store, part.spec, training.centre_tokens, width, held) as rows:
            options = {"iterations": training.centre_iterations, "seed": config.seed, "threads": training.threads}
            codebook, count = clusters(rows, config.centres, **options), len(rows)
        data = checkpoint.pack({"name": "centres"}, {"centres": codebook.centres})
        key = f"tokenizers/centres/{part.key}.safetensors"
        file = File(key, store.put(key, data), len(data))
        moved = {"reseeded": codebook.reseeded} if codebook.reseeded else {}
        return Output({"centres": file}, {"centres": config.centres, "tokens": count, **moved})


@dataclass
class PhaseWorker(StillsWorker):
    """Trains one stage of the curriculum and publishes its state, log and curve. One of ``group``'s processes."""

    phase: str
    stage: str
    files: dict[str, str]
    device: str = "cpu"
    group: Group = field(default_factory=Group)
    ahead = 256
    _waited: float = field(default=0.0, init=False, repr=False)

    def join(self, group: Group) -> None:
        """Be one of several processes from now on."""
        self.group = group

    def process(self, part: Part) -> Output:
        from dataengine.models.device import reproducible, start_torch
        from dataengine.tokenize.kelix.gang import member_of
        from dataengine.tokenize.kelix.learner import Learner

        training = self.config.training
        self.device = start_torch(self.device, training.threads)
        if self.device.startswith("cuda"):
            reproducible()
        curriculum = training.curriculum
        if curriculum is None:
            raise RunError("the configuration has no curriculum")
        phase, model = getattr(curriculum, self.phase), self._model()
        need = memory(self.config, model.counted(), phase.freeze)
        check_memory(need.model + need.activations, self.device, f"weights, moments and packs of stage {self.phase}")
        with member_of(self.group, self.device) as member:
            learner = Learner(model, phase, self.config, member, self.device)
            self._train(learner, part)
            weights = learner.weights()
        return self._published(part, learner, weights) if self.group.rank == 0 else Output()

    def _model(self) -> Model:
        import torch

        from dataengine.tokenize.kelix.language import load
        from dataengine.tokenize.kelix.learner import Model
        from dataengine.tokenize.kelix.network import Network
        from dataengine.tokenize.kelix.tensors import of

        torch.manual_seed(self.config.seed)
        model = Model(self.config, Network(self.config), load(self.config.objective))
        data = {role: self.workspace.store.get(key) for role, key in self.files.items()}
        if "centres" not in data:
            [state] = data.values()
            model.load_state_dict(of("weight", checkpoint.unpack(state)[1]))
            return model
        before = encoder_network(self.config, data["encoder"]).state_dict()
        model.network.load_state_dict({k: v for k, v in before.items() if not k.endswith(_SIZED)}, strict=False)
        centres = torch.from_numpy(checkpoint.unpack(data["centres"])[1]["centres"])
        model.network.quantiser.start(centres)
        return model

    def _train(self, learner: Learner, part: Part) -> None:
        store, state = self.workspace.store, state_key(self.stage, part.key)
        if store.exists(f"{state}.safetensors"):
            learner.load(store.get(f"{state}.safetensors"))
        every, began = self.config.training.save_every, time.monotonic()

        def tell(trained: Learner) -> None:
            saved = trained.save() if trained.step % every == 0 else None
            if self.group.rank:
                return
            spent = max(time.monotonic() - began, 1e-9)
            last = {"step": trained.step, "steps": trained.phase.steps, "waiting": round(self._waited / spent, 4)}
            last |= {"loss": trained.log.objective[-1] + trained.log.vq[-1], **trained.log.health[-1]}
            store.put(f"{state}.html", trained.log.page(self.stage, last).encode())
            if saved is not None:
                store.put(f"{state}.safetensors", saved)
            store.put(f"{state}.json", json.dumps(last).encode())

        if learner.step == learner.phase.steps:
            return
        try:
            learner.run(self._batches(learner, part), tell, max(1, every // TOLD), every)
        except RunError:
            if learner.diverged and (saved := learner.save()):
                store.put(f"{state}.safetensors", saved)
            raise

    def _batches(self, learner: Learner, part: Part) -> Iterator[list[Decoded]]:
        """This process's packs from the learner's step on, decoded ahead; what it waits for them is counted."""
        from dataengine.tokenize.kelix.packing import packs

        files = {file.key: file for file in part.spec}

        def mine() -> Iterator[list[Example]]:
            every = packs(learner.phase, sorted(files), lambda key: _table(self.workspace, key), self.config.seed)
            return islice(every, learner.packs_done + self.group.rank, None, self.group.size)

        decoded = self._decoded(mine(), mine())
        while True:
            began = time.monotonic()
            pack = next(decoded)
            self._waited += time.monotonic() - began
            yield pack

    def _decoded(self, ahead: Iterator[list[Example]], behind: Iterator[list[Example]]) -> Iterator[list[Decoded]]:
        """Packs without the samples that cannot be decoded; ``ahead`` and ``behind`` are the same packs, once for the thread that
        decodes."""
        rows = (located(example) for pack in ahead for example in pack)
        decoder, _ = self._started()
        outcomes = decoder.over(self.workspace.store, rows, bytes_and_kind)
        for pack in behind:
            done = [(example, next(outcomes)[1]) for example in pack]
            yield [(e, [p.frames[0] for p in out.value[: e.stills]]) for e, out in done if isinstance(out, Ok)]

    def _published(self, part: Part, learner: Learner, weights: bytes) -> Output:
        store, log = self.workspace.store, learner.log
        base = f"tokenizers/training/{self.stage.rpartition('.')[2]}-{part.key[:16]}"
        members = {
            self.phase: (f"{base}.safetensors", weights),
            "log": (f"{base}.jsonl", log.lines().encode()),
            "curve": (f"{base}.html", log.page(self.stage, {}).encode()),
        }
        files = {role: File(key, store.put(key, data), len(data)) for role, (key, data) in members.items()}
        state = state_key(self.stage, part.key)
        store.delete([f"{state}.{kind}" for kind in ("safetensors", "json", "html")])
        facts = {"loss": log.objective[-1], "vq": log.vq[-1], **{k: log.health[-1][k] for k in _HEALTH}}
        return Output(files, {"steps": learner.step}, facts)


#: Of a codebook, what depends on the number of entries.
_SIZED = (".centres", ".reduce")


@dataclass
class AnnealedWorker:
    """Publishes the tokenizer of the last state, with the logs of all stages."""

    config: KelixConfig
    workspace: Workspace

    def setup(self) -> None: ...

    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        from dataengine.tokenize.kelix.network import Network
        from dataengine.tokenize.kelix.tensors import of
        from dataengine.tokenize.kelix.tokenizer import KelixTokenizer

        store, states = self.workspace.store, part.spec
        network = Network(self.config)
        metadata, tensors = checkpoint.unpack(store.get(states["tokenize.anneal"]))
        network.load_state_dict(of("weight.network", tensors))
        tokenizer = KelixTokenizer(self.config.published(), network)
        facts = {"preset": self.config.preset, "parameters": sum(p.numel() for p in network.parameters())}
        facts |= {"steps": metadata["steps"], "loss": metadata["loss"]}
        return checkpoint.publish(store, tokenizer, {}, facts)


def located(example: Example) -> Located:
    return Located(example.id, example.kind, example.ext, example.bytes, (), example.media, example.offset, {})


def _table(workspace: Workspace, key: str) -> Any:
    return pq.ParquetFile(io.BytesIO(workspace.store.get(key))).read()
