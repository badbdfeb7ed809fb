"""Release stage: balances the ledger, then publishes ledger, card, descriptions and report and, last, the manifest."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.metadata import version as installed
from typing import Any

from dataengine.annotate.track import ANNOTATIONS
from dataengine.config import lock
from dataengine.config.recipe import Recipe
from dataengine.cot.mix.stage import ASSIGNED
from dataengine.errors import UsageError
from dataengine.index.tracks import INDEXED
from dataengine.release import index_stages
from dataengine.release.account import Account, account
from dataengine.release.card import card
from dataengine.release.croissant import croissant
from dataengine.release.index_stages import DESCRIBE, INDEX
from dataengine.release.ledger import counts
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.reader import open_release
from dataengine.release.report_files import report_files
from dataengine.release.run_manifest import PACKAGE, build_manifest, content_of
from dataengine.release.run_summary import facts, note_changes
from dataengine.release.spdx import spdx
from dataengine.sequence.write_stage import files_of
from dataengine.shards.earlier import LOCK
from dataengine.shards.json_types import plain
from dataengine.stage import Run, TableStage
from dataengine.storage.release_folder import MANIFEST, ReleaseFolder
from dataengine.storage.workspace import File, Output, Workspace, digest, roles


class ReleaseStage(TableStage):
    """Replaces the release once its successor is whole, and only if every input is accounted for."""

    name = "release"
    version = "8"
    needs = (
        *("ingest", "dedup", "score", *ANNOTATIONS, "contamination.find", "filter", "tokenize.fit", "tokenize.encode"),
        *(
            *INDEXED,
            "index.nodes",
            "shard.assign",
            "shard.write",
            "cot.mix",
            "cot.write",
            "sequence.vocabulary",
            "sequence.pack",
        ),
        *("sequence.write", "sequence.describe", INDEX, DESCRIBE),
    )
    in_place = True

    def settings(self, recipe: Recipe) -> Any:
        return [content_of(recipe), recipe.release.thumbnails, installed(PACKAGE)]

    def validate(self, recipe: Recipe) -> None:
        previous, own = recipe.release.previous, Workspace(recipe.workspace).store.uri(f"releases/{recipe.name}")
        if previous is None:
            return
        if open_release(previous).store.url.rstrip("/") == own:
            raise UsageError(f"release.previous is this release itself ({own}): name a copy of an earlier one")

    def key(self, run: Run) -> str:
        """An earlier release that this one is compared with is an input."""
        previous = run.recipe.release.previous
        key = super().key(run)
        return key if previous is None else digest(key, plain(open_release(previous).manifest))

    def compute(self, run: Run, key: str) -> Output:
        folder = ReleaseFolder(run.workspace.store, run.recipe.name)
        previous = folder.manifest()
        accounted = account(run, folder.staging)
        files = roles("ledger", [folder.adopt(f) for f in accounted.files])
        files |= _to_continue(run, folder, accounted)
        manifest, data_files = build_manifest(run, accounted), _data(run)
        listed = [_released(folder, file) for role, file in files.items() if role != "lock"]
        listed += [_released(folder, file) for file in data_files]

        def put(path: str, data: bytes) -> File:
            return folder.put(path, data, len(data))

        files["card"] = put("README.md", card(manifest).encode())
        for name, write in (("croissant", croissant), ("spdx", spdx)):
            files[name] = put(f"{name}.json", write(manifest, listed))
        for path, data in report_files(run, manifest, accounted).items():
            files[f"report/{path}"] = put(path, data)
        all_files = [*files.values(), *data_files]
        manifest.files = [_released(folder, file) for file in all_files]
        data, known = manifest.to_bytes(), facts(run, accounted)
        note_changes(run, accounted)
        folder.publish(all_files, data, previous)
        files["manifest"] = File(f"{folder.base}/{MANIFEST}", hashlib.sha256(data).hexdigest(), len(data))
        return Output(files, counts(accounted.tally)["outcome"], known)


def _released(folder: ReleaseFolder, file: File) -> ReleaseFile:
    return ReleaseFile(file.key.removeprefix(f"{folder.base}/"), file.sha256, file.bytes)


def _to_continue(run: Run, folder: ReleaseFolder, accounted: Account) -> dict[str, File]:
    """What a release that continues this one reads, its assignment and lock; and what is new in this one."""
    files = roles("deltas", [folder.adopt(f) for f in accounted.delta_files])
    for stage, role in (("shard.assign", "assignment"), ("cot.mix", ASSIGNED)):
        tables = run.records[stage].files(role) if stage in run.records else []
        files |= roles(role, [_copied(run, folder, file, role) for file in tables])
    data = lock.to_bytes(run.lock.content)
    return files | {"lock": folder.put(LOCK, data, len(data))}


def _copied(run: Run, folder: ReleaseFolder, file: File, role: str) -> File:
    """A table of the workspace, ``…/ROLE.parquet`` or ``…/ROLE/PREFIX.parquet``, as a file of the release."""
    key = f"{folder.base}/{role}{file.key.rpartition(f'/{role}')[2]}"
    run.workspace.store.copy(file.key, folder.staged(key))
    return replace(file, key=key)


def _data(run: Run) -> list[File]:
    records = [run.records[name] for name in ("shard.write", "cot.write") if name in run.records]
    return [*(f for record in records for f in record.files("tar")), *files_of(run), *index_stages.files_of(run)]
