"""The lock of a recipe: decisions of earlier runs that later ones keep, in a YAML file that is read as a part of the recipe.

What is fitted or assigned once, and must not move whenever a threshold moves or a batch arrives, is named here by digest. The
same recipe and lock give the same bytes, whatever a workspace has seen. A later kind of decision is one more field of Lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from dataengine.config import yaml_loader
from dataengine.errors import RunError, UsageError
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, Output, Record, digest

_HEAD = """\
# Written by dataengine: what earlier runs have decided and later ones keep. Keep this file with the recipe, under version
# control. Delete it, or set `tokenize.refit`, `index.rebuild`, `index.align.refit` or `index.codes.refit` in the recipe to true,
# to decide anew.
"""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LockedFile(_Model):
    """One file of a decision, below its folder in the workspace."""

    name: str
    sha256: str
    bytes: int
    rows: int | None = None
    """Of an array."""


class FittedOn(_Model):
    """What a model was fitted on: number and digest of the sample ids; ``held_out_below``: largest key (hexadecimal) of the
    samples that were held out."""

    samples: int
    digest: str
    held_out_below: str | None = None


class LockedFit(_Model):
    """A fitted model. ``settings``: digest of the recipe's settings that it was fitted with; ``engine``: version of dataengine;
    ``counts`` and ``facts`` are those of its stage."""

    id: str
    settings: str
    engine: str
    fitted_on: FittedOn
    counts: dict[str, int] = {}
    facts: dict[str, Any] = {}
    files: dict[str, LockedFile]


class LockedTokenizer(LockedFit):
    """A fitted tokenizer."""


class LockedTextTokenizer(_Model):
    """A text tokenizer that was trained for sequences; ``counts`` and ``facts`` are those of its stage."""

    id: str
    settings: str
    counts: dict[str, int] = {}
    facts: dict[str, Any] = {}
    files: dict[str, LockedFile]


class LockedTree(_Model):
    """The tree of an index: its planes, in ``folder`` of the workspace. ``settings``: digest of the recipe's settings that it was
    fitted with; ``engine``: version of dataengine; ``counts`` and ``facts`` are those of its stage."""

    id: str
    settings: str
    engine: str
    folder: str
    counts: dict[str, int] = {}
    facts: dict[str, Any] = {}
    files: dict[str, LockedFile]


def locked_files(output: Output) -> dict[str, LockedFile]:
    """The files of a stage's part as the lock names them, by role: all lie in one folder."""
    return {
        role: LockedFile(name=f.key.rpartition("/")[2], sha256=f.sha256, bytes=f.bytes, rows=f.rows or None)
        for role, f in sorted(output.files.items())
    }


def kept_record(
    stage: str, entry: LockedFit | LockedTextTokenizer | LockedTree, folder: str, store: Store
) -> Record | None:
    """The record of a ``stage`` of one part as ``entry`` keeps it; None where its files are not in ``folder``."""
    sizes = {e.key: e.size for e in store.list(f"{folder}/")}
    files = {role: File(f"{folder}/{f.name}", f.sha256, f.bytes, f.rows or 0) for role, f in entry.files.items()}
    if any(sizes.get(file.key) != file.bytes for file in files.values()):
        return None
    output = Output(files, dict(entry.counts), dict(entry.facts))
    return Record(stage, f"lock-{digest(entry.model_dump(mode='json'))}", {"all": output})


class Lock(_Model):
    """All decisions of a recipe that are kept."""

    version: Literal[1] = 1
    tokenizer: LockedTokenizer | None = None
    text_tokenizer: LockedTextTokenizer | None = None
    tree: LockedTree | None = None
    projection: LockedFit | None = None
    """That aligns the vectors of the index."""
    codebooks: LockedFit | None = None
    """Of quantitative codes."""


def beside(recipe: str) -> str:
    """Default place of a recipe's lock: ``cats.yaml`` → ``cats.lock``, also on s3://."""
    folder, slash, name = recipe.rpartition("/")
    return f"{folder}{slash}{name.removesuffix('.yaml').removesuffix('.yml')}.lock"


def read(place: str) -> Lock | None:
    """The lock at a path or s3:// object; None where there is none. Raises UsageError for a damaged one."""
    try:
        store, name = _store(place)
        if not store.exists(name):
            return None
        text = yaml_loader.read_text(place)
        if not text.strip():
            raise UsageError(f"{place}: the lock is empty")
        return yaml_loader.validated(text, place, Lock)
    except FileNotFoundError:  # the folder
        return None
    except UsageError as error:
        raise UsageError(
            f"{error}\n{place} is the recipe's lock: restore it, from version control for example, or delete it; what it kept is "
            "then decided anew"
        ) from None
    except RunError as error:
        raise UsageError(f"the recipe's lock cannot be read: {error}") from None


def to_bytes(lock: Lock) -> bytes:
    """YAML in the order of the fields; equal locks give equal bytes."""
    content = lock.model_dump(mode="json", exclude_none=True)
    return (_HEAD + yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True)).encode()


@dataclass
class LockFile:
    """The lock of one run. Without a ``place`` it is kept in memory only. ``content`` may have decisions of a release that is
    continued, which the file gets with the next one that is kept."""

    place: str | None
    content: Lock
    _stored: Lock = field(init=False)

    def __post_init__(self) -> None:
        self._stored = self.content

    @classmethod
    def open(cls, place: str | None) -> LockFile:
        """Raises UsageError for a damaged lock."""
        return cls(place, (read(place) if place else None) or Lock())

    def keep(self, **decisions: BaseModel) -> str:
        """Write decisions into the lock at once, unless they are there. Returns why they could not be written, "" if they were.
        Raises RunError where another run has decided otherwise meanwhile."""
        before, after = self.content, self.content.model_copy(update=decisions)
        if after == before:
            return ""
        self.content = after
        failure = self._write(self.place, self._stored) if self.place else ""
        self._stored = self._stored if failure else after
        return failure

    def _write(self, place: str, before: Lock) -> str:
        store, name = _store(place)
        data = to_bytes(self.content)
        try:
            now = read(place)
            if now is None and store.create(name, data):
                return ""
            if now is not None and now == before:
                store.put(name, data)
                return ""
            now = now or read(place)
        except RunError as error:
            return str(error)
        if now != self.content:
            raise RunError(
                f"{place}: another run has written this lock meanwhile, with other decisions. All work of this run is committed; "
                "rerun to go on with that lock"
            )
        return ""


def _store(place: str) -> tuple[Store, str]:
    folder, _, name = (place if "://" in place else str(Path(place).absolute())).rpartition("/")
    return Store(folder), name
