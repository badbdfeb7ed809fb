"""sequence.vocabulary: the text tokenizer of the recipe, named, or a byte-level BPE trained on its captions and texts.

A trained one is a decision that the recipe's lock keeps by digest, like a fitted visual tokenizer.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.config.lock import LockedTextTokenizer, kept_record, locked_files
from dataengine.config.recipe import Recipe
from dataengine.config.sequence import TextTokenizerConfig
from dataengine.errors import RunError, UsageError
from dataengine.samples.draws import draw
from dataengine.sequence.base import (
    CORPORA,
    SAMPLES,
    VOCABULARY,
    Sequencing,
    codebook_sizes,
    families,
    releases,
    semantic_shape,
)
from dataengine.sequence.chat import CHATML, ChatTemplate
from dataengine.sequence.corpus import TEXTS
from dataengine.sequence.material import MATERIAL
from dataengine.sequence.special import needed, semantic_tokens
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, Output, Record, Workspace, digest

_FOLDER = "sequence/tokenizers"
_JSON, _TEMPLATE = "tokenizer.json", "chat_template.jinja"


@dataclass(frozen=True)
class _Named:
    """A tokenizer that lies somewhere: its files' bytes are read by the driver once, to name it."""

    data: bytes
    template: str


class SequenceVocabulary(Sequencing, RecordStage):
    name = VOCABULARY
    version = "1"
    needs = (CORPORA, SAMPLES)

    def validate(self, recipe: Recipe) -> None:
        """Reads a named tokenizer, so that what is wrong with it is known before anything runs. Raises UsageError."""
        from dataengine.sequence.text_tokenizer import parse, resolve

        semantic_shape(recipe)
        config = self.config(recipe).tokenizer
        named = _named(config)
        ChatTemplate(named.template)
        if config.path is not None:
            resolve(parse(named.data, config.path), config, self._purposes(recipe), 0, config.path)

    def _purposes(self, recipe: Recipe) -> list[str]:
        return [*needed(one.layout for one in self.config(recipe).sets), *semantic_tokens(semantic_shape(recipe))]

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe).tokenizer
        named = _named(config)
        shape = semantic_shape(recipe)
        return [
            config.model_dump(exclude={"path", "chat_template"}),
            hashlib.sha256(named.data).hexdigest(),
            named.template,
            needed(one.layout for one in self.config(recipe).sets),
            recipe.seed,
            *([shape] if shape else []),
        ]

    def plan(self, run: Run) -> list[Part]:
        config = self.config(run.recipe).tokenizer
        known = releases(run, self.config(run.recipe))
        sizes = codebook_sizes(known) if "discrete" in families(self.config(run.recipe)) else ()
        inputs: list[tuple[str, File]] = []
        if config.path is None:
            for stage, role in ((SAMPLES, "material"), (CORPORA, "texts")):
                inputs += [(role, file) for file in run.records[stage].files(role)] if stage in run.records else []
        key = digest(self.version, self.settings(run.recipe), sizes, [file.sha256 for _, file in inputs])
        spec = _Spec(
            config, _named(config), tuple(self._purposes(run.recipe)), sum(sizes), tuple(inputs), run.recipe.seed
        )
        return [Part("all", key, spec)]

    def worker(self, run: Run) -> Worker:
        return VocabularyWorker(run.workspace)

    def locked(self, run: Run) -> Record | None:
        entry = run.lock.content.text_tokenizer
        if entry is None or self.config(run.recipe).tokenizer.path is not None or entry.settings != self._settled(run):
            return None
        return kept_record(self.name, entry, f"{_FOLDER}/{entry.id}", run.workspace.store)

    def unlocked(self, run: Run) -> str:
        if self.config(run.recipe).tokenizer.path is not None or self.locked(run) is not None:
            return ""
        return f"{run.lock.place or 'the lock'} names no text tokenizer for these settings in this workspace"

    def keep(self, run: Run) -> str:
        """Name a trained tokenizer in the lock. Raises RunError where it is another than the lock names."""
        if self.config(run.recipe).tokenizer.path is not None:
            return ""
        output = run.records[self.name].parts["all"]
        entry = LockedTextTokenizer(
            id=output.facts["id"],
            settings=self._settled(run),
            counts=output.counts,
            facts=output.facts,
            files=locked_files(output),
        )
        earlier = run.lock.content.text_tokenizer
        if earlier is not None and earlier.settings == entry.settings and earlier.id != entry.id:
            raise RunError(
                f"{run.lock.place} names text tokenizer {earlier.id}, which is not in this workspace, and training it again here "
                f"gives another one ({entry.id}). Copy it from the workspace where it was trained, or name its tokenizer.json as "
                "sequence.tokenizer.path"
            )
        failure = run.lock.keep(text_tokenizer=entry)
        if entry == earlier or run.lock.place is None:
            return ""
        return failure or f"text tokenizer {entry.id} is kept by {run.lock.place}"

    def _settled(self, run: Run) -> str:
        return digest(self.version, self.settings(run.recipe))


@dataclass(frozen=True)
class _Spec:
    config: TextTokenizerConfig
    named: _Named
    purposes: tuple[str, ...]
    codes: int
    inputs: tuple[tuple[str, File], ...]
    seed: int


def _named(config: TextTokenizerConfig) -> _Named:
    """The named tokenizer's bytes and the chat template. Raises UsageError where one cannot be read."""
    data, own = b"", ""
    if config.path is not None:
        folder, name = _place(config.path)
        data = _read(folder, name)
        own = _own_template(folder) if config.chat_template == "tokenizer" else ""
    if config.chat_template == "chatml":
        return _Named(data, CHATML)
    if config.chat_template == "tokenizer":
        if not own:
            raise UsageError(
                "sequence.tokenizer.chat_template: there is no chat_template.jinja and no chat_template in tokenizer_config.json "
                f"beside {config.path}; use `chatml`, or name a Jinja file"
            )
        return _Named(data, own)
    folder, _, name = config.chat_template.rpartition("/")
    return _Named(data, _read(folder or ".", name).decode("utf-8", "replace"))


def _place(path: str) -> tuple[str, str]:
    folder, _, name = path.rstrip("/").rpartition("/")
    return (folder or ".", name) if name.endswith(".json") else (path, _JSON)


def _read(folder: str, name: str) -> bytes:
    try:
        return Store(folder).get(name)
    except FileNotFoundError:
        raise UsageError(
            f"sequence.tokenizer: {folder}/{name} does not exist (relative paths start at {Path.cwd()})"
        ) from None


def _own_template(folder: str) -> str:
    store = Store(folder)
    if store.exists(_TEMPLATE):
        return store.get(_TEMPLATE).decode("utf-8", "replace")
    try:
        template = json.loads(store.get("tokenizer_config.json")).get("chat_template", "")
    except (FileNotFoundError, ValueError, AttributeError):
        return ""
    if isinstance(template, list):  # several, by name
        template = next((one.get("template", "") for one in template if one.get("name") == "default"), "")
    return template if isinstance(template, str) else ""


@dataclass
class VocabularyWorker:
    workspace: Workspace

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        from dataengine.sequence.text_tokenizer import parse, resolve, train

        spec: _Spec = part.spec
        trained = spec.config.path is None
        texts = list(self._chosen(spec)) if trained else []
        data = train(texts, spec.config.vocab_size) if trained else spec.named.data
        where = "the trained tokenizer" if trained else str(spec.config.path)
        tokenizer = parse(data, where)
        resolved = resolve(tokenizer, spec.config, spec.purposes, spec.codes, where)
        id_ = digest(hashlib.sha256(data).hexdigest(), resolved.special, resolved.first_code, spec.named.template)
        store, base = self.workspace.store, f"{_FOLDER}/{id_}"
        template = spec.named.template.encode()
        files = {
            "tokenizer": File(f"{base}/{_JSON}", store.put(f"{base}/{_JSON}", data), len(data)),
            "template": File(f"{base}/{_TEMPLATE}", store.put(f"{base}/{_TEMPLATE}", template), len(template)),
        }
        facts = {
            "id": id_,
            "sha256": files["tokenizer"].sha256,
            "trained": trained,
            "size": tokenizer.get_vocab_size(with_added_tokens=True),
            "first_code": resolved.first_code,
            "special": resolved.special,
            "appended": list(resolved.appended),
        }
        return Output(files, {"fitted on": len(texts)} if trained else {}, facts)

    def _chosen(self, spec: _Spec) -> Iterator[str]:
        """Texts with the lowest draws, in their order: the same whatever the order of files."""
        chosen = heapq.nsmallest(spec.config.fit_texts, self._texts(spec))
        return (text for _, _, text in chosen)

    def _texts(self, spec: _Spec) -> Iterator[tuple[int, str, str]]:
        for role, file in spec.inputs:
            for table in self.workspace.batches([file], MATERIAL if role == "material" else TEXTS):
                for row in table.to_pylist():
                    texts = row["captions"] if role == "material" else [row["text"]] if row["text"] else []
                    for number, text in enumerate(texts):
                        yield draw(spec.seed, f"{row['id']}.{number}", "text tokenizer"), row["id"], text
