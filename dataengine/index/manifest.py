"""manifest.json of an index: its schema, where its vectors come from, and its files by digest."""

from __future__ import annotations

import msgspec

from dataengine.config.index import IndexConfig
from dataengine.errors import UsageError
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, digest

#: Goes up whenever an index of before cannot be read as one of now.
SCHEMA = "1"


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the index: its key in the workspace."""

    key: str
    sha256: str
    bytes: int
    rows: int


class Branch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of the vectors below one node: ``rows`` (Parquet), ``vectors`` and leaf ``sizes`` (.npy) in one order, and the
    ``nodes`` below, layer by layer."""

    rows: Stored
    vectors: Stored
    sizes: Stored
    nodes: Stored


class Drift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well samples fit a tree that was fitted before them. ``joined``: samples since; ``distance``: how many times farther
    than those it was fitted on they lie from the centres of their leaves, on average; ``fullest``: vectors of the fullest
    leaf, ``fullness`` times as many as when the tree was fitted."""

    joined: int
    distance: float
    fullest: int
    fullness: float


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``model``: version of the encoder whose vectors are comparable; ``layers``: depths of the kept layers of nodes, the leaves'
    last; ``upper``: nodes above the branches."""

    schema: str
    kind: str
    of: str
    model: str
    dims: tuple[int, int]
    joint: bool
    caption_weight: float
    samples: int
    tree: str
    leaf_size: int
    layers: list[int]
    branches: list[Branch]
    upper: Stored | None
    drift: Drift
    ann: Stored | None = None
    """Index of faiss, whose n-th vector is the n-th row."""
    cooccurrence: list[Stored] = []
    """Neighbours of each id in sequences of behaviour."""


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``index/NAME.json``: the manifest of a recipe's index as of its last run, and digest of the settings it was made with, so
    that a search need not list the recipe's sources."""

    manifest: str
    settings: str


#: Settings that change no file of the index.
_OF_OTHERS = {"release", "align", "codes", "balance", "in_samples"}


def pointer_of(config: IndexConfig, manifest: str) -> Pointer:
    """Points from a recipe's index block to a manifest."""
    return Pointer(manifest, digest(config.model_dump(mode="json", exclude=_OF_OTHERS)))


def point(store: Store, name: str, pointer: Pointer) -> None:
    """Write the pointer of a recipe, unless it stands."""
    key, data = f"index/{name}.json", msgspec.json.encode(pointer)
    try:
        if store.get(key) == data:
            return
    except FileNotFoundError:
        pass
    store.put(key, data)


def pointed(store: Store, name: str, config: IndexConfig) -> str:
    """Key of the manifest of a recipe's index. Raises UsageError where there is none, or one of other settings."""
    try:
        pointer = msgspec.json.decode(store.get(f"index/{name}.json"), type=Pointer)
    except FileNotFoundError:
        raise UsageError(f"{store.url} has no index of recipe {name}: run `dataengine index RECIPE`") from None
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{store.uri(f'index/{name}.json')} is damaged ({error}): run `dataengine index RECIPE`"
        ) from None
    if pointer != pointer_of(config, pointer.manifest):
        raise UsageError(f"the index of recipe {name} was made with other settings: run `dataengine index RECIPE`")
    return pointer.manifest


def stored(file: File) -> Stored:
    return Stored(file.key, file.sha256, file.bytes, file.rows)


def to_bytes(manifest: Manifest) -> bytes:
    """JSON; equal manifests give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1)


def load(store: Store, key: str) -> Manifest:
    """The manifest of an index. Raises UsageError where there is none, or one of another schema."""
    try:
        data = store.get(key)
    except FileNotFoundError:
        raise UsageError(f"{store.uri(key)}: there is no index; run `dataengine index RECIPE`") from None
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if schema == SCHEMA:
            return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise UsageError(f"{store.uri(key)} is no manifest of an index: {error}") from None
    raise UsageError(
        f"{store.uri(key)} is of schema {schema}, and this version reads {SCHEMA}: build it again with "
        "`dataengine index RECIPE`, or use the version of dataengine that wrote it"
    )


class _Schema(msgspec.Struct):
    schema: str
