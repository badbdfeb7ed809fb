"""The release that a recipe continues: what of its manifest decides what may go on, where its samples lie, and its lock.

A release may continue itself, as a daily recipe does. What it was made on is then gone once it is published, so
``continued/RECIPE/STAGE.json`` names, for the tables that were assigned last, the release that they were assigned on.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dataengine import contracts
from dataengine.annotate.captions.settings import captioning
from dataengine.config import lock, yaml_loader
from dataengine.config.recipe import Recipe
from dataengine.errors import RunError, UsageError
from dataengine.policy.annotated import in_samples
from dataengine.shards.json_types import FileName, RelativePath, Sha256
from dataengine.shards.manifest import Shard
from dataengine.stage import Run
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, Workspace, canonical_json, digest
from dataengine.tokenize import decision

#: Files of a release that one which continues it reads.
LOCK = "lock.yaml"
_ASSIGNMENT = re.compile(r"assignment(/[0-9a-f]+)?\.parquet")
_COT_ASSIGNMENT = re.compile(r"cot_assignment(/[0-9a-f]+)?\.parquet")
_SHARD = re.compile(r"[^-]+-.+-[0-9]{5,9}")
_NOT_COUNTS = {"exif", "faces", "c2pa_opt_outs"}


class _File(msgspec.Struct):
    path: RelativePath
    sha256: Sha256
    bytes: int


class _Named(msgspec.Struct):
    id: str


class _Track(msgspec.Struct):
    name: str
    version: str
    in_samples: bool


class _CotShard(msgspec.Struct):
    name: FileName
    sha256: Sha256


class _Cot(msgspec.Struct):
    shards: list[_CotShard] = []


class _Deltas(msgspec.Struct):
    next_shards: dict[str, int]
    next_cot_shards: dict[str, int] = {}


class _Pointer(msgspec.Struct):
    """Digests of what tables were assigned from, and of the release that they were assigned on, "" for none."""

    upstream: str
    base: str


class EarlierManifest(msgspec.Struct):
    """What is read of a manifest.json; ``media`` has counts beside its settings."""

    schema_version: str
    name: str
    version: str
    shards: list[Shard]
    files: list[_File]
    media: dict[str, Any]
    tokenizer: _Named | None
    annotations: list[_Track] = []
    captions: dict[str, Any] | None = None
    deltas: _Deltas | None = None
    cot: _Cot = msgspec.field(default_factory=_Cot)


@dataclass(frozen=True)
class Earlier:
    """A finished release. ``digest``: SHA-256 of its manifest."""

    store: Store
    digest: str
    manifest: EarlierManifest

    @property
    def assignment(self) -> list[File]:
        """Files of contracts.ASSIGNMENT."""
        return self._files(_ASSIGNMENT)

    @property
    def cot_assignment(self) -> list[File]:
        """Files of the places of its CoT records; none where it has none."""
        return self._files(_COT_ASSIGNMENT)

    def _files(self, pattern: re.Pattern[str]) -> list[File]:
        files = sorted((f.path, f.sha256, f.bytes) for f in self.manifest.files if pattern.fullmatch(f.path))
        return [File(path, sha256, size, 1) for path, sha256, size in files]

    @property
    def next_shards(self) -> dict[str, int]:
        """By split and family the number of the next shard: none is used twice, not that of a shard that went, either."""
        numbers = dict(self.manifest.deltas.next_shards) if self.manifest.deltas else {}
        return next_shards(numbers, [shard.name for shard in self.manifest.shards])

    @property
    def next_cot_shards(self) -> dict[str, int]:
        """As ``next_shards``, of CoT shards."""
        numbers = dict(self.manifest.deltas.next_cot_shards) if self.manifest.deltas else {}
        return next_shards(numbers, [shard.name for shard in self.manifest.cot.shards])

    @property
    def media_counts(self) -> dict[str, int]:
        """Files whose metadata or faces were removed, by what was done."""
        return {name: n for name, n in self.manifest.media.items() if name not in _NOT_COUNTS}

    def lock(self) -> lock.Lock:
        """The lock that it was made with. Raises RunError, UsageError for a damaged one."""
        [file] = [f for f in self.manifest.files if f.path == LOCK]
        text = self.store.get(file.path, file.sha256).decode()
        return yaml_loader.validated(text, self.store.uri(LOCK), lock.Lock)


def next_shards(numbers: dict[str, int], names: list[str]) -> dict[str, int]:
    """``numbers`` after shards of these ``names``: ``{"train-image": 3}`` after ``train-image-00002``."""
    after = dict(numbers)
    for name in names:
        run, _, number = name.rpartition("-")
        after[run] = max(after.get(run, 0), int(number) + 1)
    return after


def earlier_of(recipe: Recipe) -> Earlier | None:
    """The finished release that the recipe continues; None where it continues none, or itself and was never finished. Raises
    UsageError where there is none, RunError for a damaged one."""
    place = place_of(recipe)
    if place is None:
        return None
    store = Store(place)
    try:
        data = store.get("manifest.json") if store.remote or Path(store.url).is_dir() else None
    except FileNotFoundError:
        data = None
    if data is None:
        if continues_itself(recipe):
            return None
        raise UsageError(f"continues: {store.url} holds no finished release (there is no manifest.json)")
    try:
        manifest = msgspec.json.decode(data, type=EarlierManifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RunError(f"continues: {store.uri('manifest.json')} is not the manifest of a release: {error}") from None
    names = [*(s.name for s in manifest.shards), *(s.name for s in manifest.cot.shards)]
    if wrong := [name for name in names if not _SHARD.fullmatch(name)]:
        raise RunError(f"continues: {store.uri('manifest.json')} names a shard `{wrong[0]}`, which is no name of one")
    earlier = Earlier(store, hashlib.sha256(data).hexdigest(), manifest)
    paths = {f.path for f in manifest.files}
    if manifest.schema_version != contracts.VERSION or LOCK not in paths or not earlier.assignment:
        raise UsageError(
            f"continues: {store.url} was made by another version of dataengine, and cannot be continued. Take `continues` out "
            "for a release of new shards"
        )
    return earlier


def place_of(recipe: Recipe) -> str | None:
    """Folder or s3:// prefix of the release to be continued: ``continues`` itself, or of that name in the workspace."""
    named = recipe.continues
    if named is None or "/" in named:
        return named
    return Workspace(recipe.workspace).store.uri(f"releases/{named}")


def continues_itself(recipe: Recipe) -> bool:
    """Whether the release to be continued is the one that the recipe makes."""
    place = place_of(recipe)
    own = Workspace(recipe.workspace).store.uri(f"releases/{recipe.name}")
    return place is not None and Store(place).url == Store(own).url


def check(recipe: Recipe, earlier: Earlier) -> None:
    """Samples of both must have the same form, for those of the earlier release stay as they are. Raises UsageError."""
    m, media = earlier.manifest, recipe.media
    tracks = sorted((t.name, t.version) for t in m.annotations if t.in_samples)
    pairs = {
        "media.exif": (m.media["exif"], media.exif),
        "media.faces": (m.media["faces"], "blur" if media.faces else "keep"),
        "a tokenizer": (m.tokenizer is not None, recipe.tokenize is not None),
        "captions by models": (m.captions is not None, captioning(recipe)),
        "annotations in samples": (tracks, sorted((t.name, t.version) for t in in_samples(recipe))),
    }
    differences = [f"{what} is {then} there and {now} here" for what, (then, now) in pairs.items() if then != now]
    if differences:
        raise UsageError(
            f"continues: samples of {earlier.store.url} have another form ({'; '.join(differences)}). Take `continues` out for a "
            "release of new shards"
        )


def adopt_lock(run: Run) -> None:
    """Decisions that the recipe's lock lacks are those of the release that it continues. Raises UsageError where the tokenizer
    would be another one."""
    earlier = earlier_of(run.recipe)
    if earlier is None:
        return
    theirs, own = earlier.lock(), run.lock.content
    names = [name for name in type(own).model_fields if getattr(own, name) is None]
    run.lock.content = own.model_copy(update={name: getattr(theirs, name) for name in names})
    kept = run.lock.content.tokenizer
    if not run.recipe.tokenize or kept is None or earlier.manifest.tokenizer is None:
        return
    another = kept.id != earlier.manifest.tokenizer.id
    if reason := f"{run.lock.place or 'the lock'} names {kept.id}" if another else decision.why_anew(run):
        raise UsageError(
            f"continues: the codes of {earlier.store.url} are of tokenizer {earlier.manifest.tokenizer.id}, and {reason}. Take "
            "`continues` out, or go back to that tokenizer"
        )


def key_of(run: Run, stage: str, upstream: str) -> str:
    """The key of a stage whose tables have the key ``upstream``: that of the release that they are assigned on belongs to it."""
    base = _base(run, stage, upstream)
    return digest(upstream, base) if base else upstream


def opened(run: Run, stage: str, upstream: str) -> Earlier | None:
    """The release that these tables are assigned on, None for none; notes it where the release continues itself. Raises RunError
    where it has changed since the run began."""
    base, earlier = _base(run, stage, upstream), earlier_of(run.recipe)
    if base and (earlier is None or earlier.digest != base):
        raise RunError(
            f"{place_of(run.recipe)} is not the release any more that these samples were assigned on. Rerun to continue what is "
            f"there now; where a release continues itself, delete {run.workspace.store.uri(_pointer(run.recipe, stage))} first"
        )
    if continues_itself(run.recipe):
        noted = canonical_json({"upstream": upstream, "base": base})
        run.workspace.store.put(_pointer(run.recipe, stage), noted)
    return earlier if base else None


def _base(run: Run, stage: str, upstream: str) -> str:
    """Digest of the release that tables of the key ``upstream`` are assigned on, "" for none. Raises RunError where the release
    is half replaced."""
    earlier, key = earlier_of(run.recipe), _pointer(run.recipe, stage)
    if run.recipe.continues is None or not continues_itself(run.recipe):
        return earlier.digest if earlier else ""
    last = _pointed(run, key)
    if last is not None and last.upstream == upstream:
        return last.base
    if last is not None and last.base and earlier is None:
        raise RunError(
            f"{place_of(run.recipe)}, which this run continues, has no manifest: an earlier run was stopped while it was put in "
            f"place. Run that one again first, or delete {run.workspace.store.uri(key)} to begin anew"
        )
    return earlier.digest if earlier else ""


def _pointed(run: Run, key: str) -> _Pointer | None:
    """Raises RunError for a damaged one."""
    try:
        return msgspec.json.decode(run.workspace.store.get(key), type=_Pointer)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, ValueError):
        raise RunError(
            f"{run.workspace.store.uri(key)} is damaged: delete it to continue the release that is there now"
        ) from None


def _pointer(recipe: Recipe, stage: str) -> str:
    return f"continued/{recipe.name}/{stage}.json"
